//! `GET /.well-known/openid-configuration`, its OAuth twin (RFC 8414) and `GET /jwks`.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde_json::{Value, json};

use super::server::Server;

pub(super) async fn document(State(server): State<Arc<Server>>) -> Json<Value> {
    server.observed().counters.discoveries += 1;
    let issuer = &server.issuer;
    Json(json!({
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
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "code_challenge_methods_supported": ["S256"],
        "claims_supported": ["sub", "name", "preferred_username", "email"],
        "prompt_values_supported": ["none", "login"],
        "authorization_response_iss_parameter_supported": true,
    }))
}

pub(super) async fn jwks(State(server): State<Arc<Server>>) -> Json<Value> {
    server.observed().counters.jwks_requests += 1;
    Json(json!({ "keys": [server.signing_key.public_jwk()] }))
}
