//! Scopes in plain words.

use std::collections::HashMap;

use super::ShownText;
use crate::oauth::{Scope, Scopes};

/// What each scope lets a client do, as the consent page says it.
#[derive(Debug, Clone)]
pub struct ScopeDescriptions(HashMap<String, String>);

/// A scope and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DescribedScope<'a> {
    /// The scope itself.
    pub scope: ShownText<'a>,
    /// What it lets a client do, in plain words; `None` if nobody described it.
    pub description: Option<ShownText<'a>>,
}

impl Default for ScopeDescriptions {
    /// Words for `mcp:tools` and `offline_access`.
    fn default() -> Self {
        Self(HashMap::new())
            .with("mcp:tools", "Use the tools of this server as you")
            .with("offline_access", "Stay connected while you are away")
    }
}

impl ScopeDescriptions {
    /// Describes one scope, in place of what was said before.
    #[must_use]
    pub fn with(mut self, scope: impl Into<String>, description: impl Into<String>) -> Self {
        self.0.insert(scope.into(), description.into());
        self
    }

    /// These scopes in their order, each with its words.
    #[must_use]
    pub fn describe<'a>(&'a self, scopes: &'a Scopes) -> Vec<DescribedScope<'a>> {
        let describe = |scope: &'a Scope| DescribedScope {
            description: self
                .0
                .get(scope.as_str())
                .map(|words| ShownText::new(words)),
            scope: ShownText::new(scope.as_str()),
        };
        scopes.iter().map(describe).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn describes_known_scopes_and_leaves_the_others_without_words() {
        let words = ScopeDescriptions::default().with("files:read", "Read your files");
        let scopes = Scopes::parse("mcp:tools files:read admin").unwrap();
        let described = words.describe(&scopes);
        let described = described.iter().map(|scope| scope.description.as_ref());
        let described: Vec<_> = described
            .map(|words| words.map(ShownText::unescaped))
            .collect();
        let tools = "Use the tools of this server as you";
        assert_eq!(described, [Some(tools), Some("Read your files"), None]);
    }
}
