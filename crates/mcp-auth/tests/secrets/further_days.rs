//! The endpoints that a host in its ordinary days does not meet, on good days and bad ones.

use base64::{Engine, engine::general_purpose::STANDARD};
use mcp_auth::{
    access_token::Dpop,
    authorization_server::{
        EnterpriseIssuer,
        clients::{PreregisteredClients, StoredRegistrations},
    },
    oauth::{AccessToken, ClientId, ClientSecret, Clock, Issuer},
};
use mcp_auth_testkit::{Browser, browser::Decision, scripted_host::Registration};
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};

use crate::{
    days,
    proofs::ProofKey,
    rig::{Rig, State},
    secrets::Secrets,
    wallet::Wallet,
};

const INITIAL: &str = "an-initial-access-token-of-the-operator";
/// Of the clients that the operator knows.
const SECRET: &str = "a-long-secret-that-the-operator-chose";
const IDP: &str = "https://idp.corp.example";
const REDIRECT: &str = "http://127.0.0.1:33418/callback";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

pub async fn all(rig: &mut Rig, secrets: &mut Secrets) {
    revocations(rig, secrets).await;
    let signer = ProofKey::p256();
    everything_on(rig, &signer);
    secrets.add("client secret", SECRET);
    secrets.add("client secret", STANDARD.encode(format!("desk:{SECRET}")));
    stored_registrations(rig, secrets).await;
    let bound = pushed_and_bound(rig, secrets).await;
    introspections(rig, secrets, &bound).await;
    client_assertions(rig, secrets, &signer).await;
    identity_assertions(rig, secrets, &signer).await;
    connected_apps(rig, secrets).await;
}

/// Everything that is off by default.
fn everything_on(rig: &mut Rig, signer: &ProofKey) {
    let mut jwk = signer.jwk();
    jwk["kid"] = json!("k1");
    let jwks = json!({ "keys": [jwk] });
    let clients = json!([
        { "client_id": "desk", "client_secret": SECRET, "redirect_uris": [REDIRECT],
          "grant_types": ["authorization_code", "refresh_token", JWT_BEARER] },
        { "client_id": "batch", "jwks": jwks, "grant_types": ["client_credentials"] },
    ]);
    let clients = PreregisteredClients::parse_json(&clients.to_string()).unwrap();
    let issuer = EnterpriseIssuer::with_jwks(Issuer::parse(IDP).unwrap(), jwks);
    rig.redeploy(0, |builder| {
        builder
            .with_preregistered_clients(clients)
            .with_introspection_by([ClientId::parse("desk").unwrap()])
            .with_client_credentials()
            .with_enterprise_issuers([issuer])
            .with_pushed_authorization_requests()
            .with_dpop(Dpop::accepted().with_nonces())
            .with_stored_registrations(StoredRegistrations::new())
            .with_initial_access_tokens([AccessToken::new(INITIAL)])
            .with_connected_apps()
    });
}

async fn form(rig: &Rig, path: &str, form: &[(&str, &str)]) -> Response {
    form_with(rig, path, form, |request| request).await
}

pub async fn form_with(
    rig: &Rig,
    path: &str,
    form: &[(&str, &str)],
    change: impl FnOnce(RequestBuilder) -> RequestBuilder,
) -> Response {
    let body = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(form)
        .finish();
    let request = rig
        .http
        .post(format!("{}{path}", rig.url))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body);
    change(request).send().await.unwrap()
}

pub fn by_desk(request: RequestBuilder) -> RequestBuilder {
    request.basic_auth("desk", Some(SECRET))
}

