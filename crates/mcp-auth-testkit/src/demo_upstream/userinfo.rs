//! `GET` and `POST /userinfo` (OpenID Connect Core §5.3): who an access token speaks for.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{Html, IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header};
use serde_json::json;

use super::{server::Server, token::authorization, users::User};

pub(super) async fn userinfo(State(server): State<Arc<Server>>, headers: HeaderMap) -> Response {
    server.observed().counters.userinfo_requests += 1;
    let faults = server.faults();
    if let Some(status) = faults.userinfo_status {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        return (status, Html("<!doctype html><title>Sorry</title>")).into_response();
    }
    let authorization = authorization(&headers).unwrap_or_default();
    let bearer = match authorization.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token,
        _ => return challenge("Bearer"),
    };
    let now = server.now();
    let records = server.records();
    let user = records
        .live_access_token(bearer, now)
        // A token for an MCP server is none for the API here.
        .filter(|granted| granted.resource.is_none())
        .and_then(|granted| User::named(&granted.user));
    let Some(user) = user else {
        return challenge("Bearer error=\"invalid_token\"");
    };
    let mut claims = json!({
        "sub": faults.userinfo_sub.as_deref().unwrap_or(user.subject),
        "name": user.name,
        "preferred_username": user.username,
        "email": user.email,
        "email_verified": true,
    });
    if let (Some(own), Some(changed)) = (claims.as_object_mut(), faults.userinfo_claims) {
        own.extend(changed);
        own.retain(|_, value| !value.is_null());
    }
    ([(header::CACHE_CONTROL, "no-store")], Json(claims)).into_response()
}

fn challenge(value: &'static str) -> Response {
    let header = [(header::WWW_AUTHENTICATE, value)];
    (StatusCode::UNAUTHORIZED, header).into_response()
}
