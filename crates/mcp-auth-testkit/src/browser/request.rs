//! One navigation: requests and redirects until there is a page.

use http::{HeaderMap, Method, StatusCode, header};
use url::Url;

use super::{
    Browser,
    error::BrowserError,
    page::{Hop, Page, without_query},
    site::Initiator,
};

/// A navigation that a person begins.
pub(super) struct Request {
    method: Method,
    url: Url,
    body: String,
    /// The page whose link or form it was.
    page: Option<Url>,
    /// That page's `Referrer-Policy`, which also decides on `Origin`.
    referrer_policy: Option<String>,
}

impl Request {
    pub(super) fn typed(url: Url) -> Self {
        Self {
            method: Method::GET,
            url,
            body: String::new(),
            page: None,
            referrer_policy: None,
        }
    }

    pub(super) fn linked(page: Url, url: Url) -> Self {
        Self {
            page: Some(page),
            ..Self::typed(url)
        }
    }

    pub(super) fn posted(page: Url, policy: Option<String>, url: Url, body: String) -> Self {
        Self {
            method: Method::POST,
            body,
            referrer_policy: policy,
            ..Self::linked(page, url)
        }
    }

    /// The `Origin` of a form post (Fetch, "append a request Origin header").
    ///
    /// A page that sends no referrer makes it `null`, and so does a redirect to another origin.
    fn origin(&self, chain: &[Url]) -> Option<String> {
        let page = self.page.as_ref()?;
        if self.method == Method::GET {
            return None;
        }
        let foreign = page.origin() != self.url.origin();
        let policy = self.referrer_policy.as_deref().unwrap_or_default();
        // The last policy that is understood counts.
        let hidden = match policy.rsplit(',').next().unwrap_or_default().trim() {
            "no-referrer" => true,
            "same-origin" => foreign,
            "unsafe-url" | "origin" | "origin-when-cross-origin" => false,
            _ => page.scheme() == "https" && self.url.scheme() != "https",
        };
        let tainted = chain.iter().any(|hop| hop.origin() != page.origin()) && !chain.is_empty();
        if hidden || tainted {
            return Some("null".to_owned());
        }
        Some(page.origin().ascii_serialization())
    }
}

impl Browser {
    /// Goes there and follows the redirects, up to a page (`None`) or to where `stop` begins.
    ///
    /// Only a page replaces the page that is shown.
    pub(super) async fn navigate(
        &mut self,
        mut request: Request,
        stop: Option<&Url>,
    ) -> Result<Option<Url>, BrowserError> {
        self.hops.clear();
        let mut chain = Vec::new();
        for _ in 0..MAX_REDIRECTS {
            let response = self.send(&request, &chain).await?;
            let status = response.status();
            let headers = response.headers().clone();
            self.keep_cookies(&request.url, &headers);
            if !is_redirect(status) {
                let url = request.url;
                let text = response.text().await;
                let html = text.map_err(|error| no_answer(&url, error))?;
                self.page = Some(Page::new(url, status, headers, html));
                return Ok(None);
            }
            let target = target(&request.url, &headers)?;
            if stop.is_some_and(|stop| arrives(&target, stop)) {
                return Ok(Some(target));
            }
            if !matches!(target.scheme(), "http" | "https") {
                return Err(BrowserError::NotHttp {
                    url: without_query(&target).to_string(),
                });
            }
            let keeps_method = matches!(status.as_u16(), 307 | 308);
            if !keeps_method {
                request.method = Method::GET;
                request.body.clear();
            }
            chain.push(std::mem::replace(&mut request.url, target));
        }
        Err(BrowserError::Circles {
            url: without_query(&request.url).to_string(),
        })
    }

    async fn send(
        &mut self,
        request: &Request,
        chain: &[Url],
    ) -> Result<reqwest::Response, BrowserError> {
        let Request { method, url, .. } = request;
        let initiator = Initiator::of(request.page.as_ref(), chain);
        let safe = *method == Method::GET;
        let cookies = self.jar.sent_to(url, initiator, safe, self.clock.now());
        let cookies_sent = cookies.iter().map(|cookie| cookie.name.clone()).collect();
        let line: Vec<String> = cookies
            .iter()
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();

        let client = self.client()?.clone();
        let (reached, host) = self.behind_proxy(url);
        let mut sending = client
            .request(method.clone(), reached)
            .header(header::ACCEPT, "text/html,application/xhtml+xml,*/*;q=0.8")
            .header("sec-fetch-site", initiator.fetch_site(url))
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document")
            .header("sec-fetch-user", "?1");
        if let Some(host) = host {
            sending = sending.header(header::HOST, host);
        }
        if !line.is_empty() {
            sending = sending.header(header::COOKIE, line.join("; "));
        }
        if let Some(origin) = request.origin(chain) {
            sending = sending.header(header::ORIGIN, origin);
        }
        if *method == Method::POST {
            sending = sending
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(request.body.clone());
        }
        let answer = sending.send().await;
        let response = answer.map_err(|error| no_answer(url, error))?;
        self.hops.push(Hop {
            method: method.clone(),
            url: url.clone(),
            status: response.status(),
            headers: response.headers().clone(),
            cookies_sent,
        });
        Ok(response)
    }

    fn client(&mut self) -> Result<&reqwest::Client, BrowserError> {
        if self.client.is_none() {
            let built = reqwest::Client::builder()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .user_agent("Mozilla/5.0 (mcp-auth-testkit)")
                .build()
                .map_err(|error| BrowserError::NoAnswer {
                    url: "the HTTP client".to_owned(),
                    source: error.into(),
                })?;
            self.client = Some(built);
        }
        self.client.as_ref().ok_or(BrowserError::NoPage)
    }

    /// Where a request really goes, and the `Host` it then has to name.
    fn behind_proxy(&self, url: &Url) -> (Url, Option<String>) {
        let origin = url.origin().ascii_serialization();
        let proxy = self.tls_proxies.iter().find(|(own, _)| *own == origin);
        let Some((_, address)) = proxy else {
            return (url.clone(), None);
        };
        let mut reached = url.clone();
        let moved = reached.set_scheme("http").is_ok()
            && reached.set_ip_host(address.ip()).is_ok()
            && reached.set_port(Some(address.port())).is_ok();
        let host = origin.trim_start_matches("https://").to_owned();
        if moved {
            (reached, Some(host))
        } else {
            (url.clone(), None)
        }
    }

    fn keep_cookies(&mut self, url: &Url, headers: &HeaderMap) {
        let now = self.clock.now();
        for value in headers.get_all(header::SET_COOKIE) {
            if let Ok(text) = value.to_str() {
                self.jar.store(url, text, now);
            }
        }
    }
}

/// Whether this is the redirect URI, with whatever query or fragment was added to it.
fn arrives(target: &Url, redirect_uri: &Url) -> bool {
    target
        .as_str()
        .strip_prefix(redirect_uri.as_str())
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['?', '#', '&']))
}

fn target(from: &Url, headers: &HeaderMap) -> Result<Url, BrowserError> {
    headers
        .get(header::LOCATION)
        .and_then(|location| location.to_str().ok())
        .and_then(|location| from.join(location).ok())
        .ok_or_else(|| BrowserError::NoLocation {
            url: without_query(from).to_string(),
        })
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

fn no_answer(url: &Url, error: reqwest::Error) -> BrowserError {
    BrowserError::NoAnswer {
        url: without_query(url).to_string(),
        source: error.without_url().into(),
    }
}

/// As in Chromium.
const MAX_REDIRECTS: usize = 20;
