//! Who calls the token endpoint (RFC 6749 §2.3, OAuth 2.1 §2.4).

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, Request, header::AUTHORIZATION};
use zeroize::Zeroizing;

use super::{
    AuthorizationServer, TokenError,
    client_assertion::{self, UnspentAssertion},
};
use crate::{
    access_token::Grant,
    authorization_server::{
        assertion::Assertion,
        clients::{Client, ResolveError},
    },
    oauth::{ClientId, ClientSecret, Form, OAuthErrorCode, Timestamp},
};

/// Who calls, as far as that is known.
pub(in super::super) enum Caller {
    /// It proved itself as its metadata says it does; a public client has nothing to prove.
    Proved(Client),
    /// It named itself, and its host does not say what its document is right now. What it was given
    /// as a public client it may keep using: no refresh depends on the host of a document.
    Named(ClientId),
}

impl Caller {
    /// The client, or a refusal that asks to come again.
    pub(in super::super) fn proved(self) -> Result<Client, TokenError> {
        match self {
            Self::Proved(client) => Ok(client),
            Self::Named(_) => Err(TokenError::Refused(
                OAuthErrorCode::TemporarilyUnavailable,
                "the client's document cannot be fetched",
            )),
        }
    }

    /// Whether it may have refresh tokens, as far as that is known.
    pub(super) const fn may_refresh(&self) -> bool {
        match self {
            Self::Proved(client) => client.metadata().refresh_tokens,
            Self::Named(_) => true,
        }
    }

    /// Whether its registration is there for as long as the grant will be, where registrations are
    /// stored; nobody whose document is elsewhere has one.
    pub(super) async fn keep_registered(
        &self,
        server: &AuthorizationServer,
        until: Timestamp,
    ) -> Result<bool, TokenError> {
        match self {
            Self::Proved(client) => Ok(server.keep_registered(client, until).await?),
            Self::Named(_) => Ok(true),
        }
    }

    /// Whether it proved itself by more than its name. Whoever just named itself is let in for what a
    /// public client has, and for nothing else.
    pub(super) const fn is_confidential(&self) -> bool {
        match self {
            Self::Proved(client) => client.is_confidential(),
            Self::Named(_) => false,
        }
    }

    /// Whether it wants no token that is not bound to its key, as far as that is known; what it was
    /// given before is held to its key all the same.
    pub(super) const fn wants_bound_tokens(&self) -> bool {
        match self {
            Self::Proved(client) => client.wants_bound_tokens(),
            Self::Named(_) => false,
        }
    }

    /// Writes into a grant what is known of its client now: that it proves itself, and what its
    /// document says.
    pub(super) fn is_seen_in(&self, grant: &mut Grant) {
        if let Self::Proved(client) = self {
            // Whoever signed once goes on to be known by that, until the document has no keys any more.
            let still = grant.confidential && client.keys().is_some();
            grant.confidential = client.has_proved_itself() || still;
            if grant.document.is_none() {
                grant.document = client.document().cloned();
            }
        }
    }

    /// Whether the document of the client says something else than when this grant was given, where
    /// the operator wants grants to end then.
    pub(super) fn has_changed_since(&self, grant: &Grant) -> bool {
        match (self, &grant.document) {
            (Self::Proved(client), Some(before)) => {
                client.document().is_some_and(|now| now.replaces(before))
            }
            _ => false,
        }
    }

    /// Whether this grant is the caller's own; the reason is for the log.
    pub(in super::super) fn check_owns(
        &self,
        grant: &Grant,
        reason: &'static str,
    ) -> Result<(), TokenError> {
        let id = match self {
            Self::Proved(client) => client.id(),
            Self::Named(id) => id,
        };
        if grant.client != *id {
            return Err(TokenError::invalid_grant(reason));
        }
        if matches!(self, Self::Named(_)) && grant.confidential {
            return Err(TokenError::Refused(
                OAuthErrorCode::TemporarilyUnavailable,
                "the client's keys cannot be fetched",
            ));
        }
        Ok(())
    }
}

