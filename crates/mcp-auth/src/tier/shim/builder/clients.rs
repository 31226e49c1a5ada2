//! Who is a client, and how one becomes it.

use std::sync::Arc;

use super::{ShimBuilder, ShimTier};
use crate::{
    authorization_server::{
        EnterpriseIssuer, IntrospectionClient,
        clients::{ClientDocuments, ClientResolver, PreregisteredClients, StoredRegistrations},
    },
    oauth::{AccessToken, ClientId, Timestamp},
};

impl<T: ShimTier> ShimBuilder<T> {
    /// With clients that the operator registered.
    pub fn with_preregistered_clients(mut self, clients: PreregisteredClients) -> Self {
        self.preregistered = Some(clients);
        self
    }

    /// With clients that may ask about tokens at `/introspect` (RFC 7662): resource servers in other
    /// processes, registered by the operator with a secret or keys. Without any there is no such
    /// endpoint.
    ///
    /// With one MCP endpoint their identifiers are enough. With several each says which of them it
    /// serves, by [`IntrospectionClient::serving`].
    ///
    /// # Security
    ///
    /// They learn who a token speaks for, and with which scopes; of a token for a resource that they
    /// do not serve they learn nothing.
    pub fn with_introspection_by<C: Into<IntrospectionClient>>(
        mut self,
        clients: impl IntoIterator<Item = C>,
    ) -> Self {
        self.introspection
            .extend(clients.into_iter().map(Into::into));
        self
    }

    /// With clients known in a way of your own; asked after those the operator registered.
    ///
    /// Identifiers that begin with `dcr.` or `reg.` are those of clients that registered here.
    pub fn with_clients(mut self, clients: Arc<dyn ClientResolver>) -> Self {
        self.further_clients.push(clients);
        self
    }

    /// With dynamic registration (RFC 7591), which is the default of `DcrShim` alone.
    pub const fn with_registration(mut self) -> Self {
        self.registration = true;
        self
    }

    /// Without dynamic registration, which is the default of `Cimd`.
    pub const fn without_registration(mut self) -> Self {
        self.registration = false;
        self
    }

    /// With client ID metadata documents as these settings say; on by default, with those of
    /// [`ClientDocuments::new`].
    pub fn with_client_documents(mut self, documents: ClientDocuments) -> Self {
        self.documents = Some(documents);
        self
    }

    /// Without client ID metadata documents: an identifier that is a URL is unknown.
    pub fn without_client_documents(mut self) -> Self {
        self.documents = None;
        self
    }

    /// With client assertions (`private_key_jwt`) taken that are addressed to the token endpoint, as
    /// RFC 7523 allowed; by default they must be addressed to the issuer and nobody else.
    ///
    /// # Security
    ///
    /// A hostile server can name this one's token endpoint as its own and use here what a client
    /// signed for it (draft-ietf-oauth-rfc7523bis §1).
    pub const fn insecure_accept_token_endpoint_audience(mut self) -> Self {
        self.token_endpoint_audience = true;
        self
    }

    /// With the grant `client_credentials` (RFC 6749 §4.4), for pre-registered clients that prove
    /// themselves and name it in their `grant_types`: they act for themselves, without a user, and
    /// get no refresh token. [`Principal::is_client`](crate::Principal::is_client) tells them apart.
    pub const fn with_client_credentials(mut self) -> Self {
        self.client_credentials = true;
        self
    }

    /// With identity assertions (ID-JAG) of these identity providers taken in place of a login: the
    /// grant `urn:ietf:params:oauth:grant-type:jwt-bearer` (MCP enterprise-managed authorization).
    ///
    /// The client has to name the grant in its `grant_types`, and to prove itself, by a secret or a
    /// signature. Nobody is asked for consent; the
    /// rule of [`ShimBuilder::with_admission`] is.
    pub fn with_enterprise_issuers(
        mut self,
        issuers: impl IntoIterator<Item = EnterpriseIssuer>,
    ) -> Self {
        self.enterprise.extend(issuers);
        self
    }

    /// With registrations in the store, where they can be listed and ended (`registrations` of the
    /// tier), and where clients can read, replace and end their own (RFC 7592). By default a
    /// registration lies sealed in its `client_id` and is stored nowhere.
    ///
    /// Clients that registered before, sealed, have to register again, unless
    /// [`DynamicClients`](crate::authorization_server::clients::DynamicClients) of the same key ring
    /// and issuer are handed to [`ShimBuilder::with_clients`]. It turns no registration on.
    pub const fn with_stored_registrations(mut self, settings: StoredRegistrations) -> Self {
        self.stored_registrations = Some(settings);
        self
    }

    /// With registration only for whoever presents one of these tokens in the `Authorization` header
    /// (the initial access tokens of RFC 7591 §3): at least 16 bytes each. Name a new one beside the
    /// old one to change it. Without this call everybody can register; with an empty list nothing is
    /// built, because it says that nobody can: see [`ShimBuilder::without_registration`].
    pub fn with_initial_access_tokens(
        mut self,
        tokens: impl IntoIterator<Item = AccessToken>,
    ) -> Self {
        self.initial_access_tokens
            .get_or_insert_default()
            .extend(tokens);
        self
    }

    /// With further dotless private-use schemes that clients may register redirect URIs with, such as
    /// `myeditor`; `cursor`, `vscode`, `vscode-insiders` and `windsurf` are known.
    pub fn with_redirect_schemes<S: Into<String>>(
        mut self,
        schemes: impl IntoIterator<Item = S>,
    ) -> Self {
        self.redirect_schemes = schemes.into_iter().map(Into::into).collect();
        self
    }

    /// Refuses dynamic clients that registered before this moment; they can register again.
    pub const fn refuse_registrations_before(mut self, moment: Timestamp) -> Self {
        self.refuse_registrations_before = Some(moment);
        self
    }

    /// Refuses these clients, however they are known, wherever they have to be: pre-registered ones,
    /// those that registered, and those with a document, whose identifier is its whole URL, byte for
    /// byte. For hosts of documents see
    /// [`AllowClients`](crate::authorization_server::clients::AllowClients).
    ///
    /// An access token that one of them has already ends by itself, within its lifetime; to end it
    /// now, see [`GrantAdministration::revoke_all_of_client`](crate::access_token::GrantAdministration::revoke_all_of_client).
    pub fn with_denied_clients(mut self, clients: impl IntoIterator<Item = ClientId>) -> Self {
        self.denied.extend(clients);
        self
    }
}
