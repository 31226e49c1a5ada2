//! Our own authorization server: one file per endpoint, in the order a login meets them.
//!
//! # The order of checks
//!
//! | check | register | authorize | consent | callback | token |
//! |---|---|---|---|---|---|
//! | method; size of a posted body | 1 | 1 | 1 | 1 | 1 |
//! | rate limit of the caller's network | 2 | 2 | 2 | 2 | last, of failed requests; before 5 for one client's secret |
//! | own host name (pages only) | – | 3 | 3 | 3 | – |
//! | content type, parameters readable; what is needed for an answer sent once | 3 | 4 | 4 | 4 | 2 |
//! | `grant_type` served | – | – | – | – | 3 |
//! | posted by a page of ours | – | – | 5 | – | – |
//! | sealed by us, for this browser, in time | – | – | 6 | 5 | – |
//! | the user's decision | – | – | 7 | – | – |
//! | client known | – | 5 | – | – | 4 |
//! | client authenticated; it may refresh, if it does | – | – | – | – | 5 |
//! | proof of possession, where there is one or has to be | – | – | – | – | 5 |
//! | the code or refresh token is known | – | – | – | – | 6 |
//! | the code or refresh token is this client's, and its key's if it is bound to one | – | – | – | – | 7 |
//! | redirection URI well formed, or equal to a registered one | 4 | 6 | – | – | 8 |
//! | `state` short enough, every parameter sent once | 3 | 7 | 4 | 4 | 2 |
//! | `response_type`, `response_mode` | 5 | 8 | – | – | – |
//! | PKCE `S256` | – | 9 | – | – | 9 |
//! | resource is ours, or the one authorized | – | 10 | – | – | 10 |
//! | scopes well formed, offered, or within what was granted | 6 | 11 | – | – | 11 |
//! | `prompt` known | – | 12 | – | – | – |
//! | small enough for a cookie | – | 13 | – | – | – |
//! | `prompt=none` can be honoured | – | 14 | – | – | – |
//! | upstream `iss` | – | – | – | 6 | – |
//! | a code and no error from the upstream | – | – | – | 7 | – |
//! | client assertion, then proof of possession, not used before: both are spent here; its client's document is the one it was given for, where the operator wants that | – | – | – | – | 12 |
//! | not used before; a code in time | – | – | – | 8 | 13 |
//! | identity known; the one that consented, where that was remembered; admitted | – | – | – | 9 | – |
//!
//! A grant that nobody consented to in a browser has the token endpoint's checks 1 to 5 and, in place of
//! 6 to 11, its own. `client_credentials`: the operator registered the client for it, and it proved
//! itself; resource; scopes. `jwt-bearer`: the client may, and it proved itself; the assertion's type and
//! issuer; its signature; its `iss`, `aud`, client, times, user, tenant, key, resource and scopes; then
//! admission. Check 12 comes next, and last that the assertion was not used before: it is spent there,
//! and given back when its grant cannot be written.
//!
//! `/connected-apps` has the checks 2 and 3 of authorize for a page, and 1 to 5 of consent for a posted
//! form, then whether it was made for this browser and this person, then what is asked for. Its own
//! sign-in comes back to `/callback` and meets the checks there; the cookie of one kind of login opens
//! for no other kind.
//!
//! `/register` asks for an initial access token, if there are any, after 2. `/register/CLIENT_ID` has
//! its checks 1 and 2, then the registration access token; a replacement then says who it is, and is
//! held to what `/register` checks from 3 on.
//!
//! `/par` has the checks 1 and 2 of `/authorize`, then the token endpoint's 2, 4 and 5 (a proof is
//! looked at where there is one, and has to be of the key that `dpop_jkt` names), then those of
//! `/authorize` from 6 on, then the token endpoint's 12; a request that was pushed has those of
//! `/authorize` again when the browser brings it.
//!
//! Where a client is known by its document, the fetch is counted for the caller, at every endpoint, and
//! hosts and identifiers that the operator refuses are refused before it.
//!
//! `/revoke` has the token endpoint's checks 1, 2, 4 and 5, then whether the token is this client's;
//! `/introspect` has the same, then whether this client may ask, and about which resources. Both spend a
//! client's assertion last.
//!
//! Until a redirection URI is known to be registered a refusal is a page, after it a redirect. Each
//! step needs the value that the step before leaves behind, so none can be left out.

