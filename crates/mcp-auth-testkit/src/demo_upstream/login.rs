//! `POST /login`: the password, the session cookie, and back to the client.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::{
    authorize, page,
    server::{self, Server},
    users::User,
};

pub(super) async fn login(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if server.sent_by_another_site(&headers) {
        return page::refusal(StatusCode::FORBIDDEN, "This form came from another site.");
    }
    let fields = server::parameters(&body);
    let field = |name| server::first(&fields, name).unwrap_or_default();
    let (login, username) = (field("login"), field("username"));
    let now = server.now();

    let Some(asked) = server.records().login(login, now) else {
        return page::refusal(
            StatusCode::BAD_REQUEST,
            "This page is too old. Go back to your application and start again.",
        );
    };
    if let Some(wait) = server.records().must_wait(username, now) {
        return wait_first(login, username, wait);
    }
    let Some(user) = User::signing_in(username, field("password")) else {
        server.observed().counters.failed_sign_ins += 1;
        server.records().sign_in_failed(username, now);
        let error = "That name and password do not belong together.";
        return page::login(StatusCode::UNAUTHORIZED, login, username, Some(error));
    };
    server.observed().counters.sign_ins += 1;
    let session = server.records().begin_session(user.username, now);
    let mut response = authorize::agree(&server, asked, user.username, now);
    let cookie = format!(
        "{}={session}; Path=/; HttpOnly; SameSite=Lax",
        authorize::session_cookie(&server)
    );
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// `POST /consent`: what the user said about a client of somebody else.
pub(super) async fn consent(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if server.sent_by_another_site(&headers) {
        return page::refusal(StatusCode::FORBIDDEN, "This form came from another site.");
    }
    let fields = server::parameters(&body);
    let login = server::first(&fields, "login").unwrap_or_default();
    let asked = server.records().login(login, server.now());
    let signed_in = authorize::signed_in(&server, &headers);
    let (Some(asked), Some((user, since))) = (asked, signed_in) else {
        return page::refusal(
            StatusCode::BAD_REQUEST,
            "This page is too old. Go back to your application and start again.",
        );
    };
    match server::first(&fields, "decision") {
        Some("approve") => authorize::finish(&server, asked, &user, since),
        _ => authorize::deny(&server, &asked),
    }
}

fn wait_first(login: &str, username: &str, wait: Duration) -> Response {
    let seconds = wait.as_secs();
    let error = format!("Too many wrong passwords. Try again in {seconds} seconds.");
    let page = page::login(StatusCode::TOO_MANY_REQUESTS, login, username, Some(&error));
    ([(header::RETRY_AFTER, seconds.to_string())], page).into_response()
}
