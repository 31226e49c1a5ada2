//! Another issuer's keys: read when they are first needed, and kept while it is away.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, StatusCode};

use super::{IssuerDocument, UpstreamError};
use crate::{
    metering,
    net::{Causes, HttpClient},
    oauth::{
        Clock, Issuer, Timestamp,
        jose::{JwkSet, SigningAlgorithm},
    },
};

/// The keys of one issuer.
///
/// One reading at a time serves everybody who waits. Keys that are older than [`MAX_AGE`] are read
/// again in the background while the old ones go on; an issuer that is away changes nothing for
/// [`MAX_STALE`]. A key that is not known causes a reading, at most one in [`INTERVAL`].
#[derive(Debug)]
pub(crate) struct IssuerKeys {
    place: Place,
    http: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    reading: tokio::sync::Mutex<()>,
}

/// Where the keys are.
#[derive(Debug)]
enum Place {
    At(String),
    /// Where the issuer's metadata says.
    Discovered(Issuer),
    Given,
}

#[derive(Debug, Default)]
struct State {
    known: Option<KnownKeys>,
    /// What was asked for and was not there at the last reading.
    absent: Vec<Box<str>>,
    tried_at: Option<Timestamp>,
}

impl State {
    fn miss(&mut self, kid: &str) {
        if self.absent.len() < MAX_ABSENT && kid.len() <= MAX_KID && !self.is_absent(kid) {
            self.absent.push(kid.into());
        }
    }

    fn is_absent(&self, kid: &str) -> bool {
        self.absent.iter().any(|absent| **absent == *kid)
    }
}

/// A key set and when it was read.
#[derive(Debug, Clone)]
pub(crate) struct KnownKeys {
    pub(crate) set: Arc<JwkSet>,
    pub(crate) read_at: Timestamp,
}

/// Why the key of a token cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeysError {
    /// The issuer has no such key.
    #[error("signed under an unknown key")]
    Unknown,
    /// It may have one, and cannot be asked right now.
    #[error("the issuer's keys cannot be read right now")]
    Unavailable {
        retry_after: Duration,
        source: Option<UpstreamError>,
    },
}

/// Keys are read again after this.
const MAX_AGE: Duration = Duration::from_secs(15 * 60);
/// And are good for this long while they cannot be.
const MAX_STALE: Duration = Duration::from_secs(24 * 3600);
/// Between two readings, whatever tokens come.
const INTERVAL: Duration = Duration::from_secs(30);
/// How far an issuer's clock may differ from ours.
const SKEW: Duration = Duration::from_secs(60);
/// Names of missing keys that are remembered, and how long one may be.
const MAX_ABSENT: usize = 64;
const MAX_KID: usize = 256;
const DEADLINE: Duration = Duration::from_secs(8);
const MAX_DOCUMENT: usize = 512 * 1024;

impl IssuerKeys {
    /// At this `jwks_uri`.
    pub(crate) fn at(uri: String, http: Arc<dyn HttpClient>, clock: Arc<dyn Clock>) -> Self {
        Self::new(Place::At(uri), http, clock)
    }

    /// Where the issuer's metadata says (RFC 8414 §2).
    pub(crate) fn of(issuer: Issuer, http: Arc<dyn HttpClient>, clock: Arc<dyn Clock>) -> Self {
        Self::new(Place::Discovered(issuer), http, clock)
    }

    /// These, for ever.
    pub(crate) fn given(set: JwkSet, http: Arc<dyn HttpClient>, clock: Arc<dyn Clock>) -> Self {
        let known = KnownKeys {
            set: Arc::new(set),
            read_at: clock.now(),
        };
        let keys = Self::new(Place::Given, http, clock);
        keys.state().known = Some(known);
        keys
    }

    fn new(place: Place, http: Arc<dyn HttpClient>, clock: Arc<dyn Clock>) -> Self {
        Self {
            place,
            http,
            clock,
            state: Mutex::default(),
            reading: tokio::sync::Mutex::default(),
        }
    }

    /// The keys as they are known, without waiting; none before the first reading, and when they are
    /// too old to be believed.
    pub(crate) fn known(&self) -> Option<KnownKeys> {
        let known = self.state().known.clone()?;
        let usable = self.are_given() || self.clock.now() < known.read_at.plus(MAX_STALE);
        usable.then_some(known)
    }

    /// The same, unless they have to be read again.
    pub(crate) fn fresh(&self) -> Option<KnownKeys> {
        self.known().filter(|known| self.is_fresh(known))
    }

    /// Has keys that are due read again; nobody waits for it.
    pub(crate) fn read_if_due(self: &Arc<Self>) {
        let due = self.known().is_some_and(|known| !self.is_fresh(&known));
        if due && self.may_read() {
            let keys = Arc::clone(self);
            tokio::spawn(async move { keys.read_once(|_| false).await });
        }
    }

