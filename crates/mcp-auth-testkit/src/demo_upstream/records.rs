//! What the demo upstream remembers, all of it in memory.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use mcp_auth::oauth::{CodeChallenge, Timestamp};

use super::{clients::Client, server::fresh_token};

/// An authorization request whose checks passed.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) client: String,
    pub(super) resource: Option<String>,
    pub(super) redirect_uri: String,
    pub(super) state: Option<String>,
    pub(super) nonce: Option<String>,
    pub(super) scope: String,
    pub(super) challenge: CodeChallenge,
}

/// An authorization code before its one use.
struct Code {
    asked: Asked,
    user: String,
    signed_in_at: Timestamp,
    expires_at: Timestamp,
    /// The family that its use began; a second use ends that family (RFC 6749 §4.1.2).
    began: Option<u64>,
}

/// One consent of one user, with every token that came of it.
#[derive(Clone)]
pub(super) struct Family {
    pub(super) client: String,
    /// The audience of its access tokens; without one they are for the API here.
    pub(super) resource: Option<String>,
    pub(super) user: String,
    pub(super) scope: String,
    pub(super) nonce: Option<String>,
    pub(super) signed_in_at: Timestamp,
}

/// What came of an authorization code.
pub(super) enum Exchange {
    Good { family: u64, granted: Family },
    Refused(&'static str),
}

/// What came of a refresh token.
pub(super) enum Rotation {
    Good { family: u64, granted: Family },
    Reused,
    Unknown,
}

#[derive(Default)]
pub(super) struct Records {
    pub(super) redirect_uris: Vec<String>,
    pub(super) auto_sign_in: Option<String>,
    /// The MCP servers that tokens are issued for.
    resources: Vec<String>,
    clients: HashMap<String, Client>,
    logins: HashMap<String, (Asked, Timestamp)>,
    failures: HashMap<String, (u32, Timestamp)>,
    sessions: HashMap<String, (String, Timestamp)>,
    codes: HashMap<String, Code>,
    families: HashMap<u64, Family>,
    access_tokens: HashMap<String, (u64, Timestamp)>,
    refresh_tokens: HashMap<String, u64>,
    used_refresh_tokens: HashMap<String, u64>,
    families_begun: u64,
    /// What our client may prove itself with beside its secret.
    pub(super) client_keys: Option<serde_json::Value>,
    /// The `jti` of every assertion that was taken.
    pub(super) assertions: HashSet<String>,
}

impl Records {
    pub(super) fn new(redirect_uris: Vec<String>, auto_sign_in: Option<String>) -> Self {
        Self {
            redirect_uris,
            auto_sign_in,
            ..Self::default()
        }
    }

    pub(super) fn add_resource(&mut self, resource: &str) {
        self.resources.push(resource.to_owned());
    }

    /// What a host means that names no resource, as those of MCP 2025-03-26: the only one there is.
    pub(super) fn default_resource(&self, client: &str) -> Option<String> {
        match self.resources.as_slice() {
            [only] if client != super::CLIENT_ID => Some(only.clone()),
            _ => None,
        }
    }

    pub(super) fn serves_resources(&self) -> bool {
        !self.resources.is_empty()
    }

    pub(super) fn serves(&self, resource: &str) -> bool {
        self.resources.iter().any(|own| own == resource)
    }

    pub(super) fn register(&mut self, id: String, client: Client) {
        if self.clients.len() >= KEPT_CLIENTS {
            self.clients.clear();
        }
        self.clients.insert(id, client);
    }

    pub(super) fn registered(&self, id: &str) -> Option<Client> {
        self.clients.get(id).cloned()
    }

    /// Keeps a request while its user signs in; the text names it in the login form.
    pub(super) fn begin_login(&mut self, asked: Asked, now: Timestamp) -> String {
        self.logins.retain(|_, (_, expires_at)| *expires_at > now);
        let login = fresh_token();
        let expires_at = now.plus(LOGIN_LIFETIME);
        self.logins.insert(login.clone(), (asked, expires_at));
        login
    }

