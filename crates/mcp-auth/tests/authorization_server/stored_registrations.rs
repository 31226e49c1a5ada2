//! Registrations in the store: how long they live, and what operators and clients do with them.

use std::{sync::Arc, time::Duration};

use http::Method;
use mcp_auth::{
    DcrShim,
    authorization_server::{
        clients::{DynamicClients, StoredRegistrations},
        pages::ErrorPageKind,
    },
    oauth::{ClientId, Clock, Issuer, SystemRandom},
    store::{KeyRing, MemoryStore},
    tier::ShimBuilder,
};
use serde_json::{Value, json};

use crate::{
    client::{
        Answer, Client, REDIRECT, answer, approve, authorize, get, opens, register, send, token,
    },
    harness::{KEY, OTHER_KEY, Server},
    storage::Witness,
};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn stored(tier: ShimBuilder<DcrShim>) -> ShimBuilder<DcrShim> {
    tier.with_stored_registrations(StoredRegistrations::new())
}

/// A registration and what opens it.
struct Managed {
    body: Value,
    path: String,
    token: String,
}

impl Managed {
    async fn new(server: &Server, metadata: &Value) -> Self {
        let registered = register(server, metadata).await;
        assert_eq!(registered.status, 201, "{}", registered.body);
        Self::of(server, registered.json())
    }

    fn of(server: &Server, body: Value) -> Self {
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        let uri = text("registration_client_uri");
        Self {
            path: uri.strip_prefix(server.issuer()).unwrap().to_owned(),
            token: text("registration_access_token"),
            body,
        }
    }

    fn client(&self) -> Client {
        Client {
            id: self.body["client_id"].as_str().unwrap().to_owned(),
            secret: self.body["client_secret"].as_str().map(str::to_owned),
            redirect_uri: self.body["redirect_uris"][0].as_str().unwrap().to_owned(),
        }
    }

    async fn call(&self, server: &Server, method: Method) -> Answer {
        call(server, method, &self.path, &self.token, None).await
    }

    async fn replace(&self, server: &Server, metadata: &Value) -> Answer {
        call(server, Method::PUT, &self.path, &self.token, Some(metadata)).await
    }
}

async fn call(
    server: &Server,
    method: Method,
    path: &str,
    token: &str,
    body: Option<&Value>,
) -> Answer {
    let mut request = send(server, method, path).bearer_auth(token);
    if let Some(body) = body {
        request = request
            .header("content-type", "application/json")
            .body(body.to_string());
    }
    answer(request).await
}

#[track_caller]
fn refuses_token(refused: &Answer) {
    refused.refuses(401, "invalid_token");
    assert_eq!(
        refused.header("www-authenticate"),
        Some("Bearer realm=\"registration\", error=\"invalid_token\"")
    );
}

fn metadata() -> Value {
    json!({
        "redirect_uris": ["https://client.example/cb"],
        "client_name": "Kept",
        "application_type": "web",
        "token_endpoint_auth_method": "client_secret_basic",
    })
}

/// DCR-02, DCR-03, DCR-15.
#[tokio::test]
async fn a_stored_client_signs_in_like_any_other_and_reads_what_it_registered() {
    let server = Server::builder(stored).start().await;
    let managed = Managed::new(&server, &metadata()).await;
    managed.client().tokens(&server).await;
    let read = managed.call(&server, Method::GET).await;
    assert_eq!(read.status, 200);
    assert_eq!(read.header("cache-control"), Some("no-store"));
    assert_eq!(read.header("access-control-allow-origin"), Some("*"));
    assert_eq!(read.json(), managed.body);
}

/// DCR-15.
#[tokio::test]
async fn what_is_sealed_has_no_address() {
    let server = Server::start().await;
    let body = register(&server, &metadata()).await.json();
    assert!(body.get("registration_client_uri").is_none());
    assert!(body.get("registration_access_token").is_none());
    let path = format!("/register/{}", body["client_id"].as_str().unwrap());
    let missing = call(&server, Method::GET, &path, "x", None).await;
    assert_eq!(missing.status, 404);
}

