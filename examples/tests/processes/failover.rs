//! Redis fails over to a replica that misses the last writes.

use std::time::Duration;

use mcp_auth_testkit::services::RedisSentinel;

use crate::site::{Session, Site, until};

/// FLT-05. Whether a host got the answer to its last refresh or not, it goes on: its token is one
/// ahead of what the replica knows, or just what the replica knows.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn hosts_go_on_after_a_failover_that_lost_the_last_refresh() {
    let Some(mut redis) = RedisSentinel::start() else {
        return;
    };
    let site = Site::start(2, &redis.url(), &[("MCP_AUTH_REVOCATION_CACHE", "0")]).await;
    let (mut answered, unanswered) = (site.sign_in().await, site.sign_in().await);
    until("the replica has both grants", || async {
        redis.primary.command(&["DBSIZE"]) == redis.replica.command(&["DBSIZE"])
    })
    .await;

    redis.replica.pause();
    // Acknowledged by the primary alone; the second host never hears of it.
    let renewed = answered.refresh_at(&answered.discovery).await.unwrap();
    answered.tokens = renewed.granted().unwrap();
    let unheard = unanswered.refresh_at(&unanswered.discovery).await.unwrap();
    assert_eq!(unheard.status, 200);
    redis.primary.kill();
    redis.replica.resume();

    for session in [&mut answered, &mut { unanswered }] {
        goes_on(&site, session).await;
        goes_on(&site, session).await;
    }
}

async fn goes_on(site: &Site, session: &mut Session) {
    for _ in 0..600 {
        let answer = session.refresh_at(&session.discovery).await.unwrap();
        assert_ne!(answer.error(), Some("invalid_grant"), "a session was lost");
        if answer.status == 200 {
            session.tokens = answer.granted().unwrap();
            let token = &session.tokens.access_token;
            assert_eq!(site.status_at(1, token).await, 200);
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("no refresh was answered in a minute");
}
