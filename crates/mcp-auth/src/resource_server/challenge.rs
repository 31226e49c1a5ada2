//! The `WWW-Authenticate` header of a refusal (RFC 6750 §3, RFC 9449 §7.1, RFC 9728 §5.1).

use http::HeaderValue;

use super::header::Scheme;
use crate::{
    BuildError,
    access_token::{Dpop, ProofVerifier},
    oauth::{OAuthErrorCode, Scopes},
};

/// Every challenge of one resource, built once but for the scopes of a token that is too weak, which come
/// from the policy and the token: nothing from a request can get into them.
#[derive(Debug)]
pub(super) struct Challenges {
    /// None where every token has to be bound to a key.
    bearer: Option<SchemeChallenges>,
    dpop: Option<SchemeChallenges>,
}

/// The challenges of one scheme.
#[derive(Debug)]
struct SchemeChallenges {
    scheme: Scheme,
    metadata_url: Option<Box<str>>,
    bare: HeaderValue,
    invalid_token: HeaderValue,
    invalid_request: HeaderValue,
    invalid_proof: HeaderValue,
    use_nonce: HeaderValue,
    unavailable: HeaderValue,
}

/// Which challenge a refusal is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Challenge<'a> {
    /// Nothing was sent: no `error`, which a host would take for a broken token (RFC 6750 §3.1).
    Bare,
    /// The token is not good.
    InvalidToken,
    /// Two credentials at once.
    InvalidRequest,
    /// The token is good but too weak; all scopes to ask for are named at once.
    InsufficientScope(&'a Scopes),
    /// The proof of possession is not good.
    InvalidProof,
    /// The proof of possession needs a nonce of ours.
    UseNonce,
    /// Nothing is wrong with the token; only where the metadata is.
    Unavailable,
}

impl Challenges {
    /// The challenges of a resource with this metadata document, naming these scopes.
    pub(super) fn new(
        metadata_url: Option<&str>,
        scopes: &Scopes,
        dpop: Option<Dpop>,
    ) -> Result<Self, BuildError> {
        let of = |scheme| SchemeChallenges::new(scheme, metadata_url, scopes);
        Ok(Self {
            bearer: match dpop {
                Some(dpop) if dpop.is_required() => None,
                _ => Some(of(Scheme::Bearer)?),
            },
            dpop: dpop.map(|_| of(Scheme::Dpop)).transpose()?,
        })
    }

    /// A header for each scheme that is served: the one that was used says what was wrong, and after
    /// a missing or refused credential the other says that it is there (RFC 9449 §7.1).
    pub(super) fn of(
        &self,
        challenge: Challenge<'_>,
        used: Scheme,
    ) -> impl Iterator<Item = HeaderValue> {
        let header = |challenges: &Option<SchemeChallenges>, scheme| {
            let challenges = challenges.as_ref()?;
            if scheme == used || self.is_alone() {
                return challenges.of(challenge);
            }
            challenge.is_unauthorized().then(|| challenges.bare.clone())
        };
        let both = [
            header(&self.bearer, Scheme::Bearer),
            header(&self.dpop, Scheme::Dpop),
        ];
        both.into_iter().flatten()
    }

    const fn is_alone(&self) -> bool {
        self.bearer.is_none() || self.dpop.is_none()
    }
}

impl Challenge<'_> {
    /// Whether another credential might do, under whichever scheme.
    const fn is_unauthorized(self) -> bool {
        matches!(
            self,
            Self::Bare | Self::InvalidToken | Self::InvalidProof | Self::UseNonce
        )
    }
}

impl SchemeChallenges {
    fn new(
        scheme: Scheme,
        metadata_url: Option<&str>,
        scopes: &Scopes,
    ) -> Result<Self, BuildError> {
        use OAuthErrorCode as Code;
        let build = |code, scopes| challenge(scheme, metadata_url, code, scopes);
        Ok(Self {
            scheme,
            metadata_url: metadata_url.map(Into::into),
            bare: build(None, Some(scopes))?,
            invalid_token: build(Some(Code::InvalidToken), Some(scopes))?,
            invalid_request: build(Some(Code::InvalidRequest), None)?,
            invalid_proof: build(Some(Code::InvalidDpopProof), None)?,
            use_nonce: build(Some(Code::UseDpopNonce), None)?,
            unavailable: build(None, None)?,
        })
    }

    /// None only for scopes that fit into no header.
    fn of(&self, asked: Challenge<'_>) -> Option<HeaderValue> {
        let built = match asked {
            Challenge::Bare => &self.bare,
            Challenge::InvalidToken => &self.invalid_token,
            Challenge::InvalidRequest => &self.invalid_request,
            Challenge::InsufficientScope(scopes) => {
                let code = Some(OAuthErrorCode::InsufficientScope);
                let url = self.metadata_url.as_deref();
                return challenge(self.scheme, url, code, Some(scopes)).ok();
            }
            Challenge::InvalidProof => &self.invalid_proof,
            Challenge::UseNonce => &self.use_nonce,
            Challenge::Unavailable => &self.unavailable,
        };
        Some(built.clone())
    }
}