    pub(super) fn login(&self, login: &str, now: Timestamp) -> Option<Asked> {
        let (asked, expires_at) = self.logins.get(login)?;
        (*expires_at > now).then(|| asked.clone())
    }

    /// How long this name has to wait before its next password.
    pub(super) fn must_wait(&self, username: &str, now: Timestamp) -> Option<Duration> {
        let (_, until) = self.failures.get(username)?;
        (*until > now).then(|| until.since(now))
    }

    pub(super) fn sign_in_failed(&mut self, username: &str, now: Timestamp) {
        if self.failures.len() >= KEPT_FAILURES {
            self.failures.clear();
        }
        let (count, until) = self.failures.entry(username.to_owned()).or_insert((0, now));
        *count = count.saturating_add(1);
        let beyond = count.saturating_sub(FREE_FAILURES);
        if beyond > 0 {
            let seconds = 1_u64 << beyond.min(5);
            *until = now.plus(Duration::from_secs(seconds));
        }
    }

    pub(super) fn begin_session(&mut self, username: &str, now: Timestamp) -> String {
        self.failures.remove(username);
        let session = fresh_token();
        self.sessions
            .insert(session.clone(), (username.to_owned(), now));
        session
    }

    /// Who is signed in, and since when.
    pub(super) fn session(&self, session: &str) -> Option<(String, Timestamp)> {
        self.sessions.get(session).cloned()
    }

    pub(super) fn issue_code(
        &mut self,
        asked: Asked,
        user: &str,
        signed_in_at: Timestamp,
        now: Timestamp,
    ) -> String {
        self.codes.retain(|_, code| code.expires_at > now);
        let code = fresh_token();
        let record = Code {
            asked,
            user: user.to_owned(),
            signed_in_at,
            expires_at: now.plus(CODE_LIFETIME),
            began: None,
        };
        self.codes.insert(code.clone(), record);
        code
    }

    /// Uses a code, which works once.
    pub(super) fn exchange(
        &mut self,
        code: &str,
        client: &str,
        redirect_uri: Option<&str>,
        proves: impl FnOnce(&CodeChallenge) -> bool,
        now: Timestamp,
    ) -> Exchange {
        let Some(record) = self.codes.get_mut(code) else {
            return Exchange::Refused("the code is unknown");
        };
        if record.asked.client != client {
            return Exchange::Refused("the code is another client's");
        }
        if let Some(family) = record.began {
            self.end_family(family);
            return Exchange::Refused("the code was used before");
        }
        self.families_begun += 1;
        let family = self.families_begun;
        record.began = Some(family);
        if record.expires_at <= now {
            return Exchange::Refused("the code has expired");
        }
        if redirect_uri != Some(record.asked.redirect_uri.as_str()) {
            return Exchange::Refused("the redirect_uri is not the one of the authorization");
        }
        if !proves(&record.asked.challenge) {
            return Exchange::Refused("the code_verifier does not match");
        }
        let granted = Family {
            client: record.asked.client.clone(),
            resource: record.asked.resource.clone(),
            user: record.user.clone(),
            scope: record.asked.scope.clone(),
            nonce: record.asked.nonce.clone(),
            signed_in_at: record.signed_in_at,
        };
        self.families.insert(family, granted.clone());
        Exchange::Good { family, granted }
    }

    /// Uses a refresh token: it is dead at once, and a second use ends its whole family.
    pub(super) fn rotate(&mut self, token: &str, client: &str) -> Rotation {
        let of = self.refresh_tokens.get(token);
        let of = of.or(self.used_refresh_tokens.get(token));
        let family = of.and_then(|family| self.families.get(family));
        if family.is_some_and(|family| family.client != client) {
            return Rotation::Unknown;
        }
        if let Some(family) = self.used_refresh_tokens.get(token).copied() {
            self.end_family(family);
            return Rotation::Reused;
        }
        let Some(family) = self.refresh_tokens.remove(token) else {
            return Rotation::Unknown;
        };
        self.used_refresh_tokens.insert(token.to_owned(), family);
        match self.families.get(&family) {
            Some(granted) => Rotation::Good {
                family,
                granted: granted.clone(),
            },
            None => Rotation::Unknown,
        }
    }

