//! A key ring that is rotated signs nobody out; one that is lost says so and crashes nothing.

use std::{path::Path, process::Command};

use mcp_auth_testkit::services::Scratch;

use crate::{server::program_of, site::Site, stores::SharedStore};

/// FLT-21, FLT-22, FLT-27. As `keys` says it is done, one process after the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_key_rotated_process_by_process_signs_nobody_out() {
    let Some(store) = SharedStore::sqlite() else {
        return;
    };
    let scratch = Scratch::new("keys").unwrap();
    let ring = scratch.path().join("keys");
    keys(&["new"], &ring);
    let named = format!("@{}", ring.display());
    let mut site = Site::start(2, &store.url, &[("MCP_AUTH_KEY", named.as_str())]).await;
    let mut session = site.sign_in().await;
    let mut begun = site.host();
    let discovery = begun.discover().await.unwrap();
    let registration = begun.register(&discovery).await.unwrap();

    for step in ["add", "use"] {
        // `keys` names a key after the second it was made in.
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
        keys(&[step], &ring);
        for restarted in 0..2 {
            site.servers[restarted].restart();
            for server in [0, 1] {
                let token = &session.tokens.access_token;
                assert_eq!(
                    site.status_at(server, token).await,
                    200,
                    "{step} {restarted}"
                );
                let at = site.at(server, &session.discovery);
                session.tokens = session.refresh_at(&at).await.unwrap().granted().unwrap();
            }
        }
    }
    let known = begun.sign_in_as(&discovery, &registration).await;
    assert!(known.is_ok(), "a host that registered before is known");
    assert_eq!(keys(&["list"], &ring).lines().count(), 2);
}

/// A ring without the old key, as after a loss.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_lost_key_has_everybody_sign_in_again_and_says_why() {
    let Some(store) = SharedStore::sqlite() else {
        return;
    };
    let mut site = Site::start(1, &store.url, &[]).await;
    let session = site.sign_in().await;
    site.servers[0].set(
        "MCP_AUTH_KEY",
        "k9:a2V5cyB0aGF0IHdlcmUgbG9zdCBzaWduIGFsbCBvdXQ=",
    );
    site.servers[0].restart();

    assert_eq!(site.status_at(0, &session.tokens.access_token).await, 401);
    let at = site.at(0, &session.discovery);
    let refused = session.refresh_at(&at).await.unwrap();
    assert!(
        matches!(refused.error(), Some("invalid_grant" | "invalid_client")),
        "{refused:?}"
    );
    let authorization = session
        .host
        .authorization(&session.discovery, &session.registration);
    let page = session
        .host
        .http()
        .get(&authorization.url)
        .send()
        .await
        .unwrap();
    assert_eq!(page.status(), 400);
    let page = page.text().await.unwrap();
    assert!(page.contains("regist") || page.contains("forget"), "{page}");
    // And the next login is as good as ever.
    let again = site.sign_in().await;
    assert_eq!(site.status_at(0, &again.tokens.access_token).await, 200);
    let said = site.servers[0].said();
    assert!(
        said.contains("unknown key") || said.contains("unknown_key"),
        "{said}"
    );
    assert!(!said.contains("panicked"), "{said}");
}

fn keys(arguments: &[&str], ring: &Path) -> String {
    let ran = Command::new(program_of("keys"))
        .args(arguments)
        .arg(ring)
        .output()
        .unwrap();
    assert!(ran.status.success(), "{ran:?}");
    String::from_utf8(ran.stdout).unwrap()
}
