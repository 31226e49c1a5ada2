//! Whether a refusal is read by a person or by a program: the `Accept` header decides (RFC 9110 §12.5.1).

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header};
use serde::Serialize;

use super::{ErrorPage, ErrorPageKind, Pages, page_response};

impl ErrorPageKind {
    /// The answer with this refusal: a page, or JSON for a program that asked for it.
    ///
    /// Nothing of the request comes back in it, and the kind lies in the response's extensions.
    pub(crate) fn respond(
        self,
        pages: &dyn Pages,
        server_name: &str,
        request: &HeaderMap,
        correlation: &str,
        nonce: &str,
    ) -> Response<Bytes> {
        ErrorPage::new(self, server_name, correlation, nonce).respond(pages, request)
    }
}

impl ErrorPage<'_> {
    /// The answer with this page, or the same as JSON for a program that asked for it.
    pub(crate) fn respond(&self, pages: &dyn Pages, request: &HeaderMap) -> Response<Bytes> {
        let kind = self.kind;
        let mut response = if prefers_json(request) {
            json(kind, self.what)
        } else {
            page_response(pages, kind.status(), pages.error(self), self.nonce)
        };
        let headers = response.headers_mut();
        headers.insert(header::VARY, HeaderValue::from_static("accept"));
        if let Some(seconds) = kind.retry_after() {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response.extensions_mut().insert(kind.oauth_error());
        response.extensions_mut().insert(kind);
        response
    }
}

/// Whether `application/json` is liked better than `text/html`, or as well but named more exactly.
pub(crate) fn prefers_json(request: &HeaderMap) -> bool {
    let accept: Vec<_> = request
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(Range::parse)
        .collect();
    let json = liking(&accept, "application", "json");
    json.0 > 0 && json > liking(&accept, "text", "html")
}

/// A media range and its weight in thousandths.
struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    weight: u16,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (kind, subtype) = parts.next()?.split_once('/')?;
        let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
        let weight = match weight.map(str::parse::<f32>) {
            None => 1000,
            Some(Ok(weight)) if (0.0..=1.0).contains(&weight) => (weight * 1000.0) as u16,
            Some(_) => 0,
        };
        Some(Self {
            kind,
            subtype,
            weight,
        })
    }

    /// How exactly it names this type, if it does.
    fn exactness(&self, kind: &str, subtype: &str) -> Option<u8> {
        let same_kind = self.kind.eq_ignore_ascii_case(kind);
        match (self.kind, self.subtype) {
            ("*", "*") => Some(0),
            (_, "*") if same_kind => Some(1),
            (_, named) if same_kind && named.eq_ignore_ascii_case(subtype) => Some(2),
            _ => None,
        }
    }
}

/// Weight, then exactness, of a type: the most exact range speaks for it.
fn liking(accept: &[Range<'_>], kind: &str, subtype: &str) -> (u16, u8) {
    accept
        .iter()
        .filter_map(|range| Some((range.exactness(kind, subtype)?, range.weight)))
        .max()
        .map_or((0, 0), |(exactness, weight)| (weight, exactness))
}

fn json(kind: ErrorPageKind, description: &'static str) -> Response<Bytes> {
    #[derive(Serialize)]
    struct Refusal {
        error: &'static str,
        error_description: &'static str,
    }
    let body = Refusal {
        error: kind.oauth_error().as_str(),
        error_description: description,
    };
    let mut response = Response::new(Bytes::from(serde_json::to_vec(&body).unwrap_or_default()));
    *response.status_mut() = kind.status();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authorization_server::pages::BuiltInPages;

    fn respond(accept: &'static str) -> Response<Bytes> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        let pages = BuiltInPages::default();
        ErrorPageKind::StoreUnavailable.respond(&pages, "Notes", &headers, "ref-1", "bm9uY2U")
    }

    #[test]
    fn gives_browsers_a_page_and_programs_json() {
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        for accept in [
            browser,
            "*/*",
            "",
            "application/json, text/html",
            "text/html, application/json;q=0.9",
            "application/json;q=0, */*",
            "image/png",
            "nonsense",
        ] {
            let kind = respond(accept).headers()[header::CONTENT_TYPE].clone();
            assert_eq!(kind, "text/html; charset=utf-8", "{accept}");
        }
        for accept in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/json, text/plain, */*",
            "application/*",
            "text/html;q=0.5, application/json;q=0.9",
            "text/event-stream, application/json",
        ] {
            let kind = respond(accept).headers()[header::CONTENT_TYPE].clone();
            assert_eq!(kind, "application/json", "{accept}");
        }
    }

    #[test]
    fn says_the_same_in_json() {
        let response = respond("application/json");
        assert_eq!(response.status(), http::StatusCode::SERVICE_UNAVAILABLE);
        assert!(response.headers().contains_key(header::RETRY_AFTER));
        let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(body["error"], "temporarily_unavailable");
        assert_eq!(
            body["error_description"],
            ErrorPageKind::StoreUnavailable.what()
        );
        assert_eq!(body.as_object().unwrap().len(), 2);
    }
}
