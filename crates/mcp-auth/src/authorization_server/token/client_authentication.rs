//! Who calls the token endpoint (RFC 6749 §2.3, OAuth 2.1 §2.4).

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, Request, header::AUTHORIZATION};
use zeroize::Zeroizing;

use super::{AuthorizationServer, TokenError};
use crate::{
    authorization_server::clients::{Client, ResolveError},
    oauth::{ClientId, ClientSecret, Form, OAuthErrorCode},
};

/// Finds the client and has it prove itself as it registered to.
pub(in super::super) async fn authenticate(
    server: &AuthorizationServer,
    request: &Request<Bytes>,
    form: &Form,
) -> Result<Client, TokenError> {
    let presented = Presented::read(request.headers(), form)?;
    let client = server
        .clients
        .resolve(&presented.id)
        .await
        .map_err(|error| match error {
            ResolveError::Unavailable(_) => TokenError::Refused(
                OAuthErrorCode::TemporarilyUnavailable,
                "clients cannot be looked up",
            ),
            ResolveError::UnknownKey => invalid_client("client_id under an unknown key"),
            _ => invalid_client("unknown client"),
        })?;
    let (limit, id) = (&server.limits.wrong_secrets, client.id().as_str());
    if client.is_confidential() && !limit.has_for(request.extensions(), id, &*server.clock) {
        return Err(TokenError::TooManySecrets);
    }
    client
        .authenticate(presented.secret.as_ref())
        .map_err(|_| {
            limit.take_for(request.extensions(), id, &*server.clock);
            invalid_client("the client did not prove itself")
        })?;
    Ok(client)
}

/// Whether the `Authorization` header was tried, which a refusal has to answer in kind.
pub(super) fn tries_basic(headers: &HeaderMap) -> bool {
    headers.contains_key(AUTHORIZATION)
}

struct Presented {
    id: ClientId,
    secret: Option<ClientSecret>,
}

impl Presented {
    fn read(headers: &HeaderMap, form: &Form) -> Result<Self, TokenError> {
        let in_form = form
            .get("client_id")
            .map(ClientId::parse)
            .transpose()
            .map_err(|_| invalid_client("malformed client_id"))?;
        let secret_in_form = form.get("client_secret").map(ClientSecret::new);
        match basic(headers)? {
            // OAuth 2.1 §2.4: one method in a request.
            Some(_) if secret_in_form.is_some() => Err(TokenError::Refused(
                OAuthErrorCode::InvalidRequest,
                "two client credentials",
            )),
            Some(basic) if in_form.as_ref().is_some_and(|id| *id != basic.id) => {
                Err(invalid_client("two client ids"))
            }
            Some(basic) => Ok(basic),
            None => Ok(Self {
                id: in_form.ok_or(invalid_client("no client_id"))?,
                secret: secret_in_form,
            }),
        }
    }
}

/// The credentials in the `Authorization` header, form-decoded after base64 (RFC 6749 §2.3.1).
fn basic(headers: &HeaderMap) -> Result<Option<Presented>, TokenError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(TokenError::Refused(
            OAuthErrorCode::InvalidRequest,
            "two Authorization headers",
        ));
    }
    let broken = || invalid_client("malformed Authorization header");
    let value = value.to_str().map_err(|_| broken())?;
    let (scheme, encoded) = value.split_once(' ').ok_or_else(broken)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(broken());
    }
    let decoded = Zeroizing::new(STANDARD.decode(encoded.trim()).map_err(|_| broken())?);
    let text = std::str::from_utf8(&decoded).map_err(|_| broken())?;
    let (id, secret) = text.split_once(':').ok_or_else(broken)?;
    let id = ClientId::parse(&form_decoded(id).ok_or_else(broken)?).map_err(|_| broken())?;
    let secret = form_decoded(secret).ok_or_else(broken)?;
    let secret = (!secret.is_empty()).then(|| ClientSecret::new(secret.as_str()));
    Ok(Some(Presented { id, secret }))
}

/// One form-encoded value: `+` is a space, and every `%` starts two hexadecimal digits.
fn form_decoded(text: &str) -> Option<Zeroizing<String>> {
    let mut out = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = char::from(bytes.next()?).to_digit(16)?;
                let low = char::from(bytes.next()?).to_digit(16)?;
                u8::try_from(high * 16 + low).ok()?
            }
            byte => byte,
        });
    }
    std::str::from_utf8(&out)
        .ok()
        .map(|text| text.to_owned().into())
}

const fn invalid_client(reason: &'static str) -> TokenError {
    TokenError::Refused(OAuthErrorCode::InvalidClient, reason)
}

/// Whether a client can be read out of these, whoever it is.
#[cfg(any(test, fuzzing))]
pub(in super::super) fn names_a_client(headers: &HeaderMap, form: &Form) -> bool {
    Presented::read(headers, form).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    // AST-10
    #[test]
    fn decodes_form_encoding_and_nothing_loose() {
        assert_eq!(form_decoded("a%3Ab+c%25").unwrap().as_str(), "a:b c%");
        for bad in ["%", "%2", "%zz", "%ff", "%+1"] {
            assert!(form_decoded(bad).is_none(), "{bad}");
        }
    }
}