mod admission;
mod assertion;
mod authorization_request;
mod authorize;
mod bearer;
mod callback;
mod client_configuration;
pub mod clients;
mod combining;
mod connected_apps;
mod consent;
mod cookies;
mod dynamic_registration;
mod enterprise;
mod form_body;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod initial_access_token;
mod introspect;
mod introspection_client;
mod invisible;
mod jwks;
mod lifetimes;
mod limits;
mod metadata;
mod not_admitted;
mod own_host;
mod own_page;
pub mod pages;
mod par;
mod pending;
mod prompt;
mod pushed_request;
mod redirect;
mod register;
mod registration_administration;
mod remembered_consent;
mod response;
mod revoke;
mod token;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};

pub use admission::{Admission, AdmissionRule, AdmitEveryone, Admitted, NotAdmitted};
pub(crate) use connected_apps::ConnectedApps;
pub(crate) use dynamic_registration::DynamicRegistration;
pub use enterprise::EnterpriseIssuer;
pub(crate) use enterprise::TrustedIssuers;
pub(crate) use initial_access_token::InitialAccessTokens;
pub(crate) use introspection_client::Introspection;
pub use introspection_client::IntrospectionClient;
pub(crate) use lifetimes::Lifetimes;
pub(crate) use limits::Limits;
pub use limits::RateLimits;
pub(crate) use pushed_request::PushedRequests;
pub use registration_administration::{RegistrationAdministration, RegistrationSummary};
pub(crate) use remembered_consent::RememberedConsents;

use crate::{
    access_token::{Grants, OwnTokens, ProofTarget, ProofVerifier},
    net::{EndpointSet, empty, open_to_everyone, preflight_for_everyone},
    oauth::{Clock, Issuer, PublicUrl, Random, ResourceIdentifier, Scopes},
    store::{Records, Sealer},
    upstream::Upstreams,
};
use clients::ClientResolver;
use pages::{Pages, ScopeDescriptions};

/// One authorization server; everything it needs is handed in.
#[derive(Debug)]
pub(crate) struct AuthorizationServer {
    pub(crate) public_url: PublicUrl,
    pub(crate) issuer: Issuer,
    pub(crate) server_name: String,
    pub(crate) resources: Vec<ResourceIdentifier>,
    pub(crate) scopes: Scopes,
    /// What every request at the MCP endpoint needs, and what is granted where nothing was asked for.
    pub(crate) required_scopes: Scopes,
    pub(crate) scope_descriptions: ScopeDescriptions,
    pub(crate) upstreams: Upstreams,
    pub(crate) clients: Arc<dyn ClientResolver>,
    pub(crate) dynamic_clients: Option<DynamicRegistration>,
    /// Whether assertions of clients may be addressed to the token endpoint.
    pub(crate) token_endpoint_audience: bool,
    /// Whether clients that the operator registered for it may act for themselves.
    pub(crate) client_credentials: bool,
    /// The identity providers whose word about users is taken; the grant is there only if there are
    /// any.
    pub(crate) enterprise: TrustedIssuers,
    /// Whether identifiers may be URLs of documents.
    pub(crate) client_documents: bool,
    /// The clients that may ask about tokens, each about those of its resources; the endpoint is there
    /// only if there are any.
    pub(crate) introspection: Introspection,
    /// Requests can be pushed only if this is there.
    pub(crate) pushed: Option<PushedRequests>,
    pub(crate) pages: Arc<dyn Pages>,
    pub(crate) admission: Arc<dyn Admission>,
    /// Of what the upstream says about a user, what tools may see.
    pub(crate) upstream_claims: Vec<String>,
    pub(crate) records: Records,
    pub(crate) grants: Arc<Grants>,
    pub(crate) tokens: OwnTokens,
    /// The public keys of our tokens, as they are published.
    pub(crate) key_set: Bytes,
    /// Who checks proofs of possession, where they are served.
    pub(crate) proofs: Option<Proofs>,
    pub(crate) consent_forms: Sealer,
    /// The page where people see and end their grants, if the operator wants it.
    pub(crate) connected_apps: Option<ConnectedApps>,
    pub(crate) login_cookies: Sealer,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) limits: Limits,
    pub(crate) consent: ConsentRule,
    /// Consents are remembered only if this is there.
    pub(crate) remembered: Option<RememberedConsents>,
    pub(crate) unknown_scopes: UnknownScopes,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
}

