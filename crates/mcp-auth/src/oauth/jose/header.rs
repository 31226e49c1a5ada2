//! The header of a signed text of somebody else's (RFC 7515 §4.1).

use serde::{Deserialize, de::IgnoredAny};

use super::SigningAlgorithm;

/// What is read of a header. Nothing in it leads anywhere: no `jku`, `x5u` or embedded `jwk`.
#[derive(Debug, Deserialize)]
pub(crate) struct ReceivedHeader {
    pub(crate) alg: SigningAlgorithm,
    pub(crate) typ: Option<String>,
    pub(crate) kid: Option<String>,
    cty: Option<IgnoredAny>,
    crit: Option<IgnoredAny>,
    b64: Option<IgnoredAny>,
    enc: Option<IgnoredAny>,
}

impl ReceivedHeader {
    /// # Errors
    ///
    /// What is wrong, where the text has to be read in a way that is not served (RFC 7515 §4.1.11, RFC
    /// 7797), or holds something else than claims.
    pub(crate) const fn check(&self) -> Result<(), &'static str> {
        if self.crit.is_some() || self.b64.is_some() {
            return Err("it has to be read in a way that is not served");
        }
        if self.cty.is_some() || self.enc.is_some() {
            return Err("a JWT of another kind");
        }
        Ok(())
    }
}
