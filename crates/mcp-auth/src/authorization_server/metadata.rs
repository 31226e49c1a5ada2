//! `GET /.well-known/oauth-authorization-server` and `/.well-known/openid-configuration`: who we are
//! (RFC 8414 §3; OpenID Connect Discovery §3 has the fields that only the latter needs).

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header::CACHE_CONTROL};
use serde_json::{Value, json};

use super::{
    AuthorizationServer, clients::keys::SIGNING_ALGORITHM_NAMES, paths, response, token::JWT_BEARER,
};
use crate::{access_token::ProofVerifier, oauth::AuthorizationServerMetadata};

pub(super) fn metadata(server: &AuthorizationServer) -> Response<Bytes> {
    let url = |path| server.public_url.join(path);
    let mut document = AuthorizationServerMetadata::new(
        server.issuer.clone(),
        url(paths::AUTHORIZE),
        url(paths::TOKEN),
    );
    document.registration_endpoint = server
        .dynamic_clients
        .as_ref()
        .map(|_| url(paths::REGISTER));
    document.revocation_endpoint = Some(url(paths::REVOKE));
    document.jwks_uri = Some(url(paths::JWKS));
    document.scopes_supported = server.scopes.iter().map(ToString::to_string).collect();
    document.protected_resources = server.resources.clone();
    document
        .token_endpoint_auth_methods_supported
        .push("private_key_jwt".into());
    let methods = json!(document.token_endpoint_auth_methods_supported);
    if !server.introspection.is_empty() {
        let endpoint = json!(url(paths::INTROSPECT));
        // Whoever asks has to prove itself, so `none` is not among them.
        let methods = json!([
            "client_secret_post",
            "client_secret_basic",
            "private_key_jwt"
        ]);
        let algorithms = json!(SIGNING_ALGORITHM_NAMES);
        let named: [(&str, Value); 3] = [
            ("introspection_endpoint", endpoint),
            ("introspection_endpoint_auth_methods_supported", methods),
            (
                "introspection_endpoint_auth_signing_alg_values_supported",
                algorithms,
            ),
        ];
        document
            .other
            .extend(named.map(|(name, value)| (name.to_owned(), value)));
    }
    if let Some(pushed) = &server.pushed {
        document.other.extend([
            (
                "pushed_authorization_request_endpoint".to_owned(),
                json!(url(paths::PAR)),
            ),
            (
                "require_pushed_authorization_requests".to_owned(),
                json!(pushed.required),
            ),
        ]);
    }
    if server.proofs.is_some() {
        let algorithms: Vec<_> = ProofVerifier::algorithms().collect();
        let member = "dpop_signing_alg_values_supported".to_owned();
        document.other.insert(member, json!(algorithms));
    }
    if server.client_credentials {
        document
            .grant_types_supported
            .push("client_credentials".into());
    }
    if !server.enterprise.is_empty() {
        document.grant_types_supported.push(JWT_BEARER.into());
        let profiles = json!(["urn:ietf:params:oauth:grant-profile:id-jag"]);
        let name = "authorization_grant_profiles_supported";
        document.other.insert(name.to_owned(), profiles);
    }
    if server.client_documents {
        let flag = "client_id_metadata_document_supported";
        document.other.insert(flag.to_owned(), json!(true));
    }
    let algorithms = json!(SIGNING_ALGORITHM_NAMES);
    let further: [(&str, Value); 5] = [
        (
            "token_endpoint_auth_signing_alg_values_supported",
            algorithms.clone(),
        ),
        (
            "revocation_endpoint_auth_signing_alg_values_supported",
            algorithms,
        ),
        ("revocation_endpoint_auth_methods_supported", methods),
        ("subject_types_supported", json!(["public"])),
        ("id_token_signing_alg_values_supported", json!(["ES256"])),
    ];
    document
        .other
        .extend(further.map(|(name, value)| (name.to_owned(), value)));
    let mut response = response::json(StatusCode::OK, &document);
    response.headers_mut().insert(
        CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=300"),
    );
    response
}
