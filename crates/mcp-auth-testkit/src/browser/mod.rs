//! What a person's browser does, without the person: cookies, redirects, forms.
//!
//! A [`Browser`] follows redirects itself, so it sees every hop and can stop before a redirect URI
//! that nobody listens on. Its cookie jar keeps the rules that matter for sign-in: `Secure` and
//! `__Host-` only over https (loopback over http counts as not secure), `Path`, `SameSite`, expiry,
//! and one jar for all ports of a host. It sends `Origin` and `Sec-Fetch-Site` as browsers do.
//!
//! [`Browser::walk`] is the short way through a whole sign-in; a [`Person`] decides page by page
//! where that is not enough.

mod cookie;
mod cookie_jar;
mod error;
mod form;
mod html;
mod page;
mod person;
mod request;
mod site;
mod walk;

pub use error::{BrowserError, Stopped};
pub use form::{Button, Form};
pub use page::{Hop, Link, Page};
pub use person::{Action, Decision, Person, Visitor};
pub use walk::Callback;

use std::{fmt, net::SocketAddr, sync::Arc};

use mcp_auth::oauth::{Clock, SystemClock};
use url::Url;

use self::{cookie_jar::CookieJar, form::Filled, request::Request};

/// One browser with its cookies and the page it shows.
///
/// Two browsers share nothing; a clone begins with the same cookies, like a stolen profile.
#[derive(Clone)]
pub struct Browser {
    /// Made at the first request, inside the runtime that will drive it.
    client: Option<reqwest::Client>,
    clock: Arc<dyn Clock>,
    jar: CookieJar,
    page: Option<Page>,
    hops: Vec<Hop>,
    tls_proxies: Vec<(String, SocketAddr)>,
    visitor: Visitor,
}

impl Browser {
    /// A fresh browser: no cookies, no page.
    #[must_use]
    pub fn new() -> Self {
        Self {
            client: None,
            clock: Arc::new(SystemClock),
            jar: CookieJar::default(),
            page: None,
            hops: Vec::new(),
            tls_proxies: Vec::new(),
            visitor: Visitor::new(Decision::Approve),
        }
    }

    /// Lets cookies expire by this clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Reaches this https origin in clear at this address, as if a proxy ended TLS in front of it.
    ///
    /// To the browser the origin stays https, so `Secure` and `__Host-` cookies work without a
    /// certificate.
    #[must_use]
    pub fn with_tls_proxy(mut self, origin: &str, address: SocketAddr) -> Self {
        let origin = origin.trim_end_matches('/').to_owned();
        self.tls_proxies.push((origin, address));
        self
    }

    /// Who signs in during [`walk`](Self::walk); `alice` unless set.
    #[must_use]
    pub fn with_user(mut self, username: &str, password: &str) -> Self {
        self.visitor = self.visitor.signing_in_as(username, password);
        self
    }

    /// Goes to this URL as if it was typed, and follows the redirects.
    ///
    /// # Errors
    ///
    /// When the server cannot be reached, the redirects do not end, or lead to what is not http.
    pub async fn get(&mut self, url: &str) -> Result<&Page, BrowserError> {
        let request = Request::typed(parse(url)?);
        self.navigate(request, None).await?;
        self.page()
    }