/// DCR-15, DCR-06.
#[tokio::test]
async fn a_replacement_leaves_nothing_of_what_was_there() {
    let server = Server::builder(stored).start().await;
    let managed = Managed::new(&server, &metadata()).await;
    let id = &managed.body["client_id"];
    let mut new = json!({ "redirect_uris": [REDIRECT], "client_id": id });
    new["client_secret"] = managed.body["client_secret"].clone();
    let replaced = managed.replace(&server, &new).await;
    assert_eq!(replaced.status, 200, "{}", replaced.body);
    let body = replaced.json();
    assert_eq!(body["redirect_uris"], json!([REDIRECT]));
    assert_eq!(body["token_endpoint_auth_method"], "none");
    for gone in ["client_name", "application_type", "client_secret"] {
        assert!(body.get(gone).is_none(), "{gone}");
    }
    for kept in [
        "client_id",
        "client_id_issued_at",
        "registration_access_token",
    ] {
        assert_eq!(body[kept], managed.body[kept], "{kept}");
    }
    assert_eq!(managed.call(&server, Method::GET).await.json(), body);
    let old = managed.client();
    authorize(&server, &old.request(&server))
        .await
        .shows(ErrorPageKind::RedirectNotRegistered);
    Managed::of(&server, body).client().tokens(&server).await;
}

/// DCR-15, DCR-10, DCR-06.
#[tokio::test]
async fn a_replacement_is_refused_that_is_not_the_clients_own_to_make() {
    let server = Server::builder(stored).start().await;
    let managed = Managed::new(&server, &metadata()).await;
    let other = Managed::new(&server, &metadata()).await;
    let mut good = metadata();
    good["client_id"] = managed.body["client_id"].clone();
    let cases = [
        ("client_id", Value::Null),
        ("client_id", other.body["client_id"].clone()),
        ("client_id", json!(7)),
        ("client_secret", json!("of my own choice")),
        ("client_secret", other.body["client_secret"].clone()),
        ("registration_access_token", json!("x")),
        ("registration_client_uri", json!("https://evil.example/")),
        ("client_secret_expires_at", json!(0)),
        ("client_id_issued_at", json!(1)),
        ("scope", json!("a  \u{7}")),
    ];
    for (member, value) in cases {
        let mut bad = good.clone();
        bad[member] = value;
        let refused = managed.replace(&server, &bad).await;
        refused.refuses(400, "invalid_client_metadata");
    }
    let mut both = good.clone();
    both["jwks"] = json!({ "keys": [] });
    both["jwks_uri"] = json!("https://client.example/jwks");
    let refused = managed.replace(&server, &both).await;
    refused.refuses(400, "invalid_client_metadata");
    let mut local = good;
    local["redirect_uris"] = json!([REDIRECT]);
    let refused = managed.replace(&server, &local).await;
    refused.refuses(400, "invalid_redirect_uri");
    assert_eq!(
        managed.call(&server, Method::GET).await.json(),
        managed.body,
        "nothing was changed"
    );
}

/// DCR-15.
#[tokio::test]
async fn only_its_own_token_opens_a_registration() {
    let server = Server::builder(stored).start().await;
    let mine = Managed::new(&server, &metadata()).await;
    let theirs = Managed::new(&server, &metadata()).await;
    let access = mine.client().tokens(&server).await.access;
    let wrong = [theirs.token.as_str(), &access, "x"];
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        for token in wrong {
            let refused = call(
                &server,
                method.clone(),
                &mine.path,
                token,
                Some(&metadata()),
            )
            .await;
            refuses_token(&refused);
        }
        for path in ["/register/reg.nobody", "/register/", "/register/dcr.AAAA"] {
            let refused = call(&server, method.clone(), path, &mine.token, None).await;
            refuses_token(&refused);
        }
        let without = answer(send(&server, method.clone(), &mine.path)).await;
        assert_eq!(without.status, 401);
        assert_eq!(
            without.header("www-authenticate"),
            Some("Bearer realm=\"registration\"")
        );
        assert_eq!(without.body, "");
        let twice = send(&server, method, &mine.path)
            .bearer_auth(&mine.token)
            .header("authorization", format!("Bearer {}", mine.token));
        refuses_token(&answer(twice).await);
    }
    let posted = answer(send(&server, Method::POST, &mine.path).bearer_auth(&mine.token)).await;
    assert_eq!(posted.status, 405);
    assert_eq!(posted.header("allow"), Some("GET, PUT, DELETE, OPTIONS"));
    assert_eq!(mine.call(&server, Method::GET).await.json(), mine.body);
}

