//! Proof of possession at the token endpoint (RFC 9449 §5).

use bytes::Bytes;
use http::{HeaderValue, Request, Response};

use super::{AuthorizationServer, TokenError};
use crate::{
    access_token::{Asked, CheckedProof, ProofError},
    oauth::{JwkThumbprint, OAuthErrorCode},
};

/// The proof of a token request: what is issued is bound to its key.
///
/// It is used up once, when everything else is right, however often a swap is tried again.
#[derive(Debug)]
pub(super) struct Proof {
    checked: CheckedProof,
    used: bool,
}

/// Looks at the proof of a request, and asks for one where there has to be one: everywhere, or because
/// the client wants no other tokens.
pub(super) fn of(
    server: &AuthorizationServer,
    request: &Request<Bytes>,
    wanted: bool,
) -> Result<Option<Proof>, TokenError> {
    let Some(proofs) = &server.proofs else {
        return Ok(None); // an unknown header means nothing
    };
    let asked = Asked {
        method: request.method().as_str(),
        target: &proofs.target,
        token: None,
    };
    match proofs.verifier.check(request.headers(), &asked) {
        Ok(checked) => Ok(Some(Proof {
            checked,
            used: false,
        })),
        Err(ProofError::Missing) => {
            if wanted || proofs.verifier.dpop().is_required() {
                return Err(invalid_proof("no proof"));
            }
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

impl Proof {
    pub(super) const fn key(&self) -> JwkThumbprint {
        self.checked.key()
    }

    /// A proof that was used before is a replay; this request may come here again.
    pub(super) async fn use_once(
        &mut self,
        server: &AuthorizationServer,
    ) -> Result<(), TokenError> {
        if let (Some(proofs), false) = (&server.proofs, self.used) {
            proofs.verifier.use_once(&self.checked).await?;
            self.used = true;
        }
        Ok(())
    }
}

/// Uses a proof up where nothing is tried again; what comes of it is bound to this key.
pub(super) async fn use_once(
    server: &AuthorizationServer,
    proof: Option<Proof>,
) -> Result<Option<JwkThumbprint>, TokenError> {
    let Some(mut proof) = proof else {
        return Ok(None);
    };
    proof.use_once(server).await?;
    Ok(Some(proof.key()))
}

/// Holds a proof to the key that a code or a refresh token is bound to, if it is to one.
///
/// Where proofs are not served any more, what is bound is over: it never becomes a bearer's.
pub(super) fn check_key(
    server: &AuthorizationServer,
    bound_to: Option<JwkThumbprint>,
    proof: Option<&Proof>,
) -> Result<(), TokenError> {
    match (bound_to, proof) {
        (None, _) => Ok(()),
        (Some(_), None) if server.proofs.is_some() => {
            Err(invalid_proof("bound to a key, and no proof"))
        }
        (Some(key), Some(proof)) if proof.key() == key => Ok(()),
        (Some(_), _) => Err(TokenError::invalid_grant("bound to another key")),
    }
}

/// Gives the nonce for the next proof, where nonces are asked for (RFC 9449 §8.2).
pub(super) fn offer_nonce(server: &AuthorizationServer, response: &mut Response<Bytes>) {
    let proofs = server.proofs.as_ref();
    let nonce = proofs.and_then(|proofs| proofs.verifier.fresh_nonce(&proofs.target));
    if let Some(nonce) = nonce.and_then(|nonce| HeaderValue::try_from(nonce).ok()) {
        response.headers_mut().insert("dpop-nonce", nonce);
    }
}

const fn invalid_proof(reason: &'static str) -> TokenError {
    TokenError::Refused(OAuthErrorCode::InvalidDpopProof, reason)
}

impl From<ProofError> for TokenError {
    fn from(error: ProofError) -> Self {
        match error {
            ProofError::Missing => invalid_proof("no proof"),
            ProofError::Invalid(reason) => invalid_proof(reason),
            ProofError::Nonce => Self::Refused(OAuthErrorCode::UseDpopNonce, "no good nonce"),
            ProofError::Store(error) => Self::Store(error),
        }
    }
}
