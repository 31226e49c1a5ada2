//! What expired goes away by itself.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::Store;
use crate::oauth::Clock;

/// Purges now and then, in a task of its own, while records come in.
///
/// Every process does, so none has to be chosen for it: what one has purged the next one does not
/// find. A server that nobody signs in to keeps what it has until somebody does, or until the
/// operator purges.
#[derive(Debug)]
pub(super) struct Housekeeping {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    /// The second from which on it is time again.
    due: AtomicU64,
}

impl Housekeeping {
    pub(super) const fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            clock,
            due: AtomicU64::new(0),
        }
    }

    /// Purges if it is time; outside a tokio runtime nothing happens.
    pub(super) fn look(&self) {
        let now = self.clock.now();
        let due = self.due.load(Ordering::Relaxed);
        // A clock that was set back far makes it time as well.
        let latest = now.plus(EVERY).as_seconds();
        if now.as_seconds() < due && due <= latest {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let taken = self
            .due
            .compare_exchange(due, latest, Ordering::Relaxed, Ordering::Relaxed);
        if taken.is_ok() {
            drop(runtime.spawn(purge(Arc::clone(&self.store))));
        }
    }
}

/// In strides, so that no other operation waits long behind one; and with an end, so that a store
/// that always finds something keeps nobody busy for ever.
async fn purge(store: Arc<dyn Store>) {
    for _ in 0..STRIDES {
        match store.purge_expired(STRIDE).await {
            Ok(purged) if purged < STRIDE => return,
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(%error, "expired records could not be purged");
                return;
            }
        }
    }
}

const EVERY: Duration = Duration::from_secs(60);
const STRIDE: usize = 500;
const STRIDES: usize = 200;