/// A token is given up by whoever holds it, by others, in wrong places, and while the store is away.
async fn revocations(rig: &Rig, secrets: &mut Secrets) {
    let host = days::confidential(rig, "client_secret_post");
    let session = days::session(rig, secrets, host).await;
    let id = session.registration.client_id.as_str();
    let secret = session
        .registration
        .client_secret
        .as_ref()
        .unwrap()
        .expose();
    let refresh = session.refresh_token().expose();
    let access = session.tokens.access_token.expose();
    let given = |token, secret| {
        [
            ("token", token),
            ("token_type_hint", token),
            ("client_id", id),
            ("client_secret", secret),
        ]
    };
    for wrong in [given(refresh, refresh), given(access, access)] {
        assert_eq!(form(rig, "/revoke", &wrong).await.status(), 401);
    }
    rig.store.set(State::Down);
    let away = form(rig, "/revoke", &given(refresh, secret)).await;
    assert_eq!(away.status(), 503);
    rig.store.set(State::Up);
    for token in [secret, access, refresh] {
        let given_up = form(rig, "/revoke", &given(token, secret)).await;
        assert_eq!(given_up.status(), 200);
    }
    assert_eq!(session.refresh().await.status, 400);
}

/// Registered with the operator's leave; read, replaced and ended by the client.
async fn stored_registrations(rig: &Rig, secrets: &mut Secrets) {
    secrets.add("initial access token", INITIAL);
    let metadata = json!({ "client_name": "Stored", "redirect_uris": [REDIRECT],
        "token_endpoint_auth_method": "client_secret_basic" });
    let register = |token: &str| {
        let request = rig.http.post(format!("{}/register", rig.url));
        let request = request.bearer_auth(token).json(&metadata);
        async { request.send().await.unwrap() }
    };
    assert_eq!(register(&INITIAL.replace("an-", "no-")).await.status(), 401);
    let registered = register(INITIAL).await;
    assert_eq!(registered.status(), 201);
    let body: Value = registered.json().await.unwrap();
    let (uri, token) = note_registration(secrets, &body);
    let asked = |token: &str| {
        let request = rig.http.get(&uri).bearer_auth(token);
        async { request.send().await.unwrap().status() }
    };
    assert_eq!(asked(INITIAL).await, 401);
    assert_eq!(asked(&token[1..]).await, 401);
    rig.store.set(State::Down);
    assert_eq!(asked(&token).await, 503);
    rig.store.set(State::Up);
    assert_eq!(asked(&token).await, 200);
    let mut replaced = metadata.clone();
    replaced["client_id"] = body["client_id"].clone();
    replaced["client_secret"] = body["client_secret"].clone();
    let replaced = rig.http.put(&uri).bearer_auth(&token).json(&replaced);
    let replaced = replaced.send().await.unwrap();
    assert_eq!(replaced.status(), 200);
    let (uri, token) = note_registration(secrets, &replaced.json().await.unwrap());
    let ended = rig.http.delete(&uri).bearer_auth(&token).send().await;
    assert_eq!(ended.unwrap().status(), 204);
}

fn note_registration(secrets: &mut Secrets, body: &Value) -> (String, String) {
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    let token = text("registration_access_token");
    secrets.add("registration access token", token.as_str());
    secrets.add("client secret", text("client_secret"));
    (text("registration_client_uri"), token)
}

