//! Sending the browser back to a client: only ever to a redirection URI it registered.

use bytes::Bytes;
use http::Response;
use serde::{Deserialize, Deserializer, Serialize};

use super::{AuthorizationServer, clients::Client, response};
use crate::oauth::{AuthorizationCode, OAuthErrorCode, RedirectUri, State};

/// A redirection URI that is one of its client's own.
///
/// Made by [`RegisteredRedirect::of`] alone, and carried sealed from there on: whoever redirects
/// needs one, so an open redirect is not something that can be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RegisteredRedirect(#[serde(deserialize_with = "sealed_by_us")] RedirectUri);

/// It was parsed before it was sealed, perhaps with schemes that only this server allows.
fn sealed_by_us<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RedirectUri, D::Error> {
    Ok(RedirectUri::parsed_before(String::deserialize(
        deserializer,
    )?))
}

/// Why there is nowhere to send the browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RedirectError {
    /// It is none of the client's.
    NotRegistered,
    /// None was asked for, and the client has several.
    Missing,
}

impl RegisteredRedirect {
    /// The client's redirection URI that was asked for: the same bytes, but for the port on loopback
    /// (OAuth 2.1 §4.1.1). A client with exactly one may leave it out.
    pub(super) fn of(client: &Client, asked: Option<&str>) -> Result<Self, RedirectError> {
        let registered = client.redirect_uris();
        match (asked, registered) {
            (Some(asked), _) => {
                // What was registered as it is needs no second judgement of its scheme.
                if let Some(same) = registered.iter().find(|uri| uri.as_str() == asked) {
                    return Ok(Self(same.clone()));
                }
                let asked = RedirectUri::parse(asked).map_err(|_| RedirectError::NotRegistered)?;
                let known = registered.iter().any(|uri| uri.allows(&asked));
                known
                    .then_some(Self(asked))
                    .ok_or(RedirectError::NotRegistered)
            }
            (None, [only]) => Ok(Self(only.clone())),
            (None, _) => Err(RedirectError::Missing),
        }
    }

    pub(super) const fn uri(&self) -> &RedirectUri {
        &self.0
    }

    /// Back with a code (RFC 6749 §4.1.2, RFC 9207 §2).
    pub(super) fn with_code(
        &self,
        server: &AuthorizationServer,
        code: &AuthorizationCode,
        state: Option<&State>,
    ) -> Response<Bytes> {
        self.answer(server, &[("code", code.expose())], state)
    }

    /// Back with a refusal (RFC 6749 §4.1.2.1, RFC 9207 §2).
    pub(super) fn with_error(
        &self,
        server: &AuthorizationServer,
        error: OAuthErrorCode,
        state: Option<&State>,
    ) -> Response<Bytes> {
        let parameters = [
            ("error", error.as_str()),
            ("error_description", error.description()),
        ];
        response::with_reason(self.answer(server, &parameters, state), error)
    }

    fn answer(
        &self,
        server: &AuthorizationServer,
        parameters: &[(&str, &str)],
        state: Option<&State>,
    ) -> Response<Bytes> {
        let mut parameters = parameters.to_vec();
        if let Some(state) = state {
            parameters.push(("state", state.as_str()));
        }
        parameters.push(("iss", server.issuer.as_str()));
        response::see_other(&self.0.with_parameters(&parameters))
    }
}
