//! Proof of possession at the token endpoint (RFC 9449 §5), and where requests are pushed (§10.1).

use bytes::Bytes;
use http::{HeaderValue, Request, Response};

use super::{AuthorizationServer, TokenError, client_assertion::UnspentAssertion};
use crate::{
    access_token::{Asked, CheckedProof, ProofError, ProofTarget},
    authorization_server::Proofs,
    oauth::{JwkThumbprint, OAuthErrorCode},
};

/// What a request brings that is good once: it is spent when everything else is right, however
/// often a swap is tried again.
#[derive(Debug)]
pub(in super::super) struct OneTime {
    assertion: Option<UnspentAssertion>,
    proof: Option<Proof>,
}

impl OneTime {
    pub(in super::super) const fn new(
        assertion: Option<UnspentAssertion>,
        proof: Option<Proof>,
    ) -> Self {
        Self { assertion, proof }
    }

    /// The key that the client proved to have, if it did.
    pub(in super::super) fn key(&self) -> Option<JwkThumbprint> {
        self.proof.as_ref().map(Proof::key)
    }

    /// The proof, to be held to the key that something is bound to.
    pub(super) const fn proof(&self) -> Option<&Proof> {
        self.proof.as_ref()
    }

    /// What was used before is a replay; this request may come here again.
    pub(in super::super) async fn spend(
        &mut self,
        server: &AuthorizationServer,
    ) -> Result<(), TokenError> {
        if let Some(assertion) = self.assertion.take() {
            assertion.spend(server).await?;
        }
        match &mut self.proof {
            Some(proof) => proof.use_once(server).await,
            None => Ok(()),
        }
    }
}

/// The proof of a request: what is issued is bound to its key.
///
/// It is used up once, however often a swap is tried again.
#[derive(Debug)]
pub(in super::super) struct Proof {
    checked: CheckedProof,
    used: bool,
}

/// Looks at the proof of a token request, and asks for one where there has to be one: everywhere, or
/// because the client wants no other tokens.
pub(super) fn of(
    server: &AuthorizationServer,
    request: &Request<Bytes>,
    wanted: bool,
) -> Result<Option<Proof>, TokenError> {
    if wanted && server.proofs.is_none() {
        // With a proof or without, there is nothing but bearer tokens (RFC 9449 §5.2).
        return Err(TokenError::Refused(
            OAuthErrorCode::InvalidRequest,
            "the client wants bound tokens alone, and none are issued",
        ));
    }
    let proof = if_sent(server, request, |proofs| &proofs.token)?;
    let proofs = server.proofs.as_ref();
    let required = proofs.is_some_and(|proofs| proofs.verifier.dpop().is_required());
    if proof.is_none() && (wanted || required) {
        return Err(invalid_proof("no proof"));
    }
    Ok(proof)
}

/// Looks at the proof of a request to this endpoint, if there is one and proofs are served.
pub(in super::super) fn if_sent(
    server: &AuthorizationServer,
    request: &Request<Bytes>,
    endpoint: fn(&Proofs) -> &ProofTarget,
) -> Result<Option<Proof>, TokenError> {
    let Some(proofs) = &server.proofs else {
        return Ok(None); // an unknown header means nothing
    };
    let asked = Asked {
        method: request.method().as_str(),
        target: endpoint(proofs),
        token: None,
    };
    match proofs.verifier.check(request.headers(), &asked) {
        Ok(checked) => Ok(Some(Proof {
            checked,
            used: false,
        })),
        Err(ProofError::Missing) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

impl Proof {
    const fn key(&self) -> JwkThumbprint {
        self.checked.key()
    }

    /// A proof that was used before is a replay; this request may come here again.
    async fn use_once(&mut self, server: &AuthorizationServer) -> Result<(), TokenError> {
        if let (Some(proofs), false) = (&server.proofs, self.used) {
            proofs.verifier.use_once(&self.checked).await?;
            self.used = true;
        }
        Ok(())
    }
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
pub(in super::super) fn offer_nonce(
    server: &AuthorizationServer,
    endpoint: fn(&Proofs) -> &ProofTarget,
    response: &mut Response<Bytes>,
) {
    let proofs = server.proofs.as_ref();
    let nonce = proofs.and_then(|proofs| proofs.verifier.fresh_nonce(endpoint(proofs)));
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
