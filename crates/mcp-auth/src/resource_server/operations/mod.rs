//! Which scopes an operation needs (MCP 2026-07-28, Runtime Insufficient Scope Errors).
//!
//! What is decided on is the decoded message, the one that the handler will see: `message` reads it,
//! `agreement` holds the headers to it.

mod agreement;
mod message;
mod pattern;

pub(super) use agreement::agree;
use message::Message;
pub(super) use message::{Malformed, read};
use pattern::Pattern;

use super::builder::is_offline_access;
use crate::{BuildError, oauth::Scopes};

/// Which scopes single operations need, beside those that every request needs: by the tool's or
/// prompt's name, the resource's URI, or the method.
///
/// ```
/// use mcp_auth::{oauth::Scopes, resource_server::OperationScopes};
///
/// # fn main() -> Result<(), mcp_auth::oauth::ParseError> {
/// let operations = OperationScopes::new()
///     .with_tool("delete_note", Scopes::parse("notes:write")?)
///     .with_resource("notes:///private/*", Scopes::parse("notes:private")?)
///     .with_method("logging/setLevel", Scopes::parse("mcp:admin")?);
/// # let _ = operations; Ok(()) }
/// ```
///
/// In a name `*` stands for any run of characters, none and `/` included. Every entry that fits
/// counts: the operation needs the scopes of all of them. What no entry fits needs the scopes that
/// every request needs.
///
/// # Security
///
/// Names and URIs are compared byte for byte with what the handler is given. A handler that takes
/// several spellings for one resource (`..`, `%2e`, another case) needs an entry that fits all of them;
/// `*` fits every URI.
#[derive(Debug, Clone, Default)]
pub struct OperationScopes(Vec<Entry>);

#[derive(Debug, Clone)]
struct Entry {
    of: Named,
    pattern: Pattern,
    scopes: Scopes,
}

/// What the name of an entry is the name of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    Tool,
    Prompt,
    Resource,
    Method,
}

/// One thing that a message asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Operation {
    /// The method, as `tools/call`.
    pub(super) method: Box<str>,
    /// The name of the tool or prompt, or the URI, where the method has one.
    pub(super) name: Option<Box<str>>,
}

impl OperationScopes {
    /// No operation needs more than every request does.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Calls of this tool need these scopes.
    #[must_use]
    pub fn with_tool(self, name: impl Into<String>, scopes: Scopes) -> Self {
        self.with(Named::Tool, name.into(), scopes)
    }

    /// This prompt needs these scopes, completions for it included.
    #[must_use]
    pub fn with_prompt(self, name: impl Into<String>, scopes: Scopes) -> Self {
        self.with(Named::Prompt, name.into(), scopes)
    }

    /// Reading this resource needs these scopes; so do subscribing to it and completions for it.
    #[must_use]
    pub fn with_resource(self, uri: impl Into<String>, scopes: Scopes) -> Self {
        self.with(Named::Resource, uri.into(), scopes)
    }

    /// Every message with this method needs these scopes, such as `tools/list` or `tasks/*`.
    #[must_use]
    pub fn with_method(self, method: impl Into<String>, scopes: Scopes) -> Self {
        self.with(Named::Method, method.into(), scopes)
    }

    /// The scopes that the operation needs beside those that every request needs, in the order of the
    /// entries. `name` is the tool's or prompt's name or the resource's URI, where the method has one.
    #[must_use]
    pub fn needed(&self, method: &str, name: Option<&str>) -> Scopes {
        let fitting = self.0.iter().filter(|entry| {
            let against = match entry.of {
                Named::Method => Some(method),
                of => name.filter(|_| named_by(method) == Some(of)),
            };
            against.is_some_and(|against| entry.pattern.matches(against))
        });
        let scopes = fitting.flat_map(|entry| entry.scopes.iter());
        scopes.cloned().collect()
    }

    /// Every scope that some operation needs.
    #[must_use]
    pub fn scopes(&self) -> Scopes {
        let scopes = self.0.iter().flat_map(|entry| entry.scopes.iter());
        scopes.cloned().collect()
    }

    /// Whether every entry can be held by a token.
    pub(super) fn check(&self) -> Result<(), BuildError> {
        match self.scopes().iter().any(is_offline_access) {
            true => Err(BuildError::argument(
                "operation scopes",
                "offline_access is between client and authorization server; no operation needs it",
            )),
            false => Ok(()),
        }
    }

    fn with(mut self, of: Named, name: String, scopes: Scopes) -> Self {
        let pattern = Pattern::new(name);
        self.0.push(Entry {
            of,
            pattern,
            scopes,
        });
        self
    }
}

/// What the operations of a method are named by.
fn named_by(method: &str) -> Option<Named> {
    match method {
        TOOLS_CALL => Some(Named::Tool),
        PROMPTS_GET => Some(Named::Prompt),
        RESOURCES_READ
        | "resources/subscribe"
        | "resources/unsubscribe"
        | "resources/directory/read"
        | "skills/get" => Some(Named::Resource),
        _ => None,
    }
}

pub(crate) const TOOLS_CALL: &str = "tools/call";
pub(crate) const PROMPTS_GET: &str = "prompts/get";
pub(crate) const RESOURCES_READ: &str = "resources/read";
