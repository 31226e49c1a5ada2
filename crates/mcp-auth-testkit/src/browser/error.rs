//! Why the browser did not get there.

use std::fmt;

use super::page::{Page, without_query};

/// Why the browser did not get where it was sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BrowserError {
    /// A text is not a URL.
    #[error("{url:?} is not a URL")]
    BadUrl {
        /// The text.
        url: String,
    },
    /// It has been nowhere yet.
    #[error("no page is open")]
    NoPage,
    /// The page has no button that says this.
    #[error("no button says {text:?} on {stopped}")]
    NoButton {
        /// What it should say.
        text: String,
        /// Where it looked.
        stopped: Stopped,
    },
    /// The page has no field of this name.
    #[error("no field is called {name:?} on {stopped}")]
    NoField {
        /// The name.
        name: String,
        /// Where it looked.
        stopped: Stopped,
    },
    /// The page has no link that says this.
    #[error("no link says {text:?} on {stopped}")]
    NoLink {
        /// What it should say.
        text: String,
        /// Where it looked.
        stopped: Stopped,
    },
    /// The way ended on a page and not at the redirect URI.
    #[error("the way ended on {0}")]
    Ended(Stopped),
    /// A redirect leads to something that no browser fetches by itself.
    #[error("redirected to {url}, which is not http")]
    NotHttp {
        /// Where it leads, without its query.
        url: String,
    },
    /// A redirect says nothing of where it leads.
    #[error("a redirect without a usable Location at {url}")]
    NoLocation {
        /// Where it came from, without its query.
        url: String,
    },
    /// The redirects, or the pages, do not end.
    #[error("going in circles at {url}")]
    Circles {
        /// Where it gave up, without its query.
        url: String,
    },
    /// The server could not be reached or broke off.
    #[error("no answer from {url}")]
    NoAnswer {
        /// Which one, without its query.
        url: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl BrowserError {
    /// The page on which it stopped, where there was one.
    #[must_use]
    pub fn stopped(&self) -> Option<&Stopped> {
        match self {
            Self::NoButton { stopped, .. }
            | Self::NoField { stopped, .. }
            | Self::NoLink { stopped, .. }
            | Self::Ended(stopped) => Some(stopped),
            _ => None,
        }
    }
}

/// The page on which the browser stopped, as a test wants to read it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Stopped {
    /// Where, without the query.
    pub url: String,
    /// The status.
    pub status: http::StatusCode,
    /// What its title says.
    pub title: String,
    /// The beginning of what it says.
    pub text: String,
}

impl Stopped {
    pub(super) fn at(page: &Page) -> Self {
        Self {
            url: without_query(&page.url).to_string(),
            status: page.status,
            title: page.title().to_owned(),
            text: page.text().chars().take(EXCERPT).collect(),
        }
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.status.as_u16();
        write!(
            f,
            "{} ({status}, {:?}: {})",
            self.url, self.title, self.text
        )
    }
}

const EXCERPT: usize = 200;
