//! What was sent is waited for, even when nobody does any longer.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::runtime::Handle;

/// How long the answers are waited for that nobody asks after any more.
///
/// A server notices that its client left only when it next reads or writes. One that waits for its
/// synchronous replica, or for its disk, does neither: each closed connection leaves a backend
/// behind, and the next one adds another. So a connection keeps its place until its answer comes or
/// its socket ends. A machine that vanished without a word never ends it: hence the bound, which
/// doubles for as long as nothing is ever answered.
#[derive(Debug)]
pub(super) struct Unanswered {
    connections: u32,
    closed: AtomicU32,
}

impl Unanswered {
    pub(super) fn new(connections: u32) -> Arc<Self> {
        Arc::new(Self {
            connections: connections.max(1),
            closed: AtomicU32::new(0),
        })
    }

    /// Work that goes on in the background when its caller drops it.
    pub(super) fn to_its_end<T: 'static>(
        self: &Arc<Self>,
        work: impl Future<Output = T> + Send + 'static,
    ) -> ToItsEnd<T> {
        ToItsEnd {
            work: Some(Box::pin(work)),
            unanswered: self.clone(),
        }
    }

    /// Notes that the server has written something.
    pub(super) fn written(&self) {
        self.closed.store(0, Ordering::Relaxed);
    }

    fn patience(&self) -> Duration {
        let rounds = self.closed.load(Ordering::Relaxed) / self.connections;
        SHORTEST * 2u32.pow(rounds.min(MOST_DOUBLINGS))
    }
}

pub(super) struct ToItsEnd<T: 'static> {
    work: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
    unanswered: Arc<Unanswered>,
}

impl<T> Future for ToItsEnd<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let Some(work) = &mut self.work else {
            return Poll::Pending;
        };
        let polled = work.as_mut().poll(context);
        if polled.is_ready() {
            self.work = None;
        }
        polled
    }
}

impl<T> Drop for ToItsEnd<T> {
    fn drop(&mut self) {
        let (Some(work), Ok(runtime)) = (self.work.take(), Handle::try_current()) else {
            return;
        };
        let unanswered = self.unanswered.clone();
        runtime.spawn(async move {
            let patience = unanswered.patience();
            // Without what it gives: that may not be `Send`.
            let ended = async { drop(work.await) };
            if tokio::time::timeout(patience, ended).await.is_err() {
                unanswered.closed.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(event = "store_connection_closed", fault = "server", after = ?patience, "PostgreSQL did not answer a statement");
            }
        });
    }
}

/// A failover to another machine takes about as long.
const SHORTEST: Duration = Duration::from_secs(60);
/// An hour at the most.
const MOST_DOUBLINGS: u32 = 6;
