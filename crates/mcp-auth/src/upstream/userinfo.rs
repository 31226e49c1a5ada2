//! Who the user is (OpenID Connect Core §5.3).

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header::AUTHORIZATION};
use serde_json::{Map, Value};

use super::{UpstreamError, UpstreamIdentity};
use crate::{
    net::HttpClient,
    oauth::{AccessToken, jose::registered_claims::is_usable_subject},
};

const MAX_ANSWER: usize = 64 * 1024;

/// Asks the userinfo endpoint with a token that was just issued. `member` is the one that is the user,
/// where it is neither `sub` nor `id`.
pub(super) async fn identity(
    http: &dyn HttpClient,
    endpoint: &str,
    token: &AccessToken,
    member: Option<&str>,
) -> Result<UpstreamIdentity, UpstreamError> {
    let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.expose()))
        .map_err(|_| UpstreamError::Outage("its access token fits no header"))?;
    bearer.set_sensitive(true);
    let request = Request::get(endpoint)
        .header(AUTHORIZATION, bearer)
        .header("accept", "application/json")
        .body(Bytes::new())
        .map_err(|_| UpstreamError::Refused("its userinfo endpoint is no URL"))?;
    let answer = http
        .send(request, MAX_ANSWER)
        .await
        .map_err(|_| UpstreamError::Outage("its userinfo endpoint gave no answer"))?;
    match answer.status() {
        StatusCode::OK => {}
        status if status.is_server_error() => {
            return Err(UpstreamError::Outage("its userinfo endpoint answers 5xx"));
        }
        _ => {
            return Err(UpstreamError::Refused(
                "its userinfo endpoint refused the token it just issued",
            ));
        }
    }
    let claims: Map<String, Value> = serde_json::from_slice(answer.body())
        .map_err(|_| UpstreamError::Outage("its userinfo answer is no JSON object"))?;
    let told = match member {
        Some(member) => claims.get(member),
        None => claims.get("sub").or_else(|| claims.get("id")),
    };
    let subject = told.and_then(subject).ok_or(UpstreamError::Refused(
        "its userinfo answer has no usable subject",
    ))?;
    Ok(UpstreamIdentity::new(subject, claims))
}

/// The `sub` of an answer (OpenID Connect Core §5.3.2), whatever member is the user otherwise.
pub(super) fn sub(told: &UpstreamIdentity) -> Option<String> {
    told.claims.get("sub").and_then(subject)
}

/// Text or a whole number.
fn subject(told: &Value) -> Option<String> {
    let subject = match told {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_u64() => number.to_string(),
        _ => return None,
    };
    is_usable_subject(&subject).then_some(subject)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_only_a_usable_subject() {
        let of = |text: &str| subject(&serde_json::from_str(text).unwrap());
        assert_eq!(of("\"u1\"").as_deref(), Some("u1"));
        assert_eq!(of("583231").as_deref(), Some("583231"));
        for bad in [
            "\"\"",
            "null",
            "\"a\\nb\"",
            "[\"u\"]",
            "1.5",
            "-1",
            "{}",
            "true",
        ] {
            assert_eq!(of(bad), None, "{bad}");
        }
        assert_eq!(of(&format!("\"{}\"", "x".repeat(256))), None);
    }
}
