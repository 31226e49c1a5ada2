//! Clients that registered themselves and bring identity assertions (ID-JAG): nobody logs in, and no
//! code is ever redeemed.

use std::{sync::Arc, time::Duration};

use http::Method;
use jsonwebtoken::Algorithm;
use mcp_auth::{
    DcrShim,
    authorization_server::{
        EnterpriseIssuer,
        clients::{ClientDocuments, StoredRegistrations},
    },
    oauth::{Clock, Issuer},
    store::KeyRing,
    tier::ShimBuilder,
};
use mcp_auth_testkit::{DocumentHost, document_host::document};
use serde_json::{Value, json};

use crate::{
    client::{Answer, Client, Parameters, answer, opens, register, send, token},
    client_documents::CALLBACK,
    harness::{KEY, Server},
    signer::Signer,
    storage::Witness,
};

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const IDP: &str = "https://idp.corp.example";
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A server that trusts one identity provider.
struct Enterprise {
    server: Server,
    signer: Signer,
}

impl Enterprise {
    async fn with(
        change: impl FnOnce(ShimBuilder<DcrShim>) -> ShimBuilder<DcrShim> + Send + 'static,
    ) -> Self {
        let signer = Signer::generate(Algorithm::ES256, "k1");
        let issuer = EnterpriseIssuer::with_jwks(Issuer::parse(IDP).unwrap(), signer.jwks());
        let server = Server::builder(move |tier| change(tier).with_enterprise_issuers([issuer]));
        Self {
            server: server.start().await,
            signer,
        }
    }

    async fn client(&self) -> Client {
        Client::registered(&self.server, metadata()).await
    }

    /// A fresh assertion for this client, redeemed.
    async fn redeem(&self, client: &Client, jti: &str) -> Answer {
        self.redeem_with(client, jti, |form| form).await
    }

    async fn redeem_with(
        &self,
        client: &Client,
        jti: &str,
        change: impl FnOnce(Parameters) -> Parameters,
    ) -> Answer {
        let now = self.server.clock.now().as_seconds();
        let mut header = self.signer.header();
        header.typ = Some("oauth-id-jag+jwt".into());
        let claims = json!({
            "iss": IDP, "sub": "u-1", "aud": self.server.issuer(), "client_id": client.id,
            "resource": self.server.mcp_url(), "iat": now, "exp": now + 300, "jti": jti,
        });
        let form = Parameters::default()
            .and("grant_type", JWT_BEARER)
            .and("assertion", &self.signer.sign_with(&header, &claims))
            .and("client_id", &client.id);
        let form = match &client.secret {
            Some(secret) => form.and("client_secret", secret),
            None => form,
        };
        token(&self.server, &change(form)).await
    }
}

/// The good metadata with these `grant_types`, or without any.
fn with_grants(grants: Option<&[&str]>) -> Value {
    let mut body = metadata();
    match grants {
        Some(grants) => body["grant_types"] = json!(grants),
        None => drop(body.as_object_mut().unwrap().remove("grant_types")),
    }
    body
}

fn metadata() -> Value {
    json!({
        "redirect_uris": ["https://client.example/cb"],
        "grant_types": ["authorization_code", JWT_BEARER],
        "token_endpoint_auth_method": "client_secret_basic",
    })
}

/// DCR-12.
#[tokio::test]
async fn a_registration_that_brings_assertions_is_in_use_and_lives_on() {
    let settings = StoredRegistrations::new().with_capacity(10);
    let enterprise = Enterprise::with(move |tier| {
        tier.without_rate_limits()
            .with_stored_registrations(settings)
    })
    .await;
    let server = &enterprise.server;
    let client = enterprise.client().await;
    let registrations = server.tier().registrations().unwrap();
    assert!(!registrations.list().await.unwrap()[0].used);
    let first = enterprise.redeem(&client, "first").await.tokens();
    assert!(opens(server, &first.access).await);
    assert!(registrations.list().await.unwrap()[0].used);
    for day in 0..70 {
        server.clock.advance(DAY);
        let answer = enterprise.redeem(&client, &day.to_string()).await;
        assert_eq!(answer.status, 200, "day {day}: {}", answer.body);
    }
    // A flood takes the places of those that nobody uses.
    for _ in 0..30 {
        server.clock.advance(Duration::from_secs(1));
        assert_eq!(register(server, &metadata()).await.status, 201);
    }
    enterprise.redeem(&client, "after").await.tokens();
}

