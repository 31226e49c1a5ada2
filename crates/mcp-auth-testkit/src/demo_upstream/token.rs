//! `POST /token` (RFC 6749 §3.2): codes and refresh tokens for new tokens.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    body::Body,
    extract::State,
    response::{Html, IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use mcp_auth::oauth::{CodeVerifier, Timestamp, constant_time_eq};
use serde_json::{Map, Value, json};

use super::{
    broken_body::BrokenBody,
    client_assertion, clients,
    faults::Faults,
    id_token,
    observed::SeenRequest,
    records::{Exchange, Family, Rotation},
    server::{self, Server},
    users::User,
};

pub(super) async fn token(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let parameters = server::parameters(&body);
    let seen = SeenRequest::new(parameters.clone(), authorization(&headers));
    server.observed().saw_token(seen);
    let faults = server.faults();

    if let Some(delay) = faults.token_delay_ms {
        tokio::time::sleep(Duration::from_millis(delay)).await;
    }
    if let Some(response) = broken(&faults) {
        return response;
    }
    let answer = respond(&server, &faults, &headers, &parameters);
    let mut response = answer.unwrap_or_else(IntoResponse::into_response);
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    );
    response
}

/// A refusal in the words of RFC 6749 §5.2.
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    description: &'static str,
}

const TWO_METHODS: Refusal = Refusal {
    status: StatusCode::BAD_REQUEST,
    code: "invalid_request",
    description: "two client authentication methods at once",
};

impl Refusal {
    fn new(code: &'static str, description: &'static str) -> Self {
        let status = match code {
            "invalid_client" => StatusCode::UNAUTHORIZED,
            _ => StatusCode::BAD_REQUEST,
        };
        Self {
            status,
            code,
            description,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.code, "error_description": self.description });
        let mut response = (self.status, Json(body)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"demo upstream\""),
            );
        }
        response
    }
}

/// Whether the client is who it says (RFC 6749 §2.3.1), by header or by form but not by both.
pub(super) fn authenticate_client(
    server: &Server,
    headers: &HeaderMap,
    parameters: &[(String, String)],
) -> Result<String, Refusal> {
    if let Some(assertion) = server::first(parameters, "client_assertion") {
        if authorization(headers).is_some() || server::first(parameters, "client_secret").is_some()
        {
            return Err(TWO_METHODS);
        }
        let refused = |reason| Refusal::new("invalid_client", reason);
        return client_assertion::verify(server, assertion, parameters).map_err(refused);
    }
    let by_form = server::first(parameters, "client_secret");
    let (id, secret) = match authorization(headers) {
        Some(_) if by_form.is_some() => {
            return Err(TWO_METHODS);
        }
        Some(value) => basic(&value).ok_or(Refusal::new(
            "invalid_client",
            "the Authorization header is not Basic",
        ))?,
        None => {
            let id = server::first(parameters, "client_id").unwrap_or_default();
            (id.to_owned(), by_form.unwrap_or_default().to_owned())
        }
    };
    let right = |own: &str| constant_time_eq(secret.as_bytes(), own.as_bytes());
    let known = if id == super::CLIENT_ID {
        right(&server.client_secret)
    } else {
        let client = server.records().registered(&id);
        client.is_some_and(|client| right(client.secret.as_deref().unwrap_or_default()))
    };
    if !known {
        return Err(Refusal::new(
            "invalid_client",
            "client authentication failed",
        ));
    }
    Ok(id)
}

pub(super) fn authorization(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    Some(value.to_owned())
}

/// Both halves are form-encoded before they are joined, which many clients forget.
fn basic(value: &str) -> Option<(String, String)> {
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let joined = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = joined.split_once(':')?;
    let decoded = |half: &str| {
        let as_name = half.replace('=', "%3D").replace('&', "%26");
        let pairs = server::parameters(as_name.as_bytes());
        pairs
            .into_iter()
            .next()
            .map(|(name, _)| name)
            .unwrap_or_default()
    };
    Some((decoded(id), decoded(secret)))
}

