//! `grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer`: an enterprise's identity provider says
//! who the user is and what the client may do (RFC 7523 §2.1, ID-JAG, MCP enterprise-managed
//! authorization).

use super::{AuthorizationServer, Granted, TokenError, proof::OneTime, without_user};
use crate::{
    authorization_server::{
        assertion::{Assertion, Claims},
        clients::{Client, ResolveError},
        enterprise::TrustedIssuer,
    },
    net::Causes,
    oauth::{Form, JwkThumbprint, OAuthErrorCode, ResourceIdentifier, Scopes},
    store::{Insert, RecordKey},
    upstream::UpstreamIdentity,
};

/// The type that tells such an assertion from every other JWT of the same issuer.
const TYP: &str = "oauth-id-jag+jwt";

/// Everything is checked, the policy asked, then the assertion is spent.
pub(super) async fn redeem(
    server: &AuthorizationServer,
    client: &Client,
    form: &Form,
    mut once: OneTime,
) -> Result<Granted, TokenError> {
    // Whoever holds somebody else's assertion proves nothing by its name alone.
    if !client.is_confidential() {
        return Err(TokenError::Refused(
            OAuthErrorCode::InvalidClient,
            "a client that does not authenticate brings an identity assertion",
        ));
    }
    if !client.metadata().identity_assertions {
        return Err(TokenError::Refused(
            OAuthErrorCode::UnauthorizedClient,
            "the client was not registered for identity assertions",
        ));
    }
    let jwt = form.get("assertion").ok_or(TokenError::Refused(
        OAuthErrorCode::InvalidRequest,
        "no assertion",
    ))?;
    let assertion = Assertion::parse(jwt).map_err(TokenError::invalid_grant)?;
    if assertion.typ().as_deref() != Some(TYP) {
        return Err(TokenError::invalid_grant(
            "an assertion of another type than oauth-id-jag+jwt",
        ));
    }
    let issuer = assertion.claimed_issuer();
    let issuer = issuer.and_then(|issuer| server.enterprise.trusted(&issuer));
    let issuer = issuer.ok_or(TokenError::invalid_grant(
        "an assertion of an issuer that is not trusted",
    ))?;
    let claims = verified(issuer, &assertion).await?;
    let checked = Checked::of(server, client, form, issuer, &claims, once.key())?;
    let identity = UpstreamIdentity::new(checked.user.clone(), claims.other.clone())
        .with_namespace(issuer.namespace());
    let admitted = server
        .admission
        .admit(&identity, client.id(), &checked.scopes)
        .await
        .map_err(|refusal| TokenError::invalid_grant(refusal.reason))?;
    let scopes = checked.scopes.intersection(&admitted.scopes);
    let scopes = without_user::some(scopes)?;
    once.spend(server).await?;
    match server
        .records
        .insert(&checked.spent, &(), checked.until, Vec::new())
        .await?
    {
        Insert::Inserted => {}
        Insert::Exists => return Err(TokenError::invalid_grant("the assertion was used before")),
    }
    let subject = identity.full_subject();
    let granted = without_user::grant(
        server,
        client,
        subject,
        checked.resource,
        scopes,
        once.key(),
    )
    .await;
    if granted.is_err() {
        give_back(server, &checked.spent).await;
    }
    granted
}

/// Nothing came of the assertion: its host has no other until the identity provider makes one, and may
/// come again with this one.
async fn give_back(server: &AuthorizationServer, spent: &RecordKey) {
    if let Err(error) = server.records.remove(spent).await {
        tracing::error!(event = "store_unavailable", fault = "server", reason = %Causes(&error));
    }
}

/// What an assertion with every check passed says.
struct Checked {
    user: String,
    resource: ResourceIdentifier,
    scopes: Scopes,
    spent: RecordKey,
    until: crate::oauth::Timestamp,
}