/// DCR-12. What is refused marks nothing as used.
#[tokio::test]
async fn a_refused_assertion_prolongs_nothing() {
    let enterprise =
        Enterprise::with(|tier| tier.with_stored_registrations(StoredRegistrations::new())).await;
    let client = enterprise.client().await;
    let other = enterprise.client().await;
    let stolen = Client {
        id: client.id.clone(),
        ..other
    };
    let refused = enterprise.redeem(&stolen, "1").await;
    refused.refuses(401, "invalid_client");
    let registrations = enterprise.server.tier().registrations().unwrap();
    for one in registrations.list().await.unwrap() {
        assert!(!one.used);
    }
}

/// DCR-15, DCR-18.
#[tokio::test]
async fn a_registration_that_ends_during_a_redemption_leaves_no_grant() {
    let store = Arc::new(Witness::default());
    let kept = Arc::clone(&store);
    let enterprise = Enterprise::with(move |tier| {
        tier.with_store(kept)
            .with_key_ring(KeyRing::parse(KEY).unwrap())
            .with_stored_registrations(StoredRegistrations::new())
    })
    .await;
    let client = enterprise.client().await;
    let id = client.client_id();
    let tier = enterprise.server.tier();
    store.end_before_next_grant(Arc::clone(&tier), id.clone());
    let refused = enterprise.redeem(&client, "1").await;
    refused.refuses(401, "invalid_client");
    assert_eq!(tier.registrations().unwrap().list().await.unwrap(), []);
    assert_eq!(tier.grants().of_client(&id).await.unwrap(), []);
}

/// DCR-09, EMA-10, ASM-22.
#[tokio::test]
async fn a_client_brings_assertions_only_if_it_registered_for_it() {
    type Change = fn(ShimBuilder<DcrShim>) -> ShimBuilder<DcrShim>;
    let modes: [Change; 2] = [
        |tier| tier,
        |tier| tier.with_stored_registrations(StoredRegistrations::new()),
    ];
    let code = "authorization_code";
    for mode in modes {
        let enterprise = Enterprise::with(mode).await;
        for (grants, told) in [
            (None, json!([code, "refresh_token"])),
            (Some(&[code][..]), json!([code])),
            (Some(&[code, JWT_BEARER]), json!([code, JWT_BEARER])),
            (
                Some(&[JWT_BEARER, "refresh_token", code]),
                json!([code, "refresh_token", JWT_BEARER]),
            ),
        ] {
            let registered = register(&enterprise.server, &with_grants(grants)).await;
            assert_eq!(registered.json()["grant_types"], told);
            let client = Client {
                id: registered.json()["client_id"].as_str().unwrap().to_owned(),
                secret: registered.json()["client_secret"].as_str().map(Into::into),
                redirect_uri: String::new(),
            };
            let answer = enterprise.redeem(&client, &client.id).await;
            if told.as_array().unwrap().contains(&json!(JWT_BEARER)) {
                answer.tokens();
            } else {
                answer.refuses(400, "unauthorized_client");
            }
        }
    }
}

