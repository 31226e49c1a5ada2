//! What the consent page says.

use super::{DescribedScope, FormFields, ShownText};

/// Everything the consent page shows and sends back (MCP security considerations, confused deputy).
#[derive(Clone)]
#[non_exhaustive]
pub struct ConsentPage<'a> {
    /// The name of this MCP server, from its operator.
    pub server_name: ShownText<'a>,
    /// The client's name; a claim of its own unless it is [`ConsentPage::preregistered`].
    pub client_name: Option<ShownText<'a>>,
    /// Whether the operator entered this client, and so vouches for its name.
    pub preregistered: bool,
    /// The host whose document describes the client, if its `client_id` is a URL; proved by the fetch.
    pub client_host: Option<ShownText<'a>>,
    /// Where the browser goes afterwards: a host, or a private-use scheme.
    pub redirect_destination: ShownText<'a>,
    /// The whole redirection URI.
    pub redirect_uri: ShownText<'a>,
    /// Whether the redirection URI leads to a program on the user's own machine.
    pub loopback: bool,
    /// What the client asks for, in plain words; never nothing, for such a request is refused.
    pub scopes: &'a [DescribedScope<'a>],
    /// Where the user can sign in: mostly one place. Of several, the form sends the name of the chosen
    /// one as `upstream`.
    pub upstreams: &'a [UpstreamChoice<'a>],
    /// Whether the form may offer a checkbox `remember` with the value `yes`: this question is then
    /// not asked again in this browser.
    pub can_be_remembered: bool,
    /// Where the form is posted.
    pub action: &'a str,
    /// What the form sends along.
    pub fields: FormFields<'a>,
    /// The nonce that styles must carry.
    pub nonce: &'a str,
}

/// A place where people can sign in.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct UpstreamChoice<'a> {
    /// What the form sends for it.
    pub name: &'a str,
    /// The host where the user signs in.
    pub host: ShownText<'a>,
    /// What we ask for there.
    pub scopes: &'a [ShownText<'a>],
}

impl std::fmt::Debug for ConsentPage<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConsentPage")
            .field("client_name", &self.client_name)
            .field("redirect_destination", &self.redirect_destination)
            .finish_non_exhaustive()
    }
}

impl ConsentPage<'_> {
    /// Where the user signs in, if there is no choice.
    #[must_use]
    pub fn only_upstream(&self) -> Option<&UpstreamChoice<'_>> {
        match self.upstreams {
            [only] => Some(only),
            _ => None,
        }
    }

    /// Whether the browser goes to a web site afterwards, rather than to a program on this device.
    #[must_use]
    pub fn returns_to_web(&self) -> bool {
        self.redirect_uri.unescaped().starts_with("https:")
    }
}

/// The host of a `client_id` that is the URL of a client metadata document.
pub(crate) fn document_host(client_id: &str) -> Option<&str> {
    let rest = client_id.strip_prefix("https://")?;
    let host = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    (!host.is_empty()).then_some(host)
}