fn challenge(
    scheme: Scheme,
    metadata_url: Option<&str>,
    code: Option<OAuthErrorCode>,
    scopes: Option<&Scopes>,
) -> Result<HeaderValue, BuildError> {
    let mut parameters = Vec::new();
    if let Some(code) = code {
        parameters.push(format!("error=\"{code}\""));
        parameters.push(format!("error_description=\"{}\"", code.description()));
    }
    match metadata_url {
        Some(url) => parameters.push(format!("resource_metadata=\"{url}\"")),
        // Without metadata a challenge that named some would start a discovery that must fail.
        None => parameters.insert(0, "realm=\"mcp\"".to_owned()),
    }
    if let Some(scopes) = scopes.filter(|scopes| !scopes.is_empty()) {
        parameters.push(format!("scope=\"{scopes}\""));
    }
    let scheme = match scheme {
        Scheme::Bearer => "Bearer",
        Scheme::Dpop => {
            let algorithms: Vec<_> = ProofVerifier::algorithms().collect();
            parameters.push(format!("algs=\"{}\"", algorithms.join(" ")));
            "DPoP"
        }
    };
    HeaderValue::try_from(format!("{scheme} {}", parameters.join(", ")))
        .map_err(|_| BuildError::argument("public URL", "it does not fit into a header"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://h.example/.well-known/oauth-protected-resource/mcp";

    fn headers(dpop: Option<Dpop>, challenge: Challenge<'_>, used: Scheme) -> Vec<String> {
        let scopes = Scopes::parse("mcp:tools files:read").unwrap();
        let challenges = Challenges::new(Some(URL), &scopes, dpop).unwrap();
        let headers = challenges.of(challenge, used);
        headers
            .map(|header| header.to_str().unwrap().to_owned())
            .collect()
    }

    const INVALID_TOKEN: &str = "error=\"invalid_token\", error_description=\"The access token is \
         invalid, expired, revoked, or meant for another resource.\", ";

    // RS-10
    #[test]
    fn challenges_have_these_words() {
        let place = format!("resource_metadata=\"{URL}\", scope=\"mcp:tools files:read\"");
        assert_eq!(
            headers(None, Challenge::Bare, Scheme::Bearer),
            [format!("Bearer {place}")]
        );
        assert_eq!(
            headers(None, Challenge::InvalidToken, Scheme::Bearer),
            [format!("Bearer {INVALID_TOKEN}{place}")]
        );
        let without = Challenges::new(None, &Scopes::empty(), None).unwrap();
        let without: Vec<_> = without.of(Challenge::Bare, Scheme::Bearer).collect();
        assert_eq!(without, ["Bearer realm=\"mcp\""]);
    }

    // RS-45, AX-09
    #[test]
    fn two_schemes_stand_side_by_side_and_the_one_that_was_used_says_what_was_wrong() {
        let place = format!("resource_metadata=\"{URL}\", scope=\"mcp:tools files:read\"");
        let algs = "algs=\"ES256 EdDSA RS256 PS256\"";
        let accepted = Some(Dpop::accepted());
        assert_eq!(
            headers(accepted, Challenge::Bare, Scheme::Bearer),
            [format!("Bearer {place}"), format!("DPoP {place}, {algs}")]
        );
        assert_eq!(
            headers(accepted, Challenge::InvalidToken, Scheme::Dpop),
            [
                format!("Bearer {place}"),
                format!("DPoP {INVALID_TOKEN}{place}, {algs}")
            ]
        );
        let proof = headers(accepted, Challenge::InvalidProof, Scheme::Dpop);
        assert!(
            proof[1].starts_with("DPoP error=\"invalid_dpop_proof\""),
            "{proof:?}"
        );
        let nonce = headers(accepted, Challenge::UseNonce, Scheme::Dpop);
        assert!(
            nonce[1].starts_with("DPoP error=\"use_dpop_nonce\""),
            "{nonce:?}"
        );
        let scopes = Scopes::parse("mcp:tools").unwrap();
        let weak = headers(
            accepted,
            Challenge::InsufficientScope(&scopes),
            Scheme::Dpop,
        );
        assert!(weak.len() == 1 && weak[0].starts_with("DPoP error=\"insufficient_scope\""));
        let required = headers(
            Some(Dpop::required()),
            Challenge::InvalidToken,
            Scheme::Bearer,
        );
        assert_eq!(required, [format!("DPoP {INVALID_TOKEN}{place}, {algs}")]);
    }
}
