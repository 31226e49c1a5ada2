//! Which pages are of one site, and so which cookies go along.

use url::{Host, Url};

/// Who made a request: nobody (typed), or a page, and through which redirects it went.
#[derive(Debug, Clone, Copy)]
pub(super) struct Initiator<'a> {
    page: Option<&'a Url>,
    chain: &'a [Url],
}

impl<'a> Initiator<'a> {
    pub(super) fn typed() -> Self {
        Self {
            page: None,
            chain: &[],
        }
    }

    pub(super) fn of(page: Option<&'a Url>, chain: &'a [Url]) -> Self {
        Self { page, chain }
    }

    /// Whether a request to `url` is same-site.
    ///
    /// A redirect through another site makes it cross-site. The draft of RFC 6265bis says so and
    /// not every browser does it yet: whoever works with the stricter rule works with both.
    pub(super) fn is_same_site(&self, url: &Url) -> bool {
        let origins = self.page.into_iter().chain(self.chain);
        origins.into_iter().all(|other| same_site(other, url))
    }

    /// The value of `Sec-Fetch-Site` (Fetch Metadata §2.3).
    pub(super) fn fetch_site(&self, url: &Url) -> &'static str {
        let Some(page) = self.page else {
            return "none";
        };
        if !self.is_same_site(url) {
            return "cross-site";
        }
        let same = |other: &Url| other.origin() == url.origin();
        if same(page) && self.chain.iter().all(same) {
            "same-origin"
        } else {
            "same-site"
        }
    }
}

/// Same scheme and same registrable domain; the port does not count.
pub(super) fn same_site(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme() && registrable(a) == registrable(b)
}

/// The last two labels of a name: no public suffix list is at hand, and tests need none.
fn registrable(url: &Url) -> Option<String> {
    match url.host()? {
        Host::Domain(name) => {
            let mut labels: Vec<&str> = name.rsplit('.').take(2).collect();
            labels.reverse();
            Some(labels.join("."))
        }
        address => Some(address.to_string()),
    }
}
