//! `private_key_jwt`: clients that prove themselves with a signature.

use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use mcp_auth::{authorization_server::clients::PreregisteredClients, oauth::Clock};
use mcp_auth_testkit::{DocumentAnswer, DocumentHost, document_host::document};
use serde_json::{Value, json};

use crate::{
    client::{Answer, Client, Parameters, basic, opens, token, token_with},
    client_documents::{CALLBACK, client, server_for},
    harness::Server,
    signer::Signer,
};

const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A client with a document that names its keys, and a server that has let it in once.
pub struct Signed {
    pub host: DocumentHost,
    pub server: Server,
    pub client: Client,
    pub signer: Signer,
}

impl Signed {
    pub async fn new(algorithm: Algorithm) -> Self {
        let host = DocumentHost::start().await.unwrap();
        let server = server_for(&host, |documents| documents).await;
        let signer = Signer::generate(algorithm, "k1");
        let client = client(&host.url("/client.json"));
        let signed = Self {
            host,
            server,
            client,
            signer,
        };
        signed.publish(json!({ "jwks": signed.signer.jwks() }));
        signed
    }

    /// Publishes the document with these members more.
    fn publish(&self, members: Value) {
        let mut document = document(&self.client.id, &[CALLBACK]);
        document["token_endpoint_auth_method"] = json!("private_key_jwt");
        for (name, value) in members.as_object().unwrap() {
            document[name] = value.clone();
        }
        self.host.serve("/client.json", &document);
    }

    pub fn claims(&self, jti: &str) -> Value {
        let now = self.server.clock.now().as_seconds();
        json!({
            "iss": self.client.id,
            "sub": self.client.id,
            "aud": self.server.issuer(),
            "iat": now,
            "exp": now + 60,
            "jti": jti,
        })
    }

    fn with_assertion(&self, form: Parameters, assertion: &str) -> Parameters {
        form.and("client_assertion_type", TYPE)
            .and("client_assertion", assertion)
    }

    pub async fn redeem(&self, code: &str, assertion: &str) -> Answer {
        let form = self.client.redemption(&self.server, code);
        token(&self.server, &self.with_assertion(form, assertion)).await
    }

    pub async fn refresh(&self, refresh_token: &str, assertion: &str) -> Answer {
        let form = self.client.refreshing(refresh_token);
        token(&self.server, &self.with_assertion(form, assertion)).await
    }
}

/// CIM-08, AST-08, AST-26.
#[tokio::test]
async fn a_client_proves_itself_with_each_algorithm() {
    for algorithm in [
        Algorithm::ES256,
        Algorithm::EdDSA,
        Algorithm::RS256,
        Algorithm::PS256,
    ] {
        let signed = Signed::new(algorithm).await;
        let code = signed.client.code(&signed.server).await;
        let bare = signed.client.redemption(&signed.server, &code);
        token(&signed.server, &bare)
            .await
            .refuses(401, "invalid_client");
        let assertion = signed.signer.sign(&signed.claims("1"));
        let tokens = signed.redeem(&code, &assertion).await.tokens();
        assert!(opens(&signed.server, &tokens.access).await, "{algorithm:?}");
        // Refreshing needs it too.
        token(&signed.server, &signed.client.refreshing(&tokens.refresh))
            .await
            .refuses(401, "invalid_client");
        let assertion = signed.signer.sign(&signed.claims("2"));
        signed.refresh(&tokens.refresh, &assertion).await.tokens();
    }
}

/// AST-26. The parameter `client_id` may be left out, and must agree where it is there.
#[tokio::test]
async fn an_assertion_names_its_client() {
    let signed = Signed::new(Algorithm::ES256).await;
    let code = signed.client.code(&signed.server).await;
    let form = signed.client.redemption(&signed.server, &code);
    let other = signed.host.publish("/other.json", &[CALLBACK]);
    let assertion = signed.signer.sign(&signed.claims("1"));
    let named = signed.with_assertion(form.clone().with("client_id", &other), &assertion);
    token(&signed.server, &named)
        .await
        .refuses(401, "invalid_client");
    let nameless = signed.with_assertion(form.without("client_id"), &assertion);
    token(&signed.server, &nameless).await.tokens();
}

