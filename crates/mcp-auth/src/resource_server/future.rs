//! The response to come.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{
    Refusal,
    gate::{Admitted, Arrival},
};
use crate::{access_token::Principal, net::ResponseBody};

type Verifying = Pin<Box<dyn Future<Output = Result<Principal, Refusal>> + Send>>;

pin_project! {
    /// The response of a [`ResourceServerService`](super::ResourceServerService).
    #[must_use]
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, B>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, B>
    where
        S: Service<Request<B>>,
    {
        Answered { answer: Option<Box<Response<Bytes>>> },
        Verifying { verify: Verifying, waiting: Option<Waiting<S, B>> },
        Inner { #[pin] future: S::Future, admitted: Admitted },
    }
}

/// What waits for the verifier.
struct Waiting<S, B> {
    arrival: Arrival,
    request: Request<B>,
    ready: S,
}

impl<S: Service<Request<B>>, B> ResponseFuture<S, B> {
    pub(super) const fn answered(answer: Box<Response<Bytes>>) -> Self {
        Self {
            state: State::Answered {
                answer: Some(answer),
            },
        }
    }

    pub(super) fn verified(
        arrival: Arrival,
        verified: Result<Principal, Refusal>,
        request: Request<B>,
        inner: &mut S,
    ) -> Self {
        Self {
            state: State::enter(arrival, verified, request, inner),
        }
    }

    pub(super) const fn verifying(
        verify: Verifying,
        arrival: Arrival,
        request: Request<B>,
        ready: S,
    ) -> Self {
        let waiting = Some(Waiting {
            arrival,
            request,
            ready,
        });
        Self {
            state: State::Verifying { verify, waiting },
        }
    }
}

impl<S: Service<Request<B>>, B> State<S, B> {
    fn enter(
        arrival: Arrival,
        verified: Result<Principal, Refusal>,
        mut request: Request<B>,
        inner: &mut S,
    ) -> Self {
        match arrival.admit(verified, &mut request) {
            Ok(admitted) => Self::Inner {
                future: inner.call(request),
                admitted,
            },
            Err(answer) => Self::Answered {
                answer: Some(answer),
            },
        }
    }
}

impl<S, B, R> Future for ResponseFuture<S, B>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Output = Result<Response<ResponseBody<R>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                StateProjection::Answered { answer } => {
                    // Polled again after it was ready, it stays pending, as futures may.
                    let Some(answer) = answer.take() else {
                        return Poll::Pending;
                    };
                    return Poll::Ready(Ok(answer.map(ResponseBody::own)));
                }
                StateProjection::Inner { future, admitted } => {
                    let response = ready!(future.poll(cx))?;
                    return Poll::Ready(Ok(admitted.finish(response)));
                }
                StateProjection::Verifying { verify, waiting } => {
                    let verified = ready!(verify.as_mut().poll(cx));
                    let Some(mut waiting) = waiting.take() else {
                        return Poll::Pending;
                    };
                    let inner = &mut waiting.ready;
                    let next = State::enter(waiting.arrival, verified, waiting.request, inner);
                    state.set(next);
                }
            }
        }
    }
}

impl<S: Service<Request<B>>, B> fmt::Debug for ResponseFuture<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Answered { .. } => "answered",
            State::Verifying { .. } => "verifying",
            State::Inner { .. } => "inner",
        };
        f.debug_tuple("ResponseFuture").field(&state).finish()
    }
}
