//! Proof of possession at the MCP endpoint (RFC 9449 §7).

use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::{
    Refusal, ResourceServer,
    gate::{Verified, refusal_of},
    header::Scheme,
};
use crate::{
    BuildError,
    access_token::{
        Asked, CheckedProof, Principal, ProofError, ProofTarget, ProofVerifier, VerifyError,
    },
    oauth::{AccessToken, ResourceIdentifier},
};

/// Who checks proofs, and for which URL they have to be made.
#[derive(Debug)]
pub(super) struct Proofs {
    verifier: ProofVerifier,
    target: ProofTarget,
}

/// The proof of a request, as it came.
#[derive(Debug, Clone)]
pub(super) struct PresentedProof {
    method: Method,
    headers: HeaderMap,
}

impl Proofs {
    pub(super) fn new(
        verifier: ProofVerifier,
        resource: &ResourceIdentifier,
    ) -> Result<Self, BuildError> {
        let target = ProofTarget::parse(resource.as_str());
        Ok(Self {
            target: target.map_err(|error| BuildError::argument("path", error.rule()))?,
            verifier,
        })
    }
}

impl PresentedProof {
    /// Every proof header there is: more than one is found out when they are looked at.
    pub(super) fn of(method: &Method, sent: &HeaderMap) -> Self {
        let mut headers = HeaderMap::new();
        for value in sent.get_all(DPOP) {
            headers.append(DPOP, value.clone());
        }
        Self {
            method: method.clone(),
            headers,
        }
    }
}

impl ResourceServer {
    /// Whether a token that was sent by itself may be: one that is bound to a key may not
    /// (RFC 9449 §7.2), also where proofs are not served.
    pub(super) fn by_itself(
        &self,
        verified: Result<Principal, VerifyError>,
    ) -> Result<Verified, Refusal> {
        let principal = verified.map_err(|error| refusal_of(self, error))?;
        if principal.confirmation().is_some() {
            return Err(Refusal::InvalidToken("bound to a key, and sent without it"));
        }
        match &self.0.proofs {
            Some(proofs) if proofs.verifier.dpop().is_required() => {
                Err(Refusal::InvalidToken("not bound to a key"))
            }
            _ => Ok(Verified {
                principal,
                proof: None,
                body: None,
            }),
        }
    }

    /// Whether a token came with a proof of the key that it is bound to.
    ///
    /// The token first: what it costs to verify a proof, and later a place in the store, is only for
    /// those who have a good one.
    pub(super) fn with_proof(
        &self,
        verified: Result<Principal, VerifyError>,
        token: &AccessToken,
        presented: &PresentedProof,
    ) -> Result<Verified, Refusal> {
        let principal = verified.map_err(|error| refusal_of(self, error))?;
        let not_bound = Refusal::InvalidToken("sent with a proof, and bound to no key");
        let (Some(proofs), Some(key)) = (&self.0.proofs, principal.confirmation()) else {
            return Err(not_bound);
        };
        let asked = Asked {
            method: presented.method.as_str(),
            target: &proofs.target,
            token: Some(token),
        };
        let proof = proofs.verifier.check(&presented.headers, &asked);
        let proof = proof.map_err(|error| self.refusal_of_proof(error))?;
        if proof.key() != key {
            return Err(Refusal::InvalidToken("bound to another key"));
        }
        Ok(Verified {
            principal,
            proof: Some(proof),
            body: None,
        })
    }

    /// Uses the proof up; one that was used before is a replay.
    pub(super) async fn use_once(&self, proof: &CheckedProof) -> Result<(), Refusal> {
        let Some(proofs) = &self.0.proofs else {
            return Err(Refusal::InvalidProof("proofs are not served"));
        };
        let used = proofs.verifier.use_once(proof).await;
        used.map_err(|error| self.refusal_of_proof(error))
    }

    fn refusal_of_proof(&self, error: ProofError) -> Refusal {
        match error {
            ProofError::Missing => Refusal::InvalidProof("no proof"),
            ProofError::Invalid(reason) => Refusal::InvalidProof(reason),
            ProofError::Nonce => Refusal::ProofNonce,
            ProofError::Store(error) => {
                let away = VerifyError::Unavailable {
                    retry_after: super::gate::RETRY_AFTER,
                    source: Some(error.into()),
                };
                refusal_of(self, away)
            }
        }
    }

    /// The nonce for the next proof, where nonces are asked for (RFC 9449 §8.2).
    pub(super) fn offer_nonce(&self, headers: &mut HeaderMap, used: Scheme) {
        let proofs = self.0.proofs.as_ref().filter(|_| used == Scheme::Dpop);
        let nonce = proofs.and_then(|proofs| proofs.verifier.fresh_nonce(&proofs.target));
        if let Some(nonce) = nonce.and_then(|nonce| HeaderValue::try_from(nonce).ok()) {
            headers.insert(DPOP_NONCE, nonce);
        }
    }
}

pub(super) const DPOP: HeaderName = HeaderName::from_static("dpop");
const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");