/// DCR-15, DCR-17, DCR-18.
#[tokio::test]
async fn a_client_that_ends_its_registration_takes_its_grants_along() {
    let server = Server::builder(stored).start().await;
    let managed = Managed::new(&server, &metadata()).await;
    let other = Managed::new(&server, &metadata()).await;
    let (client, neighbour) = (managed.client(), other.client());
    let tokens = client.tokens(&server).await;
    let code = client.code(&server).await;
    let theirs = neighbour.tokens(&server).await;
    let preflight = answer(send(&server, Method::OPTIONS, &managed.path)).await;
    assert_eq!(
        preflight.header("access-control-allow-methods"),
        Some("GET, PUT, DELETE, OPTIONS")
    );
    let ended = managed.call(&server, Method::DELETE).await;
    assert_eq!((ended.status.as_u16(), ended.body.as_str()), (204, ""));
    assert_eq!(ended.header("cache-control"), Some("no-store"));
    assert!(!opens(&server, &tokens.access).await);
    for form in [
        client.refreshing(&tokens.refresh),
        client.redemption(&server, &code),
    ] {
        token(&server, &form).await.refuses(401, "invalid_client");
    }
    authorize(&server, &client.request(&server))
        .await
        .shows(ErrorPageKind::UnknownClient);
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        refuses_token(&managed.call(&server, method).await);
    }
    assert!(opens(&server, &theirs.access).await);
}

/// DCR-12, DCR-18.
#[tokio::test]
async fn a_registration_ends_when_nobody_uses_it() {
    let server = Server::builder(stored).start().await;
    let unused = Managed::new(&server, &metadata()).await;
    server.clock.advance(30 * DAY - Duration::from_secs(1));
    assert_eq!(unused.call(&server, Method::GET).await.status, 200);
    server.clock.advance(Duration::from_secs(1));
    let client = unused.client();
    authorize(&server, &client.request(&server))
        .await
        .shows(ErrorPageKind::UnknownClient);
    token(&server, &client.refreshing("mcprt_x"))
        .await
        .refuses(401, "invalid_client");
    refuses_token(&unused.call(&server, Method::GET).await);
}

/// DCR-12.
#[tokio::test]
async fn a_registration_outlives_each_of_its_grants() {
    let server = Server::builder(stored).start().await;
    let client = Managed::new(&server, &metadata()).await.client();
    let mut refresh = client.tokens(&server).await.refresh;
    for _ in 0..5 {
        server.clock.advance(29 * DAY);
        let answer = token(&server, &client.refreshing(&refresh)).await;
        refresh = answer.tokens().refresh;
    }
    // The grant has ended; half a lifetime later the client still is one, and can begin again.
    server.clock.advance(31 * DAY);
    let over = token(&server, &client.refreshing(&refresh)).await;
    over.refuses(400, "invalid_grant");
    server.clock.advance(13 * DAY);
    assert_eq!(
        authorize(&server, &client.request(&server)).await.status,
        200
    );
    server.clock.advance(17 * DAY);
    authorize(&server, &client.request(&server))
        .await
        .shows(ErrorPageKind::UnknownClient);
}

