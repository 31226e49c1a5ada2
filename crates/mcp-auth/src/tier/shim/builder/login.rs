//! What a user meets: pages, consent, scopes, who may come in.

use std::{sync::Arc, time::Duration};

use super::{ShimBuilder, ShimTier};
use crate::{
    authorization_server::{
        Admission, ConsentRule, UnknownScopes,
        pages::{Pages, ScopeDescriptions},
    },
    oauth::Scopes,
    resource_server::OperationScopes,
    upstream::Upstream,
};

impl<T: ShimTier> ShimBuilder<T> {
    /// With a name that the pages show; by default the host of the public URL.
    pub fn with_server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// With the scopes that hosts may ask for; `mcp:tools` by default.
    ///
    /// The first of them is needed for every request, unless
    /// [`ShimBuilder::with_required_scopes`] says otherwise; the others are for tools to look at.
    pub fn with_scopes(mut self, scopes: Scopes) -> Self {
        self.scopes = Some(scopes);
        self
    }

    /// With the scopes, out of those offered, that every request at the MCP endpoint needs. They are
    /// what the challenge names, and what a host gets that asks for nothing in particular.
    pub fn with_required_scopes(mut self, scopes: Scopes) -> Self {
        self.required_scopes = Some(scopes);
        self
    }

    /// With operations that need more of the scopes offered than every request does, at every MCP
    /// endpoint of this tier; see
    /// [`ResourceServerBuilder::with_operation_scopes`](crate::resource_server::ResourceServerBuilder::with_operation_scopes).
    ///
    /// A host that calls one without them is told to ask for them (403), and the user is asked again.
    pub fn with_operation_scopes(mut self, operations: OperationScopes) -> Self {
        self.operations = Some(operations);
        self
    }

    /// With the words the consent page has for scopes.
    pub fn with_scope_descriptions(mut self, descriptions: ScopeDescriptions) -> Self {
        self.scope_descriptions = descriptions;
        self
    }

    /// Refuses a request with a scope that is not offered (`invalid_scope`), instead of leaving that
    /// scope out and saying so in the token response.
    pub const fn with_unknown_scopes_refused(mut self) -> Self {
        self.unknown_scopes = UnknownScopes::Refused;
        self
    }

    /// With a box on the consent page: not to be asked again for the same access, in the same browser,
    /// for this long. Whole seconds from a minute to a year.
    ///
    /// It is for requests that were pushed (see [`Self::with_pushed_authorization_requests`]) by a client
    /// that proved itself, is pre-registered or has a client ID metadata document, and returns to an
    /// `https` address. It counts while the same user has a grant of the client from then or before, and
    /// if no page of another site led the browser here.
    ///
    /// # Security
    ///
    /// The user's consent is what stands between a client and the upstream, which may not ask for our
    /// own client again. Leave this off where browsers are shared.
    pub const fn with_remembered_consent(mut self, lifetime: Duration) -> Self {
        self.remembered_consent = Some(lifetime);
        self
    }

    /// With pushed authorization requests (RFC 9126) at `/par`: a client that can hands its request
    /// over there, and the browser carries a `request_uri` alone.
    pub const fn with_pushed_authorization_requests(mut self) -> Self {
        if self.pushed_requests.is_none() {
            self.pushed_requests = Some(false);
        }
        self
    }

    /// With pushed authorization requests only: what comes in the browser is refused.
    ///
    /// MCP hosts do not push their requests. To ask it of one client, pre-register it with
    /// `require_pushed_authorization_requests`; others can ask it of themselves, in their registration
    /// or their document.
    pub const fn with_pushed_authorization_requests_only(mut self) -> Self {
        self.pushed_requests = Some(true);
        self
    }

    /// With one more upstream: people choose where to sign in. Its name, such as `github`, stands in the
    /// redirect URI of our client there, which is `public_url` + `/callback/` + the name (OAuth 2.1 §7.15).
    ///
    /// The same person at two upstreams is two subjects here: nothing says that they are one.
    pub fn with_further_upstream(
        mut self,
        name: impl Into<String>,
        upstream: Arc<dyn Upstream>,
    ) -> Self {
        self.further_upstreams.push((name.into(), upstream));
        self
    }

    /// With other pages than the built-in ones.
    pub fn with_pages(mut self, pages: Arc<dyn Pages>) -> Self {
        self.pages = Some(pages);
        self
    }

    /// With a rule for who may come in after the upstream login; everyone by default.
    pub fn with_admission(mut self, admission: Arc<dyn Admission>) -> Self {
        self.admission = admission;
        self
    }

    /// With claims that tools may see, such as `email` and `name`: of what the upstream says about a user
    /// when they sign in, these are kept with the grant, sealed, for
    /// [`Principal::upstream_claims`](crate::Principal::upstream_claims). None by default.
    ///
    /// Together they may be 2 KiB of JSON. Those named first are kept first; one that does not fit is left
    /// out, and the log says which. Who signed in before this was set has none until they sign in again.
    ///
    /// # Security
    ///
    /// They are personal data: name what the tools need.
    pub fn with_upstream_claims<S: Into<String>>(
        mut self,
        claims: impl IntoIterator<Item = S>,
    ) -> Self {
        self.upstream_claims = claims.into_iter().map(Into::into).collect();
        self
    }

    /// With a page at `/connected-apps` where people sign in, see which clients have access, and end it
    /// (OAuth 2.1 §7.9); without this there is none.
    ///
    /// [`Admission`] is asked about its visitors too, with the page's own URL as the client.
    pub const fn with_connected_apps(mut self) -> Self {
        self.connected_apps = true;
        self
    }

    /// Gives every client access without asking the user: for unattended development on loopback.
    ///
    /// # Security
    ///
    /// Without consent any website can have a client registered and collect a code for whoever is
    /// signed in at the upstream. `build` refuses it unless the public URL is loopback.
    pub const fn insecure_approve_without_consent(mut self) -> Self {
        self.consent = ConsentRule::InsecureApprove;
        self
    }
}
