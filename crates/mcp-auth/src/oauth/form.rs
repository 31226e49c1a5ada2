//! Query strings and form bodies: each parameter once, an empty one is not sent (OAuth 2.1 §3.1).

use zeroize::Zeroizing;

/// The parameters of one request.
pub(crate) struct Form {
    parameters: Vec<(String, Zeroizing<String>)>,
    repeated: Vec<String>,
}

/// The names alone: the values are codes, tokens and secrets.
impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.parameters.iter().map(|(name, _)| name);
        f.debug_list().entries(names).finish()
    }
}

/// Why a set of parameters cannot be read at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FormError {
    #[error("more than 64 parameters")]
    TooMany,
    #[error("not valid UTF-8")]
    Encoding,
}

impl Form {
    const MAX_PARAMETERS: usize = 64;

    /// Parses `application/x-www-form-urlencoded` bytes.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, FormError> {
        if bytes.iter().filter(|b| **b == b'&').count() >= Self::MAX_PARAMETERS {
            return Err(FormError::TooMany);
        }
        let mut form = Self {
            parameters: Vec::new(),
            repeated: Vec::new(),
        };
        for (name, value) in url::form_urlencoded::parse(bytes) {
            // The decoder writes U+FFFD for what is not UTF-8; no parameter of ours contains one.
            if name.contains('\u{fffd}') || value.contains('\u{fffd}') {
                return Err(FormError::Encoding);
            }
            // Only `resource` may repeat (RFC 8707 §2).
            if name != "resource" && form.parameters.iter().any(|(known, _)| *known == name) {
                form.repeated.push(name.clone().into_owned());
            }
            form.parameters
                .push((name.into_owned(), value.into_owned().into()));
        }
        Ok(form)
    }

    /// Whether this parameter was sent twice.
    pub(crate) fn repeats(&self, name: &str) -> bool {
        self.repeated.iter().any(|repeated| repeated == name)
    }

    /// Whether any parameter was sent twice.
    pub(crate) fn repeats_any(&self) -> bool {
        !self.repeated.is_empty()
    }

    /// The first value of a parameter that was sent and is not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let sent = self
            .parameters
            .iter()
            .find(|(known, value)| known == name && !value.is_empty());
        sent.map(|(_, value)| value.as_str())
    }

    /// The same with this parameter, in place of what was sent under its name; that it was sent twice
    /// stays known.
    pub(crate) fn with(mut self, name: &str, value: String) -> Self {
        self.parameters.retain(|(known, _)| known != name);
        self.parameters.push((name.to_owned(), value.into()));
        self
    }

    /// Everything that was sent but for these, form-encoded.
    pub(crate) fn encoded_without(&self, names: &[&str]) -> Zeroizing<String> {
        let mut encoded = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in &self.parameters {
            if !names.contains(&name.as_str()) {
                encoded.append_pair(name, value);
            }
        }
        encoded.finish().into()
    }

    /// Every `resource` that was sent.
    pub(crate) fn resources(&self) -> impl Iterator<Item = &str> {
        let sent = self
            .parameters
            .iter()
            .filter(|(name, value)| name == "resource" && !value.is_empty());
        sent.map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_names_only() {
        let form = Form::parse(b"client_secret=canary&code=canary&code=canary").unwrap();
        let shown = format!("{form:?}");
        assert_eq!(shown, r#"["client_secret", "code", "code"]"#);
    }

    #[test]
    fn each_parameter_once_and_empty_is_absent() {
        let form = Form::parse(b"a=1&b=&resource=x&resource=y&c=%20").unwrap();
        assert_eq!(form.get("a"), Some("1"));
        assert_eq!(form.get("b"), None);
        assert_eq!(form.get("c"), Some(" "));
        assert_eq!(form.resources().collect::<Vec<_>>(), ["x", "y"]);
        assert!(!form.repeats_any());
        let twice = Form::parse(b"a=&b=1&a=1").unwrap();
        assert!(twice.repeats("a") && twice.repeats_any() && !twice.repeats("b"));
        assert_eq!(
            Form::parse("&".repeat(64).as_bytes()).unwrap_err(),
            FormError::TooMany
        );
        assert_eq!(Form::parse(b"a=%ff").unwrap_err(), FormError::Encoding);
    }
}
