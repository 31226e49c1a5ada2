//! What an operator, or the page for users, sees of grants and ends.

use std::{collections::BTreeSet, time::Duration};

use mcp_auth::{access_token::GrantAdministration, oauth::ClientId};
use mcp_auth_testkit::{
    ScriptedHost,
    scripted_host::{Authorization, Discovery, Registration, TokenAnswer},
};

use crate::rig::{Rig, Session, assert_invalid_grant};

/// A login that is one step from its tokens.
struct AlmostSignedIn {
    host: ScriptedHost,
    discovery: Discovery,
    registration: Registration,
    authorization: Authorization,
    code: String,
}

impl AlmostSignedIn {
    async fn of(rig: &Rig) -> Self {
        let mut host = rig.host();
        let discovery = host.discover().await.unwrap();
        let registration = host.register(&discovery).await.unwrap();
        let authorization = host.authorization(&discovery, &registration);
        let code = host.authorize(&discovery, &authorization).await.unwrap();
        Self {
            host,
            discovery,
            registration,
            authorization,
            code,
        }
    }

    async fn redeem(&self) -> TokenAnswer {
        self.host
            .redeem(
                &self.discovery,
                &self.registration,
                &self.authorization,
                &self.code,
            )
            .await
            .unwrap()
    }

    fn client(&self) -> ClientId {
        ClientId::parse(&self.registration.client_id).unwrap()
    }
}

fn grants(rig: &Rig) -> GrantAdministration {
    rig.instances[0].tier.grants()
}

async fn subject(rig: &Rig, session: &Session) -> String {
    let told = rig.whoami(&session.tokens.access_token).await;
    told.body["subject"].as_str().unwrap().to_owned()
}

async fn until_told(rig: &Rig, times: usize) {
    let told = async {
        while rig.upstream.revocation_requests().len() < times {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let told = tokio::time::timeout(Duration::from_secs(5), told).await;
    assert!(told.is_ok(), "the upstream was not told {times} times");
}

/// ASC-14. Whoever is shown out does not come back with a code that was issued just before.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_code_that_waits_does_not_outlive_the_end_of_its_users_grants() {
    let rig = Rig::start().await;
    let known = rig.sign_in().await;
    let subject = subject(&rig, &known).await;
    let waiting = AlmostSignedIn::of(&rig).await;
    assert_eq!(grants(&rig).of_subject(&subject).await.unwrap().len(), 1);
    let ended = grants(&rig).revoke_all_of_subject(&subject).await.unwrap();
    assert_eq!(ended, 2, "the one that was listed, and the one that waits");
    assert_invalid_grant(&waiting.redeem().await);
    assert_invalid_grant(&known.refresh().await);
    until_told(&rig, 2).await;
}

/// ASC-14.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_code_that_waits_does_not_outlive_the_end_of_its_clients_grants() {
    let rig = Rig::start().await;
    let waiting = AlmostSignedIn::of(&rig).await;
    let client = waiting.client();
    assert_eq!(grants(&rig).of_client(&client).await.unwrap(), []);
    let ended = grants(&rig).revoke_all_of_client(&client).await.unwrap();
    assert_eq!(ended, 1);
    assert_invalid_grant(&waiting.redeem().await);
    until_told(&rig, 1).await;
    let ended = grants(&rig).revoke_all_of_client(&client).await.unwrap();
    assert_eq!(ended, 0);
}

/// ASC-14, FLT-22. A grant that cannot be read while it is ended is not there again with its key.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_grant_that_cannot_be_read_is_ended_all_the_same() {
    let rig = Rig::start().await;
    let session = rig.sign_in().await;
    let subject = subject(&rig, &session).await;
    let key = rig.store.latest_grant();
    rig.store.edit(&key, |record| record.sealed[30] ^= 1).await;
    let ended = grants(&rig).revoke_all_of_subject(&subject).await.unwrap();
    assert_eq!(ended, 1);
    assert_eq!(rig.store.read(&key).await, None);
    let ended = grants(&rig).revoke_all_of_subject(&subject).await.unwrap();
    assert_eq!(ended, 0);
}

/// ASC-14, GRW-01. More grants than one page has: each is on one page, and all of them end.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_client_with_many_grants_is_listed_and_ended_page_by_page() {
    const GRANTS: usize = 103;
    let rig = Rig::plan()
        .tune(|builder| builder.without_rate_limits())
        .start()
        .await;
    let mut host = rig.host();
    let discovery = host.discover().await.unwrap();
    let registration = host.register(&discovery).await.unwrap();
    let client = ClientId::parse(&registration.client_id).unwrap();
    let mut last = None;
    for _ in 0..GRANTS {
        let authorization = host.authorization(&discovery, &registration);
        let code = host.authorize(&discovery, &authorization).await.unwrap();
        let answer = host
            .redeem(&discovery, &registration, &authorization, &code)
            .await
            .unwrap();
        last = Some(answer.granted().unwrap());
    }
    let (mut names, mut sizes, mut after) = (BTreeSet::new(), Vec::new(), None);
    loop {
        let page = grants(&rig).of_client_page(&client, after.as_ref()).await;
        let page = page.unwrap();
        sizes.push(page.grants.len());
        names.extend(page.grants.into_iter().map(|grant| grant.name));
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!(sizes, [100, GRANTS - 100]);
    assert_eq!(names.len(), GRANTS);
    assert_eq!(grants(&rig).of_client(&client).await.unwrap().len(), GRANTS);

    // One of them is ended by reading that one alone; the upstream hears of it only if the user has
    // no other, which costs a look at the list and at the first on it.
    let listed = grants(&rig).of_client_page(&client, None).await.unwrap();
    let grant = &listed.grants[0];
    let before = rig.store.reads();
    let ended = grants(&rig).revoke(&grant.subject, &grant.name).await;
    assert!(ended.unwrap());
    assert!((1..=3).contains(&(rig.store.reads() - before)));

    let ended = grants(&rig).revoke_all_of_client(&client).await.unwrap();
    assert_eq!(ended, GRANTS - 1);
    let token = last.unwrap().access_token;
    assert_eq!(rig.whoami(&token).await.status, 401, "at once here");
    assert_eq!(grants(&rig).of_client(&client).await.unwrap(), []);
}

/// ASC-14. A name is the name of one grant of one user, and of nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn only_the_name_of_a_users_own_grant_ends_it() {
    let rig = Rig::start().await;
    let (alice, bob) = (rig.sign_in().await, rig.sign_in_as("bob", "builder").await);
    let (alices, bobs) = (subject(&rig, &alice).await, subject(&rig, &bob).await);
    let name = grants(&rig).of_subject(&alices).await.unwrap()[0]
        .name
        .clone();
    let others: Vec<_> = rig
        .store
        .written()
        .iter()
        .map(|w| w.0.to_string())
        .collect();
    for wrong in [
        "",
        "x",
        &name[1..],
        &format!("{name}A"),
        &format!("{name}="),
    ] {
        assert!(
            !grants(&rig).revoke(&alices, wrong).await.unwrap(),
            "{wrong}"
        );
    }
    for other in others.iter().filter(|other| **other != name) {
        assert!(!grants(&rig).revoke(&alices, other).await.unwrap());
    }
    assert!(!grants(&rig).revoke(&bobs, &name).await.unwrap());
    assert_eq!(rig.whoami(&alice.tokens.access_token).await.status, 200);
    assert!(grants(&rig).revoke(&alices, &name).await.unwrap());
    assert_eq!(rig.whoami(&alice.tokens.access_token).await.status, 401);
    assert_eq!(rig.whoami(&bob.tokens.access_token).await.status, 200);
}
