//! A client that was resolved, and how it proves itself.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{document::RemoteKeySets, keys::KeySet};
use crate::{
    BuildError,
    access_token::DocumentSeen,
    oauth::{
        ClientAuthenticationMethod, ClientId, ClientMetadata, ClientSecret, RedirectUri,
        SHA256_LEN, sha256,
    },
    store::Sealer,
};

/// How a client came to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClientKind {
    /// The operator wrote it down.
    Preregistered,
    /// Its identifier is the URL of a document that describes it.
    Document,
    /// It registered itself; everything it says is a claim of its own (RFC 7591 §5).
    Dynamic,
}

/// A client that a [`ClientResolver`](super::ClientResolver) vouches for.
#[derive(Debug, Clone)]
pub struct Client {
    id: ClientId,
    kind: ClientKind,
    metadata: ClientMetadata,
    credential: Credential,
    keys: Option<ClientKeys>,
    document: Option<Arc<DocumentSeen>>,
    signed: bool,
}

/// Where the public keys of a client are.
#[derive(Debug, Clone)]
pub(crate) enum ClientKeys {
    Fixed(KeySet),
    At(Arc<str>, Arc<RemoteKeySets>),
}

impl Client {
    /// A client without a secret.
    ///
    /// If its metadata names a method that needs one, it can never authenticate.
    #[must_use]
    pub const fn new(id: ClientId, kind: ClientKind, metadata: ClientMetadata) -> Self {
        Self {
            id,
            kind,
            metadata,
            credential: Credential::None,
            keys: None,
            document: None,
            signed: false,
        }
    }

    /// The same client with this secret, of which only a hash is kept.
    #[must_use]
    pub fn with_secret(mut self, secret: &ClientSecret) -> Self {
        self.credential = Credential::Sha256(sha256(secret.expose().as_bytes()));
        self
    }

    /// The same client with the secret that is derived from its identifier.
    pub(super) fn with_derived_secret(mut self, secrets: Sealer) -> Self {
        self.credential = Credential::Derived(secrets);
        self
    }

    /// The same client with these keys, which its assertions are checked with.
    pub(super) fn with_keys(mut self, keys: ClientKeys) -> Self {
        self.keys = Some(keys);
        self
    }

    /// The same client with these public keys (a JWK set, RFC 7517 §5), which its assertions are
    /// checked with (`private_key_jwt`).
    ///
    /// # Errors
    ///
    /// When a private or symmetric key is among them, or none that can verify signatures.
    pub fn with_jwks(self, jwks: &serde_json::Value) -> Result<Self, BuildError> {
        let keys = KeySet::parse(jwks).map_err(|reason| BuildError::argument("jwks", reason))?;
        Ok(self.with_keys(ClientKeys::Fixed(keys)))
    }

    /// The same client with what its document says, which its grants are held to.
    pub(super) fn with_document(mut self, seen: DocumentSeen) -> Self {
        self.document = Some(Arc::new(seen));
        self
    }

    pub(crate) fn document(&self) -> Option<&DocumentSeen> {
        self.document.as_deref()
    }

    /// The same client, once its signature was checked.
    pub(in crate::authorization_server) const fn that_signed(mut self) -> Self {
        self.signed = true;
        self
    }

    /// Whether it proved itself in this request: it has to, or it did so of its own accord.
    pub(in crate::authorization_server) const fn has_proved_itself(&self) -> bool {
        self.signed || self.is_confidential()
    }

    pub(crate) const fn keys(&self) -> Option<&ClientKeys> {
        self.keys.as_ref()
    }

    /// Its identifier.
    #[must_use]
    pub const fn id(&self) -> &ClientId {
        &self.id
    }

    /// How it came to be known.
    #[must_use]
    pub const fn kind(&self) -> ClientKind {
        self.kind
    }

    /// What is known about it.
    #[must_use]
    pub const fn metadata(&self) -> &ClientMetadata {
        &self.metadata
    }

    /// Whether the operator wrote it down, and so vouches for it.
    #[must_use]
    pub const fn is_preregistered(&self) -> bool {
        matches!(self.kind, ClientKind::Preregistered)
    }

    /// Whether it wants no token that is not bound to its key (RFC 9449 §5.2).
    pub(crate) const fn wants_bound_tokens(&self) -> bool {
        self.metadata.dpop_bound_access_tokens
    }

    /// Where its browsers may return to.
    #[must_use]
    pub fn redirect_uris(&self) -> &[RedirectUri] {
        &self.metadata.redirect_uris
    }

    /// Whether it has to authenticate at the token endpoint (RFC 6749 §2.1).
    #[must_use]
    pub const fn is_confidential(&self) -> bool {
        !matches!(
            self.metadata.token_endpoint_auth_method,
            ClientAuthenticationMethod::None
        )
    }

    /// Checks what the client presented, wherever in the request it stood: live hosts register one
    /// of `client_secret_basic` and `client_secret_post` and use the other.
    ///
    /// A public client has nothing to prove, so whatever it presents is ignored.
    ///
    /// # Errors
    ///
    /// When a confidential client presents no secret, or not its own (RFC 6749 §3.2.1).
    ///
    /// # Security
    ///
    /// The comparison is of digests of one length, in constant time.
    pub fn authenticate(
        &self,
        presented: Option<&ClientSecret>,
    ) -> Result<(), ClientAuthenticationError> {
        if !self.is_confidential() {
            return Ok(());
        }
        let presented = presented.ok_or(ClientAuthenticationError::Missing)?;
        if self.credential.accepts(&self.id, presented) {
            Ok(())
        } else {
            Err(ClientAuthenticationError::Wrong)
        }
    }
}

/// Why a client did not prove itself; both are `invalid_client` on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientAuthenticationError {
    /// It has a secret and did not present one.
    #[error("the client has a secret and presented none")]
    Missing,
    /// It presented another secret.
    #[error("the client presented a wrong secret")]
    Wrong,
}

/// What a confidential client's secret is checked against.
#[derive(Clone)]
enum Credential {
    None,
    Sha256([u8; SHA256_LEN]),
    Derived(Sealer),
}

impl Credential {
    fn accepts(&self, id: &ClientId, presented: &ClientSecret) -> bool {
        match self {
            Self::None => false,
            Self::Sha256(expected) => {
                let presented = sha256(presented.expose().as_bytes());
                verify_slices_are_equal(&presented, expected).is_ok()
            }
            Self::Derived(secrets) => URL_SAFE_NO_PAD
                .decode(presented.expose())
                .is_ok_and(|mac| secrets.verify_mac(&[id.as_str().as_bytes()], &mac)),
        }
    }
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Sha256(_) | Self::Derived(_) => "[redacted]",
        })
    }
}

/// The secret of a client that is derived from its identifier, never stored.
pub(super) fn derived_secret(secrets: &Sealer, id: &ClientId) -> ClientSecret {
    ClientSecret::new(URL_SAFE_NO_PAD.encode(secrets.mac(&[id.as_str().as_bytes()])))
}
