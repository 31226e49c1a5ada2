//! Incidents of libraries that read signed assertions: each is tried on a client that has to sign.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;
use serde_json::json;

use crate::{client_assertion::Signed, signer::Signer};

/// An `exp` or `nbf` of the wrong JSON type was taken for none.
///
/// AST-26.
#[tokio::test]
async fn cve_2026_25537_a_time_of_another_type_is_no_missing_one() {
    let signed = Signed::new(Algorithm::ES256).await;
    let code = signed.client.code(&signed.server).await;
    let now = signed.claims("")["iat"].as_u64().unwrap();
    for (member, value) in [
        ("exp", json!((now + 60).to_string())),
        ("exp", json!([now + 60])),
        ("exp", json!({ "at": now + 60 })),
        ("exp", json!(true)),
        ("exp", json!(null)),
        ("exp", json!(-1)),
        ("nbf", json!((now + 600).to_string())),
        ("nbf", json!([now + 600])),
        ("nbf", json!({ "at": now + 600 })),
    ] {
        let mut claims = signed.claims(&format!("{member} {value}"));
        claims[member] = value;
        let assertion = signed.signer.sign(&claims);
        let refused = signed.redeem(&code, &assertion).await;
        refused.refuses(401, "invalid_client");
    }
    let good = signed.signer.sign(&signed.claims("good"));
    signed.redeem(&code, &good).await.tokens();
}

/// An extension that nobody understood was passed over although the header called it critical.
///
/// AST-26.
#[tokio::test]
async fn cve_2026_32597_and_cve_2025_59420_a_critical_extension_is_not_passed_over() {
    let signed = Signed::new(Algorithm::ES256).await;
    let code = signed.client.code(&signed.server).await;
    for names in [
        vec!["x-unknown".to_owned()],
        vec!["b64".to_owned()],
        vec!["exp".to_owned()],
        vec![],
    ] {
        let mut header = signed.signer.header();
        let claims = signed.claims(&format!("{names:?}"));
        header.crit = Some(names);
        let assertion = signed.signer.sign_with(&header, &claims);
        let refused = signed.redeem(&code, &assertion).await;
        refused.refuses(401, "invalid_client");
    }
}

/// The key that a token brought along in its header was believed.
///
/// AST-26.
#[tokio::test]
async fn cve_2026_27962_no_key_of_the_assertions_own_is_believed() {
    let signed = Signed::new(Algorithm::ES256).await;
    let code = signed.client.code(&signed.server).await;
    for kid in [Some("k1".to_owned()), Some("k2".to_owned()), None] {
        let stranger = Signer::generate(Algorithm::ES256, "k1");
        let mut header = stranger.header();
        let claims = signed.claims(&format!("{kid:?}"));
        header.kid = kid;
        header.jwk = Some(serde_json::from_value(stranger.jwk()).unwrap());
        let assertion = stranger.sign_with(&header, &claims);
        let refused = signed.redeem(&code, &assertion).await;
        refused.refuses(401, "invalid_client");
    }
}

/// A signature of zeros was good under every ECDSA key.
///
/// AST-26.
#[tokio::test]
async fn cve_2022_21449_a_signature_of_zeros_is_none() {
    let signed = Signed::new(Algorithm::ES256).await;
    let code = signed.client.code(&signed.server).await;
    let good = signed.signer.sign(&signed.claims("good"));
    let (content, _) = good.rsplit_once('.').unwrap();
    for zeros in [
        [0; 64].as_slice(),
        &[0; 32],
        &[0x30, 6, 2, 1, 0, 2, 1, 0],
        &[],
    ] {
        let assertion = format!("{content}.{}", URL_SAFE_NO_PAD.encode(zeros));
        let refused = signed.redeem(&code, &assertion).await;
        refused.refuses(401, "invalid_client");
    }
    signed.redeem(&code, &good).await.tokens();
}

/// A `jti` was good again, at another instance or after the first use.
///
/// AST-26.
#[tokio::test]
async fn ghsa_3p3g_vpw6_4w66_an_assertion_that_was_seen_is_over() {
    let signed = Signed::new(Algorithm::ES256).await;
    let code = signed.client.code(&signed.server).await;
    let assertion = signed.signer.sign(&signed.claims("seen"));
    let tokens = signed.redeem(&code, &assertion).await.tokens();
    let again = signed.refresh(&tokens.refresh, &assertion).await;
    again.refuses(401, "invalid_client");
    let renamed = signed.signer.sign(&signed.claims("unseen"));
    signed.refresh(&tokens.refresh, &renamed).await.tokens();
}