    /// Goes to this URL as a link on a page of another origin would.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub async fn follow_link_from(
        &mut self,
        origin: &str,
        url: &str,
    ) -> Result<&Page, BrowserError> {
        let request = Request::linked(parse(origin)?, parse(url)?);
        self.navigate(request, None).await?;
        self.page()
    }

    /// Posts a form as a page of another origin would: the cross-site request of CSRF.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub async fn post_form_from(
        &mut self,
        origin: &str,
        url: &str,
        fields: &[(&str, &str)],
    ) -> Result<&Page, BrowserError> {
        let body = form::encoded(fields.iter().copied());
        let request = Request::posted(parse(origin)?, None, parse(url)?, body);
        self.navigate(request, None).await?;
        self.page()
    }

    /// The page it shows.
    ///
    /// # Errors
    ///
    /// When it has been nowhere yet.
    pub fn page(&self) -> Result<&Page, BrowserError> {
        self.page.as_ref().ok_or(BrowserError::NoPage)
    }

    /// Every request since the last one that a person made: redirects and the page at their end.
    #[must_use]
    pub fn hops(&self) -> &[Hop] {
        &self.hops
    }

    /// Writes into the first field of this name on the page.
    ///
    /// # Errors
    ///
    /// When there is no such field.
    pub fn fill(&mut self, name: &str, value: &str) -> Result<(), BrowserError> {
        let page = self.page.as_mut().ok_or(BrowserError::NoPage)?;
        if page.forms.iter_mut().any(|form| form.fill(name, value)) {
            return Ok(());
        }
        Err(BrowserError::NoField {
            name: name.to_owned(),
            stopped: Stopped::at(page),
        })
    }

    /// Presses the button with this text and follows the redirects.
    ///
    /// # Errors
    ///
    /// When there is no such button, else as [`get`](Self::get).
    pub async fn submit(&mut self, button: &str) -> Result<&Page, BrowserError> {
        let request = self.pressing(button)?;
        self.navigate(request, None).await?;
        self.page()
    }

    /// Follows the link with this text.
    ///
    /// # Errors
    ///
    /// When there is no such link, else as [`get`](Self::get).
    pub async fn click(&mut self, text: &str) -> Result<&Page, BrowserError> {
        let request = self.clicking(text)?;
        self.navigate(request, None).await?;
        self.page()
    }

    /// Fills the login form on the page and presses "Sign in".
    ///
    /// # Errors
    ///
    /// When the page has no login form, else as [`get`](Self::get).
    pub async fn sign_in_as(
        &mut self,
        username: &str,
        password: &str,
    ) -> Result<&Page, BrowserError> {
        self.fill("username", username)?;
        self.fill("password", password)?;
        self.submit("Sign in").await
    }

    /// The value of a cookie that would go to this URL, were it typed.
    #[must_use]
    pub fn cookie(&self, url: &str, name: &str) -> Option<String> {
        let url = Url::parse(url).ok()?;
        let sent = self
            .jar
            .sent_to(&url, site::Initiator::typed(), true, self.clock.now());
        sent.into_iter()
            .find(|cookie| cookie.name == name)
            .map(|cookie| cookie.value.clone())
    }

    /// The names of the cookies that would go to this URL, were it typed.
    #[must_use]
    pub fn cookie_names(&self, url: &str) -> Vec<String> {
        let Ok(url) = Url::parse(url) else {
            return Vec::new();
        };
        let sent = self
            .jar
            .sent_to(&url, site::Initiator::typed(), true, self.clock.now());
        sent.into_iter().map(|cookie| cookie.name.clone()).collect()
    }

    /// Puts a cookie into the jar as if this URL had sent it in `Set-Cookie`.
    ///
    /// Returns whether the jar took it.
    pub fn set_cookie(&mut self, url: &str, set_cookie: &str) -> bool {
        Url::parse(url).is_ok_and(|url| self.jar.store(&url, set_cookie, self.clock.now()))
    }

    /// Forgets all cookies.
    pub fn clear_cookies(&mut self) {
        self.jar = CookieJar::default();
    }

    /// The request that following this link makes.
    fn clicking(&self, text: &str) -> Result<Request, BrowserError> {
        let page = self.page()?;
        let link = page.links().iter().find(|link| link.text == text);
        let link = link.ok_or_else(|| BrowserError::NoLink {
            text: text.to_owned(),
            stopped: Stopped::at(page),
        })?;
        let target = page
            .url
            .join(&link.href)
            .map_err(|_| BrowserError::BadUrl {
                url: link.href.clone(),
            })?;
        Ok(Request::linked(page.url.clone(), target))
    }

    /// The request that pressing this button on the page makes.
    fn pressing(&self, button: &str) -> Result<Request, BrowserError> {
        let page = self.page()?;
        let pressed = page.forms.iter().find_map(|form| form.press(button));
        let Filled {
            post,
            action,
            fields,
        } = pressed.ok_or_else(|| BrowserError::NoButton {
            text: button.to_owned(),
            stopped: Stopped::at(page),
        })?;
        let mut target = match action.as_str() {
            "" => page.url.clone(),
            action => page.url.join(action).map_err(|_| BrowserError::BadUrl {
                url: action.to_owned(),
            })?,
        };
        let fields = fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let encoded = form::encoded(fields);
        if post {
            let policy = page.header("referrer-policy").map(str::to_owned);
            return Ok(Request::posted(page.url.clone(), policy, target, encoded));
        }
        target.set_query(Some(&encoded));
        Ok(Request::linked(page.url.clone(), target))
    }
}

impl Default for Browser {
    fn default() -> Self {
        Self::new()
    }
}

/// Shows where it is; never a cookie.
impl fmt::Debug for Browser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Browser")
            .field("page", &self.page)
            .field("hops", &self.hops)
            .finish_non_exhaustive()
    }
}

fn parse(url: &str) -> Result<Url, BrowserError> {
    Url::parse(url).map_err(|_| BrowserError::BadUrl {
        url: url.to_owned(),
    })
}
