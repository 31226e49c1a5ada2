use super::*;

macro_rules! key {
    ($name:literal) => {
        include_str!(concat!("../../../../tests/signing_keys/", $name))
    };
}

/// RFC 7515 appendix A.3.1.
const RFC_7515: &str = r#"{"kty":"EC","crv":"P-256",
    "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    "d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#;
/// RFC 8037 appendix A.1.
const RFC_8037: &str = r#"{"kty":"OKP","crv":"Ed25519",
    "d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
    "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

fn refusal(text: &str) -> SigningKeysError {
    SigningKeys::parse(text).expect_err("not taken")
}

fn algorithms(text: &str) -> Vec<String> {
    let keys = SigningKeys::parse(text).unwrap();
    let published = keys.published();
    let algorithm = |key: &Value| key["alg"].as_str().unwrap().to_owned();
    published["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(algorithm)
        .collect()
}

#[test]
fn keys_are_taken_as_pem_and_as_jwks_in_their_order() {
    let pem = [key!("ed25519.pem"), key!("p256.pem"), key!("rsa-2048.pem")].concat();
    assert_eq!(algorithms(&pem), ["EdDSA", "ES256", "RS256"]);
    let noted = format!("the newest\n{}", key!("p256.pem"));
    assert_eq!(algorithms(&noted), ["ES256"]);
    let set = format!(r#"{{"keys":[{RFC_7515},{RFC_8037}]}}"#);
    assert_eq!(algorithms(&set), ["ES256", "EdDSA"]);
    assert_eq!(algorithms(RFC_8037), ["EdDSA"]);
    let made = SigningKeys::generate_pem().unwrap();
    assert_eq!(algorithms(&made), ["ES256"]);
}

// JWK-06
#[test]
fn a_key_has_its_thumbprint_for_a_name_whatever_it_came_as() {
    let pem = SigningKeys::parse(key!("rsa-2048.pem")).unwrap();
    let jwk = SigningKeys::parse(key!("rsa-2048.jwk.json")).unwrap();
    assert_eq!(pem.published(), jwk.published());
    let ed25519 = SigningKeys::parse(RFC_8037).unwrap().published();
    // RFC 8037 appendix A.3.
    assert_eq!(
        ed25519["keys"][0]["kid"],
        "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    );
}

// JWK-10
#[test]
fn what_is_published_has_no_private_part() {
    let all = [key!("p256.pem"), key!("ed25519.pem"), key!("rsa-2048.pem")].concat();
    let published = SigningKeys::parse(&all).unwrap().published();
    let mut seen = Vec::new();
    for key in published["keys"].as_array().unwrap() {
        let members: Vec<_> = key.as_object().unwrap().keys().cloned().collect();
        seen.push(members.join(" "));
    }
    assert_eq!(
        seen,
        [
            "alg crv kid kty use x y",
            "alg crv kid kty use x",
            "alg e kid kty n use"
        ]
    );
}

#[test]
fn what_is_no_key_to_sign_with_is_refused_and_never_quoted() {
    use SigningKeysError::{Empty, Malformed, NotForSigning, NotPkcs8, Repeated, Unusable};
    let changed = |from: &str, to: &str| {
        assert!(RFC_7515.contains(from));
        RFC_7515.replace(from, to)
    };
    let one = key!("p256.pem");
    for (text, why) in [
        (String::new(), Empty),
        (r#"{"keys":[]}"#.to_owned(), Empty),
        ("canary".to_owned(), Malformed),
        ("{\"canary\":1}".to_owned(), Malformed),
        (one.replace("-----END", "----END"), Malformed),
        (one.replace("MIGH", "M*GH"), Malformed),
        (key!("sec1.pem").to_owned(), NotPkcs8),
        (key!("encrypted.pem").to_owned(), NotPkcs8),
        (key!("public.pem").to_owned(), NotPkcs8),
        (key!("p384.pem").to_owned(), Unusable),
        (key!("rsa-1024.pem").to_owned(), Unusable),
        (one.replace("MIGH", "MIGI"), Unusable),
        (changed("\"d\":", "\"canary\":"), NotForSigning),
        (changed("{\"kty\"", r#"{"use":"enc","kty""#), NotForSigning),
        (
            changed("{\"kty\"", r#"{"alg":"ES384","kty""#),
            NotForSigning,
        ),
        (
            changed("{\"kty\"", r#"{"key_ops":["verify"],"kty""#),
            NotForSigning,
        ),
        (changed("P-256", "secp256k1"), Unusable),
        (changed("\"EC\"", "\"oct\""), Unusable),
        (changed("jpsQ", "jpsR"), Unusable),
        (changed("f83O", "f83P"), Unusable),
        (changed("\"x\":\"f83OJ", "\"x\":\"f8=OJ"), Malformed),
        (RFC_8037.replace("11qY", "11qZ"), Unusable),
        (format!("{one}{one}"), Repeated),
        (format!(r#"{{"keys":[{RFC_7515},{RFC_7515}]}}"#), Repeated),
    ] {
        let refused = refusal(&text);
        assert_eq!(refused, why, "{text}");
        assert!(!refused.to_string().contains("canary"));
    }
    let shown = format!("{:?}", SigningKeys::parse(RFC_8037).unwrap());
    assert_eq!(
        shown,
        r#"SigningKeys["kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"]"#
    );
}

// AST-24
#[test]
fn every_algorithm_signs_what_its_public_key_verifies() {
    #[derive(Serialize, serde::Deserialize, Debug, PartialEq)]
    struct Claims {
        sub: String,
    }
    let claims = Claims {
        sub: "alice".to_owned(),
    };
    for text in [key!("p256.pem"), key!("ed25519.pem"), key!("rsa-2048.pem")] {
        let keys = SigningKeys::parse(text).unwrap();
        let signed = keys.sign("at+jwt", &claims).unwrap();
        let compact = crate::oauth::jose::Compact::<Value>::parse(&signed).unwrap();
        let id = compact.header["kid"].as_str().unwrap();
        let algorithm = serde_json::from_value(compact.header["alg"].clone()).unwrap();
        let key = keys.verifying(id, algorithm).unwrap();
        assert_eq!(compact.verified::<Claims>(key).unwrap(), claims);
        for at in [0, signed.len() / 2, signed.len() - 1] {
            let mut changed = signed.clone().into_bytes();
            changed[at] ^= 1;
            let changed = String::from_utf8(changed).unwrap();
            let parsed = crate::oauth::jose::Compact::<Value>::parse(&changed);
            assert!(parsed.is_none_or(|changed| changed.verified::<Claims>(key).is_err()));
        }
        assert!(keys.verifying("another", algorithm).is_none());
    }
}