fn broken(faults: &Faults) -> Option<Response> {
    if let Some(status) = faults.token_status {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        return Some((status, Html(ERROR_PAGE)).into_response());
    }
    let json = [(header::CONTENT_TYPE, "application/json")];
    if faults.token_garbage {
        return Some((json, "{\"access_token\": \"cut o").into_response());
    }
    if faults.huge_body {
        let body = json!({ "padding": "x".repeat(HUGE) }).to_string();
        return Some((json, body).into_response());
    }
    None
}

fn respond(
    server: &Server,
    faults: &Faults,
    headers: &HeaderMap,
    parameters: &[(String, String)],
) -> Result<Response, Refusal> {
    if server::repeats(parameters) {
        return Err(Refusal::new("invalid_request", "a parameter came twice"));
    }
    let client = authenticate_client(server, headers, parameters)?;
    clients::asked_resource(server, parameters)
        .map_err(|reason| Refusal::new("invalid_target", reason))?;
    match server::first(parameters, "grant_type") {
        Some("authorization_code") => exchange(server, faults, &client, parameters),
        Some("refresh_token") => refresh(server, faults, &client, parameters),
        Some(TOKEN_EXCHANGE) => token_exchange(server, &client, parameters),
        Some(_) => Err(Refusal::new("unsupported_grant_type", "not offered here")),
        None => Err(Refusal::new("invalid_request", "grant_type is missing")),
    }
}

fn exchange(
    server: &Server,
    faults: &Faults,
    client: &str,
    parameters: &[(String, String)],
) -> Result<Response, Refusal> {
    let parameter = |name| server::first(parameters, name);
    let code = parameter("code").ok_or(Refusal::new("invalid_request", "code is missing"))?;
    let verifier = CodeVerifier::parse(parameter("code_verifier").unwrap_or_default())
        .map_err(|_| Refusal::new("invalid_grant", "code_verifier is missing or malformed"))?;
    let proves = |challenge: &_| verifier.answers(challenge);
    let result = server.records().exchange(
        code,
        client,
        parameter("redirect_uri"),
        proves,
        server.now(),
    );
    match result {
        Exchange::Good { family, granted } => {
            Ok(tokens(server, faults, family, &granted, Renewal::First))
        }
        Exchange::Refused(reason) => Err(Refusal::new("invalid_grant", reason)),
    }
}

/// A token for the API here in return for one that a host has for an MCP server (RFC 8693 §2.1). Only
/// the operator's own client may.
fn token_exchange(
    server: &Server,
    client: &str,
    parameters: &[(String, String)],
) -> Result<Response, Refusal> {
    let parameter = |name| server::first(parameters, name);
    if client != super::CLIENT_ID {
        return Err(Refusal::new("unauthorized_client", "not for this client"));
    }
    if parameter("subject_token_type") != Some(ACCESS_TOKEN) {
        return Err(Refusal::new(
            "invalid_request",
            "subject_token_type is an access token's",
        ));
    }
    let missing = Refusal::new("invalid_request", "subject_token is missing");
    let subject_token = parameter("subject_token").ok_or(missing)?;
    let (now, lifetime) = (server.now(), server.access_token_lifetime);
    let token = server
        .records()
        .exchange_token(subject_token, now.plus(lifetime), now);
    let token = token.ok_or(Refusal::new(
        "invalid_grant",
        "the subject_token is not good",
    ))?;
    server.observed().counters.token_exchanges += 1;
    Ok(Json(json!({
        "access_token": token, "issued_token_type": ACCESS_TOKEN, "token_type": "Bearer",
        "expires_in": lifetime.as_secs(), "scope": "openid profile",
    }))
    .into_response())
}

const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

