//! One cookie, parsed from `Set-Cookie` (RFC 6265bis §5.6).

use std::{
    fmt,
    time::{Duration, UNIX_EPOCH},
};

use mcp_auth::oauth::Timestamp;
use url::{Host, Url};

/// A cookie with the attributes that decide where it goes.
#[derive(Clone)]
pub(super) struct Cookie {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) path: String,
    pub(super) domain: String,
    pub(super) host_only: bool,
    pub(super) secure: bool,
    pub(super) same_site: SameSite,
    /// `None` ends with the browser.
    pub(super) expires_at: Option<Timestamp>,
}

/// When a cookie goes along on a request from elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SameSite {
    Strict,
    Lax,
    None,
}

impl Cookie {
    /// Parses one `Set-Cookie` value that `url` sent; `None` where a browser would ignore it.
    pub(super) fn parse(url: &Url, text: &str, now: Timestamp) -> Option<Self> {
        let mut parts = text.split(';');
        let (name, value) = parts.next()?.split_once('=')?;
        let (name, value) = (name.trim(), value.trim());
        if name.is_empty() || name.len() + value.len() > MAX_SIZE {
            return None;
        }
        let host = url.host_str()?.to_ascii_lowercase();
        let mut cookie = Self {
            name: name.to_owned(),
            value: value.to_owned(),
            path: default_path(url),
            domain: host.clone(),
            host_only: true,
            secure: false,
            same_site: SameSite::Lax,
            expires_at: None,
        };
        let mut max_age_seen = false;
        for attribute in parts {
            let (key, value) = attribute.split_once('=').unwrap_or((attribute, ""));
            let value = value.trim();
            match key.trim().to_ascii_lowercase().as_str() {
                "secure" => cookie.secure = true,
                "path" if value.starts_with('/') => cookie.path = value.to_owned(),
                "domain" if !value.is_empty() => {
                    let domain = value.trim_start_matches('.').to_ascii_lowercase();
                    cookie.host_only = false;
                    cookie.domain = domain;
                }
                "max-age" => {
                    if let Some(at) = after(value, now) {
                        cookie.expires_at = Some(at);
                        max_age_seen = true;
                    }
                }
                "expires" if !max_age_seen => {
                    cookie.expires_at = date(value).or(cookie.expires_at);
                }
                "samesite" => {
                    cookie.same_site = match value.to_ascii_lowercase().as_str() {
                        "strict" => SameSite::Strict,
                        "none" => SameSite::None,
                        _ => SameSite::Lax,
                    };
                }
                _ => {}
            }
        }
        cookie.is_acceptable(url, &host).then_some(cookie)
    }

    pub(super) fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    /// Whether it belongs to this host and path over this scheme.
    pub(super) fn belongs_to(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        let host_fits = if self.host_only {
            host.eq_ignore_ascii_case(&self.domain)
        } else {
            domain_matches(&host.to_ascii_lowercase(), &self.domain)
        };
        host_fits && path_matches(url.path(), &self.path) && (!self.secure || is_secure(url))
    }

    fn is_acceptable(&self, url: &Url, host: &str) -> bool {
        let lower = self.name.to_ascii_lowercase();
        let prefix_kept = if lower.starts_with("__host-") {
            self.secure && self.host_only && self.path == "/"
        } else {
            !lower.starts_with("__secure-") || self.secure
        };
        let is_name = matches!(url.host(), Some(Host::Domain(_)));
        let domain_kept = self.host_only
            || self.domain == host
            || (is_name && self.domain.contains('.') && domain_matches(host, &self.domain));
        prefix_kept
            && domain_kept
            && (!self.secure || is_secure(url))
            && (self.same_site != SameSite::None || self.secure)
    }
}

/// Shows the name and where it goes; the value is a secret.
impl fmt::Debug for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cookie")
            .field("name", &self.name)
            .field("domain", &self.domain)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// Only https is: some browsers make an exception for loopback, and not all of them.
pub(super) fn is_secure(url: &Url) -> bool {
    url.scheme() == "https"
}

fn domain_matches(host: &str, domain: &str) -> bool {
    host == domain
        || host.strip_suffix(domain).is_some_and(|before| {
            before.ends_with('.') && host.parse::<std::net::IpAddr>().is_err()
        })
}

fn path_matches(path: &str, cookie_path: &str) -> bool {
    path.strip_prefix(cookie_path)
        .is_some_and(|rest| rest.is_empty() || cookie_path.ends_with('/') || rest.starts_with('/'))
}

fn default_path(url: &Url) -> String {
    match url.path().rsplit_once('/') {
        None | Some(("", _)) => "/".to_owned(),
        Some((folder, _)) => folder.to_owned(),
    }
}

/// `Max-Age`; zero and negative end the cookie at once.
fn after(value: &str, now: Timestamp) -> Option<Timestamp> {
    let digits = value.strip_prefix('-').unwrap_or(value);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if value.starts_with('-') {
        return Some(Timestamp::from_seconds(0));
    }
    let seconds = digits.parse().unwrap_or(u64::MAX);
    Some(now.plus(Duration::from_secs(seconds)))
}

fn date(value: &str) -> Option<Timestamp> {
    let at = httpdate::parse_http_date(value).ok()?;
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    Some(Timestamp::from_seconds(since.as_secs()))
}

/// What browsers keep of a name and its value.
const MAX_SIZE: usize = 4_096;
