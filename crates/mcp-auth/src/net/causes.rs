//! An error with what is behind it.

use std::{error::Error, fmt};

/// Shows an error and its sources, outermost first, on one line: for logs.
///
/// # Security
///
/// The words are those of the errors themselves: what makes an error keeps secrets and URLs out of
/// it, at every level.
pub(crate) struct Causes<'a>(pub(crate) &'a (dyn Error + 'static));

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::HttpError;

    #[test]
    fn shows_every_cause_once() {
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let error = HttpError::NotSent(Box::new(HttpError::NoAnswer(refused.into())));
        assert_eq!(
            Causes(&error).to_string(),
            "no connection: no answer: connection refused"
        );
        assert_eq!(
            Causes(&HttpError::TooLarge).to_string(),
            "the answer is too large"
        );
    }
}
