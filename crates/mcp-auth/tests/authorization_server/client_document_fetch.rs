//! The fetch of a client document, from a host that means harm.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use mcp_auth::{
    authorization_server::{clients::ClientDocuments, pages::ErrorPageKind},
    net::{GuardedClient, Resolver},
};
use mcp_auth_testkit::{DocumentAnswer, DocumentHost, document_host::document};
use serde_json::json;
use tokio::time::timeout;

use crate::{
    client::{authorize, token},
    client_documents::{CALLBACK, client, server_for},
    harness::Server,
};

/// Names as a test needs them; a name with several answers gives them in turn.
#[derive(Debug, Default)]
struct Names {
    answers: HashMap<&'static str, Vec<Vec<&'static str>>>,
    asked: Mutex<Vec<String>>,
}

impl Names {
    fn and(mut self, name: &'static str, answers: Vec<Vec<&'static str>>) -> Self {
        self.answers.insert(name, answers);
        self
    }
}

#[async_trait::async_trait]
impl Resolver for Names {
    async fn resolve(&self, host: &str) -> std::io::Result<Vec<IpAddr>> {
        let mut asked = self.asked.lock().unwrap();
        let turn = asked.iter().filter(|name| *name == host).count();
        asked.push(host.to_owned());
        let answers = self.answers.get(host);
        let answers = answers.ok_or_else(|| std::io::Error::other("no such name"))?;
        let answer = answers.get(turn).or(answers.last()).unwrap();
        Ok(answer
            .iter()
            .map(|address| address.parse().unwrap())
            .collect())
    }
}

async fn server_with(client: GuardedClient) -> Server {
    let documents = ClientDocuments::new().with_http_client(Arc::new(client));
    Server::builder(|tier| tier.with_client_documents(documents))
        .start()
        .await
}

/// CIM-04, CIM-15.
#[tokio::test]
async fn refuses_every_answer_but_200_and_remembers_no_refusal() {
    let host = DocumentHost::start().await.unwrap();
    let server = server_for(&host, |documents| documents).await;
    host.publish("/target.json", &[CALLBACK]);
    let id = host.url("/client.json");
    let good = DocumentAnswer::json(&document(&id, &[CALLBACK]));
    let refusals = [
        DocumentAnswer::redirect("/target.json"),
        DocumentAnswer::redirect(&host.url("/target.json")),
        DocumentAnswer::redirect("http://169.254.169.254/latest/meta-data"),
        DocumentAnswer::status(307).with_header("location", "/target.json"),
        DocumentAnswer::status(203),
        DocumentAnswer::status(204),
        DocumentAnswer::status(304),
        DocumentAnswer::status(400),
        DocumentAnswer::status(403).with_body("<html>Are you a robot?</html>"),
        DocumentAnswer::status(404),
        DocumentAnswer::status(410),
    ];
    for answer in refusals {
        host.answer("/client.json", answer);
        authorize(&server, &client(&id).request(&server))
            .await
            .shows(ErrorPageKind::ClientDocument);
    }
    assert!(host.requests("/target.json").is_empty());
    host.answer("/client.json", good);
    let page = authorize(&server, &client(&id).request(&server)).await;
    assert_eq!(page.status, 200);
}

/// CIM-05, CIM-13.
#[tokio::test]
async fn refuses_what_is_not_json_by_its_content_type() {
    let host = DocumentHost::start().await.unwrap();
    let server = server_for(&host, |documents| documents).await;
    let id = host.url("/client.json");
    let json = document(&id, &[CALLBACK]);
    for (content_type, taken) in [
        ("text/html", false),
        ("text/plain", false),
        ("application/javascript", false),
        ("text/json+json", false),
        ("", false),
        ("application/json", true),
        ("Application/JSON; charset=utf-8", true),
        ("application/oauth-client-id-document+json", true),
    ] {
        let answer = DocumentAnswer::json(&json).with_header("content-type", content_type);
        host.answer(
            "/client.json",
            answer.with_header("cache-control", "no-store"),
        );
        server.clock.advance(Duration::from_secs(61));
        let page = authorize(&server, &client(&id).request(&server)).await;
        if taken {
            assert_eq!(page.status, 200, "{content_type}");
        } else {
            page.shows(ErrorPageKind::ClientDocument);
        }
    }
}

