//! Scopes (RFC 6749 §3.3).

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ParseError;

/// One scope token: printable ASCII without space, `"` and `\`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope(Box<str>);

super::text_newtype!(Scope);

impl Scope {
    /// Parses one scope token.
    ///
    /// # Errors
    ///
    /// When it is empty or has a character outside RFC 6749 §3.3.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let legal = |b: &u8| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        if text.is_empty() || !text.as_bytes().iter().all(legal) {
            return Err(ParseError::new(
                "scope",
                "only printable ASCII without space, quote and backslash",
            ));
        }
        Ok(Self(text.into()))
    }
}

/// A set of scopes in the order they were named, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Scopes(Vec<Scope>);

impl Scopes {
    /// No scope at all.
    #[must_use]
    pub const fn empty() -> Self {
        Self(Vec::new())
    }

    /// The most scopes that are read from one text, and the longest text, in bytes.
    ///
    /// A set is compared member by member, so its size is bounded where it comes in.
    pub const MAX_SCOPES: usize = 64;
    const MAX_BYTES: usize = 4096;

    /// Parses a space-separated list; the empty text is the empty set.
    ///
    /// # Errors
    ///
    /// When one of them is not a [`Scope`], or there are more than [`Scopes::MAX_SCOPES`].
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let parts = || text.split(' ').filter(|part| !part.is_empty());
        if text.len() > Self::MAX_BYTES || parts().nth(Self::MAX_SCOPES).is_some() {
            return Err(ParseError::new(
                "scope",
                "at most 64 scopes and 4,096 bytes",
            ));
        }
        parts().map(Scope::parse).collect()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this one is in the set.
    #[must_use]
    pub fn contains(&self, scope: &Scope) -> bool {
        self.0.contains(scope)
    }

    /// Whether every scope of the other set is in this one.
    #[must_use]
    pub fn contains_all(&self, other: &Self) -> bool {
        other.0.iter().all(|scope| self.contains(scope))
    }

    /// What both sets have, in this one's order.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.0
            .iter()
            .filter(|scope| other.contains(scope))
            .cloned()
            .collect()
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        let mut set = Vec::new();
        for scope in scopes {
            if !set.contains(&scope) {
                set.push(scope);
            }
        }
        Self(set)
    }
}

impl std::fmt::Display for Scopes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, scope) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(" ")?;
            }
            f.write_str(scope.as_str())?;
        }
        Ok(())
    }
}

impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}
