//! `GET` and `POST /_faults`: what goes wrong on purpose.
//!
//! `GET` shows the faults as JSON. `POST` takes JSON or a form and changes the fields it names;
//! `reset` clears the others first.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::server::{self, Server};

/// What goes wrong, until it is changed; by default nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(clippy::exhaustive_structs)] // tests write it with `..Faults::default()`
pub struct Faults {
    /// `/token` answers this status with an HTML page and looks at nothing.
    pub token_status: Option<u16>,
    /// `/token` answers 200 with something that is not JSON.
    pub token_garbage: bool,
    /// `/token` answers 200 with valid JSON of several megabytes.
    pub huge_body: bool,
    /// `/token` waits this long first.
    pub token_delay_ms: Option<u64>,
    /// A refresh rotates the token, then the connection breaks off: the new token is lost.
    pub drop_after_rotation: bool,
    /// Every refresh is refused with `invalid_grant`; the refresh token stays as it was.
    pub refresh_invalid_grant: bool,
    /// Token responses carry no `refresh_token` at all.
    pub no_refresh_token: bool,
    /// A refresh token stays good and a refresh answers without a new one, as many providers do.
    pub no_rotation: bool,
    /// Put into token responses as it is: a string, a negative or a huge number; the token itself
    /// keeps the true lifetime.
    pub expires_in: Option<Value>,
    /// Token responses carry no `expires_in`.
    pub omit_expires_in: bool,
    /// Put into token responses instead of `Bearer`.
    pub token_type: Option<String>,
    /// Token responses are a form with commas between the scopes, as GitHub's are.
    pub token_form: bool,
    /// Breaks the `id_token`.
    pub id_token: Option<IdTokenFault>,
    /// `/userinfo` answers this status with an HTML page.
    pub userinfo_status: Option<u16>,
    /// `/userinfo` speaks of this subject, whoever the token is for.
    pub userinfo_sub: Option<String>,
    /// `/userinfo` says these claims in place of its own; `null` leaves one out.
    pub userinfo_claims: Option<Map<String, Value>>,
    /// The metadata names no `userinfo_endpoint`.
    pub no_userinfo_endpoint: bool,
    /// What is asked at this path is redirected to itself.
    pub redirect_loop: Option<String>,
    /// The redirect carries the `iss` of another server (RFC 9207 §2.4).
    pub wrong_iss: bool,
    /// The redirect carries no `iss`, although discovery promises one.
    pub omit_iss: bool,
    /// The metadata does not promise `iss`; the redirect carries it all the same.
    pub iss_not_promised: bool,
    /// `/authorize` redirects with this error and an `error_description` that carries markup.
    pub error_on_authorize: Option<String>,
}

/// One way in which an `id_token` must not be accepted (OpenID Connect Core §3.1.3.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum IdTokenFault {
    /// It is missing.
    Missing,
    /// Its `nonce` is not the one that was sent.
    WrongNonce,
    /// It is for another client.
    WrongAudience,
    /// It is for our client and another one, and was issued to the other one.
    WrongAzp,
    /// It speaks of another user than `/userinfo`.
    AnotherSubject,
    /// It is of another issuer.
    WrongIssuer,
    /// It expired an hour ago.
    Expired,
    /// It is signed by a key that is not in the key set, under a `kid` that is.
    WrongKey,
    /// It says `alg: none` and carries no signature.
    Unsigned,
}

pub(super) async fn show(State(server): State<Arc<Server>>) -> Json<Faults> {
    Json(server.faults())
}

pub(super) async fn set(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if server.sent_by_another_site(&headers) {
        return (StatusCode::FORBIDDEN, "not from another site\n").into_response();
    }
    match changed(&server.faults(), &headers, &body) {
        Ok(faults) => {
            server.set_faults(faults.clone());
            Json(faults).into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    }
}

fn changed(
    current: &Faults,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Faults, serde_json::Error> {
    // `curl -d` calls everything a form, JSON too.
    let mut changes = if is_form(headers) && !body.starts_with(b"{") {
        from_form(body)
    } else {
        serde_json::from_slice::<Map<String, Value>>(body)?
    };
    let reset = changes.remove("reset").is_some_and(|reset| reset != false);
    let base = if reset {
        Faults::default()
    } else {
        current.clone()
    };
    let mut fields = serde_json::to_value(base)?;
    if let Value::Object(fields) = &mut fields {
        fields.extend(changes);
    }
    serde_json::from_value(fields)
}

fn is_form(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"))
}

/// A form has only texts: one that reads as JSON is that, an empty one is `null`.
fn from_form(body: &[u8]) -> Map<String, Value> {
    server::parameters(body)
        .into_iter()
        .map(|(name, text)| {
            let value = match text.as_str() {
                "" => Value::Null,
                _ => serde_json::from_str(&text).unwrap_or(Value::String(text)),
            };
            (name, value)
        })
        .collect()
}