/// DCR-12.
#[tokio::test]
async fn a_refused_request_prolongs_nothing() {
    let server = Server::builder(stored).start().await;
    let client = Managed::new(&server, &metadata()).await.client();
    let end = |server: &Server| {
        let registrations = server.tier().registrations().unwrap();
        async move { registrations.list().await.unwrap()[0].expires_at }
    };
    let before = end(&server).await;
    let code = client.code(&server).await;
    server.clock.advance(Duration::from_secs(30));
    let form = client.redemption(&server, &code);
    for bad in [
        form.clone().with("code_verifier", &"x".repeat(43)),
        form.clone().with("resource", "https://other.example/"),
        form.clone().with("client_secret", "wrong"),
    ] {
        assert!(token(&server, &bad).await.status.is_client_error());
    }
    assert_eq!(end(&server).await, before);
    token(&server, &form).await.tokens();
    assert!(end(&server).await > before);
}

/// DCR-12, REV-06.
#[tokio::test]
async fn operators_list_registrations_and_end_them() {
    let server = Server::builder(stored).start().await;
    let managed = Managed::new(&server, &metadata()).await;
    let silent = Managed::new(&server, &json!({ "redirect_uris": [REDIRECT] })).await;
    let client = managed.client();
    let tokens = client.tokens(&server).await;
    let registrations = server.tier().registrations().unwrap();
    let mut listed = registrations.list().await.unwrap();
    listed.sort_by_key(|one| one.used);
    assert_eq!(listed.len(), 2);
    assert_eq!(listed[0].client.as_str(), silent.client().id);
    assert_eq!(listed[0].redirect_uris, [REDIRECT]);
    assert_eq!(listed[0].registered_at, server.clock.now());
    assert_eq!(listed[0].expires_at, server.clock.now().plus(30 * DAY));
    assert_eq!(listed[1].client_name.as_deref(), Some("Kept"));
    let id = ClientId::parse(&client.id).unwrap();
    assert!(registrations.end(&id).await.unwrap());
    assert!(!registrations.end(&id).await.unwrap());
    assert!(!opens(&server, &tokens.access).await);
    token(&server, &client.refreshing(&tokens.refresh))
        .await
        .refuses(401, "invalid_client");
    assert_eq!(registrations.list().await.unwrap().len(), 1);
    assert!(Server::start().await.tier().registrations().is_none());
}

/// DCR-12.
#[tokio::test]
async fn a_flood_ends_unused_registrations_and_no_others() {
    let server = Server::builder(|tier| {
        tier.without_rate_limits()
            .with_stored_registrations(StoredRegistrations::new().with_capacity(10))
    })
    .start()
    .await;
    let first = Managed::new(&server, &metadata()).await;
    let tokens = first.client().tokens(&server).await;
    let oldest = Managed::new(&server, &metadata()).await;
    let registrations = server.tier().registrations().unwrap();
    for _ in 0..30 {
        server.clock.advance(Duration::from_secs(1));
        Managed::new(&server, &metadata()).await;
        assert!(registrations.list().await.unwrap().len() <= 10);
    }
    refuses_token(&oldest.call(&server, Method::GET).await);
    token(&server, &first.client().refreshing(&tokens.refresh))
        .await
        .tokens();
    // Only used ones are left: nobody else fits.
    for one in registrations.list().await.unwrap() {
        if !one.used {
            registrations.end(&one.client).await.unwrap();
        }
    }
    server.clock.advance(Duration::from_secs(61));
    for _ in 0..9 {
        let client = Managed::new(&server, &metadata()).await.client();
        client.tokens(&server).await;
    }
    let full = register(&server, &metadata()).await;
    full.refuses(503, "temporarily_unavailable");
    let one = registrations.list().await.unwrap().remove(0);
    registrations.end(&one.client).await.unwrap();
    // The place is seen once it is counted again.
    let still = register(&server, &metadata()).await;
    still.refuses(503, "temporarily_unavailable");
    server.clock.advance(Duration::from_secs(61));
    Managed::new(&server, &metadata()).await;
    assert_eq!(registrations.list().await.unwrap().len(), 10);
}

