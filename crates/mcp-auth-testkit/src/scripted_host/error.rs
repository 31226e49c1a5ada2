//! What a strict host does not accept.

use crate::browser::BrowserError;

/// Why a scripted host stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The server answered what a host must not accept: the step, and the rule.
    #[error("{0}: {1}")]
    Broken(&'static str, &'static str),
    /// The server answered with another status than the step needs.
    #[error("{step}: status {status}: {body}")]
    Status {
        /// The step.
        step: &'static str,
        /// What came.
        status: u16,
        /// The first part of the body.
        body: String,
    },
    /// The authorization came back with an error.
    #[error("the authorization was refused: {0}")]
    Refused(String),
    /// The browser stopped.
    #[error(transparent)]
    Browser(#[from] BrowserError),
    /// There was no answer.
    #[error(transparent)]
    Http(#[from] reqwest::Error),
}

impl HostError {
    /// Reads an answer whose status is not the one that was needed.
    pub(super) async fn status(step: &'static str, answer: reqwest::Response) -> Self {
        let status = answer.status().as_u16();
        let body = answer.text().await.unwrap_or_default();
        Self::Status {
            step,
            status,
            body: body.chars().take(400).collect(),
        }
    }
}
