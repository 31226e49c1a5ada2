//! Identity assertions (ID-JAG) of an enterprise in place of a login.

use std::{sync::Arc, time::Duration};

use jsonwebtoken::{Algorithm, Header};
use mcp_auth::{
    DcrShim,
    access_token::Dpop,
    authorization_server::{
        Admission, Admitted, EnterpriseIssuer, NotAdmitted, clients::PreregisteredClients,
    },
    oauth::{ClientId, Clock, Issuer, Scopes},
    tier::ShimBuilder,
    upstream::UpstreamIdentity,
};
use mcp_auth_testkit::{DocumentHost, MovingClock, document_host::document};
use serde_json::{Value, json};

use crate::{
    client::{Answer, Client, Parameters, get, opens, token, whoami},
    client_documents::{CALLBACK, server_for},
    dpop_tokens::{at_token, token_with_proof},
    harness::Server,
    proofs::ProofKey,
    signer::Signer,
    switched_store::{State, SwitchedStore},
};

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const IDP: &str = "https://idp.corp.example";
const SECRET: &str = "a-long-secret-of-the-host";

/// A server that trusts one identity provider, and a host that both know.
struct Enterprise {
    server: Server,
    signer: Signer,
}

#[derive(Debug)]
struct NotMallory;

#[async_trait::async_trait]
impl Admission for NotMallory {
    async fn admit(
        &self,
        identity: &UpstreamIdentity,
        _: &ClientId,
        scopes: &Scopes,
    ) -> Result<Admitted, NotAdmitted> {
        match identity.claims.get("email") {
            Some(email) if email == "mallory@corp.example" => Err(NotAdmitted::because("mallory")),
            _ => Ok(Admitted::with_scopes(scopes.clone())),
        }
    }
}

impl Enterprise {
    async fn new() -> Self {
        Self::with(|tier| tier).await
    }

    async fn with(
        change: impl FnOnce(ShimBuilder<DcrShim>) -> ShimBuilder<DcrShim> + Send + 'static,
    ) -> Self {
        let signer = Signer::generate(Algorithm::RS256, "k1");
        let issuer = EnterpriseIssuer::with_jwks(Issuer::parse(IDP).unwrap(), signer.jwks());
        let host = json!([
            {
                "client_id": "host", "client_secret": SECRET,
                "grant_types": [JWT_BEARER, "authorization_code"],
                "redirect_uris": [CALLBACK],
            },
            { "client_id": "desk", "client_secret": SECRET, "redirect_uris": [CALLBACK] },
        ]);
        let clients = PreregisteredClients::parse_json(&host.to_string()).unwrap();
        let server = Server::builder(move |tier| {
            change(tier)
                .with_preregistered_clients(clients)
                .with_enterprise_issuers([issuer.with_namespace("corp")])
                .with_admission(Arc::new(NotMallory))
                .with_scopes(Scopes::parse("mcp:tools files:read files:write").unwrap())
        })
        .start()
        .await;
        Self { server, signer }
    }

    fn claims(&self, jti: &str) -> Value {
        let now = self.server.clock.now().as_seconds();
        json!({
            "iss": IDP, "sub": "u-1", "aud": self.server.issuer(), "client_id": "host",
            "resource": self.server.mcp_url(), "scope": "mcp:tools files:read",
            "email": "ada@corp.example", "iat": now, "exp": now + 300, "jti": jti,
        })
    }

    fn header(&self) -> Header {
        let mut header = self.signer.header();
        header.typ = Some("oauth-id-jag+jwt".into());
        header
    }

    fn sign(&self, claims: &Value) -> String {
        self.signer.sign_with(&self.header(), claims)
    }

    fn request(&self, assertion: &str) -> Parameters {
        Parameters::default()
            .and("grant_type", JWT_BEARER)
            .and("assertion", assertion)
            .and("client_id", "host")
            .and("client_secret", SECRET)
    }

    async fn redeem(&self, assertion: &str) -> Answer {
        token(&self.server, &self.request(assertion)).await
    }
}

/// EMA-01, EMA-09, EMA-10, EMA-12, ASR-15, AX-12.
#[tokio::test]
async fn an_assertion_gives_a_token_for_its_user_without_a_browser() {
    let enterprise = Enterprise::new().await;
    let assertion = enterprise.sign(&enterprise.claims("1"));
    let answer = enterprise.redeem(&assertion).await;
    let tokens = answer.tokens();
    assert!(opens(&enterprise.server, &tokens.access).await);
    assert_eq!(answer.json().get("refresh_token"), None);
    assert_eq!(answer.json()["scope"], "mcp:tools files:read");
    let said = whoami(&enterprise.server, &tokens.access).await;
    assert_eq!(said["subject"], "corp|u-1");
    assert_eq!(said["client"], "host");
}

