//! The bearer token of a call to `/register` and below (RFC 6750 §2.1).

use http::{HeaderMap, header::AUTHORIZATION};

use crate::oauth::{AccessToken, OAuthErrorCode};

/// The one token in the `Authorization` header.
///
/// # Errors
///
/// What to answer with: nothing in particular where no token was sent, `invalid_token` where what was
/// sent cannot be one.
pub(super) fn bearer(headers: &HeaderMap) -> Result<AccessToken, Option<OAuthErrorCode>> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(None)?;
    let malformed = Some(OAuthErrorCode::InvalidToken);
    if values.next().is_some() {
        return Err(malformed);
    }
    let value = value.to_str().map_err(|_| malformed)?;
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(None);
    }
    let token = token.trim_matches(' ');
    let legal = |b: u8| b.is_ascii_graphic();
    if token.is_empty() || !token.bytes().all(legal) {
        return Err(malformed);
    }
    Ok(AccessToken::new(token))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(values: &[&'static str]) -> Result<String, Option<OAuthErrorCode>> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_static(value));
        }
        bearer(&headers).map(|token| token.expose().to_owned())
    }

    #[test]
    fn one_token_or_the_reason() {
        assert_eq!(of(&["bEARER  a.b-c"]), Ok("a.b-c".into()));
        for nothing in [&[][..], &["Basic YTpi"], &["Bearerx y"]] {
            assert_eq!(of(nothing), Err(None), "{nothing:?}");
        }
        for malformed in [
            &["Bearer"][..],
            &["Bearer "],
            &["Bearer a b"],
            &["Bearer a", "Bearer a"],
        ] {
            let invalid = Err(Some(OAuthErrorCode::InvalidToken));
            assert_eq!(of(malformed), invalid, "{malformed:?}");
        }
    }
}