    /// Looks a refresh token up without using it.
    pub(super) fn refresh_family(&self, token: &str, client: &str) -> Option<(u64, Family)> {
        let family = self.refresh_tokens.get(token)?;
        let granted = self.families.get(family)?;
        (granted.client == client).then(|| (*family, granted.clone()))
    }

    pub(super) fn issue_access_token(
        &mut self,
        family: u64,
        until: Timestamp,
        now: Timestamp,
    ) -> String {
        self.access_tokens
            .retain(|_, (_, expires_at)| *expires_at > now);
        let token = fresh_token();
        self.access_tokens.insert(token.clone(), (family, until));
        token
    }

    /// A token for the API in return for a live one that has an MCP server as its audience. It ends with
    /// everything of its user, and with nothing else.
    pub(super) fn exchange_token(
        &mut self,
        subject_token: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> Option<String> {
        let granted = self.live_access_token(subject_token, now)?;
        granted.resource.as_ref()?;
        let granted = Family {
            client: super::CLIENT_ID.to_owned(),
            resource: None,
            ..granted.clone()
        };
        self.families_begun += 1;
        let family = self.families_begun;
        self.families.insert(family, granted);
        Some(self.issue_access_token(family, until, now))
    }

    /// Keeps an access token that was signed, so that it counts as issued.
    pub(super) fn keep_access_token(&mut self, token: String, family: u64, until: Timestamp) {
        self.access_tokens.insert(token, (family, until));
    }

    pub(super) fn issue_refresh_token(&mut self, family: u64) -> String {
        let token = fresh_token();
        self.refresh_tokens.insert(token.clone(), family);
        token
    }

    pub(super) fn live_access_token(&self, token: &str, now: Timestamp) -> Option<&Family> {
        let (family, expires_at) = self.access_tokens.get(token)?;
        (*expires_at > now).then(|| self.families.get(family))?
    }

    pub(super) fn issued_tokens(&self) -> Vec<String> {
        let refresh = self.refresh_tokens.keys();
        let used = self.used_refresh_tokens.keys();
        let tokens = self.access_tokens.keys().chain(refresh).chain(used);
        tokens.cloned().collect()
    }

    pub(super) fn is_live_refresh_token(&self, token: &str) -> bool {
        self.refresh_tokens.contains_key(token)
    }

    /// Ends a token; a refresh token takes its family along (RFC 7009 §2.1).
    pub(super) fn revoke(&mut self, token: &str) {
        let used = self.used_refresh_tokens.get(token);
        if let Some(family) = self.refresh_tokens.get(token).or(used).copied() {
            self.end_family(family);
        }
        self.access_tokens.remove(token);
    }

    pub(super) fn revoke_everything_of(&mut self, user: &str) {
        self.sessions.retain(|_, (username, _)| username != user);
        self.codes.retain(|_, code| code.user != user);
        let theirs: HashSet<u64> = self
            .families
            .iter()
            .filter(|(_, family)| family.user == user)
            .map(|(id, _)| *id)
            .collect();
        for family in theirs {
            self.end_family(family);
        }
    }

    fn end_family(&mut self, family: u64) {
        self.families.remove(&family);
        self.access_tokens.retain(|_, (of, _)| *of != family);
        self.refresh_tokens.retain(|_, of| *of != family);
        self.used_refresh_tokens.retain(|_, of| *of != family);
    }
}

const LOGIN_LIFETIME: Duration = Duration::from_secs(600);
const CODE_LIFETIME: Duration = Duration::from_secs(60);
/// Wrong passwords that cost no waiting.
const FREE_FAILURES: u32 = 4;
const KEPT_FAILURES: usize = 10_000;
const KEPT_CLIENTS: usize = 10_000;
