//! DPoP at the token endpoint (RFC 9449 §4.3): which proofs are taken, and how often.

use std::{sync::Arc, time::Duration};

use mcp_auth::{access_token::Dpop, oauth::Clock};
use serde_json::{Value, json};

use crate::{
    client::Client,
    dpop_tokens::{at_token, bound_tokens, kept_in, serving, token_with_headers, token_with_proof},
    harness::Server,
    jwt_access_tokens::part,
    proofs::ProofKey,
};

/// AX-04. Each of the checks of RFC 9449 §4.3 that apply here, broken; and nothing is consumed.
#[tokio::test]
async fn a_broken_proof_is_refused_and_the_code_stays_good() {
    let server = serving(Dpop::accepted()).await;
    let client = Client::public(&server).await;
    let code = client.code(&server).await;
    let form = client.redemption(&server, &code);
    let key = ProofKey::p256();
    let good = || at_token(&server, &key);
    let now = server.clock.now().as_seconds();
    let private = {
        let mut jwk = key.jwk();
        jwk["d"] = json!("AAAA");
        jwk
    };
    let symmetric = json!({ "kty": "oct", "k": "AAAA" });
    let elsewhere = server.url("/token").replace("127.0.0.1", "evil.example");
    let unknown_curve = json!({ "kty": "EC", "crv": "P-384", "x": "AAAA", "y": "AAAA" });
    let broken = [
        ("typ", good().header("typ", "JWT")),
        ("typ", good().header("typ", "at+jwt")),
        ("typ", good().header("typ", Value::Null)),
        ("alg none", good().header("alg", "none")),
        ("alg HS256", good().header("alg", "HS256")),
        ("alg of another key", good().header("alg", "RS256")),
        ("no alg", good().header("alg", Value::Null)),
        ("crit", good().header("crit", json!(["b64"]))),
        ("no jwk", good().header("jwk", Value::Null)),
        ("private jwk", good().header("jwk", private)),
        ("symmetric jwk", good().header("jwk", symmetric)),
        (
            "jwk of an unknown curve",
            good().header("jwk", unknown_curve),
        ),
        (
            "jwk of another",
            good().header("jwk", ProofKey::p256().jwk()),
        ),
        ("no jti", good().claim("jti", Value::Null)),
        ("empty jti", good().claim("jti", "")),
        ("jti of another type", good().claim("jti", 7)),
        ("no htm", good().claim("htm", Value::Null)),
        ("htm", good().claim("htm", "GET")),
        ("htm in another case", good().claim("htm", "post")),
        ("no htu", good().claim("htu", Value::Null)),
        ("htu", good().claim("htu", server.url("/revoke"))),
        ("htu of the issuer", good().claim("htu", server.issuer())),
        ("htu elsewhere", good().claim("htu", elsewhere)),
        (
            "htu with a backslash",
            good().claim("htu", format!("{}\\token", server.url(""))),
        ),
        (
            "htu with a line break",
            good().claim("htu", format!("{}\n", server.url("/token"))),
        ),
        (
            "htu with a tab",
            good().claim("htu", server.url("/to\tken")),
        ),
        (
            "htu without its slashes",
            good().claim("htu", server.url("/token").replacen("//", "/", 1)),
        ),
        ("no iat", good().claim("iat", Value::Null)),
        ("iat of another type", good().claim("iat", now.to_string())),
        ("iat before 1970", good().claim("iat", -1)),
        ("iat too old", good().claim("iat", now - 301)),
        ("iat too new", good().claim("iat", now + 301)),
        ("iat at the end of time", good().claim("iat", u64::MAX)),
    ];
    for (what, proof) in broken {
        let refused = token_with_proof(&server, &form, &key.sign(&proof)).await;
        assert_eq!(refused.json()["error"], "invalid_dpop_proof", "{what}");
        refused.refuses(400, "invalid_dpop_proof");
    }
    let signed = key.sign(&good());
    let (unsigned, _) = signed.rsplit_once('.').unwrap();
    let header = good().header.to_string();
    let doubled = header.replacen('{', r#"{"alg":"ES256","#, 1);
    for malformed in [
        String::new(),
        "a.b.c".to_owned(),
        unsigned.to_owned(),
        format!("{unsigned}."),
        format!("{signed}.x"),
        format!("{signed}="),
        format!("{signed}, {signed}"),
        ProofKey::p256().sign(&good()),
        key.sign_texts(&header, "[]"),
        key.sign_texts("[]", &good().claims.to_string()),
        key.sign_texts(&doubled, &good().claims.to_string()),
        "a".repeat(9000),
    ] {
        token_with_proof(&server, &form, &malformed)
            .await
            .refuses(400, "invalid_dpop_proof");
    }
    let two = [key.sign(&good()), key.sign(&good())];
    token_with_headers(&server, &form, &two)
        .await
        .refuses(400, "invalid_dpop_proof");
    let granted = token_with_proof(&server, &form, &key.sign(&good())).await;
    assert_eq!(
        granted.json()["token_type"],
        "DPoP",
        "the code was not touched"
    );
}

/// AX-04. The edges of the window, spellings of the target, and a fraction of a second.
#[tokio::test]
async fn whatever_is_right_about_a_proof_is_taken() {
    let server = serving(Dpop::accepted()).await;
    let client = Client::public(&server).await;
    let key = ProofKey::p256();
    let good = || at_token(&server, &key);
    let now = server.clock.now().as_seconds();
    let mut refresh = bound_tokens(&server, &client, &key).await.refresh;
    for proof in [
        good().claim("iat", now - 300),
        good().claim("iat", now + 300),
        good().claim("iat", json!(now as f64 + 0.5)),
        good().claim("htu", format!("{}?x=1#y", server.url("/token"))),
        good().claim("htu", server.url("/x/../token")),
        good().claim("htu", server.url("/%74oken")),
        good().claim("more", "than is known"),
        good().header("kid", "ignored"),
    ] {
        let form = client.refreshing(&refresh);
        refresh = token_with_proof(&server, &form, &key.sign(&proof))
            .await
            .tokens()
            .refresh;
    }
}

/// AX-04. The host name of a request is nobody's word for what our URL is.
#[tokio::test]
async fn a_proof_is_made_for_the_public_url_whatever_the_host_header_says() {
    let server = Server::builder(|tier| tier.with_dpop(Dpop::accepted()))
        .behind_tls("https://mcp.example.com")
        .start()
        .await;
    let client = Client::public(&server).await;
    let key = ProofKey::p256();
    for (url, taken) in [
        (server.direct("/token"), false),
        ("https://evil.example/token".to_owned(), false),
        ("https://mcp.example.com/token".to_owned(), true),
    ] {
        let proof = key.sign(&key.proof(&server.clock, "POST", &url));
        let code = client.code(&server).await;
        let form = client.redemption(&server, &code);
        let answered = crate::client::token_with(&server, &form, |request| {
            request
                .header("dpop", proof)
                .header("x-forwarded-host", "evil.example")
        })
        .await;
        assert_eq!(answered.status == 200, taken, "{url}");
    }
}

/// AX-10. Across a restart too: the store remembers, not the process.
#[tokio::test]
async fn a_proof_is_taken_once() {
    let store = Arc::default();
    let server = Server::builder(kept_in(&store, Some(Dpop::accepted())));
    let server = server.start().await;
    let client = Client::public(&server).await;
    let key = ProofKey::p256();
    let tokens = bound_tokens(&server, &client, &key).await;
    let proof = at_token(&server, &key);
    let signed = key.sign(&proof);
    let next = token_with_proof(&server, &client.refreshing(&tokens.refresh), &signed)
        .await
        .tokens();
    server.restart(kept_in(&store, Some(Dpop::accepted())));
    let form = client.refreshing(&next.refresh);
    for _ in 0..2 {
        token_with_proof(&server, &form, &signed)
            .await
            .refuses(400, "invalid_dpop_proof");
        // Signed again it is the same proof: the jti counts, not the signature.
        token_with_proof(&server, &form, &key.sign(&proof))
            .await
            .refuses(400, "invalid_dpop_proof");
    }
    // The same jti by another key is another proof, and nobody's business.
    let other = ProofKey::p256();
    let same_jti = at_token(&server, &other).claim("jti", proof.claims["jti"].clone());
    let code = client.code(&server).await;
    let redemption = client.redemption(&server, &code);
    let answered = token_with_proof(&server, &redemption, &other.sign(&same_jti)).await;
    assert_eq!(answered.status, 200, "{}", answered.body);
    let fresh = key.sign(&at_token(&server, &key));
    assert_eq!(token_with_proof(&server, &form, &fresh).await.status, 200);
}

/// AX-10, AST-18. What was overheard whole, or is sent once more by a library, is a replay of its
/// proof: it ends no grant.
#[tokio::test]
async fn a_request_that_is_sent_once_more_as_it_was_ends_nothing() {
    let server = serving(Dpop::accepted()).await;
    let client = Client::public(&server).await;
    let key = ProofKey::p256();
    let code = client.code(&server).await;
    let redemption = client.redemption(&server, &code);
    let first = key.sign(&at_token(&server, &key));
    let tokens = token_with_proof(&server, &redemption, &first)
        .await
        .tokens();
    token_with_proof(&server, &redemption, &first)
        .await
        .refuses(400, "invalid_dpop_proof");
    let refreshing = client.refreshing(&tokens.refresh);
    let second = key.sign(&at_token(&server, &key));
    let tokens = token_with_proof(&server, &refreshing, &second)
        .await
        .tokens();
    server.clock.advance(Duration::from_secs(61));
    token_with_proof(&server, &refreshing, &second)
        .await
        .refuses(400, "invalid_dpop_proof");
    let third = key.sign(&at_token(&server, &key));
    let alive = token_with_proof(&server, &client.refreshing(&tokens.refresh), &third).await;
    assert_eq!(alive.status, 200, "{}", alive.body);
    // With a proof of its own the old token is a reuse, and ends the grant.
    let fourth = key.sign(&at_token(&server, &key));
    token_with_proof(&server, &refreshing, &fourth)
        .await
        .refuses(400, "invalid_grant");
    let form = client.refreshing(&alive.tokens().refresh);
    let fifth = key.sign(&at_token(&server, &key));
    token_with_proof(&server, &form, &fifth)
        .await
        .refuses(400, "invalid_grant");
}

/// AX-08. A nonce is asked for with one header, is good for a while and for this endpoint, and costs
/// nothing that a rate limit counts.
#[tokio::test]
async fn with_nonces_a_proof_carries_a_fresh_one_of_ours() {
    let server = serving(Dpop::accepted().with_nonces()).await;
    let client = Client::public(&server).await;
    let key = ProofKey::p256();
    let code = client.code(&server).await;
    let form = client.redemption(&server, &code);
    let plain = key.sign(&at_token(&server, &key));
    let asked = token_with_proof(&server, &form, &plain).await;
    asked.refuses(400, "use_dpop_nonce");
    assert_eq!(asked.headers.get_all("dpop-nonce").iter().count(), 1);
    let exposed = asked.header("access-control-expose-headers").unwrap();
    assert!(exposed.contains("dpop-nonce"), "{exposed}");
    let nonce = asked.header("dpop-nonce").unwrap().to_owned();
    let mut changed = nonce.clone().into_bytes();
    changed[3] ^= 1;
    let changed = String::from_utf8(changed).unwrap();
    for wrong in ["", "x", changed.as_str(), &nonce[1..]] {
        let proof = key.sign(&at_token(&server, &key).claim("nonce", wrong));
        token_with_proof(&server, &form, &proof)
            .await
            .refuses(400, "use_dpop_nonce");
    }
    // The server's time counts, so a host whose clock is wrong comes in all the same.
    let wrong_clock = at_token(&server, &key)
        .claim("nonce", nonce.as_str())
        .claim("iat", 7);
    let granted = token_with_proof(&server, &form, &key.sign(&wrong_clock)).await;
    assert_eq!(granted.status, 200, "{}", granted.body);
    assert!(
        granted.header("dpop-nonce").is_some(),
        "the one for next time"
    );
    let refresh = granted.tokens().refresh;
    server.clock.advance(Duration::from_secs(299));
    let proof = key.sign(&at_token(&server, &key).claim("nonce", nonce.as_str()));
    let renewed = token_with_proof(&server, &client.refreshing(&refresh), &proof).await;
    assert_eq!(renewed.status, 200, "{}", renewed.body);
    server.clock.advance(Duration::from_secs(1));
    let proof = key.sign(&at_token(&server, &key).claim("nonce", nonce.as_str()));
    let form = client.refreshing(&renewed.tokens().refresh);
    token_with_proof(&server, &form, &proof)
        .await
        .refuses(400, "use_dpop_nonce");
}

/// AX-10, DCR-13. A stranger's proofs fill nothing: a proof is written down when all else is right.
#[tokio::test]
async fn only_a_request_with_everything_else_right_uses_its_proof_up() {
    let witness = Arc::new(crate::storage::Witness::default());
    let store = Arc::clone(&witness);
    let server = Server::builder(move |tier| tier.with_dpop(Dpop::accepted()).with_store(store))
        .start()
        .await;
    let client = Client::public(&server).await;
    let key = ProofKey::p256();
    let proof = key.sign(&at_token(&server, &key));
    for form in [
        client.redemption(&server, "x"),
        client.refreshing("x"),
        client.refreshing("x").with("client_id", "nobody"),
    ] {
        assert!(
            !token_with_proof(&server, &form, &proof)
                .await
                .status
                .is_success()
        );
    }
    assert_eq!(witness.writes(), 0);
    let code = client.code(&server).await;
    let wrong = client
        .redemption(&server, &code)
        .with("code_verifier", &"x".repeat(43));
    token_with_proof(&server, &wrong, &proof)
        .await
        .refuses(400, "invalid_grant");
    let form = client.redemption(&server, &code);
    let granted = token_with_proof(&server, &form, &proof).await;
    assert_eq!(
        granted.status, 200,
        "not used up by the failures: {}",
        granted.body
    );
    let jti = part(&proof, 1)["jti"].clone();
    assert!(!witness.contains(jti.as_str().unwrap()));
}
