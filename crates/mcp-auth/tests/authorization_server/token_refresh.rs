//! `POST /token` with `grant_type=refresh_token`.

use std::{collections::HashSet, time::Duration};

use mcp_auth::oauth::Scopes;
use serde_json::json;

use crate::{
    client::{Client, REDIRECT, basic, mcp_status, opens, token, token_with},
    harness::Server,
};

const DAY: Duration = Duration::from_secs(24 * 3600);
const GRACE: Duration = Duration::from_secs(60);

/// ASR-01, ASR-02.
#[tokio::test]
async fn each_refresh_gives_a_new_refresh_token() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let mut tokens = client.tokens(&server).await;
    let mut seen = HashSet::from([tokens.refresh.clone()]);
    for _ in 0..3 {
        tokens = token(&server, &client.refreshing(&tokens.refresh))
            .await
            .tokens();
        assert!(seen.insert(tokens.refresh.clone()));
        assert!(opens(&server, &tokens.access).await);
    }
}

/// ASR-03.
#[tokio::test]
async fn a_lost_answer_is_given_again_within_the_grace() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let old = client.tokens(&server).await.refresh;
    let first = token(&server, &client.refreshing(&old)).await.tokens();
    server.clock.advance(GRACE - Duration::from_secs(1));
    let again = token(&server, &client.refreshing(&old)).await.tokens();
    assert_eq!(again.refresh, first.refresh, "the same successor");
    assert!(opens(&server, &again.access).await);
    token(&server, &client.refreshing(&first.refresh))
        .await
        .tokens();
}

/// ASR-02, ASR-03.
#[tokio::test]
async fn after_the_grace_an_old_refresh_token_ends_the_family() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let old = client.tokens(&server).await.refresh;
    let current = token(&server, &client.refreshing(&old)).await.tokens();
    server.clock.advance(GRACE);
    token(&server, &client.refreshing(&old))
        .await
        .refuses(400, "invalid_grant");
    token(&server, &client.refreshing(&current.refresh))
        .await
        .refuses(400, "invalid_grant");
    assert!(!opens(&server, &current.access).await);
}

/// ASR-02, ASR-03.
#[tokio::test]
async fn without_a_grace_the_first_reuse_ends_the_family() {
    let server = Server::builder(|tier| tier.with_refresh_grace(Duration::ZERO))
        .start()
        .await;
    let client = Client::public(&server).await;
    let old = client.tokens(&server).await.refresh;
    let current = token(&server, &client.refreshing(&old)).await.tokens();
    token(&server, &client.refreshing(&old))
        .await
        .refuses(400, "invalid_grant");
    token(&server, &client.refreshing(&current.refresh))
        .await
        .refuses(400, "invalid_grant");
    assert!(!opens(&server, &current.access).await);
}

/// ASR-02.
#[tokio::test]
async fn a_refresh_token_two_generations_old_ends_the_family_at_once() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let first = client.tokens(&server).await.refresh;
    let second = token(&server, &client.refreshing(&first)).await.tokens();
    let third = token(&server, &client.refreshing(&second.refresh))
        .await
        .tokens();
    token(&server, &client.refreshing(&first))
        .await
        .refuses(400, "invalid_grant");
    token(&server, &client.refreshing(&third.refresh))
        .await
        .refuses(400, "invalid_grant");
    assert!(!opens(&server, &third.access).await);
}

/// ASR-02, AST-24.
#[tokio::test]
async fn an_invented_refresh_token_harms_nobody() {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let good = client.tokens(&server).await.refresh;
    let (prefix, encoded) = good.split_once('_').unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(encoded).unwrap();
    let altered = |at: usize| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        format!("{prefix}_{}", URL_SAFE_NO_PAD.encode(bytes))
    };
    // The grant, its generation and the tag: whatever is altered, it is nobody's.
    let mut invented: Vec<String> = (0..bytes.len()).step_by(5).map(altered).collect();
    invented.extend([
        altered(bytes.len() - 1),
        altered(bytes.len() - 33),
        good[..good.len() - 1].to_owned(),
        format!("{good}A"),
        encoded.to_owned(),
        "mcprt_".to_owned(),
        "x".to_owned(),
    ]);
    for token_text in invented {
        token(&server, &client.refreshing(&token_text))
            .await
            .refuses(400, "invalid_grant");
    }
    token(&server, &client.refreshing(&good)).await.tokens();
}

/// ASR-04.
#[tokio::test]
async fn another_client_gets_nothing_and_spends_nothing() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let other = Client::public(&server).await;
    let confidential = Client::confidential(&server).await;
    let refresh = client.tokens(&server).await.refresh;
    for thief in [other, confidential] {
        token(&server, &thief.refreshing(&refresh))
            .await
            .refuses(400, "invalid_grant");
    }
    token(&server, &client.refreshing(&refresh)).await.tokens();
}