/// EMA-02, EMA-03, EMA-04, EMA-05, EMA-06, EMA-07.
#[tokio::test]
async fn refuses_assertion_that_is_not_good_and_spends_nothing() {
    let enterprise = Enterprise::new().await;
    let now = enterprise.server.clock.now().as_seconds();
    let issuer = enterprise.server.issuer();
    let with = |member: &str, value: Value| {
        let mut claims = enterprise.claims(&format!("{member} {value}"));
        claims[member] = value;
        enterprise.sign(&claims)
    };
    let without = |member: &str| {
        let mut claims = enterprise.claims(member);
        claims.as_object_mut().unwrap().remove(member);
        enterprise.sign(&claims)
    };
    let typed = |typ: Option<&str>| {
        let mut header = enterprise.header();
        header.typ = typ.map(str::to_owned);
        let claims = enterprise.claims("typed");
        enterprise.signer.sign_with(&header, &claims)
    };
    let stranger = Signer::generate(Algorithm::RS256, "k1");
    let good = enterprise.sign(&enterprise.claims("good"));
    let body = good.split('.').nth(1).unwrap();
    for bad in [
        typed(None),
        typed(Some("JWT")),
        typed(Some("at+jwt")),
        with("iss", json!("https://other.example")),
        with("iss", json!(format!("{IDP}/"))),
        with("aud", json!([issuer, "https://other.example"])),
        with("aud", json!(format!("{issuer}/token"))),
        with("aud", json!(enterprise.server.mcp_url())),
        with("client_id", json!("desk")),
        with("resource", json!("https://other.example/mcp")),
        with("resource", json!(issuer)),
        with("exp", json!(now - 61)),
        with("exp", json!(now + 7200)),
        with("iat", json!(now + 3600)),
        with("sub", json!("")),
        with("scope", json!("a\"b")),
        with("tenant", json!("other")),
        with("aud_tenant", json!("ours")),
        with("authorization_details", json!([])),
        with(
            "cnf",
            json!({ "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" }),
        ),
        with("cnf", json!({ "x5t#S256": "abc" })),
        with("resource", json!([])),
        with("resource", json!(["https://other.example/mcp"])),
        with("jti", json!("")),
        without("iss"),
        without("sub"),
        without("aud"),
        without("client_id"),
        without("resource"),
        without("iat"),
        without("exp"),
        without("jti"),
        stranger.sign_with(&enterprise.header(), &enterprise.claims("stranger")),
        format!("eyJhbGciOiJub25lIiwidHlwIjoib2F1dGgtaWQtamFnK2p3dCJ9.{body}."),
        "x".into(),
    ] {
        enterprise.redeem(&bad).await.refuses(400, "invalid_grant");
    }
    let bare = enterprise.request(&good).without("assertion");
    token(&enterprise.server, &bare)
        .await
        .refuses(400, "invalid_request");
    enterprise.redeem(&good).await.tokens();
}

/// EMA-03. One audience may stand in an array of its own.
#[tokio::test]
async fn one_audience_is_one_audience_in_either_form() {
    let enterprise = Enterprise::new().await;
    let mut claims = enterprise.claims("1");
    claims["aud"] = json!([enterprise.server.issuer()]);
    enterprise.redeem(&enterprise.sign(&claims)).await.tokens();
}

/// EMA-01, AST-02.
#[tokio::test]
async fn only_a_client_that_proves_itself_brings_one() {
    let enterprise = Enterprise::new().await;
    let server = &enterprise.server;
    let assertion = enterprise.sign(&enterprise.claims("1"));
    let request = enterprise.request(&assertion);
    token(server, &request.clone().without("client_secret"))
        .await
        .refuses(401, "invalid_client");
    token(server, &request.clone().with("client_secret", "x"))
        .await
        .refuses(401, "invalid_client");
    token(server, &request.clone().with("client_id", "desk"))
        .await
        .refuses(400, "unauthorized_client");
    let public = Client::public(server).await;
    let mut claims = enterprise.claims("2");
    claims["client_id"] = json!(public.id);
    let request = enterprise
        .request(&enterprise.sign(&claims))
        .with("client_id", &public.id)
        .without("client_secret");
    token(server, &request).await.refuses(401, "invalid_client");
    enterprise.redeem(&assertion).await.tokens();
}

