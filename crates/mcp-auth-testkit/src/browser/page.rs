//! What the browser shows, and the way that led there.

use std::fmt;

use http::{HeaderMap, StatusCode};
use url::Url;

use super::{
    form::{self, Form},
    html::{self, Piece, attribute},
};

/// A page at the end of its redirects.
#[derive(Clone)]
#[non_exhaustive]
pub struct Page {
    /// Where it is.
    pub url: Url,
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its text as it came.
    pub html: String,
    /// Its forms.
    pub forms: Vec<Form>,
    title: String,
    text: String,
    links: Vec<Link>,
}

/// A link on a page.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Link {
    /// What it says.
    pub text: String,
    /// Where it goes, as written.
    pub href: String,
}

/// One request and its answer on the way.
#[derive(Clone)]
#[non_exhaustive]
pub struct Hop {
    /// The method.
    pub method: http::Method,
    /// Where it went.
    pub url: Url,
    /// The status of the answer.
    pub status: StatusCode,
    /// The headers of the answer.
    pub headers: HeaderMap,
    /// The names of the cookies that went along.
    pub cookies_sent: Vec<String>,
}

impl Page {
    pub(super) fn new(url: Url, status: StatusCode, headers: HeaderMap, html: String) -> Self {
        let pieces = html::pieces(&html);
        let Read { title, text, links } = read(&pieces);
        Self {
            url,
            status,
            headers,
            forms: form::forms(&pieces),
            html,
            title,
            text,
            links,
        }
    }

    /// What `<title>` says.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// What a person reads, without markup.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its links.
    #[must_use]
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// The first header of this name, where it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Whether a form has a button that says this.
    #[must_use]
    pub fn has_button(&self, text: &str) -> bool {
        self.forms.iter().any(|form| form.has_button(text))
    }
}

/// Shows enough to know where a test got stuck; queries may carry codes and stay out.
impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page")
            .field("url", &format_args!("{}", without_query(&self.url)))
            .field("status", &self.status)
            .field("title", &self.title)
            .field("forms", &self.forms)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = without_query(&self.url);
        write!(f, "{} {url} → {}", self.method, self.status.as_u16())
    }
}

pub(super) fn without_query(url: &Url) -> Url {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    url
}

struct Read {
    title: String,
    text: String,
    links: Vec<Link>,
}

fn read(pieces: &[Piece]) -> Read {
    let (mut title, mut text, mut links) = (String::new(), String::new(), Vec::new());
    let mut link: Option<Link> = None;
    let mut inside = "";
    for piece in pieces {
        match piece {
            Piece::Open { tag, attributes } => match tag.as_str() {
                "title" | "script" | "style" => inside = tag,
                "a" => {
                    link = attribute(attributes, "href").map(|href| Link {
                        text: String::new(),
                        href: href.to_owned(),
                    });
                }
                _ => text.push_str(if is_inline(tag) { "" } else { " " }),
            },
            Piece::Close { tag } => {
                if inside == tag {
                    inside = "";
                }
                if tag == "a"
                    && let Some(mut link) = link.take()
                {
                    link.text = html::collapsed(&link.text);
                    links.push(link);
                }
                text.push_str(if is_inline(tag) { "" } else { " " });
            }
            Piece::Text(words) => match inside {
                "title" => title.push_str(words),
                "" => {
                    text.push_str(words);
                    if let Some(link) = &mut link {
                        link.text.push_str(words);
                    }
                }
                _ => {}
            },
        }
    }
    Read {
        title: html::collapsed(&title),
        text: html::collapsed(&text),
        links,
    }
}

/// Whether the tag leaves words together.
fn is_inline(tag: &str) -> bool {
    matches!(
        tag,
        "a" | "b" | "i" | "em" | "strong" | "code" | "span" | "small" | "wbr" | "bdi"
    )
}