/// CIM-13. By what arrives, whatever a header says.
#[tokio::test]
async fn stops_reading_at_the_cap() {
    let host = DocumentHost::start().await.unwrap();
    let server = server_for(&host, |documents| documents).await;
    let id = host.url("/client.json");
    let mut large = document(&id, &[CALLBACK]);
    large["padding"] = json!("x".repeat(6 * 1024));
    host.serve("/client.json", &large);
    authorize(&server, &client(&id).request(&server))
        .await
        .shows(ErrorPageKind::ClientDocument);
    let endless = DocumentAnswer::json(&json!({})).in_chunks(10 * 1024 * 1024);
    host.answer("/client.json", endless);
    authorize(&server, &client(&id).request(&server))
        .await
        .shows(ErrorPageKind::ClientDocument);
    // The cap is a setting.
    let server = server_for(&host, |documents| documents.with_max_bytes(8 * 1024)).await;
    host.serve("/client.json", &large);
    let page = authorize(&server, &client(&id).request(&server)).await;
    assert_eq!(page.status, 200);
}

/// CIM-13. Slow hosts end at one deadline, however they are slow.
#[tokio::test]
async fn one_deadline_covers_the_whole_fetch() {
    let host = DocumentHost::start().await.unwrap();
    let guarded = GuardedClient::builder()
        .with_deadline(Duration::from_millis(300))
        .insecure_allow_loopback(host.ca_pem())
        .build()
        .unwrap();
    let server = server_with(guarded).await;
    let drip = DocumentAnswer::json(&json!({})).dripping(Duration::from_millis(20));
    for (path, answer) in [
        ("/drip.json", drip),
        ("/silent.json", DocumentAnswer::silent()),
    ] {
        host.answer(path, answer);
        let asked = client(&host.url(path)).request(&server);
        let answer = timeout(Duration::from_secs(20), authorize(&server, &asked)).await;
        answer
            .expect("the deadline of the fetch ends it")
            .shows(ErrorPageKind::ClientDocumentUnavailable);
    }
}

/// CIM-13.
#[tokio::test]
async fn sends_no_cookie_and_no_credential() {
    let host = DocumentHost::start().await.unwrap();
    let server = server_for(&host, |documents| documents).await;
    let id = host.url("/client.json");
    let answer = DocumentAnswer::json(&document(&id, &[CALLBACK]));
    host.answer("/client.json", answer.with_header("set-cookie", "a=b"));
    for _ in 0..2 {
        let page = authorize(&server, &client(&id).request(&server)).await;
        assert_eq!(page.status, 200);
        server.clock.advance(Duration::from_secs(3601));
    }
    let requests = host.requests("/client.json");
    assert_eq!(requests.len(), 2);
    for request in requests {
        let names: Vec<&str> = request
            .headers
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        for unwanted in ["cookie", "authorization", "referer", "origin"] {
            assert!(!names.contains(&unwanted), "{names:?}");
        }
        let accept = ("accept".to_owned(), "application/json".to_owned());
        assert!(request.headers.contains(&accept), "{names:?}");
    }
}

/// CIM-10, CIM-12. Without the development switch this machine is out of reach, by every name.
#[tokio::test]
async fn never_connects_to_this_machine() {
    let host = DocumentHost::start().await.unwrap();
    let port = host.address().port();
    let server = Server::start().await;
    for name in [
        "localhost",
        "LOCALHOST",
        "127.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "0.0.0.0",
        "[::]",
        "10.0.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "[fd00:ec2::254]",
        "[fe80::1]",
    ] {
        let id = format!("https://{name}:{port}/client.json");
        host.serve("/client.json", &document(&id, &[CALLBACK]));
        authorize(&server, &client(&id).request(&server))
            .await
            .shows(ErrorPageKind::ClientDocument);
    }
    assert_eq!(host.connections(), 0);
}

