//! Who is a client, and how one becomes it.

use std::sync::Arc;

use super::{ShimBuilder, ShimTier};
use crate::{
    authorization_server::clients::{ClientResolver, PreregisteredClients, StoredRegistrations},
    oauth::{AccessToken, ClientId, Timestamp},
};

impl<T: ShimTier> ShimBuilder<T> {
    /// With clients that the operator registered.
    pub fn with_preregistered_clients(mut self, clients: PreregisteredClients) -> Self {
        self.preregistered = Some(clients);
        self
    }

    /// With clients that may ask about tokens at `/introspect` (RFC 7662): resource servers in other
    /// processes, registered by the operator with a secret. Without any there is no such endpoint.
    ///
    /// # Security
    ///
    /// They learn who a token speaks for, and with which scopes.
    pub fn with_introspection_by(mut self, clients: impl IntoIterator<Item = ClientId>) -> Self {
        self.introspection.extend(clients);
        self
    }

    /// With clients known in a way of your own; asked after those the operator registered.
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

    /// With registrations in the store, where they can be listed and ended (`registrations` of the
    /// tier), and where clients can read, replace and end their own (RFC 7592). By default a
    /// registration lies sealed in its `client_id` and is stored nowhere.
    ///
    /// Clients that registered before, sealed, have to register again. It turns no registration on.
    pub const fn with_stored_registrations(mut self, settings: StoredRegistrations) -> Self {
        self.stored_registrations = Some(settings);
        self
    }

    /// With registration only for whoever presents one of these tokens in the `Authorization` header
    /// (the initial access tokens of RFC 7591 §3): at least 16 bytes each. Name a new one beside the
    /// old one to change it. By default everybody can register.
    pub fn with_initial_access_tokens(
        mut self,
        tokens: impl IntoIterator<Item = AccessToken>,
    ) -> Self {
        self.initial_access_tokens.extend(tokens);
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

    /// Refuses these dynamic clients, at the authorization and the token endpoint.
    ///
    /// An access token that one of them has already ends by itself, within its lifetime; to end it
    /// now, see [`GrantAdministration::revoke_all_of_client`](crate::access_token::GrantAdministration::revoke_all_of_client).
    pub fn with_denied_clients(mut self, clients: impl IntoIterator<Item = ClientId>) -> Self {
        self.denied.extend(clients);
        self
    }
}
