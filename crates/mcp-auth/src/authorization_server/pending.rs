//! A login that is under way at the upstream: sealed in a cookie of the browser that consented, and
//! nowhere else.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, Response};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use zeroize::Zeroizing;

use super::{
    AuthorizationServer, Lifetimes,
    authorization_request::CheckedRequest,
    consent::{Basis, Consented},
    cookies,
    remembered_consent::Recalled,
};
use crate::{
    oauth::{CodeVerifier, PublicUrl, Random, Timestamp, sha256},
    store::{RecordKey, Sealer},
};

/// What the browser keeps until the upstream sends it back.
#[derive(Serialize, Deserialize)]
pub(super) struct PendingAuthorization {
    #[serde(rename = "q")]
    request: CheckedRequest,
    #[serde(rename = "v")]
    verifier: Zeroizing<String>,
    #[serde(rename = "t")]
    created_at: Timestamp,
    #[serde(rename = "b", default)]
    basis: Basis,
    /// The name of the upstream; the main one has none.
    #[serde(rename = "u", default, skip_serializing_if = "str::is_empty")]
    upstream: Box<str>,
}

/// Our own `state` at the upstream: random, and the name of one pending login.
///
/// Whatever kind of login it names, its cookie is found by it; which kind it is, is told by the key
/// that opens the cookie: one of a client's login opens no other, and the other way round.
#[derive(Clone)]
pub(super) struct LoginHandle(Zeroizing<String>);

/// Sealed, a pending login takes at most this many bytes of a cookie.
const MAX_COOKIE: usize = 3500;
/// All pending logins of a browser together; past it the oldest are dropped.
const MAX_COOKIES: usize = 6 * 1024;

impl LoginHandle {
    pub(super) fn generate(random: &dyn Random) -> Self {
        Self(random.token().into())
    }

