//! From what an issuer says about a token to the principal that it speaks for.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Principal, VerifyError};
use crate::oauth::{
    ClientId, Issuer, JwkThumbprint, ResourceIdentifier, Scope, Scopes, Timestamp,
    jose::registered_claims::is_usable_subject,
};

/// Whom a token speaks for, in its issuer's words.
pub(super) struct SpokenFor<'a> {
    pub(super) issuer: &'a Issuer,
    pub(super) subject: &'a str,
    pub(super) client: Option<&'a str>,
    pub(super) scopes: Vec<&'a str>,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) confirmation: Option<&'a Map<String, Value>>,
}

impl SpokenFor<'_> {
    pub(super) fn principal(self) -> Result<Principal, VerifyError> {
        use VerifyError::Invalid;
        if !is_usable_subject(self.subject) {
            return Err(Invalid("it names no usable subject"));
        }
        let client = self.client.map(ClientId::parse).transpose();
        let client = client.map_err(|_| Invalid("its client_id is malformed"))?;
        // A client that acts for itself, which must not be taken for a user (RFC 9068 §5).
        let acts_for_itself = self.client == Some(self.subject);
        let subject = match acts_for_itself {
            true => format!("|{}", self.subject),
            false if self.subject.starts_with('|') => {
                return Err(Invalid("its subject looks like a client"));
            }
            false => self.subject.to_owned(),
        };
        let scopes = self.scopes.into_iter().map(Scope::parse);
        let scopes: Result<Scopes, _> = scopes.collect();
        let scopes = scopes.map_err(|_| Invalid("a scope that is none"))?;
        let mut principal = Principal::new(self.issuer.as_str(), subject).with_scopes(scopes);
        if let Some(client) = client {
            principal = principal.with_client(client);
        }
        if let Some(expires_at) = self.expires_at {
            principal = principal.with_expiry(expires_at);
        }
        match self.confirmation {
            None => Ok(principal),
            Some(confirmation) => Ok(principal.with_confirmation(key(confirmation)?)),
        }
    }
}

/// The one way of binding that is served (RFC 9449 §6.1): a token that is bound in another way is
/// nobody's.
fn key(confirmation: &Map<String, Value>) -> Result<JwkThumbprint, VerifyError> {
    let jkt = match confirmation.len() {
        1 => confirmation.get("jkt").and_then(Value::as_str),
        _ => None,
    };
    let key = jkt.and_then(|jkt| JwkThumbprint::parse(jkt).ok());
    key.ok_or(VerifyError::Invalid("bound in a way that is not served"))
}

/// Whether one of these audiences is the resource, or a name that the operator has for it.
pub(super) fn is_for(
    audience: &[String],
    resource: &ResourceIdentifier,
    names: &BTreeSet<String>,
) -> bool {
    audience.iter().any(|audience| {
        names.contains(audience)
            || ResourceIdentifier::parse(audience).is_ok_and(|parsed| parsed == *resource)
    })
}
