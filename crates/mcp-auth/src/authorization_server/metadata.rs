//! `GET /.well-known/oauth-authorization-server` and `/.well-known/openid-configuration`: who we are
//! (RFC 8414 §3; OpenID Connect Discovery §3 has the fields that only the latter needs).

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header::CACHE_CONTROL};
use serde_json::{Value, json};

use super::{AuthorizationServer, paths, response};
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
    let methods = json!(document.token_endpoint_auth_methods_supported);
    if !server.introspection.is_empty() {
        let secrets = json!(["client_secret_post", "client_secret_basic"]);
        let endpoint = json!(url(paths::INTROSPECT));
        document.other.extend([
            ("introspection_endpoint".to_owned(), endpoint),
            (
                "introspection_endpoint_auth_methods_supported".to_owned(),
                secrets,
            ),
        ]);
    }
    if server.proofs.is_some() {
        let algorithms: Vec<_> = ProofVerifier::algorithms().collect();
        let member = "dpop_signing_alg_values_supported".to_owned();
        document.other.insert(member, json!(algorithms));
    }
    let further: [(&str, Value); 3] = [
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