fn refresh(
    server: &Server,
    faults: &Faults,
    client: &str,
    parameters: &[(String, String)],
) -> Result<Response, Refusal> {
    let token = server::first(parameters, "refresh_token")
        .ok_or(Refusal::new("invalid_request", "refresh_token is missing"))?;
    if faults.refresh_invalid_grant {
        return Err(Refusal::new("invalid_grant", "refused on purpose"));
    }
    let unknown = Refusal::new("invalid_grant", "the refresh token is not good");
    if faults.no_rotation {
        let (family, granted) = server
            .records()
            .refresh_family(token, client)
            .ok_or(unknown)?;
        return Ok(tokens(server, faults, family, &granted, Renewal::Kept));
    }
    let rotation = server.records().rotate(token, client);
    match rotation {
        Rotation::Good { family, granted } => {
            let response = tokens(server, faults, family, &granted, Renewal::Rotated);
            if faults.drop_after_rotation {
                return Ok(Response::new(Body::new(BrokenBody)));
            }
            Ok(response)
        }
        Rotation::Reused => {
            server.observed().counters.refresh_reuses += 1;
            Err(Refusal::new(
                "invalid_grant",
                "the refresh token was used before; its whole family is revoked",
            ))
        }
        Rotation::Unknown => Err(unknown),
    }
}

/// Where new tokens come from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Renewal {
    First,
    Rotated,
    Kept,
}

fn tokens(
    server: &Server,
    faults: &Faults,
    family: u64,
    granted: &Family,
    renewal: Renewal,
) -> Response {
    let now = server.now();
    let lifetime = server.access_token_lifetime;
    let mut answer = Map::new();
    let mut put = |name: &str, value: Value| {
        answer.insert(name.to_owned(), value);
    };

    let until = now.plus(lifetime);
    let access_token = access_token(server, family, granted, until, now);
    put("access_token", json!(access_token));
    put(
        "token_type",
        json!(faults.token_type.as_deref().unwrap_or("Bearer")),
    );
    put("scope", json!(granted.scope));
    if !faults.omit_expires_in {
        let seconds = faults.expires_in.clone();
        put("expires_in", seconds.unwrap_or(json!(lifetime.as_secs())));
    }
    if !faults.no_refresh_token && renewal != Renewal::Kept {
        let refresh_token = server.records().issue_refresh_token(family);
        put("refresh_token", json!(refresh_token));
    }
    let openid = granted.scope.split(' ').any(|scope| scope == "openid");
    if let Some(user) = User::named(&granted.user).filter(|_| openid) {
        let key = &server.signing_key;
        let signed = id_token::sign(key, &server.issuer, user, granted, now, faults.id_token);
        if let Some(id_token) = signed {
            put("id_token", json!(id_token));
        }
    }
    if faults.token_form {
        return as_form(&answer);
    }
    Json(Value::Object(answer)).into_response()
}

fn as_form(answer: &Map<String, Value>) -> Response {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in answer {
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        match name.as_str() {
            "scope" => form.append_pair(name, &text.replace(' ', ",")),
            _ => form.append_pair(name, &text),
        };
    }
    let kind = [(
        header::CONTENT_TYPE,
        "application/x-www-form-urlencoded; charset=utf-8",
    )];
    (kind, form.finish()).into_response()
}

/// Opaque for the API here; signed for an MCP server, which checks it without us (RFC 9068).
fn access_token(
    server: &Server,
    family: u64,
    granted: &Family,
    until: Timestamp,
    now: Timestamp,
) -> String {
    let mut records = server.records();
    let user = User::named(&granted.user);
    let signed = granted.resource.as_ref().zip(user).and_then(|(resource, user)| {
        id_token::sign_access_token(
            &server.signing_key,
            &json!({
                "iss": server.issuer, "sub": user.subject, "aud": resource,
                "client_id": granted.client, "scope": granted.scope, "jti": server::fresh_token(),
                "iat": now.as_seconds(), "exp": until.as_seconds(),
            }),
        )
    });
    match signed {
        Some(token) => {
            records.keep_access_token(token.clone(), family, until);
            token
        }
        None => records.issue_access_token(family, until, now),
    }
}

const ERROR_PAGE: &str =
    "<!doctype html><title>Sorry</title><h1>Something went wrong on our side</h1>";
const HUGE: usize = 8 * 1024 * 1024;