impl Checked {
    fn of(
        server: &AuthorizationServer,
        client: &Client,
        form: &Form,
        issuer: &TrustedIssuer,
        claims: &Claims,
        key: Option<JwkThumbprint>,
    ) -> Result<Self, TokenError> {
        let refused = TokenError::invalid_grant;
        if claims.iss.as_deref() != Some(issuer.issuer()) {
            return Err(refused("another issuer than the header's key belongs to"));
        }
        if !claims.is_for(server.issuer.as_str()) {
            return Err(refused("the assertion is not for our issuer alone"));
        }
        if claims.client_id.as_deref() != Some(client.id().as_str()) {
            return Err(refused("the assertion is for another client"));
        }
        let until = claims.check_times(server.clock.now()).map_err(refused)?;
        if !claims.has_issue_time() {
            return Err(refused("the assertion has no iat"));
        }
        let user = claims.sub.as_deref().filter(|user| !user.is_empty());
        let user = user.ok_or(refused("the assertion names nobody"))?;
        if claims.tenant.as_deref() != issuer.tenant() {
            return Err(refused("the assertion is of another tenant of its issuer"));
        }
        if claims.aud_tenant.is_some() || claims.authorization_details.is_some() {
            return Err(refused("the assertion says what is not understood here"));
        }
        if let Some(confirmation) = &claims.cnf
            && (confirmation.jkt.is_none() || confirmation.jkt != key.map(|key| key.to_string()))
        {
            return Err(refused("the assertion is bound to another key"));
        }
        let resource = resource(server, form, claims)?;
        let jti = claims.unique_name().map_err(refused)?;
        let name = format!("{}\n{jti}", issuer.issuer());
        Ok(Self {
            user: user.to_owned(),
            resource,
            scopes: scopes(server, client, form, claims)?,
            spent: RecordKey::new("id-jag", name.as_bytes()),
            until,
        })
    }
}

/// The one resource of ours that the assertion is for and the request asks for.
fn resource(
    server: &AuthorizationServer,
    form: &Form,
    claims: &Claims,
) -> Result<ResourceIdentifier, TokenError> {
    let named = claims.resources().iter();
    let ours: Vec<_> = named
        .filter_map(|resource| ResourceIdentifier::parse(resource).ok())
        .filter(|resource| server.resources.contains(resource))
        .collect();
    let none = TokenError::invalid_grant("the assertion is for no resource of ours");
    if ours.is_empty() {
        return Err(none);
    }
    if form.resources().next().is_some() {
        let asked = without_user::resource(server, form)?;
        return ours
            .contains(&asked)
            .then_some(asked)
            .ok_or(TokenError::Refused(
                OAuthErrorCode::InvalidTarget,
                "another resource than the assertion's",
            ));
    }
    match ours.as_slice() {
        [only] => Ok(only.clone()),
        _ => Err(TokenError::Refused(
            OAuthErrorCode::InvalidTarget,
            "the assertion is for several resources, and the request for none of them",
        )),
    }
}

/// What the assertion allows, of what was asked for, of what we offer, of what the client may have.
fn scopes(
    server: &AuthorizationServer,
    client: &Client,
    form: &Form,
    claims: &Claims,
) -> Result<Scopes, TokenError> {
    let allowed = match &claims.scope {
        Some(text) => Scopes::parse(text)
            .map_err(|_| TokenError::invalid_grant("the scope of the assertion is malformed"))?,
        None => server.required_scopes.clone(),
    };
    let mut scopes = server.scopes.intersection(&allowed);
    if let Some(asked) = without_user::asked_scopes(form)? {
        scopes = scopes.intersection(&asked);
    }
    if let Some(own) = client
        .metadata()
        .scope
        .as_ref()
        .filter(|_| client.is_preregistered())
    {
        scopes = scopes.intersection(own);
    }
    Ok(scopes)
}

async fn verified(issuer: &TrustedIssuer, assertion: &Assertion<'_>) -> Result<Claims, TokenError> {
    let unverified = TokenError::invalid_grant("no key of its issuer made the signature");
    match issuer.keys().verify(assertion).await {
        Ok(claims) => claims.ok_or(unverified),
        Err(ResolveError::DocumentUnavailable(reason)) => Err(TokenError::Refused(
            OAuthErrorCode::TemporarilyUnavailable,
            reason,
        )),
        Err(_) => Err(TokenError::invalid_grant(
            "the keys of its issuer cannot be read",
        )),
    }
}
