//! The one credential of a request (RFC 6750 §2.1, OAuth 2.1 §5.1, RFC 9449 §7.1).

use http::{
    HeaderMap, HeaderName, HeaderValue, Uri,
    header::{AUTHORIZATION, CONTENT_TYPE},
};

use super::Refusal;
use crate::oauth::AccessToken;

/// The credential of a request and the scheme it came under.
#[derive(Debug)]
pub(super) struct Credential {
    pub(super) token: AccessToken,
    pub(super) scheme: Scheme,
}

/// How a token is presented, which has to be how it was issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    /// By itself: `Authorization: Bearer`, or the header that the operator named.
    Bearer,
    /// With a proof of possession: `Authorization: DPoP`.
    Dpop,
}

/// Takes the credential from `Authorization: Bearer`, from `Authorization: DPoP` where that is
/// served, or from the header the operator named.
///
/// The query and the body are never a source, but a request that has a token there *too* carries two
/// credentials, and is refused (RFC 6750 §3.1).
pub(super) fn credential(
    headers: &HeaderMap,
    uri: &Uri,
    credential_header: Option<&HeaderName>,
    dpop: bool,
) -> Result<Credential, Refusal> {
    let mut authorizations = headers.get_all(AUTHORIZATION).iter();
    let authorization = authorizations.next();
    if authorizations.next().is_some() {
        return Err(Refusal::TwoCredentials);
    }
    let scheme = scheme(headers, dpop);
    let authorized = authorization.and_then(|header| value_after(scheme, header));
    let named = match credential_header {
        Some(name) => {
            let mut values = headers.get_all(name).iter();
            match (values.next(), values.next()) {
                (_, Some(_)) => return Err(Refusal::TwoCredentials),
                (value, None) => value.map(HeaderValue::as_bytes),
            }
        }
        None => None,
    };
    let token = match (authorized, named) {
        (Some(_), Some(_)) => return Err(Refusal::TwoCredentials),
        (Some(token), None) => legal(token, is_token68),
        (None, Some(key)) => legal(key, |key| key.iter().all(u8::is_ascii_graphic)),
        (None, None) => return Err(Refusal::NoCredential),
    };
    if has_query_token(uri) || has_form_body(headers) {
        return Err(Refusal::TwoCredentials);
    }
    let token = token.ok_or(Refusal::MalformedToken)?;
    Ok(Credential { token, scheme })
}

/// The scheme that a request uses, as far as can be told; `DPoP` only where it is served.
pub(super) fn scheme(headers: &HeaderMap, dpop: bool) -> Scheme {
    let header = headers.get(AUTHORIZATION).filter(|_| dpop);
    match header.and_then(|header| value_after(Scheme::Dpop, header)) {
        Some(_) => Scheme::Dpop,
        None => Scheme::Bearer,
    }
}

/// What follows this scheme, in any case; another scheme is no credential of ours.
fn value_after(scheme: Scheme, header: &HeaderValue) -> Option<&[u8]> {
    let scheme = match scheme {
        Scheme::Bearer => "bearer",
        Scheme::Dpop => "dpop",
    };
    let (named, rest) = header.as_bytes().split_at_checked(scheme.len())?;
    if !named.eq_ignore_ascii_case(scheme.as_bytes()) || rest.first().is_some_and(|b| *b != b' ') {
        return None;
    }
    Some(rest.trim_ascii())
}

fn legal(token: &[u8], alphabet: impl Fn(&[u8]) -> bool) -> Option<AccessToken> {
    if token.is_empty() || token.len() > MAX_TOKEN_BYTES || !alphabet(token) {
        return None;
    }
    std::str::from_utf8(token).ok().map(AccessToken::new)
}

/// The alphabet of a bearer token: `token68` (RFC 9110 §11.2).
fn is_token68(token: &[u8]) -> bool {
    let body = token
        .iter()
        .rposition(|b| *b != b'=')
        .map_or(0, |at| at + 1);
    let legal = |b: &u8| b.is_ascii_alphanumeric() || b"-._~+/".contains(b);
    body > 0 && token.iter().take(body).all(legal)
}

