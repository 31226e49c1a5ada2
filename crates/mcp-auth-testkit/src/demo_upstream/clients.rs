//! The clients that the demo upstream takes in by itself, where it serves MCP resources: they register
//! (RFC 7591), or their id is the URL of their metadata document.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use mcp_auth::oauth::RedirectUri;
use serde_json::{Map, Value, json};
use url::Url;

use super::server::{self, Server, fresh_token};

/// A client of somebody else.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) name: String,
    /// None for a public client.
    pub(super) secret: Option<String>,
    redirect_uris: Vec<RedirectUri>,
}

impl Client {
    /// From the members that a registration and a document have in common.
    fn read(members: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        let uris = members.get("redirect_uris")?.as_array()?.iter();
        let redirect_uris: Option<Vec<_>> = uris
            .map(|uri| RedirectUri::parse(uri.as_str()?).ok())
            .collect();
        let confidential = match text("token_endpoint_auth_method") {
            None | Some("client_secret_basic" | "client_secret_post") => true,
            Some("none") => false,
            Some(_) => return None,
        };
        Some(Self {
            name: text("client_name").unwrap_or("A client").to_owned(),
            secret: confidential.then(fresh_token),
            redirect_uris: redirect_uris.filter(|uris| !uris.is_empty())?,
        })
    }

    pub(super) fn returns_to(&self, asked: &str) -> bool {
        RedirectUri::parse(asked)
            .is_ok_and(|asked| self.redirect_uris.iter().any(|own| own.allows(&asked)))
    }
}

/// `POST /register` (RFC 7591 §3).
pub(super) async fn register(State(server): State<Arc<Server>>, body: Bytes) -> Response {
    if !server.records().serves_resources() {
        return StatusCode::NOT_FOUND.into_response();
    }
    server.observed().counters.registrations += 1;
    let members = serde_json::from_slice::<Map<String, Value>>(&body).unwrap_or_default();
    let Some(client) = Client::read(&members) else {
        let refusal = json!({
            "error": "invalid_client_metadata",
            "error_description": "redirect_uris is missing, or a member cannot be used",
        });
        return (StatusCode::BAD_REQUEST, Json(refusal)).into_response();
    };
    let id = fresh_token();
    let mut answer = json!({
        "client_id": id,
        "client_id_issued_at": server.now().as_seconds(),
        "client_name": client.name,
        "redirect_uris": members.get("redirect_uris"),
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": match &client.secret {
            Some(_) => members.get("token_endpoint_auth_method").cloned().unwrap_or(json!("client_secret_basic")),
            None => json!("none"),
        },
    });
    if let (Some(secret), Some(answer)) = (&client.secret, answer.as_object_mut()) {
        answer.insert("client_secret".to_owned(), json!(secret));
        answer.insert("client_secret_expires_at".to_owned(), json!(0));
    }
    server.records().register(id, client);
    let headers = [
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (
            header::ACCESS_CONTROL_ALLOW_ORIGIN,
            HeaderValue::from_static("*"),
        ),
    ];
    (StatusCode::CREATED, headers, Json(answer)).into_response()
}

/// The client of this id: one that registered, or one whose document says so.
pub(super) async fn named(server: &Server, id: &str) -> Option<Client> {
    if let Some(known) = server.records().registered(id) {
        return Some(known);
    }
    if !server.records().serves_resources() || !id.starts_with("https://") {
        return None;
    }
    let document = fetch(server, id).await?;
    let names_itself = document.get("client_id").and_then(Value::as_str) == Some(id);
    let client =
        Client::read(&document).filter(|client| names_itself && client.secret.is_none())?;
    server.records().register(id.to_owned(), client.clone());
    Some(client)
}

/// Documents come from this machine alone, under certificates that whoever started it named: a demo
/// is led nowhere else.
async fn fetch(server: &Server, id: &str) -> Option<Map<String, Value>> {
    let certificate = reqwest::Certificate::from_pem(server.document_ca.as_ref()?).ok()?;
    let url = Url::parse(id).ok()?;
    if !matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")) {
        return None;
    }
    let http = reqwest::Client::builder()
        .https_only(true)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(Duration::from_secs(5))
        .add_root_certificate(certificate)
        .build()
        .ok()?;
    let answer = http.get(url).send().await.ok()?;
    if answer.status() != StatusCode::OK {
        return None;
    }
    serde_json::from_slice(&answer.bytes().await.ok()?).ok()
}

/// Whether a resource can be asked for: absent, or one that is registered (RFC 8707 §2).
pub(super) fn asked_resource(
    server: &Server,
    parameters: &[(String, String)],
) -> Result<Option<String>, &'static str> {
    let Some(asked) = server::first(parameters, "resource") else {
        return Ok(None);
    };
    match server.records().serves(asked) {
        true => Ok(Some(asked.to_owned())),
        false => Err("this resource is not known here"),
    }
}