/// AST-26, JWK-04, JWK-06.
#[tokio::test]
async fn refuses_assertion_that_is_not_good_and_consumes_nothing() {
    let signed = Signed::new(Algorithm::ES256).await;
    let code = signed.client.code(&signed.server).await;
    let server = &signed.server;
    let now = server.clock.now().as_seconds();
    let with = |member: &str, value: Value| {
        let mut claims = signed.claims(&format!("{member} {value}"));
        claims[member] = value;
        signed.signer.sign(&claims)
    };
    let without = |member: &str| {
        let mut claims = signed.claims(member);
        claims.as_object_mut().unwrap().remove(member);
        signed.signer.sign(&claims)
    };
    let headed = |change: fn(&mut Header)| {
        let mut header = signed.signer.header();
        change(&mut header);
        signed.signer.sign_with(&header, &signed.claims("header"))
    };
    let issuer = server.issuer();
    let stranger = Signer::generate(Algorithm::ES256, "k1");
    let hmac = jsonwebtoken::encode(
        &Header::new(Algorithm::HS256),
        &signed.claims("hmac"),
        &EncodingKey::from_secret(signed.signer.jwk().to_string().as_bytes()),
    );
    let good = signed.signer.sign(&signed.claims("tampered"));
    let (head, rest) = good.split_once('.').unwrap();
    let (body, signature) = rest.split_once('.').unwrap();
    let none = "eyJhbGciOiJub25lIn0";
    for bad in [
        with("iss", json!("https://client.example/other")),
        with("sub", json!("https://client.example/other")),
        with("aud", json!(format!("{issuer}/token"))),
        with("aud", json!(format!("{issuer}/"))),
        with("aud", json!([issuer, "https://other.example"])),
        with("aud", json!([])),
        with("aud", json!("https://other.example")),
        with("exp", json!(now - 61)),
        with("exp", json!(now + 2 * 3600)),
        with("exp", json!("soon")),
        with("iat", json!(now + 3600)),
        with("nbf", json!(now + 3600)),
        with("jti", json!("")),
        with("jti", json!("x".repeat(257))),
        without("iss"),
        without("sub"),
        without("aud"),
        without("exp"),
        without("jti"),
        headed(|header| header.kid = Some("k2".into())),
        headed(|header| header.crit = Some(vec!["exp".into()])),
        headed(|header| header.typ = Some("at+jwt".into())),
        headed(|header| header.typ = Some("application/dpop+jwt".into())),
        headed(|header| header.typ = Some("oauth-id-jag+jwt".into())),
        stranger.sign(&signed.claims("stranger")),
        hmac.unwrap(),
        format!("{none}.{body}."),
        format!("{none}.{body}.{signature}"),
        format!("{head}.{body}."),
        format!("{head}.{body}"),
        format!("{head}.{body}x.{signature}"),
        format!("{good}.{signature}"),
        format!("{good}{}", "A".repeat(9000)),
        "x".to_owned(),
    ] {
        signed
            .redeem(&code, &bad)
            .await
            .refuses(401, "invalid_client");
    }
    let of_type = |kind: &str| {
        let form = signed.client.redemption(server, &code);
        form.and("client_assertion_type", kind)
            .and("client_assertion", &good)
    };
    let saml = "urn:ietf:params:oauth:client-assertion-type:saml2-bearer";
    for form in [
        of_type(saml),
        of_type(""),
        of_type(TYPE).without("client_assertion"),
    ] {
        token(server, &form).await.refuses(401, "invalid_client");
    }
    // None of it has spent the code, or the one good assertion.
    signed.redeem(&code, &good).await.tokens();
}

/// AST-26. What is in a header that names keys is never looked at.
#[tokio::test]
async fn keys_named_by_the_assertion_itself_are_not_fetched() {
    let signed = Signed::new(Algorithm::ES256).await;
    let code = signed.client.code(&signed.server).await;
    let stranger = Signer::generate(Algorithm::ES256, "k1");
    signed.host.serve("/jku.json", &stranger.jwks());
    let mut header = stranger.header();
    header.jku = Some(signed.host.url("/jku.json"));
    header.jwk = Some(serde_json::from_value(stranger.jwk()).unwrap());
    let assertion = stranger.sign_with(&header, &signed.claims("1"));
    signed
        .redeem(&code, &assertion)
        .await
        .refuses(401, "invalid_client");
    assert!(signed.host.requests("/jku.json").is_empty());
}