/// Who checks proofs of possession, and the URLs they have to be made for.
#[derive(Debug)]
pub(crate) struct Proofs {
    pub(crate) verifier: ProofVerifier,
    pub(crate) token: ProofTarget,
    pub(crate) par: ProofTarget,
}

/// Whether the user is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConsentRule {
    /// Every time.
    Ask,
    /// Never: only for unattended development on loopback.
    InsecureApprove,
}

/// What becomes of scopes that are not offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnknownScopes {
    /// They are left out, and the token response says so.
    Dropped,
    /// `invalid_scope`.
    Refused,
}

/// The paths at our origin; 2025-03-26 hosts go to the first three by name.
pub(crate) mod paths {
    pub(crate) const AUTHORIZE: &str = "/authorize";
    pub(crate) const PAR: &str = "/par";
    pub(crate) const TOKEN: &str = "/token";
    pub(crate) const REGISTER: &str = "/register";
    /// What the address of a stored registration begins with.
    pub(crate) const REGISTRATIONS: &str = "/register/";
    pub(crate) const REVOKE: &str = "/revoke";
    pub(crate) const INTROSPECT: &str = "/introspect";
    pub(crate) const CONSENT: &str = "/consent";
    pub(crate) const CALLBACK: &str = "/callback";
    /// What the callback of a further upstream begins with; its name follows.
    pub(crate) const CALLBACKS: &str = "/callback/";
    pub(crate) const CONNECTED_APPS: &str = "/connected-apps";
    pub(crate) const SIGNED_OUT: &str = "/connected-apps/signed-out";
    pub(crate) const JWKS: &str = "/jwks";
    pub(crate) const METADATA: &str = "/.well-known/oauth-authorization-server";
    pub(crate) const OPENID_METADATA: &str = "/.well-known/openid-configuration";
    /// What the address of every document with a well-known place begins with (RFC 8615).
    const WELL_KNOWN: &str = "/.well-known/";

    /// Whether a path is ours, whatever is turned on at the moment: no MCP endpoint can be there.
    pub(crate) fn is_taken(path: &str) -> bool {
        let taken = [
            AUTHORIZE,
            PAR,
            TOKEN,
            REGISTER,
            REVOKE,
            INTROSPECT,
            CONSENT,
            CALLBACK,
            CONNECTED_APPS,
            SIGNED_OUT,
            JWKS,
        ];
        let below = [REGISTRATIONS, CALLBACKS, WELL_KNOWN];
        taken.contains(&path) || below.iter().any(|start| path.starts_with(start))
    }

    /// Where the upstream of this name sends browsers back to; the main one has none.
    pub(crate) fn callback_of(name: &str) -> String {
        match name {
            "" => CALLBACK.to_owned(),
            name => format!("{CALLBACKS}{name}"),
        }
    }

    /// The upstream that sends browsers back to this path.
    pub(crate) fn upstream_at(path: &str) -> Option<&str> {
        match path {
            CALLBACK => Some(""),
            path => path.strip_prefix(CALLBACKS).filter(|name| !name.is_empty()),
        }
    }
}