/// ASR-05, ASR-06, AST-05.
#[tokio::test]
async fn scope_can_be_narrowed_and_is_whole_again_afterwards() {
    let scopes = Scopes::parse("notes:read notes:write").unwrap();
    let server = Server::builder(|tier| {
        tier.with_scopes(scopes.clone())
            .with_required_scopes(scopes)
    })
    .start()
    .await;
    let client = Client::public(&server).await;
    let tokens = client.tokens(&server).await;
    let form = client
        .refreshing(&tokens.refresh)
        .and("scope", "notes:read");
    let narrowed = token(&server, &form).await;
    assert_eq!(narrowed.json()["scope"], "notes:read");
    let narrowed = narrowed.tokens();
    let status = mcp_status(&server, "/mcp", &narrowed.access).await;
    assert_eq!(status, 403, "the endpoint needs both");
    let whole = token(&server, &client.refreshing(&narrowed.refresh)).await;
    assert_eq!(whole.json()["scope"], "notes:read notes:write");
    assert!(opens(&server, &whole.tokens().access).await);
    let named = client
        .refreshing(&whole.tokens().refresh)
        .and("scope", "notes:read notes:write offline_access");
    let named = token(&server, &named).await;
    assert_eq!(named.json()["scope"], "notes:read notes:write");
}

/// ASR-05.
#[tokio::test]
async fn a_wider_scope_is_refused_and_spends_nothing() {
    let scopes = Scopes::parse("notes:read notes:write").unwrap();
    let server = Server::builder(|tier| tier.with_scopes(scopes))
        .start()
        .await;
    let client = Client::public(&server).await;
    let request = client.request(&server).and("scope", "notes:read");
    let code = client.code_for(&server, &request).await;
    let tokens = token(&server, &client.redemption(&server, &code))
        .await
        .tokens();
    for wider in [
        "notes:write",
        "notes:read notes:write",
        "notes:read x",
        "a\\b",
    ] {
        let form = client.refreshing(&tokens.refresh).and("scope", wider);
        token(&server, &form).await.refuses(400, "invalid_scope");
    }
    let next = token(&server, &client.refreshing(&tokens.refresh)).await;
    assert_eq!(next.json()["scope"], "notes:read");
}

/// ASR-04, ASR-07.
#[tokio::test]
async fn another_resource_is_refused_and_spends_nothing() {
    let server = Server::builder(|tier| tier.with_resource("/other"))
        .start()
        .await;
    let client = Client::public(&server).await;
    let refresh = client.tokens(&server).await.refresh;
    for other in [server.url("/other"), "https://other.example/mcp".to_owned()] {
        let form = client.refreshing(&refresh).and("resource", &other);
        token(&server, &form).await.refuses(400, "invalid_target");
        let form = form.and("resource", &server.mcp_url());
        token(&server, &form).await.refuses(400, "invalid_target");
    }
    let form = client
        .refreshing(&refresh)
        .and("resource", &format!("{}/", server.mcp_url()));
    let tokens = token(&server, &form).await.tokens();
    assert!(opens(&server, &tokens.access).await);
    assert_eq!(mcp_status(&server, "/other", &tokens.access).await, 401);
}

/// ASR-08, ASR-09.
#[tokio::test]
async fn a_client_that_can_use_refresh_tokens_is_given_one() {
    let server = Server::start().await;
    for (grant_types, given) in [
        (json!(["authorization_code", "refresh_token"]), true),
        (json!(["authorization_code"]), false),
        (json!(null), true),
    ] {
        let client = Client::registered(
            &server,
            json!({ "redirect_uris": [REDIRECT], "grant_types": grant_types }),
        )
        .await;
        let code = client.code(&server).await;
        let answer = token(&server, &client.redemption(&server, &code)).await;
        assert_eq!(answer.json()["refresh_token"].is_string(), given);
    }
}

/// ASR-10.
#[tokio::test]
async fn use_keeps_a_grant_alive_and_thirty_idle_days_end_it() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let mut tokens = client.tokens(&server).await;
    for _ in 0..3 {
        server.clock.advance(DAY * 29);
        tokens = token(&server, &client.refreshing(&tokens.refresh))
            .await
            .tokens();
        assert!(opens(&server, &tokens.access).await);
    }
    server.clock.advance(DAY * 30);
    token(&server, &client.refreshing(&tokens.refresh))
        .await
        .refuses(400, "invalid_grant");
}

