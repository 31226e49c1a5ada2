//! To whom a request is addressed and which page sent it: the defence against DNS rebinding.

use std::sync::atomic::{AtomicBool, Ordering};

use http::{HeaderMap, HeaderValue, Uri, header::ORIGIN};
use url::Url;

use super::Refusal;
use crate::{
    BuildError,
    net::{named_authority, names},
    oauth::{PublicUrl, ResourceIdentifier, is_loopback_authority, is_scheme},
};

/// Which `Host` and `Origin` are served.
#[derive(Debug)]
pub(super) struct HostPolicy {
    public_url: PublicUrl,
    resource: ResourceIdentifier,
    allowed_origins: Vec<Box<str>>,
    told: AtomicBool,
}

/// Proof that a browser page's origin is allowed.
#[derive(Debug, Clone)]
pub(super) struct AllowedOrigin(HeaderValue);

impl AllowedOrigin {
    /// The origin as the browser sent it, equal to an allowed one.
    pub(super) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl HostPolicy {
    pub(super) fn new(
        public_url: PublicUrl,
        resource: &ResourceIdentifier,
        allowed_origins: Vec<String>,
    ) -> Result<Self, BuildError> {
        if let Some(broken) = allowed_origins.iter().find(|origin| !is_origin(origin)) {
            return Err(BuildError::argument(
                "allowed origins",
                format!(
                    "`{}` is not an origin: write scheme, host and port as browsers do, in lower \
                     case and without a slash at the end, as in https://app.example.com",
                    broken.escape_debug()
                ),
            ));
        }
        Ok(Self {
            public_url,
            resource: resource.clone(),
            allowed_origins: allowed_origins.into_iter().map(Into::into).collect(),
            told: AtomicBool::new(false),
        })
    }

    pub(super) const fn public_url(&self) -> &PublicUrl {
        &self.public_url
    }

    pub(super) fn allowed_origins(&self) -> impl Iterator<Item = &str> {
        self.allowed_origins.iter().map(AsRef::as_ref)
    }

    /// Whether the request is addressed to this server.
    pub(super) fn check_host(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        let authority = named_authority(uri, headers).ok_or(Refusal::Host)?;
        if names(&authority, &self.public_url) {
            return Ok(());
        }
        if self.public_url.is_loopback() && is_loopback_authority(authority.as_str()) {
            if !self.told.swap(true, Ordering::Relaxed) {
                tracing::info!(
                    url = self.resource.as_str(),
                    "a client calls this server by another spelling of its loopback address; \
                     give clients this URL, as tokens are bound to it"
                );
            }
            return Ok(());
        }
        Err(Refusal::Host)
    }

    /// Whether the page that sent the request may: no `Origin` is no page.
    pub(super) fn check_origin(
        &self,
        headers: &HeaderMap,
    ) -> Result<Option<AllowedOrigin>, Refusal> {
        let mut origins = headers.get_all(ORIGIN).iter();
        let Some(header) = origins.next() else {
            return Ok(None);
        };
        let origin = header.to_str().map_err(|_| Refusal::Origin)?;
        let allowed = origin == self.public_url.as_str()
            || self.allowed_origins().any(|allowed| allowed == origin)
            || (self.public_url.is_loopback() && is_loopback_origin(origin));
        if origins.next().is_some() || !allowed {
            return Err(Refusal::Origin);
        }
        Ok(Some(AllowedOrigin(header.clone())))
    }
}

fn is_loopback_origin(origin: &str) -> bool {
    let http = origin.strip_prefix("http://");
    let rest = http.or_else(|| origin.strip_prefix("https://"));
    rest.is_some_and(is_loopback_authority)
}

/// Whether a text is an origin in the one spelling that browsers send.
pub(crate) fn is_origin(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else {
        return false;
    };
    if rest.is_empty() || rest.contains('*') {
        return false;
    }
    if matches!(scheme, "http" | "https") {
        return Url::parse(text).is_ok_and(|url| url.origin().ascii_serialization() == text);
    }
    is_scheme(scheme)
        && !rest.is_empty()
        && rest
            .bytes()
            .all(|b| b.is_ascii_graphic() && !b"/?#@*\\".contains(&b))
}

#[cfg(test)]
mod tests {
    use http::header::HOST;

