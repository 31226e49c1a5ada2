//! Token answers, as providers really send them (RFC 6749 §5).

use std::time::Duration;

use http::{HeaderValue, header::CONTENT_TYPE};
use oauth2::{HttpResponse, TokenResponse};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::expires_in::seconds;

/// No token lives longer than this for us, whatever the upstream says.
const MAX_LIFETIME: u64 = 365 * 24 * 3600;

/// A token answer as providers really send it (RFC 6749 §5.1).
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct UpstreamTokenResponse {
    pub(super) access_token: oauth2::AccessToken,
    #[serde(default)]
    pub(super) token_type: UpstreamTokenType,
    #[serde(default, deserialize_with = "lifetime")]
    pub(super) expires_in: Option<Lifetime>,
    pub(super) refresh_token: Option<oauth2::RefreshToken>,
    #[serde(default, deserialize_with = "scopes")]
    pub(super) scope: Option<Vec<String>>,
    pub(super) id_token: Option<IdToken>,
}

/// Says personal things: whoever prints the answer prints none of it.
#[derive(Deserialize, Serialize)]
pub(super) struct IdToken(pub(super) String);

impl std::fmt::Debug for IdToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IdToken([redacted])")
    }
}

/// Words with spaces between them (RFC 6749 §3.3), or with commas, or a list; anything else says nothing.
fn scopes<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<String>>, D::Error> {
    let told = Value::deserialize(deserializer)?;
    let texts: Vec<&str> = match &told {
        Value::String(text) => vec![text],
        Value::Array(members) => members.iter().filter_map(Value::as_str).collect(),
        _ => return Ok(None),
    };
    let words = texts.iter().flat_map(|text| text.split([' ', ',']));
    let words = words.filter(|word| !word.is_empty());
    Ok(Some(words.map(str::to_owned).collect()))
}

/// Seconds; clamped to a year.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Lifetime(pub(super) u64);

fn lifetime<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Lifetime>, D::Error> {
    let told = Value::deserialize(deserializer)?;
    Ok(seconds(&told, MAX_LIFETIME).map(Lifetime))
}

/// Only a bearer token is of use to us, whatever its spelling.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct UpstreamTokenType(String);

impl oauth2::TokenType for UpstreamTokenType {}

impl UpstreamTokenType {
    /// RFC 6749 §7.1: without regard to case; some providers leave it out.
    pub(super) fn is_bearer(&self) -> bool {
        self.0.is_empty() || self.0.eq_ignore_ascii_case("bearer")
    }
}

impl TokenResponse for UpstreamTokenResponse {
    type TokenType = UpstreamTokenType;

    fn access_token(&self) -> &oauth2::AccessToken {
        &self.access_token
    }

    fn token_type(&self) -> &UpstreamTokenType {
        &self.token_type
    }

    fn expires_in(&self) -> Option<Duration> {
        self.expires_in
            .map(|Lifetime(seconds)| Duration::from_secs(seconds))
    }

    fn refresh_token(&self) -> Option<&oauth2::RefreshToken> {
        self.refresh_token.as_ref()
    }

    fn scopes(&self) -> Option<&Vec<oauth2::Scope>> {
        None
    }
}

/// An answer as RFC 6749 §5.1 has it, where it came as a form: some providers send one, and call it text
/// or nothing at all.
pub(super) fn as_json(mut answer: HttpResponse) -> HttpResponse {
    let headers = answer.headers();
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::to_str);
    let kind = kind.and_then(Result::ok).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let may_be_a_form = ["application/x-www-form-urlencoded", "text/plain", ""]
        .iter()
        .any(|form| kind.eq_ignore_ascii_case(form));
    if !may_be_a_form {
        return answer;
    }
    if !answer.body().trim_ascii_start().starts_with(b"{") {
        let Some(members) = form_members(answer.body()) else {
            return answer;
        };
        *answer.body_mut() = Value::Object(members).to_string().into_bytes();
    }
    let json = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(CONTENT_TYPE, json);
    answer
}