/// CIM-10, CIM-11. A name that leads inward is refused as a whole, and nobody can tell it from one
/// that does not exist.
#[tokio::test]
async fn never_connects_inward_by_a_name() {
    let host = DocumentHost::start().await.unwrap();
    let names = Names::default()
        .and("inward.example", vec![vec!["127.0.0.1"]])
        .and("mixed.example", vec![vec!["8.8.8.8", "127.0.0.1"]])
        .and("mapped.example", vec![vec!["::ffff:127.0.0.1"]])
        .and("nat64.example", vec![vec!["64:ff9b::7f00:1"]])
        .and("private.example", vec![vec!["10.1.2.3"]])
        .and("metadata.example", vec![vec!["169.254.169.254"]])
        .and("six.example", vec![vec!["::1"]])
        .and("none.example", vec![vec![]]);
    let guarded = GuardedClient::builder()
        .with_resolver(Arc::new(names))
        .build()
        .unwrap();
    let server = server_with(guarded).await;
    for name in [
        "inward.example",
        "mixed.example",
        "mapped.example",
        "nat64.example",
        "private.example",
        "metadata.example",
        "six.example",
        "none.example",
        "missing.example",
    ] {
        let id = host.url_at(name, "/client.json");
        host.serve("/client.json", &document(&id, &[CALLBACK]));
        let client = client(&id);
        let page = authorize(&server, &client.request(&server)).await;
        page.shows(ErrorPageKind::ClientDocumentUnavailable);
        let code = client.redemption(&server, "x");
        let at_token = token(&server, &code).await;
        at_token.refuses(503, "temporarily_unavailable");
        let at_token = token(&server, &client.refreshing("x")).await;
        at_token.refuses(400, "invalid_grant");
    }
    assert_eq!(host.connections(), 0);
}

/// CIM-11. The address that was checked is the one that is connected to: a name is resolved once
/// for each fetch, so a second answer never counts.
#[tokio::test]
async fn a_name_that_changes_its_address_gains_nothing() {
    let host = DocumentHost::start().await.unwrap();
    let names = Arc::new(Names::default().and(
        "rebind.client.example",
        vec![vec!["127.0.0.1"], vec!["10.0.0.1"], vec!["127.0.0.1"]],
    ));
    // Loopback stands for the public address here, the private one for the target.
    let guarded = GuardedClient::builder()
        .with_resolver(names.clone())
        .insecure_allow_loopback(host.ca_pem())
        .build()
        .unwrap();
    let server = server_with(guarded).await;
    let id = host.url_at("rebind.client.example", "/client.json");
    host.serve("/client.json", &document(&id, &[CALLBACK]));
    let page = authorize(&server, &client(&id).request(&server)).await;
    assert_eq!(page.status, 200);
    assert_eq!(names.asked.lock().unwrap().len(), 1);
    // The copy that was seen stands in for it, and no connection comes about.
    server.clock.advance(Duration::from_secs(3601));
    let page = authorize(&server, &client(&id).request(&server)).await;
    assert_eq!(page.status, 200);
    assert_eq!(names.asked.lock().unwrap().len(), 2);
    assert_eq!(host.connections(), 1);
}

/// TLS-01. A certificate that nobody vouches for, or of another name, is no document.
#[tokio::test]
async fn refuses_a_certificate_that_is_not_trusted_or_of_another_name() {
    let host = DocumentHost::start().await.unwrap();
    let other = DocumentHost::start().await.unwrap();
    let server = server_for(&other, |documents| documents).await;
    let id = host.publish("/client.json", &[CALLBACK]);
    authorize(&server, &client(&id).request(&server))
        .await
        .shows(ErrorPageKind::ClientDocumentUnavailable);
    let names = Names::default().and("client.test", vec![vec!["127.0.0.1"]]);
    let guarded = GuardedClient::builder()
        .with_resolver(Arc::new(names))
        .insecure_allow_loopback(host.ca_pem())
        .build()
        .unwrap();
    let server = server_with(guarded).await;
    let id = host.url_at("client.test", "/client.json");
    host.serve("/client.json", &document(&id, &[CALLBACK]));
    authorize(&server, &client(&id).request(&server))
        .await
        .shows(ErrorPageKind::ClientDocumentUnavailable);
    assert!(host.requests("/client.json").is_empty());
}

