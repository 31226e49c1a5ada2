//! Whether the scopes of a token are enough.

use std::collections::BTreeMap;

use crate::oauth::{Scope, Scopes};

/// Which broader scopes imply narrower ones (MCP 2026-07-28, Scope Challenge Handling).
#[derive(Debug, Clone, Default)]
pub struct ScopeHierarchy(BTreeMap<Scope, Vec<Scope>>);

impl ScopeHierarchy {
    /// No scope implies another.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds that `broad` implies each of `narrow`, and whatever those imply.
    #[must_use]
    pub fn implies(mut self, broad: Scope, narrow: &Scopes) -> Self {
        let implied = self.0.entry(broad).or_default();
        implied.extend(narrow.iter().cloned());
        self
    }

    /// Whether a token with the `granted` scopes may do what needs all the `needed` ones.
    #[must_use]
    pub fn satisfies(&self, granted: &Scopes, needed: &Scopes) -> bool {
        if granted.contains_all(needed) {
            return true;
        }
        let mut reach: Vec<&Scope> = granted.iter().collect();
        let mut at = 0;
        while let Some(scope) = reach.get(at).copied() {
            for implied in self.0.get(scope).into_iter().flatten() {
                if !reach.contains(&implied) {
                    reach.push(implied);
                }
            }
            at += 1;
        }
        needed.iter().all(|scope| reach.contains(&scope))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RS-37
    #[test]
    fn broader_scopes_imply_narrower_ones_through_every_step() {
        let scopes = |text| Scopes::parse(text).unwrap();
        let scope = |text| Scope::parse(text).unwrap();
        let hierarchy = ScopeHierarchy::none()
            .implies(scope("files:admin"), &scopes("files:write"))
            .implies(scope("files:write"), &scopes("files:read"))
            .implies(scope("files:read"), &scopes("files:write")); // a circle ends too
        assert!(hierarchy.satisfies(&scopes("files:admin"), &scopes("files:read files:write")));
        assert!(!hierarchy.satisfies(&scopes("files:write"), &scopes("files:admin")));
        assert!(!hierarchy.satisfies(&scopes("files:admin"), &scopes("files:read mail")));
        assert!(!hierarchy.satisfies(&Scopes::empty(), &scopes("files:read")));
        assert!(hierarchy.satisfies(&Scopes::empty(), &Scopes::empty()));
        assert!(!ScopeHierarchy::none().satisfies(&scopes("files"), &scopes("files:read")));
    }
}
