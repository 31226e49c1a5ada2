//! Secrets: redacted in `Debug`, zeroed on drop, compared in constant time.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use secrecy::{ExposeSecret, SecretString};

use super::sha256;

/// Compares two byte strings in time that depends on neither their content nor where they differ.
///
/// Both are hashed first, so their lengths do not show either.
#[must_use]
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    verify_slices_are_equal(&sha256(a), &sha256(b)).is_ok()
}

macro_rules! secret {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(SecretString);

        impl $name {
            /// Takes a secret into custody.
            #[must_use]
            pub fn new(secret: impl Into<String>) -> Self {
                Self(SecretString::from(secret.into()))
            }

            /// The secret itself, for the one place that must send it.
            ///
            /// # Security
            ///
            /// Never hand the result to a log, an error or a store.
            #[must_use]
            pub fn expose(&self) -> &str {
                self.0.expose_secret()
            }

            /// Whether the other one is the same, in constant time.
            #[must_use]
            pub fn matches(&self, other: &Self) -> bool {
                constant_time_eq(self.expose().as_bytes(), other.expose().as_bytes())
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "([redacted])"))
            }
        }
    };
}

secret! {
    /// What a client presents at a resource (RFC 6749 §1.4).
    AccessToken
}
secret! {
    /// What a client trades for the next access token (RFC 6749 §1.5).
    RefreshToken
}
secret! {
    /// What the browser carries back to the client, once (RFC 6749 §1.3.1).
    AuthorizationCode
}
secret! {
    /// What a confidential client proves itself with (RFC 6749 §2.3.1).
    ClientSecret
}

#[cfg(test)]
mod tests {
    use super::*;

    // RS-24, STO-13
    #[test]
    fn debug_tells_nothing() {
        let shown = format!(
            "{:?} {:?} {:?} {:?}",
            AccessToken::new("canary"),
            RefreshToken::new("canary"),
            AuthorizationCode::new("canary"),
            ClientSecret::new("canary"),
        );
        assert!(!shown.contains("canary"), "{shown}");
        assert!(shown.contains("AccessToken([redacted])"));
    }

    // STO-14
    #[test]
    fn what_holds_a_secret_is_wiped_when_it_goes() {
        fn wiped(_: &impl zeroize::ZeroizeOnDrop) {}
        wiped(&AccessToken::new("a").0);
        wiped(&RefreshToken::new("a").0);
        wiped(&AuthorizationCode::new("a").0);
        wiped(&ClientSecret::new("a").0);
    }

    // STO-16
    #[test]
    fn equality_is_by_content() {
        assert!(AccessToken::new("a").matches(&AccessToken::new("a")));
        assert!(!AccessToken::new("a").matches(&AccessToken::new("ab")));
    }
}
