//! The response to come.

use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{
    Refusal,
    gate::{Admitted, Arrival, Passed, Spending, Verified},
};
use crate::net::ResponseBody;

type Verifying = Pin<Box<dyn Future<Output = Result<Verified, Refusal>> + Send>>;

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
        Verifying { verify: Verifying, waiting: Option<(Arrival, Waiting<S, B>)> },
        Spending { spend: Spending, waiting: Option<Waiting<S, B>> },
        Inner { #[pin] future: S::Future, admitted: Admitted },
    }
}

/// What waits until everything is checked.
struct Waiting<S, B> {
    request: Request<B>,
    ready: S,
}

impl<S: Service<Request<B>>, B> ResponseFuture<S, B> {
    pub(super) const fn answered(answer: Box<Response<Bytes>>) -> Self {
        Self {
            state: State::answered(answer),
        }
    }

    pub(super) fn verified(
        arrival: Arrival,
        verified: Result<Verified, Refusal>,
        mut request: Request<B>,
        inner: &mut S,
    ) -> Self
    where
        S: Clone,
        B: From<Bytes>,
    {
        let state = match arrival.admit(verified, &mut request) {
            Ok(Passed::Every(admitted)) => State::Inner {
                future: inner.call(request),
                admitted,
            },
            Ok(Passed::ButOne(spend)) => {
                let waiting = Waiting::taking(inner, request);
                State::spending(spend, waiting)
            }
            Err(answer) => State::answered(answer),
        };
        Self { state }
    }

    pub(super) fn verifying(
        verify: Verifying,
        arrival: Arrival,
        request: Request<B>,
        inner: &mut S,
    ) -> Self
    where
        S: Clone,
    {
        let waiting = Waiting::taking(inner, request);
        let waiting = Some((arrival, waiting));
        Self {
            state: State::Verifying { verify, waiting },
        }
    }
}

impl<S: Clone, B> Waiting<S, B> {
    /// The future takes the service that is ready and leaves its clone behind.
    fn taking(inner: &mut S, request: Request<B>) -> Self {
        let clone = inner.clone();
        let ready = mem::replace(inner, clone);
        Self { request, ready }
    }
}

impl<S: Service<Request<B>>, B> Waiting<S, B> {
    fn call(mut self, admitted: Admitted) -> State<S, B> {
        State::Inner {
            future: self.ready.call(self.request),
            admitted,
        }
    }
}

impl<S: Service<Request<B>>, B> State<S, B> {
    const fn answered(answer: Box<Response<Bytes>>) -> Self {
        Self::Answered {
            answer: Some(answer),
        }
    }

    const fn spending(spend: Spending, waiting: Waiting<S, B>) -> Self {
        Self::Spending {
            spend,
            waiting: Some(waiting),
        }
    }
}

impl<S, B, R> Future for ResponseFuture<S, B>
where
    S: Service<Request<B>, Response = Response<R>>,
    B: From<Bytes>,
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
                    let Some((arrival, mut waiting)) = waiting.take() else {
                        return Poll::Pending;
                    };
                    let next = match arrival.admit(verified, &mut waiting.request) {
                        Ok(Passed::Every(admitted)) => waiting.call(admitted),
                        Ok(Passed::ButOne(spend)) => State::spending(spend, waiting),
                        Err(answer) => State::answered(answer),
                    };
                    state.set(next);
                }
                StateProjection::Spending { spend, waiting } => {
                    let spent = ready!(spend.as_mut().poll(cx));
                    let Some(waiting) = waiting.take() else {
                        return Poll::Pending;
                    };
                    let next = match spent {
                        Ok(admitted) => waiting.call(admitted),
                        Err(answer) => State::answered(answer),
                    };
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
            State::Spending { .. } => "spending",
            State::Inner { .. } => "inner",
        };
        f.debug_tuple("ResponseFuture").field(&state).finish()
    }
}
