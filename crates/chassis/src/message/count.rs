//! Counts the messages of a response whose frames another library has made.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame};
use pin_project_lite::pin_project;
use tonic::Status;
use wire::framing::{PREFIX, announced_length};

use crate::call::Call;

pin_project! {
    /// Passes the frames on, and counts a sent message at each prefix. A message that the generated
    /// code has counted is not counted again: another library's body may wrap the chassis's.
    pub(crate) struct CountMessages<B> {
        #[pin]
        body: B,
        call: Arc<Call>,
        prefix: Vec<u8>,
        // Bytes of the current message that are still to come.
        left: usize,
        count: u64,
    }
}

impl<B> CountMessages<B> {
    pub(crate) fn new(body: B, call: Arc<Call>) -> Self {
        Self { body, call, prefix: Vec::with_capacity(PREFIX), left: 0, count: 0 }
    }
}

impl<B> HttpBody for CountMessages<B>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.project();
        let frame = ready!(this.body.poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            let mut data = &data[..];
            while !data.is_empty() {
                let skipped = (*this.left).min(data.len());
                *this.left -= skipped;
                data = &data[skipped..];
                let missing = (PREFIX - this.prefix.len()).min(data.len());
                this.prefix.extend_from_slice(&data[..missing]);
                data = &data[missing..];
                if let Some(length) = announced_length(this.prefix) {
                    *this.count += 1;
                    this.call.set_min_messages_out(*this.count);
                    *this.left = length;
                    this.prefix.clear();
                }
            }
        }
        Poll::Ready(frame.map(|frame| frame.map_err(|error| Status::from_error(error.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream::iter;
    use http_body_util::{BodyExt, StreamBody};

    use super::*;
    use crate::{body::Body, testing};

    #[tokio::test]
    async fn messages_are_counted_whatever_frames_they_are_split_into() {
        let sent = [0, 0, 0, 0, 3, 1, 2, 3, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 9];
        for size in 1..=sent.len() {
            let frame = |chunk| Ok::<_, Status>(Frame::data(Bytes::copy_from_slice(chunk)));
            let body = StreamBody::new(iter(sent.chunks(size).map(frame).collect::<Vec<_>>()));
            let call = Arc::new(testing::call_with_limit(9));
            let counted = CountMessages::new(body, Arc::clone(&call)).collect().await;
            assert_eq!(counted.expect("no frame fails").to_bytes(), sent[..]);
            assert_eq!(call.messages_out(), 3, "{size}");
        }
    }

    #[tokio::test]
    async fn a_message_that_was_counted_when_it_was_made_is_not_counted_again() {
        let call = Arc::new(testing::call_with_limit(9));
        call.add_message_out();
        let body = Body::message(Bytes::from_static(&[0, 0, 0, 0, 1, 7]));
        let wrapped = CountMessages::new(body, Arc::clone(&call));
        CountMessages::new(wrapped, Arc::clone(&call)).collect().await.expect("no frame fails");
        assert_eq!(call.messages_out(), 1);
    }
}