/// Somebody who proved to be who they are, if they have to, by something that may be good once.
#[must_use = "what proved it has to be spent"]
pub(in super::super) struct Authenticated<C> {
    who: C,
    assertion: Option<UnspentAssertion>,
}

impl<C> Authenticated<C> {
    pub(in super::super) const fn who(&self) -> &C {
        &self.who
    }

    /// Who it is, with what is to be spent once everything else is right.
    pub(in super::super) fn into_parts(self) -> (C, Option<UnspentAssertion>) {
        (self.who, self.assertion)
    }

    /// Who it is, and what proved it is spent: for what has nothing else to spend.
    pub(in super::super) async fn spent(
        self,
        server: &AuthorizationServer,
    ) -> Result<C, TokenError> {
        if let Some(assertion) = &self.assertion {
            assertion.spend(server).await?;
        }
        Ok(self.who)
    }
}

/// Finds the client and has it prove itself as it registered to.
pub(in super::super) async fn authenticate(
    server: &AuthorizationServer,
    request: &Request<Bytes>,
    form: &Form,
) -> Result<Authenticated<Client>, TokenError> {
    let identified = identify(server, request, form).await?;
    Ok(Authenticated {
        who: identified.who.proved()?,
        assertion: identified.assertion,
    })
}

/// The same, for what a client keeps doing while its document is out of reach.
pub(in super::super) async fn identify(
    server: &AuthorizationServer,
    request: &Request<Bytes>,
    form: &Form,
) -> Result<Authenticated<Caller>, TokenError> {
    let presented = Presented::read(request.headers(), form)?;
    let client = match server
        .clients
        .resolve_for(&presented.id, request.extensions())
        .await
    {
        Ok(client) => client,
        Err(ResolveError::DocumentUnavailable(_) | ResolveError::DocumentUnclear(_))
            if presented.assertion.is_none() =>
        {
            return Ok(Authenticated {
                who: Caller::Named(presented.id),
                assertion: None,
            });
        }
        Err(error) => return Err(unresolved(error)),
    };
    let (limit, id) = (&server.limits.wrong_secrets, client.id().as_str());
    let proves = client.is_confidential() || presented.assertion.is_some();
    if proves && !limit.has_for(request.extensions(), id, &*server.clock) {
        return Err(TokenError::TooManySecrets);
    }
    let proved = match &presented.assertion {
        Some(assertion) => client_assertion::check(server, &client, assertion)
            .await
            .map(Some),
        None => client
            .authenticate(presented.secret.as_ref())
            .map(|()| None)
            .map_err(|_| invalid_client("the client did not prove itself")),
    };
    if matches!(
        proved,
        Err(TokenError::Refused(OAuthErrorCode::InvalidClient, _))
    ) {
        limit.take_for(request.extensions(), id, &*server.clock);
    }
    Ok(Authenticated {
        assertion: proved?,
        who: Caller::Proved(match presented.assertion {
            Some(_) => client.that_signed(),
            None => client,
        }),
    })
}

fn unresolved(error: ResolveError) -> TokenError {
    match error {
        ResolveError::Unavailable(_) => TokenError::Refused(
            OAuthErrorCode::TemporarilyUnavailable,
            "clients cannot be looked up",
        ),
        ResolveError::DocumentUnavailable(reason)
        | ResolveError::DocumentUnclear(reason)
        | ResolveError::DocumentNeeded(reason) => {
            TokenError::Refused(OAuthErrorCode::TemporarilyUnavailable, reason)
        }
        ResolveError::UnknownKey => invalid_client("client_id under an unknown key"),
        ResolveError::Document(reason) | ResolveError::Refused(reason) => invalid_client(reason),
        ResolveError::Unknown => invalid_client("unknown client"),
    }
}

/// Whether the `Authorization` header was tried, which a refusal has to answer in kind.
pub(super) fn tries_basic(headers: &HeaderMap) -> bool {
    headers.contains_key(AUTHORIZATION)
}

struct Presented<'f> {
    id: ClientId,
    secret: Option<ClientSecret>,
    assertion: Option<Assertion<'f>>,
}

