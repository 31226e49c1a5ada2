//! Query strings and form bodies: each parameter once, an empty one is not sent (OAuth 2.1 §3.1).

use super::OAuthErrorCode;

/// The parameters of one request.
#[derive(Debug)]
pub(crate) struct Form(Vec<(String, zeroize::Zeroizing<String>)>);

/// Why a set of parameters is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FormError {
    #[error("more than 64 parameters")]
    TooMany,
    #[error("a parameter is repeated")]
    Repeated,
    #[error("not valid UTF-8")]
    Encoding,
}

impl FormError {
    pub(crate) const fn code(self) -> OAuthErrorCode {
        OAuthErrorCode::InvalidRequest
    }
}

impl Form {
    const MAX_PARAMETERS: usize = 64;

    /// Parses `application/x-www-form-urlencoded` bytes. Only `resource` may repeat (RFC 8707 §2).
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, FormError> {
        if bytes.iter().filter(|b| **b == b'&').count() >= Self::MAX_PARAMETERS {
            return Err(FormError::TooMany);
        }
        let mut parameters: Vec<(String, zeroize::Zeroizing<String>)> = Vec::new();
        for (name, value) in url::form_urlencoded::parse(bytes) {
            // The decoder writes U+FFFD for what is not UTF-8; no parameter of ours contains one.
            if name.contains('\u{fffd}') || value.contains('\u{fffd}') {
                return Err(FormError::Encoding);
            }
            if name != "resource" && parameters.iter().any(|(known, _)| *known == name) {
                return Err(FormError::Repeated);
            }
            parameters.push((name.into_owned(), value.into_owned().into()));
        }
        Ok(Self(parameters))
    }

    /// The value of a parameter that was sent and is not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let sent = self
            .0
            .iter()
            .find(|(known, value)| known == name && !value.is_empty());
        sent.map(|(_, value)| value.as_str())
    }

    /// Every value of a parameter that may repeat.
    pub(crate) fn all<'a, 'n: 'a>(
        &'a self,
        name: &'n str,
    ) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        let sent = self
            .0
            .iter()
            .filter(move |(known, value)| known == name && !value.is_empty());
        sent.map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_parameter_once_and_empty_is_absent() {
        let form = Form::parse(b"a=1&b=&resource=x&resource=y&c=%20").unwrap();
        assert_eq!(form.get("a"), Some("1"));
        assert_eq!(form.get("b"), None);
        assert_eq!(form.get("c"), Some(" "));
        assert_eq!(form.all("resource").collect::<Vec<_>>(), ["x", "y"]);
        assert_eq!(Form::parse(b"a=1&a=1").unwrap_err(), FormError::Repeated);
        assert_eq!(Form::parse(b"a=&a=1").unwrap_err(), FormError::Repeated);
        assert_eq!(
            Form::parse("&".repeat(64).as_bytes()).unwrap_err(),
            FormError::TooMany
        );
        assert_eq!(Form::parse(b"a=%ff").unwrap_err(), FormError::Encoding);
    }
}
