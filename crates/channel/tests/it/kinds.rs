//! Calls of all four kinds.

use futures_util::{StreamExt, stream};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;

use crate::support::{Client, EchoServer};

#[tokio::test]
async fn a_unary_call_returns_its_response() {
    let server = EchoServer::start().await;
    let mut client = Client::new(server.channel());
    let response = client.unary(Request::new("hello".to_owned())).await.expect("a response");
    assert_eq!(response.into_inner(), "reply for hello");
}

#[tokio::test]
async fn a_server_streaming_call_returns_all_responses() {
    let server = EchoServer::start().await;
    let responses = Client::new(server.channel()).repeat("hello").await.expect("a response");
    let responses: Vec<_> = responses.map(|message| message.expect("a message")).collect().await;
    assert_eq!(responses, ["hello"; 3]);
}

#[tokio::test]
async fn a_client_streaming_call_sends_messages_while_they_are_produced() {
    let server = EchoServer::start().await;
    let mut client = Client::new(server.channel());
    let (messages, stream) = mpsc::channel(1);
    let produce = async move {
        for message in ["a", "b", "c"] {
            messages.send(message.to_owned()).await.expect("the call");
            tokio::task::yield_now().await;
        }
    };
    let (joined, ()) = tokio::join!(client.send_all("Join", ReceiverStream::new(stream)), produce);
    assert_eq!(joined.expect("a response"), "abc");
}

#[tokio::test]
async fn a_client_streaming_call_sends_messages_that_are_all_ready() {
    let server = EchoServer::start().await;
    let messages = stream::iter(["a", "b", "c"].map(str::to_owned));
    let joined = Client::new(server.channel()).send_all("Join", messages).await;
    assert_eq!(joined.expect("a response"), "abc");
}

#[tokio::test]
async fn a_bidirectional_call_receives_while_it_sends() {
    let server = EchoServer::start().await;
    let mut client = Client::new(server.channel());
    let (messages, stream) = mpsc::channel(1);
    let request = Request::new(ReceiverStream::new(stream));
    // The response headers arrive before the first message is sent.
    let mut responses = client.exchange("Echo", request).await.expect("a response");
    for message in ["one", "two"] {
        messages.send(message.to_owned()).await.expect("the call");
        let response = responses.message().await.expect("no error");
        assert_eq!(response.as_deref(), Some(message));
    }
    // The half-close ends the server's loop.
    drop(messages);
    assert_eq!(responses.message().await.expect("no error"), None);
    assert!(responses.trailers().await.expect("no error").is_some());
}
