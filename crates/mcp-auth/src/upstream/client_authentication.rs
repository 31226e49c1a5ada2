//! How our client says who it is at the upstream (RFC 6749 §2.3, OpenID Connect Core §9).

use std::time::Duration;

use http::HeaderValue;
use oauth2::AuthType;
use serde::Serialize;
use zeroize::Zeroizing;

use super::{UpstreamError, token_request::UpstreamClient};
use crate::net::basic_credentials;
use crate::oauth::{ClientSecret, Random, SystemRandom, Timestamp, jose::SigningKeys};

/// One way for every request to the upstream that is ours alone: token, refresh and revocation.
#[derive(Debug)]
pub(super) enum ClientAuthentication {
    /// A public client, which only says its name.
    None,
    /// `client_secret_basic`.
    SecretInHeader(ClientSecret),
    /// `client_secret_post`.
    SecretInBody(ClientSecret),
    /// `private_key_jwt`.
    Assertion(SigningKeys),
}

/// Our client at one provider, and the moment at which it speaks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Speaker<'a> {
    pub(super) client_id: &'a str,
    /// What the provider is called in an assertion (RFC 7523 §3).
    pub(super) token_endpoint: &'a str,
    pub(super) now: Timestamp,
}

/// What goes into one request; nothing prints it.
pub(super) struct Credentials {
    pub(super) header: Option<HeaderValue>,
    pub(super) fields: Vec<(&'static str, Zeroizing<String>)>,
}

impl ClientAuthentication {
    /// For a client of the `oauth2` crate, which knows secrets; an assertion goes into each request.
    pub(super) fn apply(&self, client: UpstreamClient) -> UpstreamClient {
        let secret = |secret: &ClientSecret| oauth2::ClientSecret::new(secret.expose().into());
        match self {
            Self::None | Self::Assertion(_) => client,
            Self::SecretInHeader(ours) => client.set_client_secret(secret(ours)),
            Self::SecretInBody(ours) => client
                .set_client_secret(secret(ours))
                .set_auth_type(AuthType::RequestBody),
        }
    }

    /// For a request that we write ourselves.
    ///
    /// # Errors
    ///
    /// When the cryptographic library fails.
    pub(super) fn credentials(&self, speaker: Speaker<'_>) -> Result<Credentials, UpstreamError> {
        let mut fields = self.assertion(speaker)?;
        let mut header = None;
        let mut name = || fields.push(("client_id", text(speaker.client_id)));
        match self {
            Self::None | Self::Assertion(_) => name(),
            Self::SecretInHeader(secret) => header = basic_credentials(speaker.client_id, secret),
            Self::SecretInBody(secret) => {
                name();
                fields.push(("client_secret", text(secret.expose())));
            }
        }
        Ok(Credentials { header, fields })
    }

    /// The fields of an assertion (RFC 7523 §2.2), if that is the way.
    ///
    /// # Errors
    ///
    /// When the cryptographic library fails.
    pub(super) fn assertion(
        &self,
        speaker: Speaker<'_>,
    ) -> Result<Vec<(&'static str, Zeroizing<String>)>, UpstreamError> {
        let Self::Assertion(keys) = self else {
            return Ok(Vec::new());
        };
        let random: &dyn Random = &SystemRandom;
        let claims = AssertionClaims {
            iss: speaker.client_id,
            sub: speaker.client_id,
            aud: speaker.token_endpoint,
            jti: random.token(),
            iat: speaker.now,
            exp: speaker.now.plus(ASSERTION_LIFETIME),
        };
        let signed = keys.sign("JWT", &claims);
        let signed = signed.ok_or(UpstreamError::Refused("our assertion could not be signed"))?;
        Ok(vec![
            ("client_assertion_type", text(JWT_BEARER)),
            ("client_assertion", Zeroizing::new(signed)),
        ])
    }
}

/// RFC 7523 §3, OpenID Connect Core §9.
#[derive(Serialize)]
struct AssertionClaims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    jti: String,
    iat: Timestamp,
    exp: Timestamp,
}

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// For one request, with some difference between clocks.
const ASSERTION_LIFETIME: Duration = Duration::from_secs(60);

fn text(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.to_owned())
}
