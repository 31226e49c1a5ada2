//! What the endpoints share, and which path leads to which of them.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{HeaderMap, StatusCode, header};
use mcp_auth::oauth::{Clock, Random, SystemRandom, Timestamp};
use url::form_urlencoded;

use super::{
    authorize, clients, discovery,
    faults::{self, Faults},
    id_token::SigningKey,
    login,
    observed::Observed,
    records::Records,
    revoke, token, userinfo,
};

/// The state behind every endpoint.
pub(super) struct Server {
    pub(super) issuer: String,
    pub(super) client_secret: String,
    pub(super) access_token_lifetime: Duration,
    pub(super) signing_key: SigningKey,
    /// The certificates of client documents (PEM).
    pub(super) document_ca: Option<Vec<u8>>,
    clock: Arc<dyn Clock>,
    records: Mutex<Records>,
    observed: Mutex<Observed>,
    faults: Mutex<Faults>,
}

impl Server {
    #[allow(clippy::too_many_arguments)] // called once, by the builder that names each of them
    pub(super) fn new(
        issuer: String,
        clock: Arc<dyn Clock>,
        client_secret: String,
        access_token_lifetime: Duration,
        signing_key: SigningKey,
        document_ca: Option<Vec<u8>>,
        records: Records,
        observed: Observed,
        faults: Faults,
    ) -> Self {
        Self {
            issuer,
            client_secret,
            access_token_lifetime,
            signing_key,
            document_ca,
            clock,
            records: Mutex::new(records),
            observed: Mutex::new(observed),
            faults: Mutex::new(faults),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn observed(&self) -> MutexGuard<'_, Observed> {
        self.observed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn faults(&self) -> Faults {
        self.faults
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn set_faults(&self, faults: Faults) {
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner) = faults;
    }

    /// Whether a browser says that a page of somewhere else sent this request.
    ///
    /// Any web page can make a browser post to loopback, so what changes something asks this first.
    /// The `Host` check keeps out a foreign name that was pointed at loopback.
    pub(super) fn sent_by_another_site(&self, headers: &HeaderMap) -> bool {
        let own = self.issuer.trim_start_matches("http://");
        let port = own.rsplit(':').next().unwrap_or_default();
        let by_name = format!("localhost:{port}");
        let ours = |host: &str| host == own || host == by_name;

        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let foreign_host = !text(header::HOST.as_str()).is_some_and(ours);
        let foreign_origin = text(header::ORIGIN.as_str())
            .is_some_and(|origin| !origin.strip_prefix("http://").is_some_and(ours));
        foreign_host || foreign_origin || text("sec-fetch-site") == Some("cross-site")
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

pub(super) fn router(server: Arc<Server>) -> Router {
    Router::new()
        .route(
            "/.well-known/openid-configuration",
            get(discovery::document),
        )
        .route(
            "/.well-known/oauth-authorization-server",
            get(discovery::document),
        )
        .route("/jwks", get(discovery::jwks))
        .route("/authorize", get(authorize::authorize))
        .route("/login", post(login::login))
        .route("/consent", post(login::consent))
        .route("/register", post(clients::register).options(preflight))
        .route("/token", post(token::token).options(preflight))
        .route(
            "/userinfo",
            get(userinfo::userinfo).post(userinfo::userinfo),
        )
        .route("/revoke", post(revoke::revoke))
        .route("/_faults", get(faults::show).post(faults::set))
        .layer(from_fn_with_state(Arc::clone(&server), redirect_loop))
        .with_state(server)
}

async fn redirect_loop(
    State(server): State<Arc<Server>>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    match server.faults().redirect_loop {
        Some(looping) if looping == path => {
            (StatusCode::FOUND, [(header::LOCATION, looping)]).into_response()
        }
        _ => next.run(request).await,
    }
}

/// Hosts that run in a browser register and redeem from there.
async fn preflight() -> impl IntoResponse {
    let allowed = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "POST, OPTIONS"),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "authorization, content-type, *",
        ),
    ];
    (StatusCode::NO_CONTENT, allowed)
}

/// A fresh unguessable text for codes, tokens and cookies.
pub(super) fn fresh_token() -> String {
    let random: &dyn Random = &SystemRandom;
    random.token()
}

/// The parameters of a query or form, in order, repeats included.
pub(super) fn parameters(encoded: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(encoded).into_owned().collect()
}

/// The first value under this name.
pub(super) fn first<'a>(parameters: &'a [(String, String)], name: &str) -> Option<&'a str> {
    parameters
        .iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.as_str())
}

/// Whether any name comes twice, which RFC 6749 §3.1 and §3.2 forbid.
pub(super) fn repeats(parameters: &[(String, String)]) -> bool {
    parameters.iter().enumerate().any(|(index, (name, _))| {
        parameters
            .iter()
            .take(index)
            .any(|(earlier, _)| earlier == name)
    })
}
