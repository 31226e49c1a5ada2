//! What the connected apps page says, before, while and after somebody is signed in to it.

use super::{DescribedScope, FormFields, Moment, ShownText, UpstreamChoice};

/// The page for somebody who is not signed in to it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SignInPage<'a> {
    /// The name of this MCP server, from its operator.
    pub server_name: ShownText<'a>,
    /// Where people can sign in: mostly one place. Of several, the form sends the name of the chosen one
    /// as `upstream`.
    pub upstreams: &'a [UpstreamChoice<'a>],
    /// Something was asked for that was not done, because the page it came from was out of date.
    pub nothing_changed: bool,
    /// Where the form is posted.
    pub action: &'a str,
    /// What the form sends along.
    pub fields: FormFields<'a>,
    /// The nonce that styles must carry.
    pub nonce: &'a str,
}

impl SignInPage<'_> {
    /// Where people sign in, if there is no choice.
    #[must_use]
    pub fn only_upstream(&self) -> Option<&UpstreamChoice<'_>> {
        match self.upstreams {
            [only] => Some(only),
            _ => None,
        }
    }
}

/// The apps that somebody connected.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ConnectedAppsPage<'a> {
    /// The name of this MCP server, from its operator.
    pub server_name: ShownText<'a>,
    /// What the upstream calls the account, if anything.
    pub signed_in_as: Option<ShownText<'a>>,
    /// The apps, last used first.
    pub apps: &'a [ConnectedApp<'a>],
    /// How many more there are that this page has no room for.
    pub further: usize,
    /// Something was asked for that was not done, because the page it came from was out of date.
    pub nothing_changed: bool,
    /// Where the forms are posted.
    pub action: &'a str,
    /// What the form to sign out sends along.
    pub fields: FormFields<'a>,
    /// The nonce that styles must carry.
    pub nonce: &'a str,
}

/// One grant: an app that may use the server as this person.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ConnectedApp<'a> {
    /// The app's name; a claim of its own unless it is [`ConnectedApp::preregistered`].
    pub client_name: Option<ShownText<'a>>,
    /// Whether the operator entered this client, and so vouches for its name.
    pub preregistered: bool,
    /// The host whose document describes the client, if its `client_id` is a URL.
    pub client_host: Option<ShownText<'a>>,
    /// The MCP endpoint it may use.
    pub resource: ShownText<'a>,
    /// What it may do there, in plain words.
    pub scopes: &'a [DescribedScope<'a>],
    /// When the person let it in.
    pub since: Moment,
    /// When it last got tokens.
    pub last_used: Moment,
    /// What the form that ends its access sends along.
    pub fields: FormFields<'a>,
}

/// The page after signing out.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SignedOutPage<'a> {
    /// The name of this MCP server, from its operator.
    pub server_name: ShownText<'a>,
    /// The hosts where the person may still be signed in.
    pub upstream_hosts: &'a [ShownText<'a>],
    /// The path of the connected apps page.
    pub connected_apps: &'a str,
    /// The nonce that styles must carry.
    pub nonce: &'a str,
}