/// DCR-12.
#[tokio::test]
async fn management_counts_against_the_limit_of_registrations() {
    let server = Server::builder(stored).start().await;
    let managed = Managed::new(&server, &metadata()).await;
    let guess = || async {
        let request = send(&server, Method::GET, &managed.path)
            .bearer_auth("guess")
            .header("x-forwarded-for", "203.0.113.7");
        answer(request).await
    };
    for _ in 0..60 {
        assert_eq!(guess().await.status, 401);
    }
    assert_eq!(guess().await.status, 429);
}

/// DCR-18.
#[tokio::test]
async fn cut_offs_hold_for_stored_clients_too() {
    let store = Arc::new(Witness::default());
    let keyed = move |tier: ShimBuilder<DcrShim>| {
        stored(tier)
            .with_store(store.clone())
            .with_key_ring(KeyRing::parse(KEY).unwrap())
    };
    let server = Server::builder(keyed.clone()).start().await;
    let denied = Managed::new(&server, &metadata()).await;
    let spared = Managed::new(&server, &metadata()).await;
    let refresh = denied.client().tokens(&server).await.refresh;
    let id = ClientId::parse(&denied.client().id).unwrap();
    let build = keyed.clone();
    server.restart(move |tier| build(tier).with_denied_clients([id]));
    let client = denied.client();
    authorize(&server, &client.request(&server))
        .await
        .shows(ErrorPageKind::UnknownClient);
    token(&server, &client.refreshing(&refresh))
        .await
        .refuses(401, "invalid_client");
    refuses_token(&denied.call(&server, Method::GET).await);
    spared.client().tokens(&server).await;

    server.clock.advance(Duration::from_secs(1));
    let now = server.clock.now();
    let build = keyed.clone();
    server.restart(move |tier| build(tier).refuse_registrations_before(now));
    authorize(&server, &spared.client().request(&server))
        .await
        .shows(ErrorPageKind::UnknownClient);
    Managed::new(&server, &metadata())
        .await
        .client()
        .tokens(&server)
        .await;

    let build = keyed.clone();
    server.restart(move |tier| build(tier).without_registration());
    assert_eq!(register(&server, &metadata()).await.status, 404);
    assert_eq!(get(&server, &spared.path).await.status, 404);

    // A dropped key makes a record one that cannot be read.
    server.restart(move |tier| keyed(tier).with_key_ring(KeyRing::parse(OTHER_KEY).unwrap()));
    authorize(&server, &spared.client().request(&server))
        .await
        .shows(ErrorPageKind::UnknownClient);
}

/// DCR-12, AST-13, AST-25.
#[tokio::test]
async fn no_secret_of_a_registration_reaches_the_store() {
    let store = Arc::new(Witness::default());
    let witness = Arc::clone(&store);
    let server = Server::builder(move |tier| stored(tier).with_store(store))
        .start()
        .await;
    let managed = Managed::new(&server, &metadata()).await;
    let client = managed.client();
    for secret in [
        managed.token.as_str(),
        client.secret.as_deref().unwrap(),
        &client.id,
        "Kept",
    ] {
        assert!(!witness.contains(secret), "{secret}");
    }
}

/// DCR-12, DCR-18. An operator who begins to store registrations can keep the sealed ones, by handing
/// them over as a resolver of its own.
#[tokio::test]
async fn clients_that_are_known_in_another_way_are_not_held_to_the_stored_ones() {
    let ring = || KeyRing::parse(KEY).unwrap();
    let store = Arc::new(MemoryStore::new());
    let kept = Arc::clone(&store);
    let server = Server::builder(move |tier| tier.with_key_ring(ring()).with_store(kept))
        .start()
        .await;
    let client = Client::public(&server).await;
    let refresh = client.tokens(&server).await.refresh;
    let issuer = Issuer::parse(server.issuer()).unwrap();
    let sealed = DynamicClients::new(&ring(), &issuer, Arc::new(SystemRandom));
    server.restart(|tier| {
        stored(tier)
            .with_key_ring(ring())
            .with_store(store)
            .with_clients(Arc::new(sealed))
    });
    token(&server, &client.refreshing(&refresh)).await.tokens();
    client.tokens(&server).await;
    // Who registers now is stored, and ends when it is ended.
    let managed = Managed::new(&server, &metadata()).await;
    let tokens = managed.client().tokens(&server).await;
    assert_eq!(managed.call(&server, Method::DELETE).await.status, 204);
    token(&server, &managed.client().refreshing(&tokens.refresh))
        .await
        .refuses(401, "invalid_client");
}

