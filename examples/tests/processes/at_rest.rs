//! What lies in the stores: nothing that opens anything.

use std::{fs, path::Path, process::Command};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};

use crate::{
    site::{KEY, Session, Site},
    stores::SharedStore,
};

/// Signs in, refreshes, calls, leaves a login half done; then every secret of it.
async fn secrets_of_a_day(site: &Site) -> Vec<(String, Vec<u8>)> {
    let mut secrets = Vec::new();
    let mut keep = |name: &str, secret: &str| secrets.push((name.to_owned(), secret.into()));
    for _ in 0..3 {
        let mut host = site.host();
        let discovery = host.discover().await.unwrap();
        let registration = host.register(&discovery).await.unwrap();
        let authorization = host.authorization(&discovery, &registration);
        let code = host.authorize(&discovery, &authorization).await.unwrap();
        keep("code", &code);
        keep("verifier", authorization.verifier.expose());
        let left = host.authorization(&discovery, &registration);
        let left = host.authorize(&discovery, &left).await.unwrap();
        keep("code that nobody redeemed", &left);
        let answer = host.redeem(&discovery, &registration, &authorization, &code);
        let tokens = answer.await.unwrap().granted().unwrap();
        let mut session = Session {
            host,
            discovery,
            registration,
            tokens,
        };
        for _ in 0..2 {
            keep("access token", session.tokens.access_token.expose());
            keep("refresh token", session.refresh_token().expose());
            let at = session.discovery.clone();
            session.tokens = session.refresh_at(&at).await.unwrap().granted().unwrap();
        }
    }
    keep("our secret at the upstream", site.upstream.client_secret());
    keep("user", "alice");
    keep("root key", KEY.split(':').nth(1).unwrap());
    let upstream = site.upstream.issued_tokens();
    assert!(upstream.len() >= 6, "the upstream gave tokens");
    upstream
        .iter()
        .for_each(|token| keep("upstream token", token));
    secrets
}

/// In every form that a database or its dump might give them.
fn assert_holds_none(dump: &[u8], secrets: &[(String, Vec<u8>)]) {
    assert!(dump.len() > 2_000, "there is something to search");
    for (name, secret) in secrets {
        let hex: String = secret.iter().map(|b| format!("{b:02x}")).collect();
        let mut forms = vec![secret.clone(), hex.into_bytes()];
        forms.extend([STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD].map(|e| e.encode(secret).into()));
        if let Some(decoded) = decoded(secret) {
            forms.push(decoded);
        }
        for form in forms {
            let found = dump.windows(form.len()).any(|part| part == form);
            assert!(!found, "the store holds a secret: {name}");
        }
    }
}

/// The bytes behind a token that is text.
fn decoded(secret: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(secret).ok()?;
    let body = text.rsplit('_').next()?;
    let bytes = URL_SAFE_NO_PAD
        .decode(body)
        .or_else(|_| STANDARD.decode(body))
        .ok()?;
    (bytes.len() >= 16).then_some(bytes)
}

fn files_in(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files_in(&path));
        } else {
            all.extend(fs::read(path).unwrap());
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_sqlite_file_and_its_log_hold_no_secret() {
    let Some(store) = SharedStore::sqlite() else {
        return;
    };
    let site = Site::start(1, &store.url, &[]).await;
    let secrets = secrets_of_a_day(&site).await;
    assert_holds_none(&files_in(store.folder()), &secrets);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_redis_keeps_holds_no_secret() {
    let Some(store) = SharedStore::redis() else {
        return;
    };
    let site = Site::start(1, &store.url, &[]).await;
    let secrets = secrets_of_a_day(&site).await;
    // Its log of commands, as it is on disk.
    assert_holds_none(&files_in(store.folder()), &secrets);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_dump_of_postgres_holds_no_secret() {
    let Some(store) = SharedStore::postgres() else {
        return;
    };
    let site = Site::start(1, &store.url, &[]).await;
    let secrets = secrets_of_a_day(&site).await;
    let dump = Command::new("pg_dump").arg(&store.url).output().unwrap();
    assert!(dump.status.success(), "{dump:?}");
    assert_holds_none(&dump.stdout, &secrets);
}
