//! A deployment: one process after the other is asked to stop, and its successor takes over.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
};

use crate::{site::Site, stores::SharedStore};

/// FLT-27, FLT-28.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_rolling_restart_under_load_answers_what_it_took_and_loses_no_login() {
    let Some(store) = SharedStore::sqlite() else {
        return;
    };
    let mut site = Site::start(2, &store.url, &[]).await;
    // A login that begins before and ends after: its state is in the browser, not in a process.
    let mut host = site.host();
    let discovery = host.discover().await.unwrap();
    let registration = host.register(&discovery).await.unwrap();
    let authorization = host.authorization(&discovery, &registration);
    let code = host.authorize(&discovery, &authorization).await.unwrap();

    let mut servers = std::mem::take(&mut site.servers);
    let (over, answered) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let mut sessions = Vec::new();
    for _ in 0..6 {
        sessions.push(site.sign_in().await);
    }
    let hosts: Vec<_> = sessions
        .into_iter()
        .map(|mut session| {
            let (over, answered) = (over.clone(), answered.clone());
            tokio::spawn(async move {
                while !over.load(SeqCst) {
                    // A connection that was refused or closed before its request is no answer; a
                    // status is one, and has to be a good one.
                    if let Ok(answer) = session.refresh_at(&session.discovery).await {
                        session.tokens = answer.granted().unwrap();
                        answered.fetch_add(1, SeqCst);
                    }
                }
            })
        })
        .collect();
    let servers = tokio::task::spawn_blocking(move || {
        for _ in 0..2 {
            servers.iter_mut().for_each(crate::server::Server::roll);
        }
        servers
    });
    let servers = servers.await.unwrap();
    over.store(true, SeqCst);
    for host in hosts {
        host.await.unwrap();
    }
    println!("{} refreshes were answered", answered.load(SeqCst));
    assert!(answered.load(SeqCst) > 20);

    let tokens = host
        .redeem(&discovery, &registration, &authorization, &code)
        .await
        .unwrap();
    assert_eq!(
        tokens.status, 200,
        "the login that was under way: {tokens:?}"
    );
    drop(servers);
}