/// AST-26.
#[tokio::test]
async fn an_assertion_is_good_once() {
    let signed = Signed::new(Algorithm::EdDSA).await;
    let code = signed.client.code(&signed.server).await;
    let assertion = signed.signer.sign(&signed.claims("once"));
    let tokens = signed.redeem(&code, &assertion).await.tokens();
    signed
        .refresh(&tokens.refresh, &assertion)
        .await
        .refuses(401, "invalid_client");
    // The same name signed anew is the same assertion; a race has one winner.
    signed.server.clock.advance(Duration::from_secs(1));
    let again = signed.signer.sign(&signed.claims("once"));
    signed
        .refresh(&tokens.refresh, &again)
        .await
        .refuses(401, "invalid_client");
    let raced = signed.signer.sign(&signed.claims("raced"));
    let attempts = (0..16).map(|_| signed.refresh(&tokens.refresh, &raced));
    let mut statuses = Vec::new();
    for attempt in attempts {
        statuses.push(attempt.await.status.as_u16());
    }
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1);
}

/// AST-27.
#[tokio::test]
async fn the_token_endpoint_as_audience_is_a_switch() {
    let signer = Signer::generate(Algorithm::ES256, "k1");
    let clients = json!([{
        "client_id": "batch",
        "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": signer.jwks(),
    }]);
    let clients = PreregisteredClients::parse_json(&clients.to_string()).unwrap();
    let server = Server::builder(|tier| {
        tier.with_preregistered_clients(clients)
            .insecure_accept_token_endpoint_audience()
    })
    .start()
    .await;
    let client = client("batch");
    for audience in [server.url("/token"), server.issuer().to_owned()] {
        let code = client.code(&server).await;
        let claims = json!({
            "iss": "batch", "sub": "batch", "aud": audience, "jti": audience,
            "exp": server.clock.now().as_seconds() + 60,
        });
        let form = client
            .redemption(&server, &code)
            .and("client_assertion_type", TYPE)
            .and("client_assertion", &signer.sign(&claims));
        token(&server, &form).await.tokens();
    }
}

/// AST-09, AST-12.
#[tokio::test]
async fn an_assertion_stands_alone_and_a_secret_does_not_stand_in_for_it() {
    let signed = Signed::new(Algorithm::ES256).await;
    let code = signed.client.code(&signed.server).await;
    let assertion = signed.signer.sign(&signed.claims("1"));
    let form = signed.client.redemption(&signed.server, &code);
    let both = signed.with_assertion(form.clone().and("client_secret", "x"), &assertion);
    token(&signed.server, &both)
        .await
        .refuses(400, "invalid_request");
    let asserted = signed.with_assertion(form.clone(), &assertion);
    let header = basic(&signed.client.id, "x");
    token_with(&signed.server, &asserted, |request| {
        request.header("authorization", header)
    })
    .await
    .refuses(400, "invalid_request");
    let secret = form.and("client_secret", "x");
    token(&signed.server, &secret)
        .await
        .refuses(401, "invalid_client");
    signed.redeem(&code, &assertion).await.tokens();
}

/// CIM-16. A key that is gone from the document proves nothing any more.
#[tokio::test]
async fn a_removed_key_fails_its_assertions() {
    let signed = Signed::new(Algorithm::ES256).await;
    let code = signed.client.code(&signed.server).await;
    let tokens = signed
        .redeem(&code, &signed.signer.sign(&signed.claims("1")))
        .await
        .tokens();
    let next = Signer::generate(Algorithm::ES256, "k2");
    signed.publish(json!({ "jwks": next.jwks() }));
    signed.server.clock.advance(Duration::from_secs(3601));
    signed
        .refresh(&tokens.refresh, &signed.signer.sign(&signed.claims("2")))
        .await
        .refuses(401, "invalid_client");
    signed
        .refresh(&tokens.refresh, &next.sign(&signed.claims("3")))
        .await
        .tokens();
}

/// CIM-08, JWK-07, DCR-10, FLT-19.
#[tokio::test]
async fn keys_behind_a_jwks_uri_are_fetched_kept_and_looked_for_again() {
    let signed = Signed::new(Algorithm::RS256).await;
    let jwks_uri = signed.host.url("/jwks.json");
    signed.publish(json!({ "jwks_uri": jwks_uri }));
    signed.host.serve("/jwks.json", &signed.signer.jwks());
    let code = signed.client.code(&signed.server).await;
    let assertion = signed.signer.sign(&signed.claims("1"));
    let tokens = signed.redeem(&code, &assertion).await.tokens();
    let refresh = |signer: &Signer, jti: &str| {
        let assertion = signer.sign(&signed.claims(jti));
        let signed = &signed;
        let refresh = tokens.refresh.clone();
        async move { signed.refresh(&refresh, &assertion).await }
    };
    let fetches = || signed.host.requests("/jwks.json").len();
    assert_eq!(refresh(&signed.signer, "2").await.status, 200);
    assert_eq!(fetches(), 1);
    // Unknown keys make us look again, but not more often than every half minute.
    let stranger = Signer::generate(Algorithm::ES256, "unknown");
    for jti in ["3", "4", "5"] {
        refresh(&stranger, jti).await.refuses(401, "invalid_client");
    }
    assert_eq!(fetches(), 1);
    let next = Signer::generate(Algorithm::ES256, "k2");
    let both = json!({ "keys": [signed.signer.jwk(), next.jwk()] });
    signed.host.serve("/jwks.json", &both);
    signed.server.clock.advance(Duration::from_secs(31));
    refresh(&next, "6").await.tokens();
    assert_eq!(fetches(), 2);
}