    /// The keys, among them one that may have signed such a token, issued at `issued_at`.
    pub(crate) async fn with(
        self: &Arc<Self>,
        kid: Option<&str>,
        algorithm: SigningAlgorithm,
        issued_at: Option<Timestamp>,
    ) -> Result<KnownKeys, KeysError> {
        let fits = |known: &KnownKeys| known.set.candidates(kid, algorithm).next().is_some();
        let before = self.known();
        if let Some(known) = before.clone().filter(fits) {
            self.read_if_due();
            return Ok(known);
        }
        let read = self.read_once(fits).await;
        let Some(known) = self.known() else {
            return Err(self.unavailable(read.err()));
        };
        if fits(&known) {
            return Ok(known);
        }
        let is_new = before.is_none_or(|before| !Arc::ptr_eq(&before.set, &known.set));
        let kid = kid.unwrap_or_default();
        if is_new {
            self.state().miss(kid);
        }
        // A key is published before it is used, so what was issued well before the reading is under none;
        // the issuer's clock may differ from ours.
        let had_to_be_there = issued_at.is_some_and(|at| at.plus(SKEW) <= known.read_at);
        if is_new || had_to_be_there || self.are_given() || self.state().is_absent(kid) {
            return Err(KeysError::Unknown);
        }
        Err(self.unavailable(read.err()))
    }

    fn unavailable(&self, source: Option<UpstreamError>) -> KeysError {
        KeysError::Unavailable {
            retry_after: self.rest(self.clock.now()),
            source,
        }
    }

    /// Reads the keys, unless somebody did a moment ago; whoever comes meanwhile waits for it, and then
    /// looks whether that is enough.
    async fn read_once(&self, enough: impl Fn(&KnownKeys) -> bool) -> Result<(), UpstreamError> {
        let _reading = self.reading.lock().await;
        if self.known().is_some_and(|known| enough(&known)) || !self.may_read() {
            return Ok(());
        }
        self.state().tried_at = Some(self.clock.now());
        let reading = async {
            let read = tokio::time::timeout(DEADLINE, self.read()).await;
            read.unwrap_or(Err(UpstreamError::Outage("its keys take too long")))
        };
        match metering::timed(metering::UPSTREAM, "keys", reading).await {
            Ok(set) => {
                tracing::info!(event = "keys_read", place = self.place.name());
                let mut state = self.state();
                state.known = Some(KnownKeys {
                    set: Arc::new(set),
                    read_at: self.clock.now(),
                });
                state.absent.clear();
                Ok(())
            }
            Err(error) => {
                tracing::warn!(event = "keys_not_read", fault = "upstream", place = self.place.name(), reason = %error, cause = %Causes(&error));
                Err(error)
            }
        }
    }

    async fn read(&self) -> Result<JwkSet, UpstreamError> {
        let uri = match &self.place {
            Place::At(uri) => uri.clone(),
            Place::Discovered(issuer) => {
                let document = IssuerDocument::read(&*self.http, issuer).await?;
                let uri = document.endpoint("jwks_uri").map(str::to_owned);
                uri.ok_or(UpstreamError::Refused(
                    "its metadata names no secure jwks_uri",
                ))?
            }
            Place::Given => return Err(UpstreamError::Refused("its keys were given")),
        };
        let request = Request::get(uri)
            .header("accept", "application/jwk-set+json, application/json")
            .body(Bytes::new());
        let request = request.map_err(|_| UpstreamError::Refused("its jwks_uri is no URL"))?;
        let answer = self.http.send(request, MAX_DOCUMENT).await;
        let answer = answer.map_err(|error| UpstreamError::NotReached(error.into()))?;
        if answer.status() != StatusCode::OK {
            return Err(UpstreamError::Outage("its jwks_uri does not answer 200"));
        }
        let set = JwkSet::parse(answer.body());
        let set = set.ok_or(UpstreamError::Outage("its jwks_uri has no key set"))?;
        if set.is_empty() {
            return Err(UpstreamError::Outage(
                "its key set has no key that can be used",
            ));
        }
        Ok(set)
    }

    const fn are_given(&self) -> bool {
        matches!(self.place, Place::Given)
    }

    fn is_fresh(&self, known: &KnownKeys) -> bool {
        self.are_given() || self.clock.now().is_within(known.read_at, MAX_AGE)
    }

    fn may_read(&self) -> bool {
        !self.are_given() && self.rest(self.clock.now()).is_zero()
    }

    /// How long until the next reading is allowed.
    fn rest(&self, now: Timestamp) -> Duration {
        match self.state().tried_at {
            Some(tried) if now.is_within(tried, INTERVAL) => tried.plus(INTERVAL).since(now),
            _ => Duration::ZERO,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    fn name(&self) -> &str {
        match self {
            Self::At(uri) => uri,
            Self::Discovered(issuer) => issuer.as_str(),
            Self::Given => "given",
        }
    }
}