/// DCR-15. A refresh and the end of the registration at once: one of them comes first, and no grant
/// is left either way.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_an_end_and_a_refresh_at_once_nothing_is_left() {
    let server = Arc::new(
        Server::builder(|tier| stored(tier).without_rate_limits())
            .start()
            .await,
    );
    for round in 0..12 {
        let managed = Arc::new(Managed::new(&server, &metadata()).await);
        let client = managed.client();
        let tokens = client.tokens(&server).await;
        let code = client.code(&server).await;
        let forms = [
            client.refreshing(&tokens.refresh),
            client.redemption(&server, &code),
        ];
        let calls: Vec<_> = (0..8)
            .map(|index| {
                let (server, managed) = (Arc::clone(&server), Arc::clone(&managed));
                let form = forms[index % 2].clone();
                tokio::spawn(async move {
                    if index == round % 8 {
                        let ended = managed.call(&server, Method::DELETE).await;
                        assert_eq!(ended.status, 204);
                        return None;
                    }
                    let answer = token(&server, &form).await;
                    (answer.status == 200).then(|| answer.tokens())
                })
            })
            .collect();
        let mut given = vec![tokens];
        for call in calls {
            given.extend(call.await.unwrap());
        }
        for tokens in &given {
            assert!(!opens(&server, &tokens.access).await, "round {round}");
            let refreshed = token(&server, &client.refreshing(&tokens.refresh)).await;
            refreshed.refuses(401, "invalid_client");
        }
        let id = ClientId::parse(&client.id).unwrap();
        assert_eq!(server.tier().grants().of_client(&id).await.unwrap(), []);
    }
}

/// DCR-15. Replacing and prolonging touch one record: neither loses what the other wrote.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn replacements_and_refreshes_at_once_lose_nothing() {
    let server = Arc::new(Server::builder(stored).start().await);
    let managed = Arc::new(Managed::new(&server, &metadata()).await);
    let client = managed.client();
    let code = client.code(&server).await;
    let redeeming = {
        let (server, form) = (Arc::clone(&server), client.redemption(&server, &code));
        tokio::spawn(async move { token(&server, &form).await.tokens() })
    };
    let mut replacing = Vec::new();
    for n in 0..8 {
        let (server, managed) = (Arc::clone(&server), Arc::clone(&managed));
        replacing.push(tokio::spawn(async move {
            let mut new = metadata();
            new["client_id"] = managed.body["client_id"].clone();
            new["client_name"] = json!(format!("Name {n}"));
            managed.replace(&server, &new).await.status
        }));
    }
    for one in replacing {
        assert_eq!(one.await.unwrap(), 200);
    }
    redeeming.await.unwrap();
    let registrations = server.tier().registrations().unwrap();
    let listed = registrations.list().await.unwrap();
    assert!(
        listed[0].used
            && listed[0]
                .client_name
                .as_deref()
                .unwrap()
                .starts_with("Name ")
    );
}

/// DCR-18.
#[tokio::test]
async fn a_code_of_a_client_whose_registration_ended_is_worth_nothing() {
    let server = Server::builder(stored).start().await;
    let managed = Managed::new(&server, &metadata()).await;
    let client = managed.client();
    let mut browser = server.browser();
    let callback = approve(&server, &mut browser, &client, &client.request(&server)).await;
    assert_eq!(managed.call(&server, Method::DELETE).await.status, 204);
    let form = client.redemption(&server, callback.code().unwrap());
    token(&server, &form).await.refuses(401, "invalid_client");
}
