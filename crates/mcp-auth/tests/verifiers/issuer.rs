//! An issuer of JWTs: its keys, its documents on a real port, and whatever it is made to sign.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
        RSA_PSS_SHA256, RsaKeyPair,
    },
};
use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use mcp_auth::oauth;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

/// One key pair, which signs in the way of its algorithm.
pub enum Signer {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(RsaKeyPair),
    Ps256(RsaKeyPair),
}

impl Signer {
    pub fn es256() -> Self {
        Self::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    pub fn ed_dsa() -> Self {
        Self::EdDsa(Ed25519KeyPair::generate().unwrap())
    }

    pub fn rs256() -> Self {
        Self::Rs256(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
    }

    pub fn ps256() -> Self {
        Self::Ps256(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
    }

    pub fn algorithm(&self) -> &'static str {
        match self {
            Self::Es256(_) => "ES256",
            Self::EdDsa(_) => "EdDSA",
            Self::Rs256(_) => "RS256",
            Self::Ps256(_) => "PS256",
        }
    }

    pub fn sign(&self, text: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        let rsa = |pair: &RsaKeyPair, padding| {
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(padding, &random, text, &mut signature).unwrap();
            signature
        };
        match self {
            Self::Es256(pair) => pair.sign(&random, text).unwrap().as_ref().to_vec(),
            Self::EdDsa(pair) => pair.sign(text).as_ref().to_vec(),
            Self::Rs256(pair) => rsa(pair, &RSA_PKCS1_SHA256),
            Self::Ps256(pair) => rsa(pair, &RSA_PSS_SHA256),
        }
    }

    /// The uncompressed point of an ES256 key, or the other public bytes.
    pub fn public_bytes(&self) -> Vec<u8> {
        match self {
            Self::Es256(pair) => pair.public_key().as_ref().to_vec(),
            Self::EdDsa(pair) => pair.public_key().as_ref().to_vec(),
            Self::Rs256(pair) | Self::Ps256(pair) => pair.public_key().as_ref().to_vec(),
        }
    }

    pub fn jwk(&self, kid: &str) -> Value {
        let bytes = self.public_bytes();
        match self {
            Self::Es256(_) => json!({
                "kty": "EC", "crv": "P-256", "kid": kid, "alg": "ES256", "use": "sig",
                "x": encoded(&bytes[1..33]), "y": encoded(&bytes[33..65]),
            }),
            Self::EdDsa(_) => json!({
                "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": encoded(&bytes),
            }),
            Self::Rs256(pair) | Self::Ps256(pair) => {
                let public = pair.public_key();
                let n = public.modulus().big_endian_without_leading_zero().to_vec();
                let e = public.exponent().big_endian_without_leading_zero().to_vec();
                json!({
                    "kty": "RSA", "kid": kid, "alg": self.algorithm(),
                    "n": encoded(&n), "e": encoded(&e),
                })
            }
        }
    }

    /// A JWT of these very texts.
    pub fn jwt(&self, header: &str, claims: &str) -> String {
        let text = format!("{}.{}", encoded(header), encoded(claims));
        let signature = self.sign(text.as_bytes());
        format!("{text}.{}", encoded(signature))
    }
}

pub fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The running issuer.
pub struct Issuer {
    pub url: String,
    pub keys: Vec<(String, Signer)>,
    served: Arc<Served>,
    serving: JoinHandle<()>,
}

#[derive(Default)]
struct Served {
    url: Mutex<String>,
    keys: Mutex<Vec<Value>>,
    key_requests: AtomicUsize,
    document_requests: AtomicUsize,
    down: AtomicBool,
}

impl Issuer {
    /// With one ES256 key, `k1`.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let served = Arc::new(Served::default());
        served.url.lock().unwrap().clone_from(&url);
        let router = Router::new()
            .route("/.well-known/oauth-authorization-server", get(document))
            .route("/keys", get(keys))
            .with_state(Arc::clone(&served));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let mut issuer = Self {
            url,
            keys: Vec::new(),
            served,
            serving,
        };
        issuer.add("k1", Signer::es256());
        issuer
    }

    pub fn identifier(&self) -> oauth::Issuer {
        oauth::Issuer::parse(&self.url).unwrap()
    }

    pub fn jwks_uri(&self) -> String {
        format!("{}/keys", self.url)
    }

    /// Publishes one more key.
    pub fn add(&mut self, kid: &str, key: Signer) {
        self.served.keys.lock().unwrap().push(key.jwk(kid));
        self.keys.push((kid.to_owned(), key));
    }

    /// Publishes these keys alone.
    pub fn publish(&self, keys: Vec<Value>) {
        *self.served.keys.lock().unwrap() = keys;
    }

    pub fn set_down(&self, down: bool) {
        self.served.down.store(down, Ordering::SeqCst);
    }

    /// How often the keys were asked for.
    pub fn key_requests(&self) -> usize {
        self.served.key_requests.load(Ordering::SeqCst)
    }

    pub fn document_requests(&self) -> usize {
        self.served.document_requests.load(Ordering::SeqCst)
    }

    pub fn key(&self, kid: &str) -> &Signer {
        let (_, key) = self.keys.iter().find(|(known, _)| known == kid).unwrap();
        key
    }

    /// The claims of a good token.
    pub fn claims(&self, resource: &str, now: u64) -> Value {
        json!({
            "iss": self.url, "sub": "user-1", "aud": resource, "client_id": "host",
            "scope": "mcp:tools", "iat": now, "exp": now + 300, "jti": "j",
        })
    }

    /// A token with these claims under this key, with the header that it should have.
    pub fn token(&self, kid: &str, claims: &Value) -> String {
        let key = self.key(kid);
        let header = json!({ "alg": key.algorithm(), "typ": "at+jwt", "kid": kid });
        key.jwt(&header.to_string(), &claims.to_string())
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn document(State(served): State<Arc<Served>>) -> Json<Value> {
    served.document_requests.fetch_add(1, Ordering::SeqCst);
    let url = served.url.lock().unwrap().clone();
    Json(json!({ "issuer": url, "jwks_uri": format!("{url}/keys") }))
}

async fn keys(State(served): State<Arc<Served>>) -> Result<Json<Value>, StatusCode> {
    served.key_requests.fetch_add(1, Ordering::SeqCst);
    if served.down.load(Ordering::SeqCst) {
        return Err(StatusCode::BAD_GATEWAY);
    }
    Ok(Json(json!({ "keys": *served.keys.lock().unwrap() })))
}