/// DCR-02, EMA-01. Whoever proves nothing by its name cannot have the grant, and is told so.
#[tokio::test]
async fn a_public_client_does_not_register_for_assertions() {
    let enterprise = Enterprise::with(|tier| tier).await;
    let mut body = metadata();
    body["token_endpoint_auth_method"] = json!("none");
    let registered = register(&enterprise.server, &body).await.json();
    assert_eq!(registered["grant_types"], json!(["authorization_code"]));
    let client = Client::registered(&enterprise.server, body).await;
    let refused = enterprise.redeem(&client, "1").await;
    refused.refuses(401, "invalid_client");
}

/// DCR-09. Nobody registers for assertions alone: such clients are the operator's to write down.
#[tokio::test]
async fn a_registration_for_assertions_alone_is_refused() {
    let enterprise = Enterprise::with(|tier| tier).await;
    let alone = with_grants(Some(&[JWT_BEARER]));
    let refused = register(&enterprise.server, &alone).await;
    refused.refuses(400, "invalid_client_metadata");
}

/// DCR-02, ASM-22. Where nobody's word is taken, nobody is told that it would be.
#[tokio::test]
async fn the_grant_is_registered_only_where_it_is_served() {
    let server = Server::start().await;
    let registered = register(&server, &metadata()).await.json();
    assert_eq!(registered["grant_types"], json!(["authorization_code"]));
}

/// DCR-15.
#[tokio::test]
async fn a_replacement_that_leaves_the_grant_out_ends_it() {
    let enterprise =
        Enterprise::with(|tier| tier.with_stored_registrations(StoredRegistrations::new())).await;
    let server = &enterprise.server;
    let registered = register(server, &metadata()).await.json();
    let text = |name: &str| registered[name].as_str().unwrap();
    let client = Client {
        id: text("client_id").to_owned(),
        secret: Some(text("client_secret").to_owned()),
        redirect_uri: String::new(),
    };
    enterprise.redeem(&client, "1").await.tokens();
    let path = text("registration_client_uri").strip_prefix(server.issuer());
    let mut body = with_grants(None);
    body["client_id"] = registered["client_id"].clone();
    let request = send(server, Method::PUT, path.unwrap())
        .bearer_auth(text("registration_access_token"))
        .header("content-type", "application/json")
        .body(body.to_string());
    let replaced = answer(request).await.json();
    let grants = json!(["authorization_code", "refresh_token"]);
    assert_eq!(replaced["grant_types"], grants);
    let refused = enterprise.redeem(&client, "2").await;
    refused.refuses(400, "unauthorized_client");
}

/// CIM-05, EMA-10.
#[tokio::test]
async fn a_client_with_a_document_brings_assertions_only_if_that_says_so() {
    let host = DocumentHost::start().await.unwrap();
    let documents = ClientDocuments::new().with_development_ca(host.ca_pem());
    let enterprise = Enterprise::with(|tier| tier.with_client_documents(documents)).await;
    let key = Signer::generate(Algorithm::ES256, "client");
    for (path, grants, may) in [
        ("/says-nothing.json", None, false),
        ("/codes.json", Some(json!(["authorization_code"])), false),
        (
            "/both.json",
            Some(json!(["authorization_code", JWT_BEARER])),
            true,
        ),
    ] {
        let id = host.url(path);
        let mut described = document(&id, &[CALLBACK]);
        described["token_endpoint_auth_method"] = json!("private_key_jwt");
        described["jwks"] = key.jwks();
        if let Some(grants) = grants {
            described["grant_types"] = grants;
        }
        host.serve(path, &described);
        let now = enterprise.server.clock.now().as_seconds();
        let proof = key.sign(&json!({
            "iss": id, "sub": id, "aud": enterprise.server.issuer(),
            "exp": now + 60, "jti": path,
        }));
        let signed = |form: Parameters| {
            form.and(
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            )
            .and("client_assertion", &proof)
        };
        let client = crate::client_documents::client(&id);
        let answer = enterprise.redeem_with(&client, path, signed).await;
        if may {
            answer.tokens();
        } else {
            answer.refuses(400, "unauthorized_client");
        }
    }
}
