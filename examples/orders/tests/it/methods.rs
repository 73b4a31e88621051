//! The responses and the errors of each method.

use std::time::{Duration, Instant};

use orders::proto::acme::orders::v1::GetOrderRequest;
use tokio::time::{sleep, timeout};
use tokio_stream::{StreamExt, iter, wrappers::ReceiverStream};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::{InProcess, NEVER, chat, client, get, greeter, place, watch};

/// Returns the fields of `google.rpc.BadRequest`.
fn fields(status: &Status) -> Vec<String> {
    let details = status.get_details_bad_request().expect("it has details");
    details.field_violations.into_iter().map(|violation| violation.field).collect()
}

#[tokio::test]
async fn an_order_is_placed_with_a_greeting_and_found_by_its_id() {
    let (greeter, _calls) = greeter::start();
    let server = InProcess::start(&[("service.greeter.address", &greeter.address)]);
    let mut client = client(&server.address).await;
    let placed = client.place_order(place("tea", 3)).await.expect("it is placed").into_inner();
    assert_eq!(placed.greeting, "hello, customer");
    let order = placed.order.expect("an order");
    assert_eq!((order.id, order.item.as_str(), order.quantity), (1, "tea", 3));
    let found = client.get_order(get(order.id)).await.expect("it is found").into_inner();
    assert_eq!(found, order);
}

#[tokio::test]
async fn each_error_has_its_code_and_its_details() {
    let (greeter, _calls) = greeter::start();
    let server = InProcess::start(&[("service.greeter.address", &greeter.address)]);
    let mut client = client(&server.address).await;
    let missing = client.get_order(get(7)).await.expect_err("there is none");
    assert_eq!((missing.code(), missing.message()), (Code::NotFound, "no order 7"));
    let wrong = client
        .get_order(GetOrderRequest { id: "x".to_owned() })
        .await
        .expect_err("it is not a number");
    assert_eq!((wrong.code(), fields(&wrong)), (Code::InvalidArgument, vec!["id".to_owned()]));
    let wrong = client.place_order(place("", 0)).await.expect_err("both are wrong");
    assert_eq!(wrong.code(), Code::InvalidArgument);
    assert_eq!(fields(&wrong), ["item", "quantity"]);
}

#[tokio::test]
async fn a_watch_sends_the_existing_orders_and_then_each_new_one() {
    let server = InProcess::start(&[]);
    let mut client = client(&server.address).await;
    let import = |from: u32, to: u32| iter((from..=to).map(|quantity| place("tea", quantity)));
    client.import_orders(import(1, 250)).await.expect("they are placed");
    let mut orders = client.watch_orders(watch(2)).await.expect("a stream").into_inner();
    for id in 3..=250 {
        assert_eq!(orders.message().await.expect("no error").expect("an order").id, id);
    }
    assert!(timeout(Duration::from_millis(100), orders.message()).await.is_err(), "it waits");
    client.import_orders(import(251, 252)).await.expect("they are placed");
    for id in 251..=252 {
        assert_eq!(orders.message().await.expect("no error").expect("an order").id, id);
    }
}

#[tokio::test]
async fn an_import_places_valid_orders_and_counts_the_rest() {
    let server = InProcess::start(&[]);
    let mut client = client(&server.address).await;
    let orders = [place("tea", 1), place("", 1), place("milk", 2)];
    let summary = client.import_orders(iter(orders)).await.expect("a summary").into_inner();
    assert_eq!((summary.placed, summary.rejected), (2, 1));
    let summary = client.import_orders(iter([])).await.expect("a summary").into_inner();
    assert_eq!((summary.placed, summary.rejected), (0, 0));
}

#[tokio::test]
async fn a_chat_answers_each_message_before_the_client_ends() {
    let server = InProcess::start(&[]);
    let mut client = client(&server.address).await;
    let (messages, requests) = tokio::sync::mpsc::channel(1);
    let chatting = client.chat(ReceiverStream::new(requests)).await.expect("a stream");
    let mut answers = chatting.into_inner();
    for text in ["hello", ""] {
        messages.send(chat(text)).await.expect("it is sent");
        let answer = answers.next().await.expect("an answer").expect("no error");
        assert_eq!(answer.text, format!("thank you for \"{text}\""));
    }
    drop(messages);
    assert!(answers.message().await.expect("OK").is_none());
}

#[tokio::test]
async fn orders_are_still_there_after_a_restart() {
    let server = InProcess::start(&[]);
    let orders = iter([place("tea", 1), place("milk", 2)]);
    client(&server.address).await.import_orders(orders).await.expect("they are placed");
    let (report, folder) = server.stop().await;
    assert!(report.is_clean(), "{report:?}");

    let server = InProcess::start_in(folder, &[]);
    let mut client = client(&server.address).await;
    let found = client.get_order(get(2)).await.expect("it is found").into_inner();
    assert_eq!(found.item, "milk");
    let mut orders = client.watch_orders(watch(1)).await.expect("a stream").into_inner();
    assert_eq!(orders.message().await.expect("no error").expect("an order"), found);
}

#[tokio::test]
async fn old_orders_are_removed_in_the_background() {
    let retention = [("service.retention.age", "1s"), ("service.retention.interval", "50ms")];
    let server = InProcess::start(&retention);
    let mut client = client(&server.address).await;
    let orders = iter([place("tea", 1), place("milk", 2)]);
    client.import_orders(orders).await.expect("they are placed");
    let start = Instant::now();
    while client.get_order(get(1)).await.is_ok() {
        assert!(start.elapsed() < NEVER, "it is never removed");
        sleep(Duration::from_millis(50)).await;
    }
    // It is kept so that its id is not used again.
    client.get_order(get(2)).await.expect("the last order is kept");
    // A watch does not wait for removed orders.
    let mut orders = client.watch_orders(watch(0)).await.expect("a stream").into_inner();
    assert_eq!(orders.message().await.expect("no error").expect("an order").id, 2);
}