#[async_trait]
impl EndpointSet for AuthorizationServer {
    fn owns(&self, path: &str) -> bool {
        match path {
            paths::REGISTER => self.dynamic_clients.is_some(),
            paths::INTROSPECT => !self.introspection.is_empty(),
            paths::CONNECTED_APPS | paths::SIGNED_OUT => self.connected_apps.is_some(),
            paths::PAR => self.pushed.is_some(),
            paths::AUTHORIZE | paths::TOKEN | paths::CONSENT | paths::CALLBACK | paths::JWKS => {
                true
            }
            paths::METADATA | paths::OPENID_METADATA | paths::REVOKE => true,
            _ => match paths::upstream_at(path) {
                Some(name) => self.upstreams.named(name).is_some(),
                None => path.starts_with(paths::REGISTRATIONS) && self.stores_registrations(),
            },
        }
    }

    async fn answer(&self, request: Request<Bytes>) -> Response<Bytes> {
        let path = request.uri().path();
        if let Some(methods) = open_to_browsers(path) {
            // CORS for browser-based hosts; never on a page (OAuth 2.1 §3.1, §3.2).
            if request.method() == Method::OPTIONS {
                return preflight_for_everyone(methods);
            }
            return open_to_everyone(self.answer_call(&request).await);
        }
        match (path, request.method()) {
            (paths::AUTHORIZE, &Method::GET) => authorize::authorize(self, &request).await,
            (paths::CONSENT, &Method::POST) => consent::decide(self, &request).await,
            (paths::CALLBACK, &Method::GET) => callback::finish(self, &request).await,
            (paths::INTROSPECT, &Method::POST) => introspect::introspect(self, &request).await,
            (paths::CONSENT | paths::INTROSPECT, _) => response::method_not_allowed("POST"),
            (paths::AUTHORIZE | paths::CALLBACK, _) => response::method_not_allowed("GET"),
            (paths::CONNECTED_APPS | paths::SIGNED_OUT, _) => match &self.connected_apps {
                Some(apps) => connected_apps::answer(self, apps, &request).await,
                None => empty(StatusCode::NOT_FOUND),
            },
            (path, method) if path.starts_with(paths::CALLBACKS) => match *method {
                Method::GET => callback::finish(self, &request).await,
                _ => response::method_not_allowed("GET"),
            },
            _ => empty(StatusCode::NOT_FOUND),
        }
    }
}

impl AuthorizationServer {
    async fn answer_call(&self, request: &Request<Bytes>) -> Response<Bytes> {
        match (request.uri().path(), request.method()) {
            (paths::METADATA | paths::OPENID_METADATA, &Method::GET | &Method::HEAD) => {
                metadata::metadata(self)
            }
            (paths::JWKS, &Method::GET | &Method::HEAD) => jwks::jwks(self),
            (paths::REGISTER, &Method::POST) => register::register(self, request).await,
            (paths::PAR, &Method::POST) => par::push(self, request).await,
            (paths::TOKEN, &Method::POST) => token::token(self, request).await,
            (paths::REVOKE, &Method::POST) => revoke::revoke(self, request).await,
            (paths::REGISTER | paths::PAR | paths::TOKEN | paths::REVOKE, _) => {
                response::method_not_allowed("POST, OPTIONS")
            }
            (path, _) if path.starts_with(paths::REGISTRATIONS) => {
                client_configuration::configure(self, request).await
            }
            _ => response::method_not_allowed("GET, HEAD, OPTIONS"),
        }
    }

    fn stores_registrations(&self) -> bool {
        let registration = self.dynamic_clients.as_ref();
        registration.is_some_and(|registration| registration.clients.stored().is_some())
    }
}

/// The methods of the endpoints that scripts in browsers may call.
fn open_to_browsers(path: &str) -> Option<&'static str> {
    match path {
        paths::METADATA | paths::OPENID_METADATA | paths::JWKS => Some("GET, HEAD, OPTIONS"),
        paths::REGISTER | paths::PAR | paths::TOKEN | paths::REVOKE => Some("POST, OPTIONS"),
        _ if path.starts_with(paths::REGISTRATIONS) => Some(client_configuration::METHODS),
        _ => None,
    }
}
