//! Where a store is.

use zeroize::Zeroizing;

use crate::{BuildError, oauth::is_scheme};

/// Where a store is, in one line: `memory:`, `sqlite:FILE`, `redis://…`, `postgres://…`.
///
/// It may have a password in it, so `Debug` shows the scheme alone.
///
/// # Security
///
/// Never log what [`StoreUrl::expose`] gives.
#[derive(Clone)]
pub struct StoreUrl(Zeroizing<String>);

impl StoreUrl {
    /// Takes a URL into custody; what its scheme means is up to the backend that opens it.
    ///
    /// # Errors
    ///
    /// When it does not begin with a scheme, in lower case and followed by `:`.
    pub fn parse(text: &str) -> Result<Self, BuildError> {
        let scheme = text.split_once(':').map(|(scheme, _)| scheme);
        // Nothing can follow: who writes a path there wants another store.
        if scheme.is_some_and(is_scheme) && !(scheme == Some("memory") && text != "memory:") {
            return Ok(Self(text.to_owned().into()));
        }
        Err(BuildError::argument(
            "store URL",
            "must be `memory:`, `sqlite:FILE`, `redis://HOST` or `postgres://HOST/DATABASE`",
        ))
    }

    /// The store in this process's memory.
    #[must_use]
    pub fn memory() -> Self {
        Self("memory:".to_owned().into())
    }

    /// What stands before the first colon.
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.0.split(':').next().unwrap_or_default()
    }

    /// The URL, with whatever credentials are in it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StoreUrl({}:[redacted])", self.scheme())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_its_scheme_and_no_password() {
        let url = StoreUrl::parse("redis://user:hunter2@10.0.0.1/0").unwrap();
        assert_eq!(url.scheme(), "redis");
        assert_eq!(url.expose(), "redis://user:hunter2@10.0.0.1/0");
        assert_eq!(format!("{url:?}"), "StoreUrl(redis:[redacted])");
        assert_eq!(StoreUrl::memory().scheme(), "memory");
    }

    #[test]
    fn refuses_what_has_no_scheme() {
        for text in [
            "",
            "mem",
            "redis",
            ":",
            "://x",
            "Redis://x",
            "1redis://x",
            "re dis:x",
        ] {
            let error = StoreUrl::parse(text).unwrap_err();
            assert!(
                error.to_string().starts_with("store URL: must be"),
                "{text}"
            );
        }
    }
}
