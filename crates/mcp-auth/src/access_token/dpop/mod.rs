//! Proof of possession (DPoP, RFC 9449): a token that is worth nothing without its client's key.
//!
//! A proof is checked with [`ProofVerifier::check`], which looks at everything that the proof says,
//! and then used up with [`ProofVerifier::use_once`], which writes its `jti` into the store: whoever
//! changes state or lets a request in does the second only when everything else is right, so nobody
//! without a good token can fill the store.

mod nonce;
mod proof;
mod target;

use std::{sync::Arc, time::Duration};

use http::HeaderMap;

use crate::{
    oauth::{AccessToken, Clock, JwkThumbprint, jose::SigningAlgorithm},
    store::{Insert, Record, RecordKey, Sealer, Store, StoreError},
};
use nonce::Nonces;
use proof::Proof;
pub(crate) use target::ProofTarget;

/// How proofs of possession are asked for (RFC 9449); nobody asks for them unless a builder is given
/// this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dpop {
    required: bool,
    nonces: bool,
}

impl Dpop {
    /// A client that sends a proof gets tokens that are bound to its key; the others get bearer tokens
    /// as before.
    #[must_use]
    pub const fn accepted() -> Self {
        Self {
            required: false,
            nonces: false,
        }
    }

    /// Every client has to send proofs: no bearer token is issued or taken.
    ///
    /// Hosts that do not know DPoP cannot sign in any more.
    #[must_use]
    pub const fn required() -> Self {
        Self {
            required: true,
            nonces: false,
        }
    }

    /// With nonces of the server's in every proof (RFC 9449 §8, §9): a proof then cannot be made for
    /// later, and a host whose clock is wrong can make one. It costs a host one more request every
    /// five minutes.
    #[must_use]
    pub const fn with_nonces(mut self) -> Self {
        self.nonces = true;
        self
    }

    /// Whether every client has to send proofs.
    #[must_use]
    pub const fn is_required(self) -> bool {
        self.required
    }
}

/// Checks proofs of possession, for an authorization server or a resource server.
///
/// Cheap to clone. Several processes that share store and key ring refuse a replay together and take
/// each other's nonces.
#[derive(Debug, Clone)]
pub struct ProofVerifier {
    dpop: Dpop,
    nonces: Option<Nonces>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

impl ProofVerifier {
    /// Checks proofs as `dpop` says. Each proof leaves a record in the store that expires when it could
    /// not be used again, after ten minutes and a second at most; `nonces` is a [`Sealer`] for
    /// [`Purpose::DpopNonce`](crate::store::Purpose::DpopNonce).
    #[must_use]
    pub fn new(dpop: Dpop, nonces: Sealer, store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self {
            nonces: dpop.nonces.then(|| Nonces::new(nonces)),
            dpop,
            store,
            clock,
        }
    }

    /// How proofs are asked for.
    #[must_use]
    pub const fn dpop(&self) -> Dpop {
        self.dpop
    }

    /// The names of the algorithms that a proof may be signed with.
    pub(crate) fn algorithms() -> impl Iterator<Item = &'static str> {
        SigningAlgorithm::ALL
            .into_iter()
            .map(SigningAlgorithm::as_str)
    }

    /// Looks at everything that the one proof of a request says (RFC 9449 §4.3).
    pub(crate) fn check(
        &self,
        headers: &HeaderMap,
        asked: &Asked<'_>,
    ) -> Result<CheckedProof, ProofError> {
        let mut values = headers.get_all(HEADER).iter();
        let text = match (values.next(), values.next()) {
            (None, _) => return Err(ProofError::Missing),
            (Some(value), None) => value.to_str().map_err(|_| ProofError::MALFORMED)?,
            (Some(_), Some(_)) => return Err(ProofError::Invalid("more than one proof")),
        };
        let now = self.clock.now();
        let proof = Proof::verified(text)?;
        proof.is_for(asked)?;
        let (made_at, lifetime) = match &self.nonces {
            // The server's own time counts where the proof carries it (RFC 9449 §4.3, check 11).
            Some(nonces) => {
                let made_at = nonces.time_of(proof.nonce(), asked.target, now);
                (made_at.ok_or(ProofError::Nonce)?, nonce::LIFETIME)
            }
            None => (proof.made_within(WINDOW, now)?, WINDOW),
        };
        Ok(CheckedProof {
            key: proof.key(),
            record: proof.record_key(asked.target),
            // To the last second in which it would be taken once more.
            forget_at: made_at.plus(lifetime).plus(Duration::from_secs(1)),
        })
    }

    /// Uses a proof up: a second one with this `jti`, for the same place and from the same key, is a
    /// replay (RFC 9449 §11.1).
    pub(crate) async fn use_once(&self, proof: &CheckedProof) -> Result<(), ProofError> {
        // There is nothing to say but that it was there.
        let record = Record::new(Vec::new(), proof.forget_at);
        match self.store.insert(&proof.record, record).await {
            Ok(Insert::Inserted) => Ok(()),
            Ok(Insert::Exists) => Err(ProofError::Invalid("used before")),
            Err(error) => Err(ProofError::Store(error)),
        }
    }

    /// A nonce for the next proof for this place, if nonces are asked for.
    pub(crate) fn fresh_nonce(&self, target: &ProofTarget) -> Option<String> {
        let nonces = self.nonces.as_ref()?;
        Some(nonces.fresh(target, self.clock.now()))
    }
}

/// What a proof has to be made for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a str,
    pub(crate) target: &'a ProofTarget,
    /// At a resource server, the token that the proof comes with.
    pub(crate) token: Option<&'a AccessToken>,
}

/// A proof that says the right things; whether it was used before is not known yet.
#[derive(Debug)]
pub(crate) struct CheckedProof {
    key: JwkThumbprint,
    record: RecordKey,
    forget_at: crate::oauth::Timestamp,
}

impl CheckedProof {
    /// The key that made it.
    pub(crate) const fn key(&self) -> JwkThumbprint {
        self.key
    }
}

/// Why a proof is not taken; the reasons are for the log.
#[derive(Debug)]
pub(crate) enum ProofError {
    /// There is none.
    Missing,
    /// It is not one, or not for this.
    Invalid(&'static str),
    /// It is good and carries no nonce of ours, or an old one.
    Nonce,
    /// Whether it was used before cannot be told right now.
    Store(StoreError),
}

impl ProofError {
    const MALFORMED: Self = Self::Invalid("not a proof, or signed in a way that is not served");
}

/// The header that carries a proof (RFC 9449 §4.1).
const HEADER: &str = "dpop";
/// How far the clock of whoever made a proof may be ahead or behind.
const WINDOW: Duration = Duration::from_secs(300);
