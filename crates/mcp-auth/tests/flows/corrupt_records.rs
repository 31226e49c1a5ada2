//! Somebody edits the store: the session that was touched fails closed, and no other.

use std::time::Duration;

use mcp_auth::store::{Record, RecordKey};

use crate::rig::{Rig, Session, assert_invalid_grant};

/// FLT-08.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_broken_record_ends_its_own_session_only() {
    let damages: [fn(&mut Record); 6] = [
        |record| record.sealed[20] ^= 1,
        |record| *record.sealed.last_mut().unwrap() ^= 0x80,
        |record| record.sealed.truncate(record.sealed.len() / 2),
        |record| record.sealed.truncate(3),
        |record| record.sealed.clear(),
        |record| record.sealed = b"{\"s\":\"demo|root\"}".to_vec(),
    ];
    let rig = Rig::start().await;
    let bystander = rig.sign_in_as("bob", "builder").await;
    for damage in damages {
        let (session, grant) = with_grant(&rig).await;
        rig.store.edit(&grant, damage).await;
        assert_ended(&rig, &session).await;
        assert_eq!(rig.whoami(&bystander.tokens.access_token).await.status, 200);
    }
    assert_eq!(bystander.refresh().await.status, 200);
}

/// STO-12.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_record_under_another_key_opens_nothing() {
    let rig = Rig::start().await;
    let (alice, hers) = with_grant(&rig).await;
    let bob = rig.sign_in_as("bob", "builder").await;
    let his = rig.store.latest_grant();

    // Alice's record in Bob's place would make Bob Alice.
    let record = rig.store.read(&hers).await.unwrap();
    rig.store.edit(&his, |place| *place = record).await;
    assert_ended(&rig, &bob).await;
    rig.clock.rewind(Duration::from_secs(5));
    let answer = rig.whoami(&alice.tokens.access_token).await;
    assert_eq!(answer.status, 200);
    assert_eq!(alice.refresh().await.status, 200);
}

/// STO-12.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_older_state_of_a_record_gives_no_old_token_back() {
    let rig = Rig::start().await;
    let (mut session, grant) = with_grant(&rig).await;
    let before = rig.store.read(&grant).await.unwrap();
    let first = session.refresh_token().clone();
    session.renew().await;
    session.renew().await;
    // A failover to a replica that missed both writes: whoever holds a later token goes on.
    rig.store.edit(&grant, |record| *record = before).await;
    session.renew().await;
    assert_invalid_grant(&session.refresh_with(&first).await);
}

/// STO-12.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_code_whose_record_was_swapped_is_unknown() {
    let rig = Rig::start().await;
    let mut host = rig.host();
    let discovery = host.discover().await.unwrap();
    let registration = host.register(&discovery).await.unwrap();
    let mut codes = Vec::new();
    for _ in 0..2 {
        let authorization = host.authorization(&discovery, &registration);
        let code = host.authorize(&discovery, &authorization).await.unwrap();
        let (key, record) = rig.store.written().pop().unwrap();
        assert!(
            record.indexes.is_empty(),
            "the code's pointer is written last"
        );
        codes.push((authorization, code, key, record));
    }
    let (first, second) = (&codes[0], &codes[1]);
    rig.store
        .edit(&second.2, |record| record.sealed = first.3.sealed.clone())
        .await;
    let redeem = |(authorization, code): (_, &str)| {
        let (host, discovery, registration) = (&host, &discovery, &registration);
        let code = code.to_owned();
        async move {
            host.redeem(discovery, registration, authorization, &code)
                .await
                .unwrap()
        }
    };
    assert_invalid_grant(&redeem((&second.0, &second.1)).await);
    assert_eq!(redeem((&first.0, &first.1)).await.status, 200);
}

async fn with_grant(rig: &Rig) -> (Session, RecordKey) {
    let session = rig.sign_in().await;
    let grant = rig.store.latest_grant();
    assert_eq!(rig.whoami(&session.tokens.access_token).await.status, 200);
    (session, grant)
}

/// Once this process no longer remembers it.
async fn assert_ended(rig: &Rig, session: &Session) {
    assert_invalid_grant(&session.refresh().await);
    rig.clock.advance(Duration::from_secs(5));
    assert_eq!(rig.whoami(&session.tokens.access_token).await.status, 401);
}