/// ASR-11, AST-12.
#[tokio::test]
async fn a_confidential_client_proves_itself_on_every_refresh() {
    let server = Server::start().await;
    let client = Client::confidential(&server).await;
    let refresh = client.tokens(&server).await.refresh;
    let form = client.refreshing(&refresh);
    let bare = form.clone().without("client_secret");
    token(&server, &bare).await.refuses(401, "invalid_client");
    let wrong = form.clone().with("client_secret", "wrong");
    token(&server, &wrong).await.refuses(401, "invalid_client");
    let secret = client.secret.clone().unwrap();
    let header = basic(&client.id, &secret);
    token_with(&server, &bare, |r| r.header("authorization", header))
        .await
        .tokens();
}

/// ASR-14.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn refreshes_at_once_all_get_the_same_successor() {
    let server = std::sync::Arc::new(Server::start().await);
    let client = Client::public(&server).await;
    let refresh = client.tokens(&server).await.refresh;
    // The upstream's token is due as well: it is asked once.
    server.clock.advance(Duration::from_secs(301));
    let form = client.refreshing(&refresh);
    let racing: Vec<_> = (0..20)
        .map(|_| {
            let (server, form) = (server.clone(), form.clone());
            tokio::spawn(async move { token(&server, &form).await.tokens() })
        })
        .collect();
    let mut successors = HashSet::new();
    for tokens in racing {
        let tokens = tokens.await.unwrap();
        assert!(opens(&server, &tokens.access).await);
        successors.insert(tokens.refresh);
    }
    assert_eq!(successors.len(), 1);
    assert_eq!(server.upstream.counters().refreshes, 1);
    assert_eq!(server.upstream.counters().refresh_reuses, 0);
    let next = successors.into_iter().next().unwrap();
    token(&server, &client.refreshing(&next)).await.tokens();
}

/// ASR-14.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_a_grace_refreshes_at_once_have_one_winner() {
    let server = Server::builder(|tier| tier.with_refresh_grace(Duration::ZERO))
        .start()
        .await;
    let server = std::sync::Arc::new(server);
    let client = Client::public(&server).await;
    let refresh = client.tokens(&server).await.refresh;
    let form = client.refreshing(&refresh);
    let racing: Vec<_> = (0..20)
        .map(|_| {
            let (server, form) = (server.clone(), form.clone());
            tokio::spawn(async move { token(&server, &form).await })
        })
        .collect();
    let mut good = 0;
    for answer in racing {
        let answer = answer.await.unwrap();
        match answer.status.as_u16() {
            200 => good += 1,
            _ => answer.refuses(400, "invalid_grant"),
        }
    }
    assert_eq!(good, 1);
}

/// ASR-10, AST-32.
#[tokio::test]
async fn an_upstream_that_is_away_spends_nothing() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let refresh = client.tokens(&server).await.refresh;
    server.clock.advance(Duration::from_secs(301));
    server
        .upstream
        .change_faults(|f| f.token_status = Some(503));
    let refused = token(&server, &client.refreshing(&refresh)).await;
    refused.refuses(503, "temporarily_unavailable");
    assert!(refused.header("retry-after").is_some());
    server.upstream.set_faults(Default::default());
    server.clock.advance(Duration::from_secs(60));
    token(&server, &client.refreshing(&refresh)).await.tokens();
}

/// ASR-10. An absolute end that the operator moves nearer counts at once, and never as an answer that
/// is worth nothing.
#[tokio::test]
async fn a_grant_past_its_new_absolute_end_is_over() {
    let store = std::sync::Arc::new(mcp_auth::store::MemoryStore::new());
    let (kept, again) = (store.clone(), store);
    let ring = || mcp_auth::store::KeyRing::parse(crate::harness::KEY).unwrap();
    let server = Server::builder(move |tier| tier.with_store(kept).with_key_ring(ring()))
        .start()
        .await;
    let client = Client::public(&server).await;
    let tokens = client.tokens(&server).await;
    server.clock.advance(Duration::from_secs(10 * 24 * 3600));
    server.restart(|tier| {
        tier.with_store(again)
            .with_key_ring(ring())
            .with_grant_lifetime(Duration::from_secs(7 * 24 * 3600))
    });
    token(&server, &client.refreshing(&tokens.refresh))
        .await
        .refuses(400, "invalid_grant");
}

/// ASR-03. Off is off, also at an instance whose clock is a little behind.
#[tokio::test]
async fn without_grace_an_old_token_is_reuse_whatever_the_clock_says() {
    let server = Server::builder(|tier| tier.with_refresh_grace(Duration::ZERO))
        .start()
        .await;
    let client = Client::public(&server).await;
    let old = client.tokens(&server).await;
    token(&server, &client.refreshing(&old.refresh))
        .await
        .tokens();
    server.clock.rewind(Duration::from_secs(30));
    token(&server, &client.refreshing(&old.refresh))
        .await
        .refuses(400, "invalid_grant");
}