/// FLT-18. Keys that were read are used while their host is down, and not for ever.
#[tokio::test]
async fn keys_whose_host_is_down_are_used_for_a_day() {
    let signed = Signed::new(Algorithm::ES256).await;
    signed.publish(json!({ "jwks_uri": signed.host.url("/jwks.json") }));
    signed.host.serve("/jwks.json", &signed.signer.jwks());
    let code = signed.client.code(&signed.server).await;
    let assertion = signed.signer.sign(&signed.claims("1"));
    let tokens = signed.redeem(&code, &assertion).await.tokens();
    signed
        .host
        .answer("/jwks.json", DocumentAnswer::status(503));
    let hour = Duration::from_secs(3600);
    let mut refresh = tokens.refresh;
    for n in 2..=12 {
        signed.server.clock.advance(2 * hour);
        let assertion = signed.signer.sign(&signed.claims(&n.to_string()));
        refresh = signed.refresh(&refresh, &assertion).await.tokens().refresh;
    }
    signed.server.clock.advance(4 * hour);
    let assertion = signed.signer.sign(&signed.claims("last"));
    signed
        .refresh(&refresh, &assertion)
        .await
        .refuses(503, "temporarily_unavailable");
}

/// CIM-08, FLT-33.
#[tokio::test]
async fn keys_that_cannot_be_fetched_are_no_refusal() {
    let signed = Signed::new(Algorithm::ES256).await;
    signed.publish(json!({ "jwks_uri": signed.host.url("/jwks.json") }));
    signed
        .host
        .answer("/jwks.json", DocumentAnswer::status(503));
    let code = signed.client.code(&signed.server).await;
    let assertion = signed.signer.sign(&signed.claims("1"));
    signed
        .redeem(&code, &assertion)
        .await
        .refuses(503, "temporarily_unavailable");
    // Neither code nor assertion is spent.
    signed.host.serve("/jwks.json", &signed.signer.jwks());
    signed.server.clock.advance(Duration::from_secs(16));
    signed.redeem(&code, &assertion).await.tokens();
    // Private keys in a set are a refusal.
    let mut leaked = signed.signer.jwk();
    leaked["d"] = json!("AAAA");
    signed
        .host
        .serve("/jwks.json", &json!({ "keys": [leaked] }));
    signed.server.clock.advance(Duration::from_secs(3601));
    let code = signed.client.code(&signed.server).await;
    let assertion = signed.signer.sign(&signed.claims("2"));
    signed
        .redeem(&code, &assertion)
        .await
        .refuses(401, "invalid_client");
}

/// CIM-10, PX-25. What a document names is fetched through the same door as the document.
#[tokio::test]
async fn a_jwks_uri_is_never_led_inward() {
    let host = DocumentHost::start().await.unwrap();
    for target in [
        "https://10.0.0.1/jwks.json",
        "https://169.254.169.254/jwks.json",
        "https://[::ffff:a00:1]/jwks.json",
    ] {
        let server = server_for(&host, |documents| documents).await;
        let id = host.url("/client.json");
        let mut document = document(&id, &[CALLBACK]);
        document["token_endpoint_auth_method"] = json!("private_key_jwt");
        document["jwks_uri"] = json!(target);
        host.serve("/client.json", &document);
        let client = client(&id);
        let code = client.code(&server).await;
        let signer = Signer::generate(Algorithm::ES256, "k1");
        let now = server.clock.now().as_seconds();
        let claims = json!({
            "iss": id, "sub": id, "aud": server.issuer(), "exp": now + 60, "jti": "1",
        });
        let form = client
            .redemption(&server, &code)
            .and("client_assertion_type", TYPE)
            .and("client_assertion", &signer.sign(&claims));
        token(&server, &form).await.refuses(401, "invalid_client");
    }
}

