//! The token in every form of the page: for one browser and one person.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, Response};

use super::{
    super::{AuthorizationServer, cookies, own_page::PostedByOwnPage},
    ConnectedApps, Visitor,
};
use crate::oauth::Form;

/// Proof that a form was made by this server for this browser and for whoever is signed in to the
/// page, and was posted by it; made by [`FormToken::check`] alone.
pub(super) struct FormToken(());

/// Why a form does not count.
pub(super) enum NotOurs {
    /// The browser that posts it does not have our cookie.
    OtherBrowser,
    /// It was made for another browser, or before somebody else signed in or out.
    OtherVisitor,
}

/// The browser's own cookie, to be set where it is new.
pub(super) struct BrowserCookie(Option<String>);

impl BrowserCookie {
    pub(super) fn keep(self, server: &AuthorizationServer, response: &mut Response<Bytes>) {
        if let Self(Some(value)) = self {
            cookies::set(response, &server.public_url, cookies::BROWSER, &value, None);
        }
    }
}

impl FormToken {
    /// The token for the forms of one page.
    pub(super) fn issue(
        server: &AuthorizationServer,
        apps: &ConnectedApps,
        sent: &HeaderMap,
        visitor: Option<&Visitor>,
    ) -> (String, BrowserCookie) {
        let (browser, is_new) = cookies::browser(sent, &server.public_url, &*server.random);
        let mac = apps.forms.mac(&parts(&browser, visitor));
        let cookie = BrowserCookie(is_new.then_some(browser));
        (URL_SAFE_NO_PAD.encode(mac), cookie)
    }

    /// Nothing but the form's own page in the same browser, and for the same person, has the token.
    pub(super) fn check(
        server: &AuthorizationServer,
        apps: &ConnectedApps,
        sent: &HeaderMap,
        _: PostedByOwnPage,
        form: &Form,
        visitor: &Option<Visitor>,
    ) -> Result<Self, NotOurs> {
        let browser = cookies::get(sent, &server.public_url, cookies::BROWSER);
        let browser = browser.ok_or(NotOurs::OtherBrowser)?;
        let mac = URL_SAFE_NO_PAD.decode(form.get("token").unwrap_or_default());
        let mac = mac.map_err(|_| NotOurs::OtherVisitor)?;
        let parts = parts(browser, visitor.as_ref());
        if apps.forms.verify_mac(&parts, &mac) {
            return Ok(Self(()));
        }
        Err(NotOurs::OtherVisitor)
    }
}

/// The person rather than the sign-in: whoever signs in again in another tab keeps this one's forms.
fn parts<'a>(browser: &'a str, visitor: Option<&'a Visitor>) -> [&'a [u8]; 2] {
    let subject = visitor.map(Visitor::subject).unwrap_or_default();
    [browser.as_bytes(), subject.as_bytes()]
}