    pub(super) fn parse(state: &str) -> Option<Self> {
        (state.len() == 43).then(|| Self(state.to_owned().into()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The record that says this login was finished.
    pub(super) fn used_marker(&self) -> RecordKey {
        RecordKey::new("login", self.0.as_bytes())
    }

    /// A name that does not tell the handle: cookies lie in more places than the address bar.
    fn cookie_name(&self) -> String {
        let name = URL_SAFE_NO_PAD.encode(sha256(self.0.as_bytes()));
        format!("{}{}", cookies::LOGIN, name.get(..ID_LEN).unwrap_or(&name))
    }

    /// A cookie's value: when it was made, for telling old ones apart, then the sealed content.
    pub(super) fn seal(
        &self,
        sealer: &Sealer,
        created_at: Timestamp,
        content: &impl Serialize,
    ) -> String {
        let plain = Zeroizing::new(serde_json::to_vec(content).unwrap_or_default());
        let sealed = sealer.seal_text(self.0.as_bytes(), &plain);
        format!("{}.{sealed}", created_at.as_seconds())
    }

    /// What this browser was given under this handle, if this sealer sealed it.
    pub(super) fn open<T: DeserializeOwned>(
        &self,
        sealer: &Sealer,
        url: &PublicUrl,
        sent: &HeaderMap,
    ) -> Option<T> {
        let value = cookies::get(sent, url, &self.cookie_name())?;
        let (_, sealed) = value.split_once('.')?;
        let opened = sealer.open_text(self.0.as_bytes(), sealed).ok()?;
        serde_json::from_slice(&opened).ok()
    }

    /// Gives a sealed login to the browser, and makes room for it.
    pub(super) fn keep(
        &self,
        server: &AuthorizationServer,
        value: &str,
        sent: &HeaderMap,
        response: &mut Response<Bytes>,
    ) {
        let url = &server.public_url;
        for name in too_old(sent, url, server.clock.now(), value.len()) {
            cookies::remove(response, url, &name);
        }
        let lifetime = Some(Lifetimes::LOGIN.as_secs());
        cookies::set(response, url, &self.cookie_name(), value, lifetime);
    }

    /// Makes the browser forget it.
    pub(super) fn forget(&self, url: &PublicUrl, response: &mut Response<Bytes>) {
        cookies::remove(response, url, &self.cookie_name());
    }
}

impl PendingAuthorization {
    /// A pending login of its own for a request the user consented to.
    pub(super) fn new(server: &AuthorizationServer, consented: Consented) -> (LoginHandle, Self) {
        let Consented {
            request,
            basis,
            upstream,
        } = consented;
        Self::of(server, request, basis, upstream)
    }

    /// Whether a login for this request will fit into its cookie.
    pub(super) fn fits(server: &AuthorizationServer, request: &CheckedRequest) -> bool {
        let longest = Basis::Before(Recalled::longest());
        let names = server.upstreams.iter().map(|known| &known.name);
        let name = names.max_by_key(|name| name.len()).cloned();
        let (handle, pending) =
            Self::of(server, request.clone(), longest, name.unwrap_or_default());
        pending.seal(server, &handle).len() <= MAX_COOKIE
    }

    fn of(
        server: &AuthorizationServer,
        request: CheckedRequest,
        basis: Basis,
        upstream: Box<str>,
    ) -> (LoginHandle, Self) {
        let pending = Self {
            request,
            verifier: CodeVerifier::generate(&*server.random)
                .expose()
                .to_owned()
                .into(),
            created_at: server.clock.now(),
            basis,
            upstream,
        };
        (LoginHandle::generate(&*server.random), pending)
    }

    pub(super) const fn request(&self) -> &CheckedRequest {
        &self.request
    }

    /// The name of the upstream that it was begun at; the main one has none.
    pub(super) const fn upstream(&self) -> &str {
        &self.upstream
    }

    pub(super) const fn basis(&self) -> &Basis {
        &self.basis
    }

    /// Gives the pending login to the browser, and makes room for it.
    pub(super) fn keep(
        &self,
        server: &AuthorizationServer,
        handle: &LoginHandle,
        sent: &HeaderMap,
        response: &mut Response<Bytes>,
    ) {
        handle.keep(server, &self.seal(server, handle), sent, response);
    }

    /// The pending login that this browser was given under this handle, if it is still in time.
    pub(super) fn take(
        server: &AuthorizationServer,
        handle: &LoginHandle,
        sent: &HeaderMap,
    ) -> Option<Self> {
        let pending: Self = handle.open(&server.login_cookies, &server.public_url, sent)?;
        let fresh = server
            .clock
            .now()
            .is_within(pending.created_at, Lifetimes::LOGIN);
        fresh.then_some(pending)
    }

    /// The record that says this login was finished, and how long that has to be remembered.
    ///
    /// A pushed request is used once, so all the logins that began with one have the same record.
    pub(super) fn used_marker(&self, handle: &LoginHandle) -> (RecordKey, Timestamp) {
        match self.request.pushed() {
            Some(pushed) => (pushed.used_marker(), pushed.logins_end_at()),
            None => (handle.used_marker(), self.created_at.plus(Lifetimes::LOGIN)),
        }
    }

    pub(super) fn verifier(&self) -> Option<CodeVerifier> {
        CodeVerifier::parse(&self.verifier).ok()
    }

    fn seal(&self, server: &AuthorizationServer, handle: &LoginHandle) -> String {
        handle.seal(&server.login_cookies, self.created_at, self)
    }
}

/// The names of the oldest pending logins that must go for a new one of this size.
///
/// What the browser sends is only believed so far: names that are not ours are left alone, a time in
/// the future counts as the oldest, and a few removals are enough.
fn too_old(sent: &HeaderMap, url: &PublicUrl, now: Timestamp, new: usize) -> Vec<String> {
    let prefix = cookies::full_name(url, cookies::LOGIN);
    let ours = |id: &&str| id.len() == ID_LEN && URL_SAFE_NO_PAD.decode(id).is_ok();
    let mut logins: Vec<(u64, &str, usize)> = cookies::sent(sent)
        .filter_map(|(name, value)| {
            let id = name.strip_prefix(&prefix).filter(ours)?;
            let made = value
                .split_once('.')
                .and_then(|(made, _)| made.parse().ok());
            let made = made.filter(|made| *made <= now.as_seconds()).unwrap_or(0);
            Some((made, id, name.len() + value.len()))
        })
        .collect();
    logins.sort_unstable();
    let mut total = new + logins.iter().map(|(_, _, size)| size).sum::<usize>();
    let mut gone = Vec::new();
    for (_, id, size) in logins.into_iter().take(MAX_REMOVALS) {
        if total <= MAX_COOKIES {
            break;
        }
        total -= size;
        gone.push(format!("{}{id}", cookies::LOGIN));
    }
    gone
}

/// Characters of a login's name in its cookie's.
const ID_LEN: usize = 16;
const MAX_REMOVALS: usize = 20;