    use super::*;

    fn policy(url: &str, origins: &[&str]) -> Result<HostPolicy, BuildError> {
        let url = PublicUrl::parse(url).unwrap();
        let resource = url.resource("/mcp").unwrap();
        let origins = origins.iter().map(ToString::to_string).collect();
        HostPolicy::new(url, &resource, origins)
    }

    fn served(policy: &HostPolicy, host: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().unwrap());
        policy
            .check_host(&"/mcp".parse().unwrap(), &headers)
            .is_ok()
    }

    fn welcome(policy: &HostPolicy, origin: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(ORIGIN, origin.parse().unwrap());
        policy.check_origin(&headers).is_ok()
    }

    // TR-04
    #[test]
    fn public_server_is_known_under_its_own_name_only() {
        let policy = policy("https://mcp.example.com", &[]).unwrap();
        for host in ["mcp.example.com", "MCP.example.com", "mcp.example.com:443"] {
            assert!(served(&policy, host), "{host}");
        }
        for host in [
            "mcp.example.com:8443",
            "evil.example",
            "mcp.example.com.evil.example",
            "localhost",
            "127.0.0.1:8000",
            "a@mcp.example.com",
            "",
        ] {
            assert!(!served(&policy, host), "{host}");
        }
    }

    // TR-04
    #[test]
    fn loopback_server_is_known_under_every_loopback_name() {
        let policy = policy("http://127.0.0.1:8000", &[]).unwrap();
        for host in ["127.0.0.1:8000", "localhost:8000", "[::1]:9", "LOCALHOST"] {
            assert!(served(&policy, host), "{host}");
        }
        for host in [
            "localhost.evil.example:8000",
            "evil.example",
            "0.0.0.0:8000",
            "127.1",
        ] {
            assert!(!served(&policy, host), "{host}");
        }
    }

    // TR-04
    #[test]
    fn uri_and_host_must_agree() {
        let policy = policy("https://mcp.example.com", &[]).unwrap();
        let uri: Uri = "https://mcp.example.com/mcp".parse().unwrap();
        let mut headers = HeaderMap::new();
        assert!(policy.check_host(&uri, &headers).is_ok());
        headers.insert(HOST, "evil.example".parse().unwrap());
        assert!(policy.check_host(&uri, &headers).is_err());
        headers.insert(HOST, "mcp.example.com".parse().unwrap());
        assert!(policy.check_host(&uri, &headers).is_ok());
        headers.append(HOST, "mcp.example.com".parse().unwrap());
        assert!(policy.check_host(&uri, &headers).is_err());
        let nowhere: Uri = "/mcp".parse().unwrap();
        assert!(policy.check_host(&nowhere, &HeaderMap::new()).is_err());
    }

    // TR-01, TR-02
    #[test]
    fn origins_are_own_listed_or_loopback_on_loopback() {
        let public = policy("https://mcp.example.com", &["https://app.example.com"]).unwrap();
        let local = policy("http://127.0.0.1:8000", &["vscode-webview://abc"]).unwrap();
        assert!(welcome(&public, "https://mcp.example.com"));
        assert!(welcome(&public, "https://app.example.com"));
        assert!(welcome(&local, "http://localhost:6274"));
        assert!(welcome(&local, "vscode-webview://abc"));
        for origin in [
            "null",
            "http://localhost:6274",
            "http://mcp.example.com",
            "https://app.example.com:444",
            "https://app.example.com.evil.example",
        ] {
            assert!(!welcome(&public, origin), "{origin}");
        }
        for origin in [
            "null",
            "https://evil.example",
            "http://localhost@evil.example",
        ] {
            assert!(!welcome(&local, origin), "{origin}");
        }
    }

    #[test]
    fn refuses_a_list_with_what_browsers_never_send() {
        for origin in [
            "*",
            "null",
            "https://a.example/",
            "https://A.example",
            "a.example",
            "http://*",
        ] {
            assert!(
                policy("https://mcp.example.com", &[origin]).is_err(),
                "{origin}"
            );
        }
    }
}
