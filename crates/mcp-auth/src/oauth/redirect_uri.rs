//! Redirection URIs: raw strings, compared byte for byte (OAuth 2.1 §2.3, RFC 9700 §2.1).

use url::Url;

use super::{
    ParseError,
    authority::{check_authority, split_port},
    is_loopback_host,
    resource_identifier::is_dot_segment,
};

/// Where the browser returns to a client.
///
/// Parsed strictly enough that no two URL parsers can disagree about its host: what is refused here
/// is refused at registration, so that it can never be matched later.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RedirectUri(Box<str>);

super::text_newtype!(RedirectUri);

/// Dotless private-use schemes that live hosts register (RFC 8252 §7.1 asks for a dot).
const KNOWN_SCHEMES: [&str; 4] = ["cursor", "vscode", "vscode-insiders", "windsurf"];

/// What an authorization response adds to the query.
const RESPONSE_PARAMETERS: [&str; 6] = [
    "code",
    "state",
    "iss",
    "error",
    "error_description",
    "error_uri",
];

impl RedirectUri {
    /// The longest that is taken, in bytes.
    pub const MAX_BYTES: usize = 1024;

    /// Parses a redirection URI: `https`, `http` on loopback, or a private-use scheme that has a
    /// dot or is one of the well-known hosts' own.
    ///
    /// # Errors
    ///
    /// For any other scheme, and for whatever two URL parsers could read differently.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        Self::parse_with_schemes(text, &[])
    }

    /// As [`RedirectUri::parse`], with further dotless private-use schemes allowed.
    ///
    /// # Errors
    ///
    /// As [`RedirectUri::parse`].
    pub fn parse_with_schemes(text: &str, extra: &[String]) -> Result<Self, ParseError> {
        let broken = |rule| ParseError::new("redirect_uri", rule);
        if text.len() > Self::MAX_BYTES {
            return Err(broken("at most 1,024 bytes"));
        }
        let odd = |b: u8| {
            !b.is_ascii_graphic()
                || matches!(
                    b,
                    b'\\' | b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}'
                )
        };
        if text.bytes().any(odd) {
            return Err(broken(
                "printable ASCII without space, quotes, brackets and backslash",
            ));
        }
        if text.contains('#') {
            return Err(broken("no fragment"));
        }
        let (scheme, rest) = text.split_once(':').ok_or(broken("an absolute URI"))?;
        let url = Url::parse(text).map_err(|_| broken("an absolute URI"))?;
        if url.scheme() != scheme {
            return Err(broken("a scheme in lower case"));
        }
        // OAuth 2.1 §4.1.2: the response has each of its parameters once.
        let query = text.split_once('?').map_or("", |(_, query)| query);
        if url::form_urlencoded::parse(query.as_bytes())
            .any(|(name, _)| RESPONSE_PARAMETERS.contains(&&*name))
        {
            return Err(broken(
                "no parameter of an authorization response in its query",
            ));
        }
        match scheme {
            "https" | "http" => check_web(scheme, rest, &url)?,
            _ if scheme.contains('.')
                || KNOWN_SCHEMES.contains(&scheme)
                || extra.iter().any(|s| s == scheme) =>
            {
                let path = rest.split_once('?').map_or(rest, |(path, _)| path);
                if rest.contains('@') || path.split('/').any(is_dot_segment) {
                    return Err(broken("no user information, no dot segments"));
                }
            }
            _ => {
                return Err(broken(
                    "https, http on loopback, or a private-use scheme with a dot",
                ));
            }
        }
        Ok(Self(text.into()))
    }

    /// Takes back what [`RedirectUri::parse_with_schemes`] made and nobody could change since.
    #[cfg(feature = "authorization-server")]
    pub(crate) fn parsed_before(text: String) -> Self {
        Self(text.into())
    }

    /// Whether a request may use `asked` where this one was registered: the same bytes, or the same
    /// but for the port on loopback (OAuth 2.1 §8.4.2). One spelling of loopback never stands for
    /// another.
    #[must_use]
    pub fn allows(&self, asked: &Self) -> bool {
        if self == asked {
            return true;
        }
        match (self.loopback_parts(), asked.loopback_parts()) {
            (Some(registered), Some(asked)) => registered == asked,
            _ => false,
        }
    }

    /// Whether it leads to this machine, over http or https.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let web = self.is_https() || self.0.starts_with("http:");
        web && is_loopback_host(split_port(self.destination()).0)
    }

    /// Whether it is an `https` URI.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https:")
    }

    /// What to show a person as the place the browser goes to: the host, or the scheme.
    #[must_use]
    pub fn destination(&self) -> &str {
        let (scheme, rest) = self.0.split_once(':').unwrap_or(("", &self.0));
        if scheme != "https" && scheme != "http" {
            return scheme;
        }
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        rest.split(['/', '?']).next().unwrap_or(rest)
    }

    /// The URI with these parameters appended; its own query stays as it is (RFC 6749 §3.1.2).
    #[must_use]
    pub fn with_parameters(&self, parameters: &[(&str, &str)]) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(parameters);
        let query = query.finish();
        let joint = match self.0.split_once('?') {
            None => "?",
            Some((_, "")) => "",
            Some(_) => "&",
        };
        format!("{}{joint}{query}", self.0)
    }

    /// Host without port, and the rest, of an http loopback URI.
    fn loopback_parts(&self) -> Option<(&str, &str)> {
        let rest = self.0.strip_prefix("http://")?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        let host = split_port(authority).0;
        is_loopback_host(host).then_some((host, tail))
    }
}

