//! From what was said of clients to whoever finds them.

use std::sync::Arc;

use super::{ShimBuilder, ShimTier, checks::GuardedDocuments};
use crate::{
    BuildError,
    access_token::{GrantAdministration, Grants},
    authorization_server::{
        DynamicRegistration, InitialAccessTokens,
        clients::{
            ClientResolvers, DynamicClients, RegisteredClients, StoredClients,
            document::DocumentContext,
        },
    },
    oauth::Issuer,
    store::{KeyRing, Records},
};

impl<T: ShimTier> ShimBuilder<T> {
    /// How clients register themselves, if they can.
    pub(super) fn registrations(
        &self,
        ring: &KeyRing,
        issuer: &Issuer,
        records: &Records,
    ) -> Option<DynamicRegistration> {
        if !self.registration {
            return None;
        }
        let rules = DynamicClients::new(ring, issuer, Arc::clone(&self.random))
            .with_redirect_schemes(self.redirect_schemes.iter().cloned())
            .deny(&self.denied);
        let rules = match self.refuse_registrations_before {
            Some(moment) => rules.refuse_registrations_before(moment),
            None => rules,
        };
        let clients = match self.stored_registrations {
            None => RegisteredClients::Sealed(Arc::new(rules)),
            Some(settings) => RegisteredClients::Stored(Arc::new(StoredClients::new(
                &rules,
                records.clone(),
                settings,
                Arc::clone(&self.random),
            ))),
        };
        let tokens = self.initial_access_tokens.as_deref();
        Some(DynamicRegistration {
            clients,
            initial_access_tokens: tokens.map(InitialAccessTokens::new),
        })
    }

    /// Every way to know a client, in the order in which they are asked.
    pub(super) fn resolvers(
        &self,
        documents: Option<GuardedDocuments>,
        grants: &Arc<Grants>,
        registrations: Option<&DynamicRegistration>,
    ) -> Result<ClientResolvers, BuildError> {
        let mut clients = ClientResolvers::new().deny(self.denied.iter().cloned());
        if let Some(preregistered) = &self.preregistered {
            clients = clients.then(Arc::new(preregistered.clone()));
        }
        for further in &self.further_clients {
            clients = clients.then(Arc::clone(further));
        }
        if let Some((documents, http)) = documents {
            let context = DocumentContext {
                http,
                redirect_schemes: &self.redirect_schemes,
                grants: GrantAdministration::new(Arc::clone(grants)),
                fetches_for_a_caller: self.limits.document_fetches,
                clock: Arc::clone(&self.clock),
            };
            clients = clients.then(Arc::new(documents.resolver(context)?));
        }
        if let Some(registrations) = registrations {
            clients = clients.then(registrations.clients.resolver());
        }
        Ok(clients)
    }
}