impl<'f> Presented<'f> {
    fn read(headers: &HeaderMap, form: &'f Form) -> Result<Self, TokenError> {
        let in_form = form
            .get("client_id")
            .map(ClientId::parse)
            .transpose()
            .map_err(|_| invalid_client("malformed client_id"))?;
        let secret = form.get("client_secret").map(ClientSecret::new);
        let basic = basic(headers)?;
        let asserts = form.get("client_assertion").is_some();
        // OAuth 2.1 §2.4: one method in a request.
        if [basic.is_some(), secret.is_some(), asserts]
            .map(u8::from)
            .iter()
            .sum::<u8>()
            > 1
        {
            return Err(TokenError::Refused(
                OAuthErrorCode::InvalidRequest,
                "two client credentials",
            ));
        }
        if let Some(assertion) = client_assertion::presented(form)? {
            // The parameter may be left out: the assertion says who signed it (RFC 7521 §4.2).
            let named = || ClientId::parse(&assertion.claimed_subject()?).ok();
            return Ok(Self {
                id: in_form
                    .or_else(named)
                    .ok_or(invalid_client("no client_id"))?,
                secret: None,
                assertion: Some(assertion),
            });
        }
        match basic {
            Some(basic) if in_form.as_ref().is_some_and(|id| *id != basic.id) => {
                Err(invalid_client("two client ids"))
            }
            Some(basic) => Ok(basic),
            None => Ok(Self {
                id: in_form.ok_or(invalid_client("no client_id"))?,
                secret,
                assertion: None,
            }),
        }
    }
}

/// The credentials in the `Authorization` header, form-decoded after base64 (RFC 6749 §2.3.1).
fn basic<'f>(headers: &HeaderMap) -> Result<Option<Presented<'f>>, TokenError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(TokenError::Refused(
            OAuthErrorCode::InvalidRequest,
            "two Authorization headers",
        ));
    }
    let broken = || invalid_client("malformed Authorization header");
    let value = value.to_str().map_err(|_| broken())?;
    let (scheme, encoded) = value.split_once(' ').ok_or_else(broken)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(broken());
    }
    let decoded = Zeroizing::new(STANDARD.decode(encoded.trim()).map_err(|_| broken())?);
    let text = std::str::from_utf8(&decoded).map_err(|_| broken())?;
    let (id, secret) = text.split_once(':').ok_or_else(broken)?;
    let id = ClientId::parse(&form_decoded(id).ok_or_else(broken)?).map_err(|_| broken())?;
    let secret = form_decoded(secret).ok_or_else(broken)?;
    let secret = (!secret.is_empty()).then(|| ClientSecret::new(secret.as_str()));
    Ok(Some(Presented {
        id,
        secret,
        assertion: None,
    }))
}

/// One form-encoded value: `+` is a space, and every `%` starts two hexadecimal digits.
fn form_decoded(text: &str) -> Option<Zeroizing<String>> {
    let mut out = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = char::from(bytes.next()?).to_digit(16)?;
                let low = char::from(bytes.next()?).to_digit(16)?;
                u8::try_from(high * 16 + low).ok()?
            }
            byte => byte,
        });
    }
    std::str::from_utf8(&out)
        .ok()
        .map(|text| text.to_owned().into())
}

pub(super) const fn invalid_client(reason: &'static str) -> TokenError {
    TokenError::Refused(OAuthErrorCode::InvalidClient, reason)
}

/// Whether a client can be read out of these, whoever it is.
#[cfg(any(test, fuzzing))]
pub(in super::super) fn names_a_client(headers: &HeaderMap, form: &Form) -> bool {
    Presented::read(headers, form).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    // AST-10
    #[test]
    fn decodes_form_encoding_and_nothing_loose() {
        assert_eq!(form_decoded("a%3Ab+c%25").unwrap().as_str(), "a:b c%");
        for bad in ["%", "%2", "%zz", "%ff", "%+1"] {
            assert!(form_decoded(bad).is_none(), "{bad}");
        }
    }
}