fn check_web(scheme: &str, rest: &str, url: &Url) -> Result<(), ParseError> {
    let broken = |rule| ParseError::new("redirect_uri", rule);
    let rest = rest
        .strip_prefix("//")
        .ok_or(broken("two slashes after the scheme"))?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let host = check_authority(authority, url).map_err(broken)?;
    let path = tail.split_once('?').map_or(tail, |(path, _)| path);
    if path.split('/').any(is_dot_segment) {
        return Err(broken("no dot segments"));
    }
    if scheme == "http" && !is_loopback_host(host) {
        return Err(broken("https, or http on loopback"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> RedirectUri {
        RedirectUri::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    // ASZ-08
    #[test]
    fn takes_what_hosts_register() {
        for good in [
            "https://claude.ai/api/mcp/auth_callback",
            "http://localhost/callback",
            "http://127.0.0.1:53219/cb?x=1",
            "http://[::1]:4000/cb",
            "cursor://anysphere.cursor-mcp/oauth/callback",
            "com.example.app:/oauth",
        ] {
            parse(good);
        }
    }

    // ASZ-08, ASZ-09
    #[test]
    fn refuses_what_parsers_read_differently() {
        for bad in [
            "",
            "/cb",
            "https:/h/cb",
            "https://",
            "https:///cb",
            "http://h.example/cb",
            "HTTPS://h/cb",
            "https://h/cb#x",
            "https://u@h/cb",
            "https://h\\@evil.example/cb",
            "https://h/a/../b",
            "https://h/%2e%2E/b",
            "https://0x7f000001/cb",
            "http://127.1/cb",
            "https://h:0/cb",
            "https://h:/cb",
            "https://h:99999/cb",
            "https://h%2eexample/cb",
            "https://h/c b",
            "https://h/\u{7f}",
            "https://ä.example/",
            "javascript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "vbscript:x",
            "app:/cb",
            "http://127.0.0.1.evil.example/cb",
            "http://localhost.evil.example/cb",
            "https://good.example;evil.example/cb",
            "https://good.example,evil.example/cb",
            "https://*/cb",
            "https://*.evil.example/cb",
            "https://good..example/cb",
            "https://.example/cb",
            "https://good.example./cb",
            "https://h.example/cb?x=1&code=fixed",
            "https://h.example/cb?st%61te=fixed",
        ] {
            assert!(RedirectUri::parse(bad).is_err(), "{bad}");
        }
    }

    // ASZ-05, ASZ-06, ASZ-07
    #[test]
    fn frees_only_the_loopback_port() {
        let allows = |registered: &str, asked: &str| parse(registered).allows(&parse(asked));
        assert!(allows("http://127.0.0.1/cb", "http://127.0.0.1:53219/cb"));
        assert!(allows("http://localhost:1/cb", "http://localhost:4711/cb"));
        assert!(allows("http://[::1]/cb", "http://[::1]:9/cb"));
        assert!(!allows("http://127.0.0.1/cb", "http://127.0.0.1:53219/cb2"));
        assert!(!allows("http://127.0.0.1/cb", "http://127.0.0.1/cb?x=1"));
        assert!(!allows("http://localhost/cb", "http://127.0.0.1/cb"));
        assert!(!allows("https://h/cb", "https://h:8443/cb"));
        assert!(!allows("https://h/cb", "https://h/cb/"));
    }

    // ASZ-09
    #[test]
    fn keeps_its_own_query() {
        assert_eq!(
            parse("https://h/cb?x=1").with_parameters(&[("code", "a b")]),
            "https://h/cb?x=1&code=a+b"
        );
        assert_eq!(
            parse("https://h/cb").with_parameters(&[("code", "c")]),
            "https://h/cb?code=c"
        );
    }
}
