//! One exchange on the wire (RFC 8693 §2; on-behalf-of as Microsoft Entra documents it).

use std::time::Duration;

use bytes::Bytes;
use http::{
    Request, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE},
};
use serde::Deserialize;
use url::form_urlencoded::Serializer;
use zeroize::Zeroizing;

use super::{ExchangeError, Form, TokenExchange};
use crate::{
    net::{Causes, HttpError},
    oauth::AccessToken,
    upstream::lifetime::{Lifetime, lifetime},
};

/// What the provider gave.
pub(super) struct Given {
    pub(super) token: AccessToken,
    pub(super) lifetime: Option<Duration>,
}

const MAX_ANSWER: usize = 64 * 1024;
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// What some call an access token that is one (RFC 8693 §3).
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

impl TokenExchange {
    pub(super) async fn ask(&self, host_token: &AccessToken) -> Result<Given, ExchangeError> {
        let endpoint = self
            .endpoint
            .url(&self.issuer, &*self.http, &*self.clock)
            .await?;
        let request = self.request(&endpoint, host_token);
        let request =
            request.map_err(|_| ExchangeError::Refused("its token endpoint is no URL"))?;
        let answer = self.http.send(request, MAX_ANSWER).await.map_err(|error| {
            tracing::debug!(cause = %Causes(&error));
            ExchangeError::Away(match error {
                HttpError::TooLarge => "its token answer is too large",
                HttpError::NoAnswer(_) => "its token endpoint gave no answer",
                _ => "it cannot be reached",
            })
        })?;
        let given = read(self.form, answer.status(), answer.body())?;
        if given.token.matches(host_token) {
            // It would go to the API, which it is not for.
            return Err(ExchangeError::Refused("it gave the host's own token back"));
        }
        Ok(given)
    }

    fn request(&self, endpoint: &str, host_token: &AccessToken) -> http::Result<Request<Bytes>> {
        let mut form = Serializer::new(String::new());
        match self.form {
            Form::TokenExchange => form
                .append_pair("grant_type", TOKEN_EXCHANGE)
                .append_pair("subject_token", host_token.expose())
                .append_pair("subject_token_type", ACCESS_TOKEN)
                .append_pair("requested_token_type", ACCESS_TOKEN),
            Form::OnBehalfOf => form
                .append_pair("grant_type", JWT_BEARER)
                .append_pair("assertion", host_token.expose())
                .append_pair("requested_token_use", "on_behalf_of"),
        };
        let target = &self.target;
        let scope = (!target.scopes.is_empty()).then(|| target.scopes.join(" "));
        for (name, value) in [
            ("audience", target.audience.as_deref()),
            ("resource", target.resource.as_deref()),
            ("scope", scope.as_deref()),
        ] {
            if let Some(value) = value {
                form.append_pair(name, value);
            }
        }
        let mut request = Request::post(endpoint)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json");
        match self.client.header() {
            Some(credentials) => request = request.header(AUTHORIZATION, credentials),
            None => self.client.add_to(&mut form),
        }
        request.body(Bytes::from(form.finish()))
    }
}

#[derive(Deserialize)]
struct Answer {
    access_token: Option<Zeroizing<String>>,
    issued_token_type: Option<String>,
    token_type: Option<String>,
    #[serde(default, deserialize_with = "lifetime")]
    expires_in: Option<Lifetime>,
    error: Option<String>,
}

fn read(form: Form, status: StatusCode, body: &[u8]) -> Result<Given, ExchangeError> {
    use ExchangeError::{Away, Refused};
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return Err(Away("it says that it cannot at the moment"));
    }
    let answer: Answer =
        serde_json::from_slice(body).map_err(|_| Away("its token answer is not one"))?;
    let token = match (answer.access_token, answer.error) {
        (Some(token), None) if status.is_success() => token,
        (_, Some(code)) => return Err(refusal(form, &code)),
        _ => return Err(Away("its token answer is not one")),
    };
    // RFC 8693 §2.2.1: for what is no access token, the type is `N_A`.
    let bearer = |kind: &str| kind.eq_ignore_ascii_case("bearer");
    if !answer.token_type.as_deref().is_none_or(bearer) {
        return Err(Refused("it gives tokens of another type than Bearer"));
    }
    let issued = answer.issued_token_type.as_deref();
    if !issued.is_none_or(|issued| [ACCESS_TOKEN, JWT].contains(&issued)) {
        return Err(Refused("it gives something else than access tokens"));
    }
    if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Away("its token answer has no bearer token"));
    }
    Ok(Given {
        token: AccessToken::new(token.as_str()),
        lifetime: answer
            .expires_in
            .map(|Lifetime(seconds)| Duration::from_secs(seconds)),
    })
}

