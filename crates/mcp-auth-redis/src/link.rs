//! The connection as the store holds it: lost, found again in the background, shared by all callers.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use mcp_auth::BuildError;
use tokio::{runtime::Handle, sync::watch};

use crate::{
    away::Away,
    connection::Connection,
    dial::{Dialled, Dialler},
    failure::Failure,
};

/// A connection that comes back by itself.
pub(crate) struct Link {
    dialler: Dialler,
    state: watch::Sender<State>,
    inspected: AtomicBool,
    replacing: AtomicBool,
}

/// Tells one connection from those before and after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Generation(u64);

impl Generation {
    const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

struct State {
    connection: Option<Connection>,
    generation: Generation,
    /// Whether somebody is at it.
    dialling: bool,
    /// What the last try found since the connection was lost.
    away: Option<Away>,
}

impl Link {
    pub(crate) fn new(dialler: Dialler) -> Arc<Self> {
        let (state, _) = watch::channel(State {
            connection: None,
            generation: Generation(0),
            dialling: false,
            away: None,
        });
        Arc::new(Self {
            dialler,
            state,
            inspected: AtomicBool::new(false),
            replacing: AtomicBool::new(false),
        })
    }

    /// Waits for the first try.
    ///
    /// # Errors
    ///
    /// When the operator has to change something; not when the server is away.
    pub(crate) async fn open(self: &Arc<Self>) -> Result<(), BuildError> {
        let Err(away) = self.connection().await else {
            return Ok(());
        };
        match away {
            Away::Refused(refusal) => Err(refusal.into()),
            Away::Down(_) => Ok(()),
        }
    }

    /// The connection; while the first try after a loss is under way its outcome, and from then on
    /// until it is back an error at once.
    pub(crate) async fn connection(self: &Arc<Self>) -> Result<(Connection, Generation), Away> {
        let mut changes = self.state.subscribe();
        loop {
            {
                let state = changes.borrow_and_update();
                if let Some(connection) = &state.connection {
                    return Ok((connection.clone(), state.generation));
                }
                if let Some(away) = state.away.as_ref().filter(|_| state.dialling) {
                    return Err(away.clone());
                }
            }
            self.dial();
            let changed = changes.changed().await;
            changed.map_err(|_| Away::Down(Failure::new("the store is closing")))?;
        }
    }

    /// Gives a connection up; the store looks for another.
    pub(crate) fn lost(self: &Arc<Self>, generation: Generation, why: &Failure) {
        let was_it = self.state.send_if_modified(|state| {
            let is_it = state.generation == generation && state.connection.is_some();
            if is_it {
                state.connection = None;
                state.away = None;
            }
            is_it
        });
        if was_it {
            tracing::warn!(
                fault = "server",
                reason = "connection lost",
                store = %self.dialler.address,
                cause = %why,
                "the store is away"
            );
            // Outside a runtime, where a future is dropped that began in one, the next caller begins.
            if Handle::try_current().is_ok() {
                self.dial();
            }
        }
    }

    /// What a connection means on which no answer came. To one server it is given up. That to a
    /// cluster goes on, for the sake of the other nodes, until there is one on which the nodes of these
    /// keys do answer: its client notices connections that were closed, but not those that are silent.
    pub(crate) fn is_silent(
        self: &Arc<Self>,
        generation: Generation,
        keys: Vec<Vec<u8>>,
        why: &Failure,
    ) {
        let is_cluster = {
            let state = self.state.borrow();
            let connection = state.connection.as_ref();
            connection.is_some_and(Connection::is_cluster) && state.generation == generation
        };
        if !is_cluster {
            return self.lost(generation, why);
        }
        if Handle::try_current().is_ok() && !self.replacing.swap(true, Ordering::AcqRel) {
            let replacing = Replacing {
                link: Arc::downgrade(self),
                instead_of: generation,
            };
            tokio::spawn(replacing.if_better(keys));
        }
    }

    pub(crate) fn address(&self) -> &crate::address::Address {
        &self.dialler.address
    }

    /// Begins to look for a connection, unless somebody does.
    fn dial(self: &Arc<Self>) {
        let mine = |state: &mut State| {
            let begin = state.connection.is_none() && !state.dialling;
            state.dialling |= begin;
            begin
        };
        if self.state.send_if_modified(mine) {
            let looking = Looking(Arc::downgrade(self));
            tokio::spawn(looking.until_found());
        }
    }

    fn replaced(&self, generation: Generation, connection: Connection) {
        let was_it = self.state.send_if_modified(|state| {
            let is_it = state.generation == generation && state.connection.is_some();
            if is_it {
                state.connection = Some(connection);
                state.generation = generation.next();
            }
            is_it
        });
        if was_it {
            tracing::warn!(
                fault = "server",
                reason = "connection silent",
                store = %self.dialler.address,
                "a node did not answer on the old connection and does on a new one"
            );
        }
    }

    fn found(&self, dialled: Dialled) {
        if let Some(inspection) = dialled.inspection
            && !self.inspected.swap(true, Ordering::Relaxed)
        {
            inspection.warn(&self.dialler.address.to_string());
        }
        self.state.send_modify(|state| {
            state.connection = Some(dialled.connection);
            state.generation = state.generation.next();
            state.dialling = false;
            state.away = None;
        });
        tracing::info!(store = %self.dialler.address, "the store is connected");
    }

    fn not_found(&self, away: Away) {
        let first = self.state.borrow().away.is_none();
        let (store, reason) = (&self.dialler.address, "store unreachable");
        match &away {
            Away::Refused(refusal) if first => {
                let cause = refusal.reason();
                tracing::error!(fault = "server", reason, %store, cause, "the store cannot be used");
            }
            Away::Down(failure) if first => {
                tracing::warn!(fault = "server", reason, %store, cause = %failure, "the store cannot be reached");
            }
            _ => {}
        }
        self.state.send_modify(|state| state.away = Some(away));
    }
}

/// The task that looks for a connection; it ends with the store.
struct Looking(Weak<Link>);

impl Looking {
    async fn until_found(mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let Some(link) = self.0.upgrade() else {
                return;
            };
            match link.dialler.dial().await {
                Ok(dialled) => {
                    self.0 = Weak::new();
                    return link.found(dialled);
                }
                Err(away) => link.not_found(away),
            }
            drop(link);
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// Where the task ends without having found one, such as with its runtime, the next caller begins
/// another.
impl Drop for Looking {
    fn drop(&mut self) {
        if let Some(link) = self.0.upgrade() {
            link.state.send_if_modified(|state| {
                let unfinished = state.connection.is_none() && state.dialling;
                state.dialling = false;
                unfinished
            });
        }
    }
}

/// The task that looks for a better connection while the old one is in use.
struct Replacing {
    link: Weak<Link>,
    instead_of: Generation,
}

impl Replacing {
    async fn if_better(self, keys: Vec<Vec<u8>>) {
        let Some(link) = self.link.upgrade() else {
            return;
        };
        match link.dialler.dial_for(&keys).await {
            Ok(connection) => link.replaced(self.instead_of, connection),
            Err(_) => {
                drop(link);
                // A node that hangs would be dialled without end.
                tokio::time::sleep(LONGEST_PAUSE).await;
            }
        }
    }
}

impl Drop for Replacing {
    fn drop(&mut self) {
        if let Some(link) = self.link.upgrade() {
            link.replacing.store(false, Ordering::Release);
        }
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
