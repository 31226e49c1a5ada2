//! The domain of an e-mail address.

use url::Host;

use crate::oauth::ParseError;

/// A domain, as the DNS writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EmailDomain(String);

impl EmailDomain {
    /// Parses a domain, in Unicode or as the DNS writes it.
    pub(super) fn parse(text: &str) -> Result<Self, ParseError> {
        ascii(text).map(Self).ok_or(ParseError::new(
            "e-mail domain",
            "a domain such as example.com",
        ))
    }

    /// Whether this is an address at exactly this domain, not at one above or below it.
    pub(super) fn has(&self, email: &str) -> bool {
        // A second `@` can only stand in a quoted local part: whoever has one proves it elsewhere.
        let Some((local, domain)) = email.split_once('@') else {
            return false;
        };
        if local.is_empty() {
            return false;
        }
        if domain.is_ascii() {
            return domain.eq_ignore_ascii_case(&self.0);
        }
        // Letters that only look or count as ASCII ones never make a domain that is written in ASCII.
        self.0.split('.').any(|label| label.starts_with("xn--"))
            && ascii(domain).as_ref() == Some(&self.0)
    }
}

/// The domain in the letters of the DNS (RFC 5891), in lower case.
fn ascii(domain: &str) -> Option<String> {
    // The parser would decode `%2e`, and take brackets and numbers for addresses.
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.' || !c.is_ascii();
    let good = domain.contains('.') && !domain.ends_with('.') && domain.chars().all(plain);
    match Host::parse(domain).ok().filter(|_| good)? {
        Host::Domain(ascii) if !ascii.ends_with('.') => Some(ascii),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_addresses_at_exactly_this_domain() {
        let domain = EmailDomain::parse("Example.com").unwrap();
        for good in ["a@example.com", "a.b+c@EXAMPLE.Com", "ü@example.com"] {
            assert!(domain.has(good), "{good}");
        }
        for bad in [
            "a@evil-example.com",
            "a@example.com.evil.org",
            "a@sub.example.com",
            "a@com",
            "a@example.com.",
            "a@.example.com",
            "a@example.com ",
            "a@example.com\n",
            "a@example.com@evil.org",
            "a@evil.org@example.com",
            "\"a@evil.org\"@example.com",
            "@example.com",
            "example.com",
            "a@example%2ecom",
            "a@ｅxample.com",
            "a@example。com",
            "a@exаmple.com", // a Cyrillic letter
            "a@ex\u{ad}ample.com",
            "",
        ] {
            assert!(!domain.has(bad), "{bad}");
        }
    }

    #[test]
    fn knows_both_spellings_of_an_international_domain() {
        for spelling in ["bücher.example", "BÜCHER.example", "xn--bcher-kva.example"] {
            let domain = EmailDomain::parse(spelling).unwrap();
            for good in [
                "a@bücher.example",
                "a@BÜCHER.EXAMPLE",
                "a@xn--bcher-kva.example",
            ] {
                assert!(domain.has(good), "{spelling} {good}");
            }
            for bad in [
                "a@bucher.example",
                "a@buecher.example",
                "a@xn--bcher-kva.example.org",
            ] {
                assert!(!domain.has(bad), "{spelling} {bad}");
            }
        }
    }

    #[test]
    fn is_a_domain_and_nothing_else() {
        for bad in [
            "",
            "com",
            "@example.com",
            "a@example.com",
            "*.example.com",
            "example.com.",
            "127.0.0.1",
            "[::1]",
            "example.com/x",
            "exa mple.com",
            "example%2ecom",
            "https://example.com",
            "..",
        ] {
            assert!(EmailDomain::parse(bad).is_err(), "{bad}");
        }
    }
}