/// CIM-02. A URL of another shape is never fetched.
#[tokio::test]
async fn never_fetches_a_url_of_another_shape() {
    let host = DocumentHost::start().await.unwrap();
    let server = server_for(&host, |documents| documents).await;
    let good = host.publish("/client.json", &[CALLBACK]);
    let origin = good.strip_suffix("/client.json").unwrap();
    for bad in [
        origin.to_owned(),
        format!("{good}#x"),
        format!("{origin}/a/../client.json"),
        format!("{origin}/%2e%2e/client.json"),
        good.replace("https://", "https://user@"),
        good.replace("https://", "https://user:secret@"),
    ] {
        authorize(&server, &client(&bad).request(&server))
            .await
            .shows(ErrorPageKind::ClientDocument);
    }
    for bad in [
        good.replace("https:", "http:"),
        good.replace("https:", "HTTPS:"),
        good.replace("https://", "file://"),
    ] {
        authorize(&server, &client(&bad).request(&server))
            .await
            .shows(ErrorPageKind::UnknownClient);
    }
    assert_eq!(host.connections(), 0);
}

/// CIM-14.
#[tokio::test]
async fn the_lifetime_that_the_host_gives_is_kept_to() {
    let host = DocumentHost::start().await.unwrap();
    let server = server_for(&host, |documents| documents).await;
    let id = host.url("/client.json");
    let answer = DocumentAnswer::json(&document(&id, &[CALLBACK]));
    host.answer(
        "/client.json",
        answer.with_header("cache-control", "max-age=60"),
    );
    for (wait, fetched) in [(0, 1), (59, 1), (2, 2), (30, 2), (31, 3)] {
        server.clock.advance(Duration::from_secs(wait));
        authorize(&server, &client(&id).request(&server)).await;
        assert_eq!(host.requests("/client.json").len(), fetched);
    }
}

/// CIM-17. Many logins at once are one fetch, also where it fails.
#[tokio::test]
async fn many_logins_at_once_are_one_fetch() {
    let host = DocumentHost::start().await.unwrap();
    let server = Arc::new(server_for(&host, |documents| documents).await);
    let good = host.publish("/client.json", &[CALLBACK]);
    let logins = (0..32).map(|_| {
        let (server, id) = (Arc::clone(&server), good.clone());
        tokio::spawn(async move {
            authorize(&server, &client(&id).request(&server))
                .await
                .status
        })
    });
    for login in logins.collect::<Vec<_>>() {
        assert_eq!(login.await.unwrap(), 200);
    }
    assert_eq!(host.requests("/client.json").len(), 1);
}

/// CIM-17. A host that cannot be reached is left alone for a moment, and only for a moment.
#[tokio::test]
async fn a_host_that_cannot_be_reached_is_left_alone_for_a_moment() {
    let host = DocumentHost::start().await.unwrap();
    let server = server_for(&host, |documents| documents).await;
    let id = host.url("/client.json");
    host.answer("/client.json", DocumentAnswer::status(500));
    for _ in 0..3 {
        let page = authorize(&server, &client(&id).request(&server)).await;
        page.shows(ErrorPageKind::ClientDocumentUnavailable);
        assert_eq!(page.header("retry-after"), Some("15"));
    }
    assert_eq!(host.requests("/client.json").len(), 1);
    host.publish("/client.json", &[CALLBACK]);
    server.clock.advance(Duration::from_secs(16));
    let page = authorize(&server, &client(&id).request(&server)).await;
    assert_eq!(page.status, 200);
}

/// CIM-17. Nobody makes us flood a host with requests for ever new documents.
#[tokio::test]
async fn one_host_is_asked_so_often_and_no_more() {
    let host = DocumentHost::start().await.unwrap();
    let server = server_for(&host, |documents| documents).await;
    for number in 0..310 {
        let id = host.url(&format!("/{number}.json"));
        authorize(&server, &client(&id).request(&server)).await;
    }
    assert_eq!(host.connections(), 300);
}

/// GRW-03.
#[tokio::test]
async fn any_number_of_documents_takes_bounded_room() {
    let host = DocumentHost::start().await.unwrap();
    let server = server_for(&host, |documents| documents).await;
    let first = host.publish("/first.json", &[CALLBACK]);
    authorize(&server, &client(&first).request(&server)).await;
    for number in 0..1100 {
        if number % 250 == 0 {
            server.clock.advance(Duration::from_secs(61));
        }
        let id = host.publish(&format!("/{number}.json"), &[CALLBACK]);
        let page = authorize(&server, &client(&id).request(&server)).await;
        assert_eq!(page.status, 200);
    }
    // The one that was used longest ago had to make room.
    server.clock.advance(Duration::from_secs(61));
    authorize(&server, &client(&first).request(&server)).await;
    assert_eq!(host.requests("/first.json").len(), 2);
}