/// The fields of a form; none if one is there twice, so that it has one meaning.
fn form_members(body: &[u8]) -> Option<Map<String, Value>> {
    let mut members = Map::new();
    for (name, value) in form_urlencoded::parse(body) {
        let text = Value::String(value.into_owned());
        if members.insert(name.into_owned(), text).is_some() {
            return None;
        }
    }
    Some(members)
}

/// Some providers answer errors with 200.
pub(super) fn is_an_error(body: &[u8]) -> bool {
    let answer = serde_json::from_slice::<Value>(body).unwrap_or_default();
    answer.get("error").is_some_and(Value::is_string) && answer.get("access_token").is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_whatever_its_status() {
        assert!(is_an_error(
            br#"{"error":"bad_refresh_token","error_description":"x"}"#
        ));
        for good in [
            r#"{"access_token":"t"}"#,
            r#"{"access_token":"t","error":""}"#,
            "{}",
            "<html>",
        ] {
            assert!(!is_an_error(good.as_bytes()), "{good}");
        }
    }

    /// TIM-04.
    #[test]
    fn clamps_strange_lifetimes() {
        let told = |value: &str| {
            let text =
                format!(r#"{{"access_token":"t","token_type":"Bearer","expires_in":{value}}}"#);
            serde_json::from_str::<UpstreamTokenResponse>(&text)
                .unwrap()
                .expires_in
                .map(|Lifetime(seconds)| seconds)
        };
        assert_eq!(told("300"), Some(300));
        assert_eq!(told("\"300\""), Some(300));
        assert_eq!(told("1e30"), Some(MAX_LIFETIME));
        for nothing in ["-5", "0", "\"soon\"", "null", "[1]", "{}", "true"] {
            assert_eq!(told(nothing), None, "{nothing}");
        }
    }

    fn sent(kind: Option<&'static str>, body: &str) -> HttpResponse {
        let mut answer = HttpResponse::new(body.as_bytes().to_vec());
        if let Some(kind) = kind {
            let kind = HeaderValue::from_static(kind);
            answer.headers_mut().insert(CONTENT_TYPE, kind);
        }
        as_json(answer)
    }

    #[test]
    fn a_form_is_read_whatever_it_is_called() {
        let form = "access_token=a%20b&scope=repo%2Cgist&token_type=bearer";
        for kind in [
            Some("application/x-www-form-urlencoded; charset=utf-8"),
            Some("text/plain"),
            None,
        ] {
            let answer = sent(kind, form);
            assert_eq!(answer.headers()[CONTENT_TYPE], "application/json");
            let read: UpstreamTokenResponse = serde_json::from_slice(answer.body()).unwrap();
            assert_eq!(read.access_token.secret(), "a b");
            assert_eq!(read.scope.unwrap(), ["repo", "gist"]);
        }
        let json = r#" {"access_token":"t"}"#;
        assert_eq!(sent(Some("text/plain"), json).body(), json.as_bytes());
        let twice = sent(Some("text/plain"), "access_token=a&access_token=b");
        assert!(serde_json::from_slice::<UpstreamTokenResponse>(twice.body()).is_err());
        let page = sent(Some("text/html"), "access_token=a");
        assert_eq!(page.headers()[CONTENT_TYPE], "text/html");
    }

    #[test]
    fn scopes_are_words_however_they_are_written() {
        let told = |value: &str| {
            let text = format!(r#"{{"access_token":"t","scope":{value}}}"#);
            let read = serde_json::from_str::<UpstreamTokenResponse>(&text);
            read.unwrap().scope
        };
        let both = Some(vec!["a".to_owned(), "b".to_owned()]);
        for written in ["\"a b\"", "\"a,b\"", "\" a, b \"", "[\"a\",\"b\"]"] {
            assert_eq!(told(written), both, "{written}");
        }
        assert_eq!(told("\"\""), Some(vec![]));
        for nothing in ["null", "7", "{}"] {
            assert_eq!(told(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn debug_keeps_tokens_to_itself() {
        let text = r#"{"access_token":"sesame","refresh_token":"sesame","id_token":"sesame"}"#;
        let read: UpstreamTokenResponse = serde_json::from_str(text).unwrap();
        assert!(!format!("{read:?}").contains("sesame"));
    }
}
