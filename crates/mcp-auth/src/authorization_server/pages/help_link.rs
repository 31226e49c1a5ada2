//! A link to the operator's own words.

use url::Url;

use crate::oauth::ParseError;

/// A link under every page, such as to a privacy notice or to help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HelpLink {
    pub(super) words: String,
    pub(super) url: String,
}

const MAX_URL_BYTES: usize = 1000;

impl HelpLink {
    /// These words, leading to this `https` URL.
    ///
    /// # Errors
    ///
    /// When the URL is not `https`, holds a user name, or is longer than 1,000 bytes, or there are no
    /// words.
    pub fn new(words: impl Into<String>, url: impl Into<String>) -> Result<Self, ParseError> {
        let (words, url) = (words.into(), url.into());
        if words.trim().is_empty() {
            return Err(ParseError::new("help link", "words to click on"));
        }
        let parsed = Url::parse(&url).ok();
        let good = parsed.is_some_and(|parsed| {
            parsed.scheme() == "https"
                && parsed.username().is_empty()
                && parsed.password().is_none()
        });
        let plain = url.starts_with("https://")
            && url.len() <= MAX_URL_BYTES
            && url.bytes().all(|b| b.is_ascii_graphic());
        if !good || !plain {
            return Err(ParseError::new(
                "help link",
                "an https URL without user name",
            ));
        }
        Ok(Self { words, url })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // CIM-23
    #[test]
    fn leads_to_https_alone() {
        assert!(HelpLink::new("Privacy", "https://notes.example/privacy?a=1#b").is_ok());
        for url in [
            "",
            "http://notes.example/",
            "javascript:alert(1)",
            "JAVASCRIPT:alert(1)",
            "data:text/html,x",
            "//notes.example/",
            "/privacy",
            "https:notes.example",
            "https://user@notes.example/",
            "https://user:pass@notes.example/",
            "https://notes.example/a b",
            " https://notes.example/",
            "https://",
        ] {
            assert!(HelpLink::new("Privacy", url).is_err(), "{url}");
        }
        assert!(HelpLink::new(" ", "https://notes.example/").is_err());
    }
}
