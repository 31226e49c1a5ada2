//! A response body that breaks off.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame};

/// Fails at the first read, so the server drops the connection instead of answering.
#[derive(Debug)]
pub(super) struct BrokenBody;

impl Body for BrokenBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let broken = io::Error::new(io::ErrorKind::ConnectionAborted, "dropped on purpose");
        Poll::Ready(Some(Err(broken)))
    }
}
