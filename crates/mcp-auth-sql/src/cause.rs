//! What lies behind an error of the store.

use std::{borrow::Cow, error::Error, fmt, future::Future, time::Duration};

use mcp_auth::{BuildError, store::StoreError};

/// Why a database did not do what it was asked.
///
/// The words are ours, or the database's where it speaks of statements. What it says of users and
/// passwords is left out.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// It will not work until somebody changes something: a sentence that says what.
    Operator(Cow<'static, str>),
    /// It is away, starting, busy or being taken over; it may work the next time.
    Away(Cow<'static, str>),
    /// It has no room.
    Full,
    /// It answered what it never should.
    Failed(Cow<'static, str>),
}

impl Trouble {
    /// The mistake in the set-up that this is when it comes up at the start.
    pub(crate) fn into_mistake(self) -> BuildError {
        let sentence = match self {
            Self::Operator(text) | Self::Away(text) | Self::Failed(text) => text,
            Self::Full => "the disk is full: make room on it".into(),
        };
        BuildError::argument("store URL", sentence)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator(text) | Self::Away(text) | Self::Failed(text) => f.write_str(text),
            Self::Full => f.write_str("the disk is full"),
        }
    }
}

impl From<Trouble> for StoreError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            // Once the server runs, whoever mends it need not restart it.
            Trouble::Operator(text) | Trouble::Away(text) => {
                Self::Unavailable(Some(Box::new(Cause(text))))
            }
            Trouble::Full => Self::Full,
            Trouble::Failed(text) => Self::Failed(Box::new(Cause(text))),
        }
    }
}

/// The answer, or that there was none in time.
pub(crate) async fn within<T>(
    deadline: Duration,
    answer: impl Future<Output = Result<T, Trouble>>,
) -> Result<T, Trouble> {
    match tokio::time::timeout(deadline, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(Trouble::Away(
            format!("the database did not answer within {deadline:?}").into(),
        )),
    }
}

#[derive(Debug)]
struct Cause(Cow<'static, str>);

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Cause {}
