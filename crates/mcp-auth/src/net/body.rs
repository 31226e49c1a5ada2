//! The body of a response: one of our own, or the inner service's.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// Either a whole body of ours, or the inner service's body passed through.
    pub struct ResponseBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

/// Is done when a body must end.
pub(crate) type Watch = Pin<Box<dyn Future<Output = ()> + Send>>;

pin_project! {
    #[project = KindProjection]
    enum Kind<B> {
        Own { bytes: Option<Bytes> },
        Inner { #[pin] body: B },
        Watched { #[pin] body: B, watch: Option<Watch> },
    }
}

impl<B> ResponseBody<B> {
    /// A body of ours.
    #[must_use]
    pub fn own(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self {
            kind: Kind::Own {
                bytes: (!bytes.is_empty()).then_some(bytes),
            },
        }
    }

    /// The inner service's body.
    #[must_use]
    pub const fn inner(body: B) -> Self {
        Self {
            kind: Kind::Inner { body },
        }
    }

    /// The inner service's body, which ends when the watch is done.
    pub(crate) const fn watched(body: B, watch: Watch) -> Self {
        let watch = Some(watch);
        Self {
            kind: Kind::Watched { body, watch },
        }
    }
}

impl<B> std::fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match &self.kind {
            Kind::Own { .. } => "own",
            Kind::Inner { .. } => "inner",
            Kind::Watched { .. } => "watched",
        };
        f.debug_tuple("ResponseBody").field(&kind).finish()
    }
}

impl<B: Body<Data = Bytes>> Body for ResponseBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().kind.project() {
            KindProjection::Own { bytes } => Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b)))),
            KindProjection::Inner { body } => body.poll_frame(cx),
            KindProjection::Watched { body, watch } => {
                let done = |watch: &mut Watch| watch.as_mut().poll(cx).is_ready();
                if watch.as_mut().is_none_or(done) {
                    *watch = None;
                    return Poll::Ready(None);
                }
                body.poll_frame(cx)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Own { bytes } => bytes.is_none(),
            Kind::Inner { body } | Kind::Watched { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Own { bytes } => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64))
            }
            Kind::Inner { body } => body.size_hint(),
            Kind::Watched { .. } => SizeHint::default(),
        }
    }
}
