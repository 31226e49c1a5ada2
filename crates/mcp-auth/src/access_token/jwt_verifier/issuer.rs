//! An issuer whose JWTs are taken, and how it writes them.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::Value;

use crate::{
    BuildError,
    access_token::VerifyError,
    net::HttpClient,
    oauth::{
        Clock, Issuer,
        jose::{JwkSet, SigningAlgorithm},
    },
    upstream::{IssuerKeys, is_secure},
};

/// An issuer whose JWTs are taken, and how it writes them.
#[derive(Debug, Clone)]
#[must_use]
pub struct JwtIssuer {
    pub(super) issuer: Issuer,
    keys: Keys,
    plain_jwts: bool,
    audiences: BTreeSet<String>,
    algorithms: Option<Vec<String>>,
}

#[derive(Debug, Clone)]
enum Keys {
    Discovered,
    At(String),
    Jwks(Value),
}

impl JwtIssuer {
    /// With the keys that its metadata document names (RFC 8414 §2, OpenID Connect Discovery §3), read
    /// when the first token comes.
    pub const fn discovered(issuer: Issuer) -> Self {
        Self::new(issuer, Keys::Discovered)
    }

    /// With the keys at this URL (`jwks_uri`): `https`, or `http` on loopback.
    pub fn with_jwks_uri(issuer: Issuer, jwks_uri: impl Into<String>) -> Self {
        Self::new(issuer, Keys::At(jwks_uri.into()))
    }

    /// With these public keys (a JWK set, RFC 7517 §5), which are never read again.
    pub const fn with_jwks(issuer: Issuer, jwks: Value) -> Self {
        Self::new(issuer, Keys::Jwks(jwks))
    }

    const fn new(issuer: Issuer, keys: Keys) -> Self {
        Self {
            issuer,
            keys,
            plain_jwts: false,
            audiences: BTreeSet::new(),
            algorithms: None,
        }
    }

    /// For an issuer whose access tokens are of the type `JWT` or of none, as those of most providers
    /// that are older than RFC 9068. Tokens that are of the type `at+jwt` are taken as well.
    ///
    /// # Security
    ///
    /// The type is what tells an access token from an ID token. Without it a token with `nonce`,
    /// `at_hash`, `c_hash` or `s_hash` is refused, and one whose `token_use` or `typ` claim says that it is
    /// another; and as for every token, its audience has to be this server.
    pub const fn with_plain_jwts(mut self) -> Self {
        self.plain_jwts = true;
        self
    }

    /// With another name that this issuer has for this server, beside its URL: for a provider that can
    /// issue tokens for an identifier of its own kind only, such as `api://…`.
    ///
    /// # Security
    ///
    /// Whoever has a token with this audience comes in, at every MCP endpoint of this server. Name
    /// nothing that stands for something else too, above all not a `client_id`: every ID token of that
    /// client has it as its audience.
    pub fn with_audience(mut self, name: impl Into<String>) -> Self {
        self.audiences.insert(name.into());
        self
    }

    /// Takes fewer algorithms than ES256, EdDSA, RS256 and PS256.
    pub fn with_algorithms<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.algorithms = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Ready to verify.
    pub(super) fn trusted(
        self,
        http: Arc<dyn HttpClient>,
        clock: Arc<dyn Clock>,
    ) -> Result<TrustedIssuer, BuildError> {
        let keys = match self.keys {
            Keys::Discovered => IssuerKeys::of(self.issuer.clone(), http, clock),
            Keys::At(uri) if is_secure(&uri) => IssuerKeys::at(uri, http, clock),
            Keys::At(_) => {
                return Err(BuildError::argument(
                    "jwks_uri",
                    "must be https, or http on loopback",
                ));
            }
            Keys::Jwks(jwks) => {
                let set = JwkSet::parse(jwks.to_string().as_bytes()).filter(|set| !set.is_empty());
                let set = set.ok_or(BuildError::argument(
                    "jwks",
                    "has no public key that can verify signatures with ES256, EdDSA, RS256 or PS256",
                ))?;
                IssuerKeys::given(set, http, clock)
            }
        };
        if self.audiences.iter().any(|name| name.trim().is_empty()) {
            return Err(BuildError::argument("audience", "must not be empty"));
        }
        Ok(TrustedIssuer {
            algorithms: algorithms(self.algorithms)?,
            issuer: self.issuer,
            keys: Arc::new(keys),
            plain_jwts: self.plain_jwts,
            audiences: self.audiences,
        })
    }
}

/// RFC 8725 §3.1: asymmetric ones alone, and never none at all.
fn algorithms(names: Option<Vec<String>>) -> Result<Vec<SigningAlgorithm>, BuildError> {
    let Some(names) = names else {
        return Ok(SigningAlgorithm::ALL.to_vec());
    };
    let known = |name: &String| {
        let mut all = SigningAlgorithm::ALL.into_iter();
        all.find(|algorithm| algorithm.as_str() == name)
    };
    let found: Option<Vec<_>> = names.iter().map(known).collect();
    found.filter(|found| !found.is_empty()).ok_or_else(|| {
        BuildError::argument(
            "algorithms",
            "name at least one of ES256, EdDSA, RS256 and PS256, and no other: a MAC under a public key is no signature",
        )
    })
}

/// An issuer with its keys at hand.
#[derive(Debug)]
pub(super) struct TrustedIssuer {
    pub(super) issuer: Issuer,
    pub(super) keys: Arc<IssuerKeys>,
    pub(super) algorithms: Vec<SigningAlgorithm>,
    pub(super) audiences: BTreeSet<String>,
    plain_jwts: bool,
}

impl TrustedIssuer {
    pub(super) const fn takes_plain_jwts(&self) -> bool {
        self.plain_jwts
    }

    /// Media types are compared without regard to case, and may leave `application/` out (RFC 7515
    /// §4.1.9).
    pub(super) fn check_type(&self, typ: Option<&str>) -> Result<(), VerifyError> {
        let typ = typ.map(str::to_ascii_lowercase);
        let bare = typ
            .as_deref()
            .map(|typ| typ.strip_prefix("application/").unwrap_or(typ));
        match bare {
            Some("at+jwt") => Ok(()),
            None | Some("jwt") if self.plain_jwts => Ok(()),
            _ => Err(VerifyError::Invalid("a JWT of another type")),
        }
    }
}
