//! Scopes in plain words.

use std::collections::HashMap;

use crate::oauth::{Scope, Scopes};

/// What each scope lets a client do, as the consent page says it.
#[derive(Debug, Clone)]
pub struct ScopeDescriptions(HashMap<String, String>);

/// A scope and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DescribedScope {
    /// The scope itself.
    pub scope: Scope,
    /// What it lets a client do, in plain words; `None` if nobody described it.
    pub description: Option<String>,
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
    pub fn describe(&self, scopes: &Scopes) -> Vec<DescribedScope> {
        let describe = |scope: &Scope| DescribedScope {
            description: self.0.get(scope.as_str()).cloned(),
            scope: scope.clone(),
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
        let described = words.describe(&Scopes::parse("mcp:tools files:read admin").unwrap());
        let described: Vec<_> = described.iter().map(|d| d.description.as_deref()).collect();
        let tools = "Use the tools of this server as you";
        assert_eq!(described, [Some(tools), Some("Read your files"), None]);
    }
}
