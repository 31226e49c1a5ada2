//! Who may ask about which tokens at `/introspect`.

use crate::{
    BuildError,
    oauth::{ClientId, ResourceIdentifier},
};

/// A resource server in another process, which may ask about the tokens that are meant for it
/// (RFC 7662 §2.1).
///
/// A bare [`ClientId`] is one that serves the only MCP endpoint there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntrospectionClient {
    id: ClientId,
    /// Paths of MCP endpoints; none is the only one there is.
    paths: Option<Vec<String>>,
}

impl IntrospectionClient {
    /// What errors call it.
    pub(crate) const ARGUMENT: &'static str = "introspection clients";

    /// A client that serves the MCP endpoints at these paths, and is told about tokens of no other.
    ///
    /// ```
    /// # use mcp_auth::{authorization_server::IntrospectionClient, oauth::ClientId};
    /// let notes = IntrospectionClient::serving(ClientId::parse("notes-server")?, ["/notes"]);
    /// # Ok::<(), mcp_auth::oauth::ParseError>(())
    /// ```
    #[must_use]
    pub fn serving<S: Into<String>>(id: ClientId, paths: impl IntoIterator<Item = S>) -> Self {
        Self {
            id,
            paths: Some(paths.into_iter().map(Into::into).collect()),
        }
    }

    pub(crate) const fn id(&self) -> &ClientId {
        &self.id
    }
}

impl From<ClientId> for IntrospectionClient {
    fn from(id: ClientId) -> Self {
        Self { id, paths: None }
    }
}

/// Whoever may ask, each about resources of its own; the endpoint is there only if there is somebody.
#[derive(Debug, Default)]
pub(crate) struct Introspection(Vec<(ClientId, Vec<ResourceIdentifier>)>);

impl Introspection {
    /// # Errors
    ///
    /// When a client is to be told about a resource that is not one of these, or about none, or it
    /// does not say which of several.
    pub(crate) fn new(
        clients: Vec<IntrospectionClient>,
        resources: &[ResourceIdentifier],
    ) -> Result<Self, BuildError> {
        let mut all = Vec::new();
        for client in clients {
            let served = served(&client, resources)?;
            all.push((client.id, served));
        }
        Ok(Self(all))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What this client may ask about; nothing if it may not ask at all.
    pub(super) fn resources_of(&self, id: &ClientId) -> Vec<&ResourceIdentifier> {
        let own = self.0.iter().filter(|(client, _)| client == id);
        own.flat_map(|(_, resources)| resources).collect()
    }
}

fn served(
    client: &IntrospectionClient,
    resources: &[ResourceIdentifier],
) -> Result<Vec<ResourceIdentifier>, BuildError> {
    let wrong = |reason: &str| {
        let id = client.id.as_str().escape_debug();
        BuildError::argument(IntrospectionClient::ARGUMENT, format!("`{id}` {reason}"))
    };
    match &client.paths {
        None if resources.len() > 1 => Err(wrong(
            "has to say which of the MCP endpoints it serves: name it with \
             IntrospectionClient::serving",
        )),
        None => Ok(resources.to_vec()),
        Some(paths) if paths.is_empty() => Err(wrong("serves no MCP endpoint")),
        Some(paths) => {
            let at = |path: &String| {
                let found = resources.iter().find(|r| path_of(r) == path);
                found.cloned().ok_or_else(|| {
                    let path = path.escape_debug();
                    wrong(&format!("serves {path}, where there is no MCP endpoint"))
                })
            };
            paths.iter().map(at).collect()
        }
    }
}

/// The path as the builder was given it.
fn path_of(resource: &ResourceIdentifier) -> &str {
    match resource.path() {
        "" => "/",
        path => path,
    }
}