/// A request that is pushed, and the tokens of its login bound to a key; the access token comes back.
async fn pushed_and_bound(rig: &Rig, secrets: &mut Secrets) -> String {
    let mut host = days::confidential(rig, "client_secret_basic");
    let discovery = host.discover().await.unwrap();
    let mut desk = Registration::known("desk");
    desk.client_secret = Some(ClientSecret::new(SECRET));
    let authorization = host.authorization(&discovery, &desk);
    secrets.add("state", authorization.state.as_str());
    secrets.add("verifier", authorization.verifier.expose());
    let asked = url::Url::parse(&authorization.url).unwrap();
    let asked: Vec<_> = asked.query_pairs().into_owned().collect();
    let asked: Vec<_> = asked
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    assert_eq!(form(rig, "/par", &asked).await.status(), 401);
    let pushed = form_with(rig, "/par", &asked, by_desk).await;
    assert_eq!(pushed.status(), 201);
    let pushed: Value = pushed.json().await.unwrap();
    let uri = pushed["request_uri"].as_str().unwrap().to_owned();
    secrets.add("pushed request", uri.rsplit(':').next().unwrap());
    let login = |uri: &str| {
        let mut url = url::Url::parse(&format!("{}/authorize", rig.url)).unwrap();
        url.query_pairs_mut()
            .append_pair("client_id", "desk")
            .append_pair("request_uri", uri);
        String::from(url)
    };
    let browser = host.browser();
    let broken = browser.get(&login(&uri[..uri.len() - 2])).await.unwrap();
    assert_eq!(broken.status, 400);
    let callback = browser
        .walk(&login(&uri), REDIRECT, Decision::Approve)
        .await;
    let code = callback.unwrap().code().unwrap().to_owned();
    secrets.add("code", code.as_str());
    let again = browser.get(&login(&uri)).await.unwrap();
    assert_eq!(again.status, 400, "it was used");

    let key = ProofKey::p256();
    let mut wallet = Wallet::new(rig, &key);
    let mcp = format!("{}/mcp", rig.url);
    let redemption = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", authorization.verifier.expose()),
        ("resource", &mcp),
    ];
    // Without a nonce it is told one; then it is good.
    assert_eq!(wallet.token(secrets, &redemption).await.0, 400);
    let (status, tokens) = wallet.token(secrets, &redemption).await;
    assert_eq!(status, 200, "{tokens}");
    assert_eq!(tokens["token_type"], "DPoP");
    let refresh = [
        ("grant_type", "refresh_token"),
        ("refresh_token", tokens["refresh_token"].as_str().unwrap()),
    ];
    let (status, tokens) = wallet.token(secrets, &refresh).await;
    assert_eq!(status, 200, "{tokens}");
    let access = tokens["access_token"].as_str().unwrap().to_owned();
    wallet.call(secrets, &access).await;
    access
}

/// Tokens are asked about, with the wrong ones in every place.
async fn introspections(rig: &Rig, secrets: &mut Secrets, access: &str) {
    let asked = |token: &str| {
        let asked = [("token", token), ("token_type_hint", token)].map(|(n, v)| (n, v.to_owned()));
        async move {
            let asked: Vec<_> = asked.iter().map(|(n, v)| (*n, v.as_str())).collect();
            form_with(rig, "/introspect", &asked, by_desk).await
        }
    };
    let told: Value = asked(access).await.json().await.unwrap();
    assert_eq!(told["active"], true);
    for nothing in [SECRET, &access[..access.len() - 2]] {
        let told: Value = asked(nothing).await.json().await.unwrap();
        assert_eq!(told, json!({ "active": false }));
    }
    let unproved = [
        ("token", access),
        ("client_id", "desk"),
        ("client_secret", access),
    ];
    assert_eq!(form(rig, "/introspect", &unproved).await.status(), 401);
    rig.store.set(State::Down);
    rig.clock.advance(std::time::Duration::from_secs(10));
    assert_eq!(asked(access).await.status(), 503);
    rig.store.set(State::Up);
    secrets.add("access token", access);
}

/// A JWT of this key, which is noted.
fn signed(
    secrets: &mut Secrets,
    kind: &'static str,
    key: &ProofKey,
    typ: &str,
    claims: &Value,
) -> String {
    let header = json!({ "typ": typ, "alg": key.algorithm(), "kid": "k1" });
    let signed = key.sign_texts(&header.to_string(), &claims.to_string());
    secrets.add(kind, signed.as_str());
    signed
}

/// A client acts for itself and proves who it is with a signature: well, twice, and badly.
async fn client_assertions(rig: &Rig, secrets: &mut Secrets, signer: &ProofKey) {
    const KIND: &str = "client assertion";
    let now = rig.clock.now().as_seconds();
    let claims = |audience: &str, name: &str| {
        json!({ "iss": "batch", "sub": "batch", "aud": audience, "iat": now, "exp": now + 60,
            "jti": name })
    };
    let good = signed(
        secrets,
        KIND,
        signer,
        "JWT",
        &claims(&rig.url, "batch once"),
    );
    let elsewhere = claims("https://other.example", "batch elsewhere");
    let elsewhere = signed(secrets, KIND, signer, "JWT", &elsewhere);
    let forged = signed(
        secrets,
        KIND,
        &ProofKey::p256(),
        "JWT",
        &claims(&rig.url, "forged"),
    );
    for (assertion, expected) in [
        (&elsewhere, 401),
        (&forged, 401),
        (&good, 200),
        (&good, 401),
    ] {
        let asked = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", ASSERTION_TYPE),
            ("client_assertion", assertion.as_str()),
        ];
        let answer = form(rig, "/token", &asked).await;
        assert_eq!(answer.status(), expected);
        secrets.add_token_answer(&answer.json().await.unwrap());
    }
}

