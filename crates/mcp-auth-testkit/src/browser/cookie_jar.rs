//! All cookies of one browser.

use mcp_auth::oauth::Timestamp;
use url::Url;

use super::{
    cookie::{self, Cookie, SameSite},
    site::Initiator,
};

/// One jar for all hosts; ports are not kept apart, as in every browser (RFC 6265 §8.5).
#[derive(Debug, Clone, Default)]
pub(super) struct CookieJar {
    cookies: Vec<Cookie>,
}

impl CookieJar {
    /// Takes what `url` sent in one `Set-Cookie`; says whether it was acceptable.
    pub(super) fn store(&mut self, url: &Url, set_cookie: &str, now: Timestamp) -> bool {
        let Some(cookie) = Cookie::parse(url, set_cookie, now) else {
            return false;
        };
        // "Leave secure cookies alone": http may not shadow what https set.
        let shadows =
            |old: &Cookie| old.secure && old.name == cookie.name && old.domain == cookie.domain;
        if !cookie::is_secure(url) && self.cookies.iter().any(shadows) {
            return false;
        }
        let same = |old: &Cookie| {
            old.name == cookie.name
                && old.domain == cookie.domain
                && old.path == cookie.path
                && old.host_only == cookie.host_only
        };
        let place = self.cookies.iter().position(same);
        match (place, cookie.is_expired(now)) {
            (Some(place), true) => {
                self.cookies.remove(place);
            }
            (Some(place), false) => {
                // An update keeps its place in the order of creation.
                if let Some(old) = self.cookies.get_mut(place) {
                    *old = cookie;
                }
            }
            (None, true) => {}
            (None, false) => self.cookies.push(cookie),
        }
        true
    }

    /// The cookies that go along, in the order in which they are sent: longer paths first.
    pub(super) fn sent_to(
        &self,
        url: &Url,
        initiator: Initiator<'_>,
        safe_method: bool,
        now: Timestamp,
    ) -> Vec<&Cookie> {
        let same_site = initiator.is_same_site(url);
        let crosses = |cookie: &Cookie| match cookie.same_site {
            SameSite::Strict => same_site,
            SameSite::Lax => same_site || safe_method,
            SameSite::None => true,
        };
        let mut sent: Vec<&Cookie> = self
            .cookies
            .iter()
            .filter(|cookie| !cookie.is_expired(now) && cookie.belongs_to(url) && crosses(cookie))
            .collect();
        sent.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        sent
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_000_000);

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn jar(from: &str, set_cookies: &[&str]) -> CookieJar {
        let mut jar = CookieJar::default();
        for set_cookie in set_cookies {
            jar.store(&url(from), set_cookie, NOW);
        }
        jar
    }