/// CIM-09. A document that lists `none` beside `private_key_jwt` may use either, but a signature
/// that is there has to be good.
#[tokio::test]
async fn a_document_with_several_methods_may_use_any_of_them() {
    let signed = Signed::new(Algorithm::ES256).await;
    signed.publish(json!({
        "jwks": signed.signer.jwks(),
        "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
    }));
    let code = signed.client.code(&signed.server).await;
    let stranger = Signer::generate(Algorithm::ES256, "k1");
    signed
        .redeem(&code, &stranger.sign(&signed.claims("1")))
        .await
        .refuses(401, "invalid_client");
    let tokens = signed
        .redeem(&code, &signed.signer.sign(&signed.claims("2")))
        .await
        .tokens();
    let form = signed.client.refreshing(&tokens.refresh);
    token(&signed.server, &form).await.tokens();
}

/// FLT-33. Only a public client goes on without its document; one that signs has to wait for it.
#[tokio::test]
async fn a_client_that_signs_waits_for_its_document() {
    let signed = Signed::new(Algorithm::ES256).await;
    let code = signed.client.code(&signed.server).await;
    let assertion = signed.signer.sign(&signed.claims("1"));
    let tokens = signed.redeem(&code, &assertion).await.tokens();
    signed
        .host
        .answer("/client.json", DocumentAnswer::status(503));
    signed.server.clock.advance(Duration::from_secs(26 * 3600));
    let bare = signed.client.refreshing(&tokens.refresh);
    token(&signed.server, &bare)
        .await
        .refuses(503, "temporarily_unavailable");
    let assertion = signed.signer.sign(&signed.claims("2"));
    signed
        .refresh(&tokens.refresh, &assertion)
        .await
        .refuses(503, "temporarily_unavailable");
}

/// CIM-09, AST-27. Live hosts sign although they need not, and address the token endpoint.
#[tokio::test]
async fn a_client_that_need_not_sign_may_address_the_token_endpoint() {
    let signed = Signed::new(Algorithm::RS256).await;
    signed.publish(json!({
        "jwks": signed.signer.jwks(),
        "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
    }));
    let addressed = |jti: &str, audience: Value| {
        let mut claims = signed.claims(jti);
        claims["aud"] = audience;
        signed.signer.sign(&claims)
    };
    let endpoint = signed.server.url("/token");
    let code = signed.client.code(&signed.server).await;
    for other in [json!("https://other.example/token"), json!([endpoint, "x"])] {
        signed
            .redeem(&code, &addressed("1", other))
            .await
            .refuses(401, "invalid_client");
    }
    signed
        .redeem(&code, &addressed("2", json!(endpoint)))
        .await
        .tokens();
}

/// AST-19, AST-26. An assertion is spent by what it was good for, and by nothing else.
#[tokio::test]
async fn a_request_that_fails_spends_no_assertion_and_stores_nothing() {
    let store = std::sync::Arc::new(crate::storage::Witness::default());
    let host = DocumentHost::start().await.unwrap();
    let signer = Signer::generate(Algorithm::ES256, "k1");
    let documents = mcp_auth::authorization_server::clients::ClientDocuments::new()
        .with_development_ca(host.ca_pem());
    let kept = store.clone();
    let server = Server::builder(move |tier| {
        tier.with_client_documents(documents)
            .with_store(kept)
            .with_key_ring(mcp_auth::store::KeyRing::parse(crate::harness::KEY).unwrap())
    })
    .start()
    .await;
    let client = client(&host.url("/client.json"));
    let signed = Signed {
        host,
        server,
        client,
        signer,
    };
    signed.publish(json!({ "jwks": signed.signer.jwks() }));
    let code = signed.client.code(&signed.server).await;
    let assertion = signed.signer.sign(&signed.claims("1"));
    let before = store.writes();
    let form = signed.client.redemption(&signed.server, &code);
    for (name, value, error) in [
        ("code_verifier", "x".repeat(43), "invalid_grant"),
        (
            "redirect_uri",
            "http://127.0.0.1/other".to_owned(),
            "invalid_grant",
        ),
        ("code", "unknown".to_owned(), "invalid_grant"),
        (
            "resource",
            "https://other.example/".to_owned(),
            "invalid_target",
        ),
    ] {
        let wrong = signed.with_assertion(form.clone().with(name, &value), &assertion);
        token(&signed.server, &wrong).await.refuses(400, error);
    }
    let bare = Parameters::default()
        .and("grant_type", "refresh_token")
        .and("client_id", &signed.client.id);
    token(&signed.server, &signed.with_assertion(bare, &assertion))
        .await
        .refuses(400, "invalid_request");
    assert_eq!(store.writes(), before);
    signed.redeem(&code, &assertion).await.tokens();
}
