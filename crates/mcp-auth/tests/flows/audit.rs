//! The record of who let whom do what.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use mcp_auth::{
    audit::{AuditAction, AuditEvent, AuditSink, JsonLines},
    oauth::Scopes,
    resource_server::OperationScopes,
};
use mcp_auth_testkit::browser::Decision;
use serde_json::Value;

use crate::rig::{Rig, Session, assert_invalid_grant};

#[derive(Debug, Default)]
struct Kept(Mutex<Vec<AuditEvent>>);

impl AuditSink for Kept {
    fn record(&self, event: &AuditEvent) {
        self.0.lock().unwrap().push(event.clone());
    }
}

impl Kept {
    /// What happened since the last look.
    fn take(&self) -> Vec<AuditEvent> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

async fn rig() -> (Rig, Arc<Kept>) {
    let mut rig = Rig::start().await;
    let kept = Arc::new(Kept::default());
    let sink = Arc::clone(&kept);
    rig.redeploy(0, |builder| builder.with_audit(sink));
    (rig, kept)
}

fn actions(events: &[AuditEvent]) -> Vec<AuditAction> {
    events.iter().map(|event| event.action).collect()
}

/// RS-41.
#[tokio::test]
async fn a_session_is_on_record_from_consent_to_its_end() {
    use AuditAction::*;
    let (rig, kept) = rig().await;
    let mut session = rig.sign_in().await;
    let login = kept.take();
    assert_eq!(actions(&login), [ConsentGiven, GrantMade, LoginFinished]);
    let [consent, made, finished] = login.as_slice() else {
        panic!("{login:?}");
    };
    let client = session.registration.client_id.as_str();
    for event in &login {
        assert_eq!(event.client.as_ref().unwrap().as_str(), client);
        assert_eq!(event.at.as_seconds() / 100, login[0].at.as_seconds() / 100);
    }
    assert_eq!(consent.subject, None, "nobody signed in yet");
    assert_eq!(made.subject.as_deref(), Some("demo|user-alice"));
    assert_eq!(finished.subject, made.subject);
    assert_eq!(made.scopes.as_ref().unwrap().to_string(), "mcp:tools");

    let first = session.refresh_token().clone();
    session.renew().await;
    session.renew().await;
    let renewed = kept.take();
    assert_eq!(actions(&renewed), [TokenRefreshed, TokenRefreshed]);
    assert!(renewed.iter().all(|event| event.grant == made.grant));

    assert_invalid_grant(&session.refresh_with(&first).await);
    let ended = kept.take();
    assert_eq!(actions(&ended), [TokenReused, GrantRevoked]);
    assert!(ended.iter().all(|event| event.grant == made.grant));
    assert_eq!(ended[0].subject, made.subject);
    assert_eq!(ended[1].reason, Some("an old refresh token was used again"));
}

/// RS-41.
#[tokio::test]
async fn a_request_that_needs_more_scopes_is_on_record() {
    let mut rig = Rig::start().await;
    let kept = Arc::new(Kept::default());
    let sink = Arc::clone(&kept);
    let scopes = |text| Scopes::parse(text).unwrap();
    rig.redeploy(0, |builder| {
        builder
            .with_audit(sink)
            .with_scopes(scopes("mcp:tools notes:write"))
            .with_operation_scopes(
                OperationScopes::default().with_method("notes", scopes("notes:write")),
            )
    });
    let session = rig.sign_in().await;
    kept.take();
    let answer = rig
        .http
        .post(format!("{}/mcp", rig.url))
        .bearer_auth(session.tokens.access_token.expose())
        .json(&serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": "notes" }))
        .send();
    assert_eq!(answer.await.unwrap().status(), 403);
    let events = kept.take();
    assert_eq!(actions(&events), [AuditAction::StepUp]);
    assert_eq!(events[0].subject.as_deref(), Some("demo|user-alice"));
    let asked = events[0].scopes.as_ref().unwrap();
    assert!(asked.iter().any(|scope| scope.as_str() == "notes:write"));
}

/// PX-15.
#[tokio::test]
async fn a_login_that_fails_says_why_in_fixed_words() {
    let (rig, kept) = rig().await;
    let mut host = rig.host();
    let discovery = host.discover().await.unwrap();
    let registration = host.register(&discovery).await.unwrap();
    let authorization = host.authorization(&discovery, &registration);
    let redirect = host.redirect_uri().to_owned();
    let walk = host.browser();
    walk.walk(&authorization.url, &redirect, Decision::Deny)
        .await
        .unwrap();
    assert_eq!(actions(&kept.take()), [AuditAction::ConsentDenied]);

    rig.upstream
        .change_faults(|faults| faults.error_on_authorize = Some("<b>odd</b>".to_owned()));
    let authorization = host.authorization(&discovery, &registration);
    let walk = host.browser();
    walk.walk(&authorization.url, &redirect, Decision::Approve)
        .await
        .unwrap();
    let events = kept.take();
    let expected = [AuditAction::ConsentGiven, AuditAction::LoginRefused];
    assert_eq!(actions(&events), expected);
    assert_eq!(events[1].reason, Some("server_error"));
}

/// What is written, for a look at it afterwards.
#[derive(Debug, Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// RS-24.
#[tokio::test]
async fn lines_are_json_and_hold_no_secret() {
    let mut rig = Rig::start().await;
    let written = Written::default();
    let sink = Arc::new(JsonLines::new(written.clone()));
    rig.redeploy(0, |builder| builder.with_audit(sink));
    let mut session = Session::of(rig.host()).await;
    session.renew().await;
    let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let said: Vec<_> = lines.iter().map(|line| &line["action"]).collect();
    assert_eq!(
        said,
        [
            "consent_given",
            "grant_made",
            "login_finished",
            "token_refreshed"
        ]
    );
    let mut secrets = rig.upstream.issued_tokens();
    secrets.push(session.tokens.access_token.expose().to_owned());
    secrets.push(session.refresh_token().expose().to_owned());
    for secret in secrets {
        assert!(!text.contains(&secret), "{text}");
    }
}

/// The record names people: what is made for it is its owner's alone. What is there stays as it is.
#[cfg(unix)]
#[test]
fn a_new_record_is_nobody_elses_to_read() {
    use std::{fs, os::unix::fs::PermissionsExt};
    let name = format!("audit-{}.jsonl", std::process::id());
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    drop(fs::remove_file(&path));
    JsonLines::append_to(&path).unwrap();
    assert_eq!(mode(), 0o600);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    JsonLines::append_to(&path).unwrap();
    assert_eq!(mode(), 0o640);
    fs::remove_file(&path).unwrap();
}
