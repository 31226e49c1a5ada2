//! What the store and the log got to see in every kind of good and bad day: no secret, in no form.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout, // the figures, with --nocapture
    unreachable_pub
)]

mod days;
mod further_days;
mod log;
#[path = "../proofs/mod.rs"]
mod proofs;
#[path = "../flows/rig/mod.rs"]
mod rig;
mod search;
mod secrets;
mod wallet;

use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use mcp_auth::oauth::{AccessToken, RefreshToken};

use crate::{
    log::Log,
    rig::{Rig, hash},
    search::{forms, found},
    secrets::Secrets,
};

/// STO-10, STO-11, STO-15, RS-24, AST-25, PX-16.
///
/// One test, because there is one log for the process.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn neither_store_nor_log_ever_holds_a_secret() {
    let log = Log::capture();
    let mut rig = Rig::plan()
        .upstream_lifetime(std::time::Duration::from_secs(300))
        .tune(|tier| tier.with_connected_apps())
        .start()
        .await;
    let mut secrets = Secrets::default();
    let live = days::all(&mut rig, &mut secrets).await;

    let logged = log.text();
    let stored = stored(&rig);
    println!(
        "{} secrets, {} records written ({} bytes), {} events from {} sources ({} bytes)",
        secrets.len(),
        rig.store.written().len(),
        stored.len(),
        log.events(),
        log.sources().len(),
        logged.len()
    );
    secrets.assert_every_kind_is_there();
    for source in ["mcp_auth", "hyper_util", "reqwest"] {
        let heard = log.sources();
        let heard = heard.iter().any(|target| target.starts_with(source));
        assert!(heard, "{source} was not heard");
    }
    for event in [
        "token_refused",
        "grant_revoked",
        "connected_app_revoked",
        "connected_apps_entered",
    ] {
        assert!(logged.contains(event), "{event} was not heard");
    }

    assert_eq!(secrets.found_in(logged.as_bytes()), [""; 0], "in the log");
    assert_eq!(secrets.found_in(&stored), [""; 0], "in the store");

    opens_nothing(&rig, &live, &strings(&rig, &logged)).await;
    let answer = rig.whoami(&live.tokens.access_token).await;
    assert_eq!(
        answer.status, 200,
        "and the live session went through it unharmed"
    );
    assert_eq!(live.refresh().await.status, 200);
    the_search_finds_what_is_there(&log, &secrets);
}

/// Everything the store ever got: keys, contents, index names.
fn stored(rig: &Rig) -> Vec<u8> {
    let mut dump = Vec::new();
    for (key, record) in rig.store.written() {
        dump.extend_from_slice(key.as_bytes());
        dump.extend_from_slice(&record.sealed);
        for index in &record.indexes {
            dump.extend_from_slice(index.as_bytes());
        }
    }
    dump
}

/// Whatever in store and log could pass for a credential.
fn strings(rig: &Rig, logged: &str) -> BTreeSet<String> {
    let mut strings = BTreeSet::new();
    let mut of_bytes = |bytes: &[u8]| {
        let text = URL_SAFE_NO_PAD.encode(bytes);
        strings.insert(format!("mcpat_{text}"));
        strings.insert(format!("mcprt_{text}"));
        strings.insert(text);
        strings.insert(bytes.iter().map(|byte| format!("{byte:02x}")).collect());
    };
    for (key, record) in rig.store.written() {
        of_bytes(key.as_bytes());
        of_bytes(&record.sealed);
        for index in &record.indexes {
            of_bytes(index.as_bytes());
        }
    }
    let words = logged.split(|c: char| !c.is_ascii_alphanumeric() && !"-_.|".contains(c));
    strings.extend(words.filter(|word| word.len() >= 12).map(str::to_owned));
    // The mark of a used proof has no content, and no text is no credential.
    strings.remove("");
    strings
}

/// STO-11: a stolen dump and a running server.
async fn opens_nothing(rig: &Rig, live: &rig::Session, strings: &BTreeSet<String>) {
    println!(
        "{} strings tried as bearer, refresh token and code",
        strings.len()
    );
    for text in strings {
        let answer = rig.whoami(&AccessToken::new(text.as_str())).await;
        assert_eq!(answer.status, 401);
        let answer = live.refresh_with(&RefreshToken::new(text.as_str())).await;
        assert_eq!(answer.error(), Some("invalid_grant"), "{text}");
        let form = [
            ("grant_type", "authorization_code"),
            ("code", text.as_str()),
            ("code_verifier", text.as_str()),
        ];
        let answer = live
            .host
            .token_request(&live.discovery, &live.registration, &form)
            .await
            .unwrap();
        assert_eq!(answer.error(), Some("invalid_grant"));
    }
}

/// A check that cannot fail proves nothing.
fn the_search_finds_what_is_there(log: &Log, secrets: &Secrets) {
    const CANARY: &str = "mcprt_Y2FuYXJ5IHRoYXQgaXMgbG9nZ2VkIG9uIHB1cnBvc2U";
    assert!(!found(log.text().as_bytes(), CANARY));
    tracing::trace!(token = CANARY, "a canary");
    assert!(found(log.text().as_bytes(), CANARY), "a field");
    const BRIDGED: &str = "bridged-canary-0123456789abcdef";
    ::log::trace!("GET /callback?code={BRIDGED}");
    assert!(found(log.text().as_bytes(), BRIDGED), "the log crate");

    for form in forms(CANARY) {
        for before in ["", "x", "xy"] {
            let mut haystack = before.as_bytes().to_vec();
            haystack.extend_from_slice(&form);
            haystack.extend_from_slice(b"\x00after");
            assert!(found(&haystack, CANARY));
        }
    }
    for before in ["", "x", "xy"] {
        let inside = format!("{before}{CANARY}{before}");
        assert!(found(URL_SAFE_NO_PAD.encode(inside).as_bytes(), CANARY));
    }
    assert!(!found(hash(CANARY).as_bytes(), CANARY), "a hash is none");
    let mut dump = Vec::new();
    for (_, secret) in secrets.iter() {
        dump.extend_from_slice(b" ");
        dump.extend_from_slice(secret.as_bytes());
    }
    assert_eq!(secrets.count_in(&dump), secrets.len(), "each of them");
}
