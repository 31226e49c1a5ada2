//! PKCE with `S256`, the only method there is here (RFC 7636, OAuth 2.1 §4.1.1).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};

use super::{ParseError, Random, secret::constant_time_eq, sha256};

/// The hash a client sends first: 43 characters of base64url (RFC 7636 §4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeChallenge(Box<str>);

super::text_newtype!(CodeChallenge);

impl CodeChallenge {
    /// Parses an `S256` challenge.
    ///
    /// # Errors
    ///
    /// When it is not exactly 32 bytes in unpadded base64url.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        match URL_SAFE_NO_PAD.decode(text) {
            Ok(bytes) if bytes.len() == 32 => Ok(Self(text.into())),
            _ => Err(ParseError::new(
                "code_challenge",
                "43 characters of base64url",
            )),
        }
    }
}

/// The secret a client shows later (RFC 7636 §4.1).
#[derive(Clone)]
pub struct CodeVerifier(SecretString);

impl CodeVerifier {
    /// A fresh one, 43 characters.
    #[must_use]
    pub fn generate(random: &dyn Random) -> Self {
        Self(SecretString::from(random.token()))
    }

    /// Parses a verifier.
    ///
    /// # Errors
    ///
    /// When it is not 43 to 128 characters of `A-Z a-z 0-9 - . _ ~`.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
        if !(43..=128).contains(&text.len()) || !text.bytes().all(legal) {
            return Err(ParseError::new(
                "code_verifier",
                "43 to 128 unreserved characters",
            ));
        }
        Ok(Self(SecretString::from(text)))
    }

    /// Its `S256` challenge.
    #[must_use]
    pub fn challenge(&self) -> CodeChallenge {
        let hash = sha256(self.expose().as_bytes());
        CodeChallenge(URL_SAFE_NO_PAD.encode(hash).into())
    }

    /// Whether this is what the challenge was made of, in constant time (RFC 7636 §4.6).
    #[must_use]
    pub fn answers(&self, challenge: &CodeChallenge) -> bool {
        constant_time_eq(self.challenge().0.as_bytes(), challenge.0.as_bytes())
    }

    /// The verifier itself, for the token request.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl std::fmt::Debug for CodeVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CodeVerifier([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7636 appendix B.
    // AST-16
    #[test]
    fn appendix_b_vector() {
        let verifier = CodeVerifier::parse("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk").unwrap();
        let challenge =
            CodeChallenge::parse("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM").unwrap();
        assert_eq!(verifier.challenge(), challenge);
        assert!(verifier.answers(&challenge));
        assert!(!format!("{verifier:?}").contains("dBjf"));
    }

    // AST-16
    #[test]
    fn refuses_other_shapes() {
        for bad in [
            "",
            "short",
            &"a".repeat(42),
            &"a".repeat(129),
            &"ä".repeat(30),
        ] {
            assert!(CodeVerifier::parse(bad).is_err(), "{bad}");
        }
        for bad in ["", "E9Melhoa2O", &"=".repeat(43), &"a".repeat(44)] {
            assert!(CodeChallenge::parse(bad).is_err(), "{bad}");
        }
    }
}
