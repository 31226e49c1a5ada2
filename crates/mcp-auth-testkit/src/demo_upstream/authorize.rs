//! `GET /authorize` (RFC 6749 §4.1.1): a login page, or straight back when already signed in.

use std::sync::Arc;

use axum::{
    extract::{RawQuery, State},
    response::Response,
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use mcp_auth::oauth::{CodeChallenge, Timestamp};
use url::Url;

use super::{
    clients,
    faults::Faults,
    observed::SeenRequest,
    page,
    records::Asked,
    server::{self, Server},
    users::User,
};

pub(super) async fn authorize(
    State(server): State<Arc<Server>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let parameters = server::parameters(query.unwrap_or_default().as_bytes());
    let seen = SeenRequest::new(parameters.clone(), None);
    server.observed().saw_authorize(seen);
    let faults = server.faults();

    let redirect = match registered_redirect(&server, &parameters).await {
        Ok(redirect) => redirect,
        Err(reason) => return page::refusal(StatusCode::BAD_REQUEST, reason),
    };
    let state = server::first(&parameters, "state");
    let refuse = |code: &str, description: &str| {
        let result = [("error", code), ("error_description", description)];
        back_to_client(&server, &faults, &redirect, &result, state)
    };
    if let Some(code) = &faults.error_on_authorize {
        return refuse(code, MARKUP);
    }
    let asked = match checked(&server, &parameters, &redirect) {
        Ok(asked) => asked,
        Err((code, description)) => return refuse(code, description),
    };

    let prompt = server::first(&parameters, "prompt");
    let signed_in = signed_in(&server, &headers).filter(|_| prompt != Some("login"));
    match (signed_in, prompt) {
        (Some((user, since)), _) => agree(&server, asked, &user, since),
        (None, Some("none")) => refuse("login_required", "nobody is signed in"),
        (None, _) => {
            let login = server.records().begin_login(asked, server.now());
            page::login(StatusCode::OK, &login, "", None)
        }
    }
}

/// Asks whoever signed in before a client of somebody else gets a code; the operator's own gets it at
/// once.
pub(super) fn agree(server: &Server, asked: Asked, user: &str, since: Timestamp) -> Response {
    let unattended = server.records().auto_sign_in.is_some();
    let stranger = server.records().registered(&asked.client);
    match stranger.filter(|_| !unattended) {
        None => finish(server, asked, user, since),
        Some(client) => {
            let resource = asked.resource.clone().unwrap_or_default();
            let redirect = asked.redirect_uri.clone();
            let login = server.records().begin_login(asked, server.now());
            page::consent(&login, &client.name, &resource, &redirect)
        }
    }
}

/// The user said no.
pub(super) fn deny(server: &Server, asked: &Asked) -> Response {
    let result = [("error", "access_denied")];
    let (redirect, state) = (&asked.redirect_uri, asked.state.as_deref());
    back_to_client(server, &server.faults(), redirect, &result, state)
}

/// Issues a code and sends the browser back with it.
pub(super) fn finish(server: &Server, asked: Asked, user: &str, since: Timestamp) -> Response {
    let redirect_uri = asked.redirect_uri.clone();
    let state = asked.state.clone();
    let code = server
        .records()
        .issue_code(asked, user, since, server.now());
    let result = [("code", code.as_str())];
    back_to_client(
        server,
        &server.faults(),
        &redirect_uri,
        &result,
        state.as_deref(),
    )
}

/// The session cookie's name carries the port, because browsers do not keep ports apart.
pub(super) fn session_cookie(server: &Server) -> String {
    let port = server.issuer.rsplit(':').next().unwrap_or_default();
    format!("demo_upstream_{port}")
}

async fn registered_redirect(
    server: &Server,
    parameters: &[(String, String)],
) -> Result<String, &'static str> {
    if server::repeats(parameters) {
        return Err("A parameter was sent twice.");
    }
    let id = server::first(parameters, "client_id").unwrap_or_default();
    let uri = server::first(parameters, "redirect_uri").unwrap_or_default();
    let registered = if id == super::CLIENT_ID {
        server.records().redirect_uris.iter().any(|own| own == uri)
    } else {
        let client = clients::named(server, id).await;
        client
            .ok_or("This client is not known here.")?
            .returns_to(uri)
    };
    if !registered {
        return Err("This redirect_uri is not registered for the client.");
    }
    Ok(uri.to_owned())
}

fn checked(
    server: &Server,
    parameters: &[(String, String)],
    redirect: &str,
) -> Result<Asked, (&'static str, &'static str)> {
    let parameter = |name| server::first(parameters, name);
    if parameter("response_type") != Some("code") {
        return Err(("unsupported_response_type", "response_type is code"));
    }
    if parameter("code_challenge_method") != Some("S256") {
        return Err(("invalid_request", "code_challenge_method is S256"));
    }
    let challenge = CodeChallenge::parse(parameter("code_challenge").unwrap_or_default())
        .map_err(|_| ("invalid_request", "code_challenge is missing or malformed"))?;
    let client = parameter("client_id").unwrap_or_default();
    let resource =
        clients::asked_resource(server, parameters).map_err(|reason| ("invalid_target", reason))?;
    Ok(Asked {
        client: client.to_owned(),
        resource: resource.or_else(|| server.records().default_resource(client)),
        redirect_uri: redirect.to_owned(),
        state: parameter("state").map(str::to_owned),
        nonce: parameter("nonce").map(str::to_owned),
        scope: parameter("scope").unwrap_or_default().to_owned(),
        challenge,
    })
}

pub(super) fn signed_in(server: &Server, headers: &HeaderMap) -> Option<(String, Timestamp)> {
    let records = server.records();
    if let Some(user) = records.auto_sign_in.as_deref().and_then(User::named) {
        return Some((user.username.to_owned(), server.now()));
    }
    let name = session_cookie(server);
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split("; "))
        .filter_map(|pair| pair.split_once('='))
        .filter(|(key, _)| *key == name)
        .find_map(|(_, session)| records.session(session))
}

fn back_to_client(
    server: &Server,
    faults: &Faults,
    redirect_uri: &str,
    result: &[(&str, &str)],
    state: Option<&str>,
) -> Response {
    let Ok(mut target) = Url::parse(redirect_uri) else {
        return page::refusal(StatusCode::BAD_REQUEST, "The redirect_uri is not a URL.");
    };
    {
        let mut query = target.query_pairs_mut();
        query.extend_pairs(result);
        if let Some(state) = state {
            query.append_pair("state", state);
        }
        if faults.wrong_iss {
            query.append_pair("iss", "https://issuer.invalid");
        } else if !faults.omit_iss {
            query.append_pair("iss", &server.issuer);
        }
    }
    let Ok(location) = HeaderValue::from_str(target.as_str()) else {
        return page::refusal(StatusCode::BAD_REQUEST, "The redirect_uri is not a URL.");
    };
    page::see_other(location)
}

const MARKUP: &str = "<script>alert('upstream')</script> \"said no\"";
