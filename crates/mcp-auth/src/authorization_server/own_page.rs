//! Whether a form was posted by a page of our own.

use http::{HeaderMap, HeaderValue};

use crate::oauth::PublicUrl;

/// Proof that no page of another site posted this; made by [`PostedByOwnPage::check`] alone.
///
/// It does not say which browser the page was shown in: that is told by a token in the form.
#[derive(Debug, Clone, Copy)]
pub(super) struct PostedByOwnPage {
    /// The browser said so itself; otherwise it is one that says nothing about where a form is from.
    pub(super) said_by_browser: bool,
}

impl PostedByOwnPage {
    /// A page of another site cannot post here, whatever cookies it brings along. Our own pages send
    /// no referrer, so their `Origin` is `null`.
    ///
    /// # Errors
    ///
    /// The reason, in words for the log.
    pub(super) fn check(headers: &HeaderMap, public_url: &PublicUrl) -> Result<Self, &'static str> {
        let own = public_url.as_str();
        let elsewhere = |origin: &HeaderValue| origin != "null" && origin != own;
        if headers.get_all("origin").iter().any(elsewhere) {
            return Err("posted by a page of another origin");
        }
        let mut sites = headers.get_all("sec-fetch-site").iter().peekable();
        let said_by_browser = sites.peek().is_some();
        if sites.any(|site| site != "same-origin") {
            return Err("posted from another site");
        }
        Ok(Self { said_by_browser })
    }
}
