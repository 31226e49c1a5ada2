//! `GET /.well-known/openid-configuration`, its OAuth twin (RFC 8414) and `GET /jwks`.

use std::sync::Arc;

use axum::{Json, extract::State};
use http::{HeaderName, HeaderValue, header};
use serde_json::{Value, json};

use super::server::Server;

type Document = ([(HeaderName, HeaderValue); 1], Json<Value>);

pub(super) async fn document(State(server): State<Arc<Server>>) -> Document {
    server.observed().counters.discoveries += 1;
    let issuer = &server.issuer;
    let mut document = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "userinfo_endpoint": format!("{issuer}/userinfo"),
        "revocation_endpoint": format!("{issuer}/revoke"),
        "jwks_uri": format!("{issuer}/jwks"),
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "token_endpoint_auth_methods_supported": METHODS,
        "token_endpoint_auth_signing_alg_values_supported": ["ES256", "EdDSA", "RS256"],
        "revocation_endpoint_auth_methods_supported": METHODS,
        "code_challenge_methods_supported": ["S256"],
        "claims_supported": ["sub", "name", "preferred_username", "email"],
        "prompt_values_supported": ["none", "login"],
        "authorization_response_iss_parameter_supported": true,
    });
    if let Some(document) = document.as_object_mut() {
        let faults = server.faults();
        for (left_out, member) in [
            (faults.no_userinfo_endpoint, "userinfo_endpoint"),
            (
                faults.iss_not_promised,
                "authorization_response_iss_parameter_supported",
            ),
        ] {
            if left_out {
                document.remove(member);
            }
        }
    }
    if server.records().serves_resources()
        && let Some(document) = document.as_object_mut()
    {
        let mut member = |name: &str, value| document.insert(name.to_owned(), value);
        member("registration_endpoint", json!(format!("{issuer}/register")));
        member("client_id_metadata_document_supported", json!(true));
        member(
            "grant_types_supported",
            json!([
                "authorization_code",
                "refresh_token",
                "urn:ietf:params:oauth:grant-type:token-exchange"
            ]),
        );
        member(
            "token_endpoint_auth_methods_supported",
            json!(["none", METHODS[0], METHODS[1], METHODS[2]]),
        );
        member(
            "scopes_supported",
            json!(["openid", "profile", "email", "offline_access", "mcp:tools"]),
        );
    }
    open(document)
}

const METHODS: [&str; 3] = [
    "client_secret_basic",
    "client_secret_post",
    "private_key_jwt",
];

/// Scripts of every origin may read what everybody may know.
fn open(document: Value) -> Document {
    let everyone = HeaderValue::from_static("*");
    (
        [(header::ACCESS_CONTROL_ALLOW_ORIGIN, everyone)],
        Json(document),
    )
}

pub(super) async fn jwks(State(server): State<Arc<Server>>) -> Document {
    server.observed().counters.jwks_requests += 1;
    open(json!({ "keys": [server.signing_key.public_jwk()] }))
}