    fn names<'a>(jar: &'a CookieJar, to: &str, page: Option<&str>, safe: bool) -> Vec<&'a str> {
        let page = page.map(url);
        let initiator = Initiator::of(page.as_ref(), &[]);
        let sent = jar.sent_to(&url(to), initiator, safe, NOW);
        sent.into_iter()
            .map(|cookie| cookie.name.as_str())
            .collect()
    }

    #[test]
    fn secure_and_prefixed_cookies_need_https_even_on_loopback() {
        let refused = ["a=1; Secure", "__Host-b=1; Path=/; Secure", "__Secure-c=1"];
        let loopback = jar("http://127.0.0.1:8000/", &refused);
        assert!(loopback.cookies.is_empty());
        let https = jar("https://mcp.example/", &refused);
        assert_eq!(
            names(&https, "https://mcp.example/", None, true),
            ["a", "__Host-b"]
        );
        assert!(names(&https, "http://mcp.example/", None, true).is_empty());
    }

    #[test]
    fn host_prefix_needs_root_path_and_no_domain() {
        let jar = jar(
            "https://mcp.example/a",
            &[
                "__Host-a=1; Secure; Path=/a",
                "__Host-b=1; Secure; Path=/; Domain=mcp.example",
                "__host-c=1; Path=/",
                "__Host-d=1; Secure; Path=/",
            ],
        );
        assert_eq!(
            names(&jar, "https://mcp.example/a", None, true),
            ["__Host-d"]
        );
    }

    #[test]
    fn ports_share_cookies_and_hosts_do_not() {
        let jar = jar("http://127.0.0.1:8000/", &["a=1"]);
        assert_eq!(names(&jar, "http://127.0.0.1:9000/", None, true), ["a"]);
        assert!(names(&jar, "http://localhost:8000/", None, true).is_empty());
    }

    #[test]
    fn paths_match_whole_segments_and_longer_ones_come_first() {
        let jar = jar(
            "http://h.example/x/y",
            &["a=1; Path=/", "b=1", "c=1; Path=/x/y"],
        );
        assert_eq!(
            names(&jar, "http://h.example/x/y", None, true),
            ["c", "b", "a"]
        );
        assert_eq!(names(&jar, "http://h.example/xy", None, true), ["a"]);
    }

    #[test]
    fn same_site_decides_what_crosses() {
        let jar = jar(
            "https://mcp.example/",
            &[
                "strict=1; SameSite=Strict",
                "lax=1; SameSite=Lax",
                "unsaid=1",
                "none=1; SameSite=None; Secure",
                "refused=1; SameSite=None",
            ],
        );
        let to = "https://mcp.example/";
        let evil = Some("https://evil.example.org/");
        assert_eq!(names(&jar, to, evil, true), ["lax", "unsaid", "none"]);
        assert_eq!(names(&jar, to, evil, false), ["none"]);
        assert_eq!(
            names(&jar, to, Some("http://mcp.example/"), false),
            ["none"]
        );
        assert_eq!(names(&jar, to, Some(to), false).len(), 4);
    }

    #[test]
    fn a_redirect_through_another_site_withholds_strict_cookies() {
        let jar = jar(
            "https://mcp.example/",
            &["strict=1; SameSite=Strict", "lax=1"],
        );
        let to = url("https://mcp.example/callback");
        let chain = [
            url("https://mcp.example/consent"),
            url("https://idp.test/login"),
        ];
        let sent = jar.sent_to(&to, Initiator::of(None, &chain), true, NOW);
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].name, "lax");
    }

    #[test]
    fn domain_cookies_reach_below_and_never_aside() {
        let mut jar = CookieJar::default();
        let from = url("https://a.mcp.example/");
        assert!(jar.store(&from, "a=1; Domain=mcp.example", NOW));
        assert!(!jar.store(&from, "b=1; Domain=other.example", NOW));
        assert!(!jar.store(&from, "c=1; Domain=example", NOW));
        assert_eq!(names(&jar, "https://b.mcp.example/", None, true), ["a"]);
        assert!(names(&jar, "https://amcp.example/", None, true).is_empty());
    }

    #[test]
    fn cookies_end_by_max_age_before_expires() {
        let from = url("http://h.example/");
        let past = "Thu, 01 Jan 1970 00:00:00 GMT";
        let mut jar = jar(
            "http://h.example/",
            &[&format!("a=1; Max-Age=10; Expires={past}"), "b=1"],
        );
        assert_eq!(names(&jar, "http://h.example/", None, true), ["a", "b"]);
        let later = NOW.plus(Duration::from_secs(10));
        assert_eq!(jar.sent_to(&from, Initiator::typed(), true, later).len(), 1);
        jar.store(&from, &format!("b=; Expires={past}"), NOW);
        jar.store(&from, "a=; Max-Age=0", NOW);
        assert!(jar.cookies.is_empty());
    }

    #[test]
    fn http_cannot_shadow_what_https_set() {
        let mut jar = jar("https://h.example/", &["a=1; Secure"]);
        assert!(!jar.store(&url("http://h.example/"), "a=2", NOW));
        assert!(!jar.store(
            &url("http://h.example/"),
            &format!("b={}", "x".repeat(4096)),
            NOW
        ));
    }
}
