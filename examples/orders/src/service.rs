//! The handlers of the service: methods of all four kinds.

use chassis::Context;
use futures_util::{StreamExt, TryStreamExt, stream, stream::BoxStream};
use tonic::{Code, Request, Response, Result, Status, Streaming};
use tonic_types::{ErrorDetails, StatusExt};

use crate::{layers::Greeting, proto::acme::orders::v1 as pb, store::Store};

/// The service `acme.orders.v1.Orders`.
#[derive(Debug)]
pub struct Orders(pub Store);

#[tonic::async_trait]
impl pb::orders_server::Orders for Orders {
    async fn get_order(
        &self,
        request: Request<pb::GetOrderRequest>,
    ) -> Result<Response<pb::Order>> {
        let wrong = |_| invalid(ErrorDetails::with_bad_request_violation("id", "must be a number"));
        let id = request.into_inner().id.parse().map_err(wrong)?;
        let order = self.0.get(id).await?;
        order.map(Response::new).ok_or_else(|| Status::not_found(format!("no order {id}")))
    }

    async fn place_order(
        &self,
        request: Request<pb::PlaceOrderRequest>,
    ) -> Result<Response<pb::PlaceOrderResponse>> {
        let greeting = request.extensions().get::<Greeting>().cloned().unwrap_or_default().0;
        let request = request.into_inner();
        let problems = problems(&request);
        if problems.has_bad_request_violations() {
            return Err(invalid(problems));
        }
        let order = self.0.place(vec![request]).await?.pop();
        Ok(Response::new(pb::PlaceOrderResponse { order, greeting }))
    }

    type WatchOrdersStream = BoxStream<'static, Result<pb::Order>>;

    async fn watch_orders(
        &self,
        request: Request<pb::WatchOrdersRequest>,
    ) -> Result<Response<Self::WatchOrdersStream>> {
        let draining = Context::of(request.extensions()).draining();
        // The next page is read after the client has taken this one, so a client that reads
        // slowly costs one page of memory.
        let first = (self.0.clone(), request.into_inner().after);
        let pages = stream::try_unfold(first, async |(store, after)| {
            let (orders, after) = store.next_after(after).await?;
            Ok::<_, Status>(Some((stream::iter(orders).map(Ok), (store, after))))
        });
        let end = stream::iter([Err(Status::unavailable("the server shuts down"))]);
        Ok(Response::new(pages.try_flatten().take_until(draining).chain(end).boxed()))
    }

    async fn import_orders(
        &self,
        request: Request<Streaming<pb::PlaceOrderRequest>>,
    ) -> Result<Response<pb::ImportOrdersResponse>> {
        let mut draining = Box::pin(Context::of(request.extensions()).draining());
        // Up to 100 orders that have arrived are placed together.
        let mut batches = request.into_inner().ready_chunks(100);
        let mut summary = pb::ImportOrdersResponse::default();
        loop {
            let batch = tokio::select! {
                batch = batches.next() => batch,
                () = &mut draining => return Err(Status::unavailable("the server shuts down")),
            };
            let Some(batch) = batch else { return Ok(Response::new(summary)) };
            let mut orders = batch.into_iter().collect::<Result<Vec<_>>>()?;
            let received = orders.len();
            orders.retain(|order| !problems(order).has_bad_request_violations());
            summary.rejected += (received - orders.len()) as u64;
            summary.placed += self.0.place(orders).await?.len() as u64;
        }
    }

    type ChatStream = BoxStream<'static, Result<pb::ChatMessage>>;

    async fn chat(
        &self,
        request: Request<Streaming<pb::ChatMessage>>,
    ) -> Result<Response<Self::ChatStream>> {
        let draining = Context::of(request.extensions()).draining();
        let answers = request.into_inner().map_ok(|pb::ChatMessage { text }| pb::ChatMessage {
            text: format!("thank you for \"{text}\""),
        });
        Ok(Response::new(answers.take_until(draining).boxed()))
    }
}

fn problems(order: &pb::PlaceOrderRequest) -> ErrorDetails {
    let mut details = ErrorDetails::new();
    if !(1..=100).contains(&order.item.len()) {
        details.add_bad_request_violation("item", "must have 1 to 100 bytes");
    }
    if !(1..=1000).contains(&order.quantity) {
        details.add_bad_request_violation("quantity", "must be 1 to 1000");
    }
    details
}

/// Returns INVALID_ARGUMENT with `google.rpc.BadRequest`, which programs can read.
fn invalid(details: ErrorDetails) -> Status {
    Status::with_error_details(Code::InvalidArgument, "the request is not valid", details)
}
