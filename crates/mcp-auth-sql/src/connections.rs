//! The open connections of one store.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use crate::cause::Trouble;

/// At most so many connections, lent to one operation each.
///
/// A connection comes back only by [`Lent::give_back`]. Whatever ends otherwise, by an error or
/// because it was given up, closes it: the next operation never reads the answer to the one before.
pub(crate) struct Connections<C> {
    permits: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Idle<C>>>>,
}

impl<C> Connections<C> {
    pub(crate) fn new(most: u32) -> Self {
        let most = usize::try_from(most).unwrap_or(1).max(1);
        Self {
            permits: Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))),
            idle: Arc::default(),
        }
    }

    /// A place for one operation, with the connection that was used last if there is one.
    pub(crate) async fn lend(&self) -> Result<Lent<C>, Trouble> {
        let permit = self.permits.clone().acquire_owned().await;
        let permit = permit.map_err(|_| Trouble::Away("the store is closed".into()))?;
        let idle = locked(&self.idle).pop();
        Ok(Lent {
            home: self.idle.clone(),
            _permit: permit,
            idle_for: idle.as_ref().map(|idle| idle.since.elapsed()),
            opened: idle.as_ref().map_or_else(Instant::now, |idle| idle.opened),
            connection: idle.map(|idle| idle.connection),
        })
    }

    /// Closes those that nobody uses: one of them was found dead, and the others are as old.
    pub(crate) fn close_idle(&self) {
        let idle = std::mem::take(&mut *locked(&self.idle));
        drop(idle);
    }
}

impl<C> fmt::Debug for Connections<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections")
            .field("idle", &locked(&self.idle).len())
            .finish_non_exhaustive()
    }
}

/// A place for one operation.
pub(crate) struct Lent<C> {
    home: Arc<Mutex<Vec<Idle<C>>>>,
    _permit: OwnedSemaphorePermit,
    connection: Option<C>,
    opened: Instant,
    idle_for: Option<Duration>,
}

impl<C> Lent<C> {
    /// Takes the connection that was open already, with how long it was idle.
    pub(crate) fn reuse(&mut self) -> Option<(C, Duration)> {
        let connection = self.connection.take()?;
        if self.opened.elapsed() > OLDEST {
            return None;
        }
        Some((connection, self.idle_for.unwrap_or_default()))
    }

    /// Notes that the connection to be given back is a new one.
    pub(crate) fn renew(&mut self) {
        self.opened = Instant::now();
    }

    /// Keeps a connection, whose last answer was read to its end, for the next operation.
    pub(crate) fn give_back(self, connection: C) {
        let since = Instant::now();
        let opened = self.opened;
        locked(&self.home).push(Idle {
            connection,
            opened,
            since,
        });
    }
}

fn locked<C>(idle: &Mutex<Vec<Idle<C>>>) -> MutexGuard<'_, Vec<Idle<C>>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Idle<C> {
    connection: C,
    opened: Instant,
    since: Instant,
}

/// A server whose name now leads elsewhere is left after this.
const OLDEST: Duration = Duration::from_secs(30 * 60);
