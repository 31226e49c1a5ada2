//! What a document host answers.

use std::time::Duration;

use serde_json::Value;

/// One answer: status, headers, and how its body arrives.
#[derive(Debug, Clone)]
pub struct DocumentAnswer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Body,
}

#[derive(Debug, Clone)]
pub(super) enum Body {
    /// At once, with its length.
    Whole(Vec<u8>),
    /// In chunks, without saying how much there will be.
    Chunks { bytes: usize },
    /// A byte at a time, for ever.
    Drip { every: Duration },
    /// Never.
    Silence,
}

impl DocumentAnswer {
    /// 200 with this JSON.
    #[must_use]
    pub fn json(document: &Value) -> Self {
        Self::status(200)
            .with_header("content-type", "application/json")
            .with_body(document.to_string())
    }

    /// A status and nothing else.
    #[must_use]
    pub const fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Body::Whole(Vec::new()),
        }
    }

    /// A redirect.
    #[must_use]
    pub fn redirect(location: &str) -> Self {
        Self::status(302).with_header("location", location)
    }

    /// With one header more, in place of one of the same name.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With this body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Body::Whole(body.into());
        self
    }

    /// With so many bytes in chunks, of which no header says the length.
    #[must_use]
    pub fn in_chunks(mut self, bytes: usize) -> Self {
        self.body = Body::Chunks { bytes };
        self
    }

    /// With a byte every so often, for ever.
    #[must_use]
    pub fn dripping(mut self, every: Duration) -> Self {
        self.body = Body::Drip { every };
        self
    }

    /// With nothing at all after the request, not even a status.
    #[must_use]
    pub fn silent() -> Self {
        let mut answer = Self::status(200);
        answer.body = Body::Silence;
        answer
    }
}
