//! Requests that were pushed: what a `request_uri` is (RFC 9126 §2.2).
//!
//! A `request_uri` is the request itself, sealed for its client, with a random name and an end. A
//! record would make a shorter one, but anybody can push: each call would leave a record behind for
//! as long as a store takes to clean up, and that is what a flood lives on. Sealed, nothing is kept
//! until a user has come back from the upstream, and then it is one marker; only what proved the
//! client, or its key, is written down as used, and the rate limit counts that. The price is a URL of
//! some 600 characters, and never more than [`MAX_PARAMETERS`] allows: what does not fit there would
//! not fit the login's cookie either.
//!
//! One is *used* once a login of it came back with the upstream's code. Until then, and until it
//! ends, its page can be reloaded and opened in a second tab, and of any number of logins that begin
//! there, one is finished.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{
    AuthorizationServer, Lifetimes, authorization_request::AuthorizeError, pages::ErrorPageKind,
};
use crate::{
    net::Causes,
    oauth::{ClientId, Form, Random, Timestamp},
    store::{RecordKey, Sealer},
};

/// That requests can be pushed, and whether they must be.
#[derive(Debug)]
pub(crate) struct PushedRequests {
    pub(crate) sealer: Sealer,
    pub(crate) required: bool,
}

/// The name of one pushed request, and when its `request_uri` ends.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PushedRequest {
    #[serde(rename = "i")]
    name: String,
    #[serde(rename = "e")]
    expires_at: Timestamp,
}

/// What lies sealed in a `request_uri`.
#[derive(Serialize, Deserialize)]
struct Content {
    #[serde(flatten)]
    request: PushedRequest,
    /// The parameters, form-encoded.
    #[serde(rename = "f")]
    parameters: Zeroizing<String>,
}

/// The parameters are more than a `request_uri` holds.
pub(super) struct TooLong;

impl PushedRequests {
    /// A `request_uri` for this client's parameters.
    pub(super) fn seal(
        &self,
        client: &ClientId,
        form: &Form,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<String, TooLong> {
        let parameters = form.encoded_without(&NOT_OF_THE_REQUEST);
        if parameters.len() > MAX_PARAMETERS {
            return Err(TooLong);
        }
        let content = Content {
            request: PushedRequest {
                name: URL_SAFE_NO_PAD.encode(random.bytes::<16>()),
                expires_at: now.plus(Lifetimes::PUSHED_REQUEST),
            },
            parameters,
        };
        let plain = Zeroizing::new(serde_json::to_vec(&content).map_err(|_| TooLong)?);
        let sealed = self.sealer.seal_text(client.as_str().as_bytes(), &plain);
        Ok(format!("{PREFIX}{sealed}"))
    }

    /// The parameters behind a `request_uri` of this client that has not ended and was not used.
    pub(super) async fn open(
        &self,
        server: &AuthorizationServer,
        client: &ClientId,
        uri: &str,
    ) -> Result<(Form, PushedRequest), AuthorizeError> {
        let refuse = |reason| AuthorizeError::Page(ErrorPageKind::PushedRequestOver, reason);
        let content = self
            .content(client, uri)
            .ok_or(refuse("request_uri of another client, or of nobody"))?;
        if content.request.expires_at <= server.clock.now() {
            return Err(refuse("request_uri has ended"));
        }
        let form = Form::parse(content.parameters.as_bytes());
        let form = form.map_err(|_| refuse("request_uri of another version"))?;
        let used = server.records.exists(&content.request.used_marker()).await;
        match used {
            Ok(false) => Ok((form, content.request)),
            Ok(true) => Err(refuse("request_uri was used")),
            Err(error) => {
                tracing::error!(event = "store_unavailable", fault = "server", reason = %Causes(&error));
                Err(AuthorizeError::Page(
                    ErrorPageKind::StoreUnavailable,
                    "the store is away",
                ))
            }
        }
    }

    fn content(&self, client: &ClientId, uri: &str) -> Option<Content> {
        let sealed = uri.strip_prefix(PREFIX)?;
        let opened = self.sealer.open_text(client.as_str().as_bytes(), sealed);
        serde_json::from_slice(&opened.ok()?).ok()
    }
}

impl PushedRequest {
    /// The record that says a login of this request was finished.
    pub(super) fn used_marker(&self) -> RecordKey {
        RecordKey::new("pushed request", self.name.as_bytes())
    }

    /// When the last login that began with this request is over: one that was shown at the last
    /// moment, and agreed to at the last moment.
    pub(super) const fn logins_end_at(&self) -> Timestamp {
        self.expires_at
            .plus(Lifetimes::LOGIN)
            .plus(Lifetimes::LOGIN)
    }
}

const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";
/// Who asks, with what proof: not part of what is asked.
const NOT_OF_THE_REQUEST: [&str; 4] = [
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
];
/// Bytes of form-encoded parameters; a `request_uri` is then at most 3,600 characters long.
const MAX_PARAMETERS: usize = 2500;