/// An enterprise vouches for a user: well, twice, and badly.
async fn identity_assertions(rig: &Rig, secrets: &mut Secrets, signer: &ProofKey) {
    const KIND: &str = "identity assertion";
    const TYPE: &str = "oauth-id-jag+jwt";
    let now = rig.clock.now().as_seconds();
    let claims = |client: &str, name: &str| {
        json!({ "iss": IDP, "sub": "u-1", "aud": rig.url, "client_id": client,
            "resource": format!("{}/mcp", rig.url), "scope": "mcp:tools", "iat": now,
            "exp": now + 300, "jti": name })
    };
    let good = signed(secrets, KIND, signer, TYPE, &claims("desk", "vouched once"));
    let of_another = signed(secrets, KIND, signer, TYPE, &claims("batch", "not desk"));
    let untyped = signed(secrets, KIND, signer, "JWT", &claims("desk", "untyped"));
    for (assertion, expected) in [
        (&of_another, 400),
        (&untyped, 400),
        (&good, 200),
        (&good, 400),
    ] {
        let asked = [
            ("grant_type", JWT_BEARER),
            ("assertion", assertion.as_str()),
        ];
        let answer = form_with(rig, "/token", &asked, by_desk).await;
        assert_eq!(answer.status(), expected);
        secrets.add_token_answer(&answer.json().await.unwrap());
    }
}

/// A person looks at their apps, ends one, and signs out; nothing of it is good afterwards.
async fn connected_apps(rig: &Rig, secrets: &mut Secrets) {
    rig.upstream.auto_sign_in(Some("alice"));
    let page = format!("{}/connected-apps", rig.url);
    let callback = format!("{}/callback", rig.url);
    let mut browser = Browser::new().with_clock(std::sync::Arc::new(rig.clock.clone()));
    browser.get(&page).await.unwrap();
    note_page(secrets, &browser, &page);
    let arrived = browser.submit_until("Sign in", &callback).await.unwrap();
    note_cookies(secrets, &browser, &callback);
    let shown = browser.get(arrived.url.as_str()).await.unwrap();
    assert!(shown.has_button("Sign out") && shown.has_button("Revoke access"));
    note_page(secrets, &browser, &page);
    let mut signed_in = browser.clone();
    for action in ["nonsense", "revoke", "sign-out"] {
        browser.get(&page).await.unwrap();
        let forms = browser.page().unwrap().forms.iter();
        let fields: Vec<_> = forms
            .filter(|form| form.value("grant").is_some() == (action == "revoke"))
            .flat_map(|form| ["token", "grant"].map(|name| (name, form.value(name))))
            .filter_map(|(name, value)| Some((name, value?.to_owned())))
            .take(2)
            .collect();
        let fields = fields.iter().map(|(name, value)| (*name, value.as_str()));
        let fields: Vec<_> = fields.chain([("action", action)]).collect();
        let done = browser.post_form_from(&rig.url, &page, &fields).await;
        let expected = if action == "nonsense" { 400 } else { 200 };
        assert_eq!(done.unwrap().status, expected, "{action}");
    }
    assert!(signed_in.get(&page).await.unwrap().has_button("Sign in"));
    let again = signed_in.get(arrived.url.as_str()).await.unwrap();
    assert_eq!(again.status, 400, "the login is over");
    rig.upstream.auto_sign_in(None);
}

fn note_page(secrets: &mut Secrets, browser: &Browser, url: &str) {
    note_cookies(secrets, browser, url);
    for form in &browser.page().unwrap().forms {
        if let Some(token) = form.value("token") {
            secrets.add("form of our own page", token);
        }
    }
}

fn note_cookies(secrets: &mut Secrets, browser: &Browser, url: &str) {
    for name in browser.cookie_names(url) {
        secrets.add("cookie", browser.cookie(url, &name).unwrap());
    }
}