fn has_query_token(uri: &Uri) -> bool {
    uri.query().is_some_and(|query| {
        let mut names = url::form_urlencoded::parse(query.as_bytes());
        names.any(|(name, _)| name == "access_token")
    })
}

/// MCP bodies are JSON; a form could only be there to carry a token (RFC 6750 §2.2).
fn has_form_body(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_TYPE).iter().any(|value| {
        let essence = value
            .as_bytes()
            .split(|b| *b == b';')
            .next()
            .unwrap_or_default();
        essence
            .trim_ascii()
            .eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
    })
}

/// Longer than any token of ours; a JWT with many groups stays well below.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn take(headers: &[(&str, &str)], uri: &str) -> Result<String, Refusal> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        let named = HeaderName::from_static("x-api-key");
        let credential = credential(&map, &uri.parse().unwrap(), Some(&named), false);
        credential.map(|credential| credential.token.expose().to_owned())
    }

    // RS-03, RS-05, RS-06
    #[test]
    fn takes_exactly_one_credential() {
        let good = |value| take(&[("authorization", value)], "/mcp");
        assert_eq!(good("Bearer abc.DEF-_~+/=="), Ok("abc.DEF-_~+/==".into()));
        assert_eq!(good("bEARER   abc"), Ok("abc".into()));
        assert_eq!(take(&[("x-api-key", "k!y")], "/mcp"), Ok("k!y".into()));
        let two = Err(Refusal::TwoCredentials);
        for headers in [
            [("authorization", "Bearer a"), ("authorization", "Bearer a")],
            [("authorization", "Bearer a"), ("authorization", "Basic a")],
            [("authorization", "Bearer a"), ("x-api-key", "a")],
            [("x-api-key", "a"), ("x-api-key", "b")],
            [
                ("authorization", "Bearer a"),
                (
                    "content-type",
                    "Application/x-www-form-urlencoded; charset=utf-8",
                ),
            ],
        ] {
            assert_eq!(take(&headers, "/mcp"), two, "{headers:?}");
        }
        for uri in ["/mcp?access_token=a", "/mcp?x=1&access%5Ftoken=a"] {
            assert_eq!(take(&[("authorization", "Bearer a")], uri), two, "{uri}");
            assert_eq!(take(&[], uri), Err(Refusal::NoCredential), "{uri}");
        }
    }

    // AX-06
    #[test]
    fn the_scheme_of_proofs_is_one_only_where_it_is_served() {
        let take = |value: &'static str, dpop| {
            let mut map = HeaderMap::new();
            map.append(AUTHORIZATION, HeaderValue::from_static(value));
            let taken = credential(&map, &"/mcp".parse().unwrap(), None, dpop);
            taken.map(|taken| (taken.scheme, taken.token.expose().to_owned()))
        };
        let abc = || "abc".to_owned();
        assert_eq!(take("DPoP abc", true), Ok((Scheme::Dpop, abc())));
        assert_eq!(take("dpop  abc", true), Ok((Scheme::Dpop, abc())));
        assert_eq!(take("Bearer abc", true), Ok((Scheme::Bearer, abc())));
        assert_eq!(take("DPoP abc", false), Err(Refusal::NoCredential));
        assert_eq!(take("DPoPabc", true), Err(Refusal::NoCredential));
        assert_eq!(take("DPoP", true), Err(Refusal::MalformedToken));
        assert_eq!(take("DPoP a b", true), Err(Refusal::MalformedToken));
    }

    // RS-11
    #[test]
    fn tells_nothing_from_malformed() {
        for nothing in ["Basic YTpi", "Bearertoken", "Bear", ""] {
            let taken = take(&[("authorization", nothing)], "/mcp");
            assert_eq!(taken, Err(Refusal::NoCredential), "{nothing}");
        }
        let long = format!("Bearer {}", "a".repeat(MAX_TOKEN_BYTES + 1));
        for malformed in [
            "Bearer",
            "Bearer ",
            "Bearer a b",
            "Bearer a\"b",
            "Bearer =",
            "Bearer a=b",
            &long,
        ] {
            let taken = take(&[("authorization", malformed)], "/mcp");
            assert_eq!(taken, Err(Refusal::MalformedToken), "{malformed}");
        }
    }
}