fn refusal(form: Form, code: &str) -> ExchangeError {
    use ExchangeError::{Away, Over, Refused};
    match (code, form) {
        ("invalid_grant" | "invalid_token", _) => Over("it says that the token is not good"),
        // RFC 8693 §2.2.2: what is said of a subject token that is not good.
        ("invalid_request", Form::TokenExchange) => {
            Over("it refuses the token, or the request as such")
        }
        // Entra: the user has to do something that only a browser can show.
        ("interaction_required" | "login_required" | "consent_required", _) => {
            Over("the user has to sign in or consent there again")
        }
        ("temporarily_unavailable" | "slow_down", _) => {
            Away("it says that it cannot at the moment")
        }
        ("invalid_client", _) => Refused("it does not accept our client: check its id and secret"),
        ("unauthorized_client" | "access_denied", _) => {
            Refused("our client may not exchange this token there")
        }
        ("unsupported_grant_type", _) => Refused("it does not exchange tokens in this form"),
        ("invalid_target", _) => Refused("it gives no tokens for this audience or resource"),
        ("invalid_scope", _) => Refused("it does not give these scopes"),
        _ => Refused("its token endpoint refused the request"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(status: u16, answer: &serde_json::Value) -> Result<Given, ExchangeError> {
        let status = StatusCode::from_u16(status).unwrap();
        read(Form::TokenExchange, status, answer.to_string().as_bytes())
    }

    /// AST-30.
    #[test]
    fn takes_access_tokens_only() {
        let whole = json!({ "access_token": "t", "token_type": "bearer", "expires_in": 60,
            "issued_token_type": ACCESS_TOKEN });
        let given = of(200, &whole).ok().unwrap();
        assert_eq!(given.token.expose(), "t");
        assert_eq!(given.lifetime, Some(Duration::from_secs(60)));
        let with = |name: &str, value: &str| {
            let mut answer = whole.clone();
            answer[name] = value.into();
            of(200, &answer).err()
        };
        assert_eq!(with("issued_token_type", JWT), None);
        for (name, value) in [
            ("token_type", "N_A"),
            ("token_type", "DPoP"),
            (
                "issued_token_type",
                "urn:ietf:params:oauth:token-type:id_token",
            ),
            (
                "issued_token_type",
                "urn:ietf:params:oauth:token-type:refresh_token",
            ),
        ] {
            let refused = with(name, value);
            assert!(
                matches!(refused, Some(ExchangeError::Refused(_))),
                "{value}"
            );
        }
        for unusable in ["", "a b", "a\nb", "ä"] {
            let away = with("access_token", unusable);
            assert!(matches!(away, Some(ExchangeError::Away(_))), "{unusable:?}");
        }
        assert!(matches!(of(200, &json!({})), Err(ExchangeError::Away(_))));
    }

    #[test]
    fn an_error_says_who_can_mend_it() {
        let said = |form, code| refusal(form, code);
        use ExchangeError::{Away, Over, Refused};
        for form in [Form::TokenExchange, Form::OnBehalfOf] {
            for code in ["invalid_grant", "interaction_required", "login_required"] {
                assert!(matches!(said(form, code), Over(_)), "{code}");
            }
            for code in [
                "invalid_client",
                "invalid_target",
                "unauthorized_client",
                "unsupported_grant_type",
                "what",
            ] {
                assert!(matches!(said(form, code), Refused(_)), "{code}");
            }
            assert!(matches!(said(form, "temporarily_unavailable"), Away(_)));
        }
        let code = "invalid_request";
        assert!(matches!(said(Form::TokenExchange, code), Over(_)));
        assert!(matches!(said(Form::OnBehalfOf, code), Refused(_)));
        let error = json!({ "error": "invalid_grant" });
        assert!(
            matches!(of(200, &error), Err(Over(_))),
            "some say it with 200"
        );
        for status in [500, 503, 429] {
            assert!(matches!(of(status, &error), Err(Away(_))), "{status}");
        }
    }
}
