//! The client's side of a call.

use std::{
    future::{pending, poll_fn},
    time::Duration,
};

use bytes::Bytes;
use h2::{
    Reason, RecvStream, SendStream,
    client::{ResponseFuture, SendRequest},
};
use http::{HeaderMap, Request, response};
use tokio::time::{sleep, timeout};

use crate::call::{Call, Cancel, Ends};

/// The time after which the windows are checked again.
const CHECK: Duration = Duration::from_secs(1);

/// What the client got.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) head: Option<response::Parts>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Option<HeaderMap>,
    pub(crate) error: Option<h2::Error>,
    pub(crate) hangs: bool,
}

/// Does a call.
pub(crate) async fn call(requests: SendRequest<Bytes>, call: &Call, outcome: &mut Outcome) {
    call.starts.wait().await;
    let whole = async {
        if let Err(error) = exchange(requests, call, outcome).await {
            outcome.error = Some(error);
        }
    };
    match call.cancel {
        Some(Cancel::Call(pause)) => tokio::select! {
            biased;
            () = whole => {}
            () = pause.wait() => {}
        },
        _ => whole.await,
    }
}

async fn exchange(
    requests: SendRequest<Bytes>,
    call: &Call,
    outcome: &mut Outcome,
) -> Result<(), h2::Error> {
    let mut requests = requests.ready().await?;
    let request = Request::builder().method(call.method.clone());
    let mut request =
        request.uri(format!("http://test{}", call.path)).body(()).expect("a valid request");
    *request.headers_mut() = call.headers.clone();
    let (response, stream) = requests.send_request(request, call.request.is_empty())?;
    drop(requests);
    let receives = receive(response, call, outcome);
    if call.is_whole() {
        return tokio::join!(receives, send(stream, call)).0;
    }
    // The handler may not read all of the request, so sending ends with the response.
    tokio::select! {
        biased;
        received = receives => received,
        never = async { send(stream, call).await; pending().await } => never,
    }
}

async fn send(mut stream: SendStream<Bytes>, call: &Call) {
    let content = &call.request;
    if content.is_empty() {
        return;
    }
    let (mut sent, mut pieces) = (0, 0);
    while sent < content.length {
        if let Some(Cancel::Request(most)) = call.cancel
            && pieces == most
        {
            return stream.send_reset(Reason::CANCEL);
        }
        let mut data = content.piece(sent);
        if !call.is_whole() {
            let Some(capacity) = capacity(&mut stream, data.len()).await else { return };
            data.truncate(capacity);
        }
        (sent, pieces) = (sent + data.len(), pieces + 1);
        let is_end = sent == content.length && content.trailers.is_none();
        if stream.send_data(data, is_end).is_err() {
            return;
        }
        content.pause.wait().await;
    }
    if let Some(trailers) = content.trailers.clone() {
        // It fails if the server has ended the stream.
        let _ended = stream.send_trailers(trailers);
    }
}

/// Waits for the window, and returns how much of it this stream may use now.
///
/// h2's client sends the reset of a stream after the data that waits for the window. If a call is
/// dropped while data waits, the reset may never be sent. So no data may wait.
async fn capacity(stream: &mut SendStream<Bytes>, wanted: usize) -> Option<usize> {
    stream.reserve_capacity(wanted);
    while stream.capacity() == 0 {
        poll_fn(|cx| stream.poll_capacity(cx)).await?.ok()?;
    }
    Some(stream.capacity())
}

async fn receive(
    response: ResponseFuture,
    call: &Call,
    outcome: &mut Outcome,
) -> Result<(), h2::Error> {
    let (head, mut body): (_, RecvStream) = response.await?.into_parts();
    outcome.head = Some(head);
    if let Ends::Early(time) = call.ends {
        sleep(time + Duration::from_secs(1)).await;
    }
    let mut frames = 0;
    while let Some(data) = next(&mut body).await {
        let data = data?;
        outcome.body.extend(&data);
        if let Some(Cancel::Response(most)) = call.cancel
            && outcome.body.len() > most
        {
            return Ok(());
        }
        // Only after the first frames, so that the waits of a body with many frames do not add up.
        if frames < 40 {
            call.slow.wait().await;
        }
        frames += 1;
        body.flow_control().release_capacity(data.len())?;
    }
    outcome.trailers = body.trailers().await?;
    Ok(())
}

/// Returns the next data.
///
/// h2's client checks whether WINDOW_UPDATE is due only when capacity is released. If its initial
/// window shrinks after that, an update becomes due but is not sent, and the stream stalls. So
/// this function releases 0 bytes from time to time.
async fn next(body: &mut RecvStream) -> Option<Result<Bytes, h2::Error>> {
    loop {
        if let Ok(data) = timeout(CHECK, body.data()).await {
            return data;
        }
        // It fails only if the stream has ended.
        let _ended = body.flow_control().release_capacity(0);
    }
}