/// EMA-07.
#[tokio::test]
async fn an_assertion_is_good_once() {
    let enterprise = Enterprise::new().await;
    let assertion = enterprise.sign(&enterprise.claims("1"));
    enterprise.redeem(&assertion).await.tokens();
    enterprise
        .redeem(&assertion)
        .await
        .refuses(400, "invalid_grant");
    enterprise.server.clock.advance(Duration::from_secs(1));
    let again = enterprise.sign(&enterprise.claims("1"));
    enterprise
        .redeem(&again)
        .await
        .refuses(400, "invalid_grant");
}

/// AX-05, AX-10. With a proof the token is bound to its key; a replay of the proof spends no assertion.
#[tokio::test]
async fn an_assertion_with_a_proof_gives_a_bound_token() {
    let enterprise = Enterprise::with(|tier| tier.with_dpop(Dpop::accepted())).await;
    let (server, key) = (&enterprise.server, ProofKey::p256());
    let proof = key.sign(&at_token(server, &key));
    let form = enterprise.request(&enterprise.sign(&enterprise.claims("1")));
    let answer = token_with_proof(server, &form, &proof).await;
    assert_eq!(answer.json()["token_type"], "DPoP", "{}", answer.body);
    assert!(!opens(server, &answer.tokens().access).await, "no bearer");
    let form = enterprise.request(&enterprise.sign(&enterprise.claims("2")));
    token_with_proof(server, &form, &proof)
        .await
        .refuses(400, "invalid_dpop_proof");
    let fresh = key.sign(&at_token(server, &key));
    let answer = token_with_proof(server, &form, &fresh).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// EMA-05, EMA-08.
#[tokio::test]
async fn scopes_and_resource_are_what_all_sides_agree_on() {
    let enterprise = Enterprise::new().await;
    let ask = |jti: &str, scope: &str| {
        let request = enterprise.request(&enterprise.sign(&enterprise.claims(jti)));
        let request = request.and("scope", scope);
        let server = &enterprise.server;
        async move { token(server, &request).await }
    };
    assert_eq!(
        ask("1", "files:read files:write").await.json()["scope"],
        "files:read"
    );
    ask("2", "files:write").await.refuses(400, "invalid_scope");
    // Which spent nothing.
    assert_eq!(ask("2", "files:read").await.status, 200);
    let request = enterprise.request(&enterprise.sign(&enterprise.claims("3")));
    let elsewhere = request.and("resource", "https://other.example/mcp");
    token(&enterprise.server, &elsewhere)
        .await
        .refuses(400, "invalid_target");
    // An enterprise that names no scopes gives the least.
    let mut claims = enterprise.claims("4");
    claims.as_object_mut().unwrap().remove("scope");
    let answer = enterprise.redeem(&enterprise.sign(&claims)).await;
    assert_eq!(answer.json()["scope"], "mcp:tools");
}

/// EMA-10. The operator's own rule has the last word.
#[tokio::test]
async fn admission_is_asked() {
    let enterprise = Enterprise::new().await;
    let mut claims = enterprise.claims("1");
    claims["email"] = json!("mallory@corp.example");
    enterprise
        .redeem(&enterprise.sign(&claims))
        .await
        .refuses(400, "invalid_grant");
}

/// EMA-11, ASM-22, AST-02.
#[tokio::test]
async fn it_is_there_only_where_an_issuer_is_trusted() {
    let enterprise = Enterprise::new().await;
    let path = "/.well-known/oauth-authorization-server";
    let metadata = get(&enterprise.server, path).await.json();
    let profiles = json!(["urn:ietf:params:oauth:grant-profile:id-jag"]);
    assert_eq!(metadata["authorization_grant_profiles_supported"], profiles);
    let grants = metadata["grant_types_supported"]
        .as_array()
        .unwrap()
        .clone();
    assert!(grants.contains(&json!(JWT_BEARER)));
    let without = Server::start().await;
    let metadata = get(&without, path).await.json();
    assert_eq!(metadata.get("authorization_grant_profiles_supported"), None);
    let client = Client::confidential(&without).await;
    let request = enterprise
        .request("x")
        .with("client_id", &client.id)
        .with("client_secret", client.secret.as_ref().unwrap());
    token(&without, &request)
        .await
        .refuses(400, "unsupported_grant_type");
}

/// EMA-06, EMA-12. Keys that the enterprise publishes, and a client with a document.
#[tokio::test]
async fn a_client_with_a_document_brings_one_and_keys_come_from_the_enterprise() {
    let host = DocumentHost::start().await.unwrap();
    let key = Signer::generate(Algorithm::ES256, "client");
    let enterprise = Signer::generate(Algorithm::ES256, "idp");
    let id = host.url("/client.json");
    let mut signed = document(&id, &[CALLBACK]);
    signed["token_endpoint_auth_method"] = json!("private_key_jwt");
    signed["grant_types"] = json!(["authorization_code", JWT_BEARER]);
    signed["jwks"] = key.jwks();
    host.serve("/client.json", &signed);
    let issuer = EnterpriseIssuer::with_jwks(Issuer::parse(IDP).unwrap(), enterprise.jwks());
    let ca = host.ca_pem().to_owned();
    let server = Server::builder(move |tier| {
        tier.with_enterprise_issuers([issuer])
            .with_client_documents(
                mcp_auth::authorization_server::clients::ClientDocuments::new()
                    .with_development_ca(ca),
            )
    })
    .start()
    .await;
    let now = server.clock.now().as_seconds();
    let proof = key.sign(&json!({
        "iss": id, "sub": id, "aud": server.issuer(), "exp": now + 60, "jti": "p",
    }));
    let mut header = enterprise.header();
    header.typ = Some("oauth-id-jag+jwt".into());
    let assertion = enterprise.sign_with(
        &header,
        &json!({
            "iss": IDP, "sub": "u-1", "aud": server.issuer(), "client_id": id,
            "resource": server.mcp_url(), "iat": now, "exp": now + 60, "jti": "a",
        }),
    );
    let request = Parameters::default()
        .and("grant_type", JWT_BEARER)
        .and("assertion", &assertion)
        .and("client_id", &id)
        .and(
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        )
        .and("client_assertion", &proof);
    let tokens = token(&server, &request).await.tokens();
    let said = whoami(&server, &tokens.access).await;
    assert_eq!(said["subject"], format!("{IDP}|u-1"));
    // A server that trusts nobody takes nobody's word.
    let other = server_for(&host, |documents| documents).await;
    token(&other, &request)
        .await
        .refuses(400, "unsupported_grant_type");
}

/// EMA-04, EMA-12. The same subject of another tenant is somebody else.
#[tokio::test]
async fn a_tenant_of_an_issuer_is_held_to() {
    let signer = Signer::generate(Algorithm::RS256, "k1");
    let issuer = EnterpriseIssuer::with_jwks(Issuer::parse(IDP).unwrap(), signer.jwks());
    let host = json!([{
        "client_id": "host", "client_secret": SECRET, "grant_types": [JWT_BEARER],
    }]);
    let clients = PreregisteredClients::parse_json(&host.to_string()).unwrap();
    let server = Server::builder(move |tier| {
        tier.with_preregistered_clients(clients)
            .with_enterprise_issuers([issuer.for_tenant("ours")])
    })
    .start()
    .await;
    let enterprise = Enterprise { server, signer };
    for (tenant, good) in [
        (json!("ours"), true),
        (json!("other"), false),
        (Value::Null, false),
    ] {
        let mut claims = enterprise.claims(&tenant.to_string());
        claims["tenant"] = tenant;
        let answer = enterprise.redeem(&enterprise.sign(&claims)).await;
        assert_eq!(answer.status == 200, good, "{}", answer.body);
    }
}

/// EMA-05. The resource may stand in a list; the one of ours is meant.
#[tokio::test]
async fn a_list_of_resources_is_read() {
    let enterprise = Enterprise::new().await;
    let mut claims = enterprise.claims("1");
    claims["resource"] = json!(["https://other.example/mcp", enterprise.server.mcp_url()]);
    enterprise.redeem(&enterprise.sign(&claims)).await.tokens();
}

/// EMA-07. An assertion is spent on a grant: where the grant could not be written it is good once more,
/// and once alone.
#[tokio::test]
async fn a_store_fault_does_not_spend_an_assertion() {
    let clock = MovingClock::starting_now();
    let store = Arc::new(SwitchedStore::new(clock));
    let switched = Arc::clone(&store);
    let enterprise = Enterprise::with(move |tier| tier.with_store(switched)).await;
    let assertion = enterprise.sign(&enterprise.claims("1"));
    store.set(State::DownForGrants);
    for _ in 0..2 {
        enterprise
            .redeem(&assertion)
            .await
            .refuses(503, "temporarily_unavailable");
    }
    store.set(State::Up);
    let tokens = enterprise.redeem(&assertion).await.tokens();
    assert!(opens(&enterprise.server, &tokens.access).await);
    enterprise
        .redeem(&assertion)
        .await
        .refuses(400, "invalid_grant");
}
