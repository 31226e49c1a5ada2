//! Tokens that somebody made up, bent or stole: each is refused with 401, and a good one beside it is not.

use aws_lc_rs::hmac;
use serde_json::{Value, json};

use crate::{
    issuer::{Issuer, Signer, encoded},
    server::{RESOURCE, Server, invalid_token},
};

const HEADER: &str = r#"{"alg":"ES256","typ":"at+jwt","kid":"k1"}"#;

/// The order of P-256: as r or s it is zero.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6,
    0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// What a forger has at hand.
struct Forge {
    issuer: Issuer,
    server: Server,
}

impl Forge {
    async fn start() -> Self {
        let mut issuer = Issuer::start().await;
        issuer.add("rs", Signer::rs256());
        issuer.add("ps", Signer::ps256());
        let server = Server::of(&issuer);
        Self { issuer, server }
    }

    fn claims(&self) -> Value {
        self.issuer.claims(RESOURCE, self.server.now())
    }

    fn good(&self) -> String {
        self.signed(HEADER, &self.claims())
    }

    /// Header and claims of the good token, without its signature.
    fn text(&self) -> String {
        let good = self.good();
        good.rsplit_once('.').unwrap().0.to_owned()
    }

    fn signature(&self) -> Vec<u8> {
        self.issuer.key("k1").sign(self.text().as_bytes())
    }

    fn with_signature(&self, signature: &[u8]) -> String {
        format!("{}.{}", self.text(), encoded(signature))
    }

    /// Signed by the issuer itself.
    fn signed(&self, header: &str, claims: &Value) -> String {
        self.signed_texts(header, &claims.to_string())
    }

    fn signed_texts(&self, header: &str, claims: &str) -> String {
        self.issuer.key("k1").jwt(header, claims)
    }

    fn unsigned(&self, header: &str) -> String {
        format!(
            "{}.{}.",
            encoded(header),
            encoded(self.claims().to_string())
        )
    }

    /// Signed by the issuer itself, with other claims.
    fn changed(&self, change: impl FnOnce(&mut Value)) -> String {
        let mut claims = self.claims();
        change(&mut claims);
        assert_ne!(claims, self.claims());
        self.signed(HEADER, &claims)
    }

    /// Signed by the issuer itself, with another text of the claims.
    fn rewritten(&self, from: &str, to: &str) -> String {
        let claims = self.claims().to_string();
        assert!(claims.contains(from), "{claims}");
        self.signed_texts(HEADER, &claims.replacen(from, to, 1))
    }

    fn mac(&self, secret: &[u8]) -> String {
        let header = r#"{"alg":"HS256","typ":"at+jwt","kid":"k1"}"#;
        let text = format!("{}.{}", encoded(header), encoded(self.claims().to_string()));
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        format!("{text}.{}", encoded(hmac::sign(&key, text.as_bytes())))
    }

    /// Signed with one RSA padding under the key that is published for the other.
    fn crossed(&self, kid: &str, algorithm: &str) -> String {
        let header = json!({ "alg": algorithm, "typ": "at+jwt", "kid": kid });
        let claims = self.claims().to_string();
        self.issuer.key(kid).jwt(&header.to_string(), &claims)
    }

    /// Signed by a stranger, who says in the header where the key is.
    fn bringing(&self, name: &str, value: impl FnOnce(&Signer, &str) -> Value) -> String {
        let stranger = Signer::es256();
        let mut header: Value = serde_json::from_str(HEADER).unwrap();
        header[name] = value(&stranger, &self.issuer.url);
        stranger.jwt(&header.to_string(), &self.claims().to_string())
    }
}

fn without(name: &'static str) -> impl FnOnce(&mut Value) {
    move |claims| {
        claims.as_object_mut().unwrap().remove(name).unwrap();
    }
}

/// The other encoding of an ECDSA signature (RFC 3279 §2.2.3).
fn der(signature: &[u8]) -> Vec<u8> {
    let integer = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        if bytes[0] & 0x80 != 0 {
            bytes.insert(0, 0);
        }
        let mut integer = vec![2, bytes.len() as u8];
        integer.extend(bytes);
        integer
    };
    let body = [integer(&signature[..32]), integer(&signature[32..])].concat();
    let mut sequence = vec![0x30, body.len() as u8];
    sequence.extend(body);
    sequence
}

async fn is_refused(make: impl FnOnce(&Forge) -> String) {
    let forge = Forge::start().await;
    let hostile = make(&forge);
    for _ in 0..2 {
        let (answer, seen) = forge.server.call(&hostile).await;
        assert_eq!(answer, invalid_token(), "{hostile}");
        assert!(seen.is_none());
    }
    assert!(forge.issuer.key_requests() <= 1);
    let good = forge.good();
    assert_eq!(forge.server.status(&good).await, 200);
    assert_eq!(forge.server.call(&hostile).await.0, invalid_token());
}

/// JWK-04.
#[tokio::test]
async fn refuses_alg_none() {
    is_refused(|c| c.unsigned(r#"{"alg":"none","typ":"at+jwt","kid":"k1"}"#)).await;
}

/// JWK-04.
#[tokio::test]
async fn refuses_alg_none_in_capitals() {
    is_refused(|c| c.unsigned(r#"{"alg":"NONE","typ":"at+jwt","kid":"k1"}"#)).await;
}

/// JWK-04.
#[tokio::test]
async fn refuses_alg_none_with_a_capital() {
    is_refused(|c| c.unsigned(r#"{"alg":"None","typ":"at+jwt","kid":"k1"}"#)).await;
}

/// JWK-04.
#[tokio::test]
async fn refuses_alg_none_with_a_good_signature() {
    is_refused(|c| c.signed(r#"{"alg":"none","typ":"at+jwt","kid":"k1"}"#, &c.claims())).await;
}

/// JWK-04.
#[tokio::test]
async fn refuses_a_missing_alg() {
    is_refused(|c| c.signed(r#"{"typ":"at+jwt","kid":"k1"}"#, &c.claims())).await;
}

/// JWK-04.
#[tokio::test]
async fn refuses_an_alg_that_is_no_text() {
    is_refused(|c| c.signed(r#"{"alg":7,"typ":"at+jwt","kid":"k1"}"#, &c.claims())).await;
}

/// JWK-04.
#[tokio::test]
async fn refuses_an_alg_that_is_a_list() {
    is_refused(|c| {
        c.signed(
            r#"{"alg":["ES256"],"typ":"at+jwt","kid":"k1"}"#,
            &c.claims(),
        )
    })
    .await;
}

/// JWK-04.
#[tokio::test]
async fn refuses_an_alg_in_lower_case() {
    is_refused(|c| c.signed(r#"{"alg":"es256","typ":"at+jwt","kid":"k1"}"#, &c.claims())).await;
}

/// JWK-04.
#[tokio::test]
async fn refuses_an_empty_alg() {
    is_refused(|c| c.signed(r#"{"alg":"","typ":"at+jwt","kid":"k1"}"#, &c.claims())).await;
}

/// JWK-04.
#[tokio::test]
async fn refuses_alg_es256k_over_a_signature_of_es256() {
    is_refused(|c| c.signed(r#"{"alg":"ES256K","typ":"at+jwt","kid":"k1"}"#, &c.claims())).await;
}

/// JWK-04.
#[tokio::test]
async fn refuses_alg_es384_over_a_signature_of_es256() {
    is_refused(|c| c.signed(r#"{"alg":"ES384","typ":"at+jwt","kid":"k1"}"#, &c.claims())).await;
}

/// JWK-04.
#[tokio::test]
async fn refuses_alg_rs1_over_a_signature_of_es256() {
    is_refused(|c| c.signed(r#"{"alg":"RS1","typ":"at+jwt","kid":"k1"}"#, &c.claims())).await;
}

/// JWK-04.
#[tokio::test]
async fn refuses_alg_rs256_over_a_signature_of_es256() {
    is_refused(|c| c.signed(r#"{"alg":"RS256","typ":"at+jwt","kid":"k1"}"#, &c.claims())).await;
}

/// JWK-04.
#[tokio::test]
async fn refuses_alg_ps256_over_a_signature_of_es256() {
    is_refused(|c| c.signed(r#"{"alg":"PS256","typ":"at+jwt","kid":"k1"}"#, &c.claims())).await;
}

/// JWK-04.
#[tokio::test]
async fn refuses_alg_eddsa_over_a_signature_of_es256() {
    is_refused(|c| c.signed(r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k1"}"#, &c.claims())).await;
}

/// JWK-04.
#[tokio::test]
async fn refuses_alg_hs256_over_a_signature_of_es256() {
    is_refused(|c| c.signed(r#"{"alg":"HS256","typ":"at+jwt","kid":"k1"}"#, &c.claims())).await;
}

/// JWK-04.
#[tokio::test]
async fn refuses_alg_hs512_over_a_signature_of_es256() {
    is_refused(|c| c.signed(r#"{"alg":"HS512","typ":"at+jwt","kid":"k1"}"#, &c.claims())).await;
}

/// JWK-04.
#[tokio::test]
async fn refuses_a_mac_under_the_public_key() {
    is_refused(|c| c.mac(&c.issuer.key("k1").public_bytes())).await;
}

/// JWK-04.
#[tokio::test]
async fn refuses_a_mac_under_the_published_key() {
    is_refused(|c| c.mac(c.issuer.key("k1").jwk("k1").to_string().as_bytes())).await;
}

/// JWK-04.
#[tokio::test]
async fn refuses_a_mac_under_nothing() {
    is_refused(|c| c.mac(b"")).await;
}

/// JWK-04.
#[tokio::test]
async fn refuses_rs256_signed_by_the_pss_key() {
    is_refused(|c| c.crossed("ps", "RS256")).await;
}

/// JWK-04.
#[tokio::test]
async fn refuses_ps256_signed_by_the_pkcs1_key() {
    is_refused(|c| c.crossed("rs", "PS256")).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_a_signature_of_zeroes() {
    is_refused(|c| c.with_signature(&[0; 64])).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_a_signature_of_the_curve_order() {
    is_refused(|c| c.with_signature(&[ORDER, ORDER].concat())).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_a_signature_of_ones() {
    is_refused(|c| c.with_signature(&[0xff; 64])).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_an_empty_signature() {
    is_refused(|c| c.with_signature(&[])).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_half_a_signature() {
    is_refused(|c| {
        let s = c.signature();
        c.with_signature(&s[..32])
    })
    .await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_a_signature_with_a_byte_more() {
    is_refused(|c| {
        let mut s = c.signature();
        s.push(0);
        c.with_signature(&s)
    })
    .await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_a_signature_in_der() {
    is_refused(|c| c.with_signature(&der(&c.signature()))).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_a_signature_with_one_bit_changed() {
    is_refused(|c| {
        let mut s = c.signature();
        s[40] ^= 1;
        c.with_signature(&s)
    })
    .await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_the_signature_of_another_token() {
    is_refused(|c| {
        let other = c.changed(|c| c["jti"] = json!("other"));
        let (_, s) = other.rsplit_once('.').unwrap();
        format!("{}.{s}", c.text())
    })
    .await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_claims_that_were_changed() {
    is_refused(|c| {
        let good = c.good();
        let (head, rest) = good.split_once('.').unwrap();
        let (_, s) = rest.split_once('.').unwrap();
        let mut claims = c.claims();
        claims["sub"] = json!("admin");
        format!("{head}.{}.{s}", encoded(claims.to_string()))
    })
    .await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_a_header_that_was_changed() {
    is_refused(|c| {
        let good = c.good();
        let (_, rest) = good.split_once('.').unwrap();
        format!(
            "{}.{rest}",
            encoded(r#"{"alg":"ES256","typ":"at+jwt","kid":"k1","x":1}"#)
        )
    })
    .await;
}

/// JWK-06.
#[tokio::test]
async fn refuses_a_stranger_who_uses_a_known_kid() {
    is_refused(|c| Signer::es256().jwt(HEADER, &c.claims().to_string())).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_padding() {
    is_refused(|c| format!("{}=", c.good())).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_a_fourth_part() {
    is_refused(|c| format!("{}.AA", c.good())).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_five_parts_of_a_jwe() {
    is_refused(|c| format!("{}.AA.AA", c.good())).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_two_parts() {
    is_refused(|c| c.text()).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_one_part() {
    is_refused(|_| encoded("token")).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_dots_alone() {
    is_refused(|_| "..".to_owned()).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_an_empty_header() {
    is_refused(|c| {
        let good = c.good();
        format!(".{}", good.split_once('.').unwrap().1)
    })
    .await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_empty_claims() {
    is_refused(|c| c.signed_texts(HEADER, "")).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_a_header_that_is_a_list() {
    is_refused(|c| c.signed_texts(r#"["ES256"]"#, &c.claims().to_string())).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_claims_that_are_a_list() {
    is_refused(|c| c.signed_texts(HEADER, "[]")).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_claims_that_are_a_text() {
    is_refused(|c| c.signed_texts(HEADER, r#""claims""#)).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_claims_that_are_cut_off() {
    is_refused(|c| {
        let claims = c.claims().to_string();
        c.signed_texts(HEADER, &claims[..claims.len() - 1])
    })
    .await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_claims_with_more_behind_them() {
    is_refused(|c| c.signed_texts(HEADER, &format!("{} {{}}", c.claims()))).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_a_claim_that_is_nested_without_end() {
    is_refused(|c| {
        let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        c.rewritten(r#""scope":"mcp:tools""#, &format!(r#""scope":{deep}"#))
    })
    .await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_a_token_longer_than_any() {
    is_refused(|c| c.changed(|c| c["padding"] = json!("x".repeat(20_000)))).await;
}

/// JWK-06.
#[tokio::test]
async fn refuses_crit() {
    is_refused(|c| {
        c.signed(
            r#"{"alg":"ES256","typ":"at+jwt","kid":"k1","crit":["exp"]}"#,
            &c.claims(),
        )
    })
    .await;
}

/// JWK-06.
#[tokio::test]
async fn refuses_crit_of_nothing() {
    is_refused(|c| {
        c.signed(
            r#"{"alg":"ES256","typ":"at+jwt","kid":"k1","crit":[]}"#,
            &c.claims(),
        )
    })
    .await;
}

/// JWK-06.
#[tokio::test]
async fn refuses_b64() {
    is_refused(|c| {
        c.signed(
            r#"{"alg":"ES256","typ":"at+jwt","kid":"k1","b64":false,"crit":["b64"]}"#,
            &c.claims(),
        )
    })
    .await;
}

/// JWK-06.
#[tokio::test]
async fn refuses_a_nested_jwt() {
    is_refused(|c| {
        c.signed(
            r#"{"alg":"ES256","typ":"at+jwt","kid":"k1","cty":"JWT"}"#,
            &c.claims(),
        )
    })
    .await;
}

/// JWK-06.
#[tokio::test]
async fn refuses_an_encrypted_one() {
    is_refused(|c| {
        c.signed(
            r#"{"alg":"ES256","enc":"A256GCM","typ":"at+jwt","kid":"k1"}"#,
            &c.claims(),
        )
    })
    .await;
}

/// JWK-06.
#[tokio::test]
async fn refuses_a_key_that_came_along() {
    is_refused(|c| c.bringing("jwk", |stranger, _| stranger.jwk("k1"))).await;
}

/// JWK-06.
#[tokio::test]
async fn refuses_a_key_url_that_came_along() {
    is_refused(|c| c.bringing("jku", |_, url| json!(format!("{url}/jku")))).await;
}

/// JWK-06.
#[tokio::test]
async fn refuses_a_certificate_url_that_came_along() {
    is_refused(|c| c.bringing("x5u", |_, url| json!(format!("{url}/x5u")))).await;
}

/// JWK-06.
#[tokio::test]
async fn refuses_a_certificate_that_came_along() {
    is_refused(|c| c.bringing("x5c", |_, _| json!(["MIIB"]))).await;
}

/// JWK-06.
#[tokio::test]
async fn refuses_a_kid_that_leads_elsewhere() {
    is_refused(|c| {
        c.signed(
            r#"{"alg":"ES256","typ":"at+jwt","kid":"../../dev/null"}"#,
            &c.claims(),
        )
    })
    .await;
}

/// JWK-06.
#[tokio::test]
async fn refuses_a_kid_with_a_query() {
    is_refused(|c| {
        c.signed(
            r#"{"alg":"ES256","typ":"at+jwt","kid":"k1' OR '1'='1"}"#,
            &c.claims(),
        )
    })
    .await;
}

/// JWK-06.
#[tokio::test]
async fn refuses_an_empty_kid() {
    is_refused(|c| c.signed(r#"{"alg":"ES256","typ":"at+jwt","kid":""}"#, &c.claims())).await;
}

/// JWK-06.
#[tokio::test]
async fn refuses_a_kid_that_is_a_number() {
    is_refused(|c| c.signed(r#"{"alg":"ES256","typ":"at+jwt","kid":1}"#, &c.claims())).await;
}

/// JWK-06.
#[tokio::test]
async fn refuses_a_kid_of_another_kind_of_key() {
    is_refused(|c| c.signed(r#"{"alg":"ES256","typ":"at+jwt","kid":"rs"}"#, &c.claims())).await;
}

/// JWK-06.
#[tokio::test]
async fn refuses_two_algs() {
    is_refused(|c| {
        c.signed(
            r#"{"alg":"ES256","alg":"ES256","typ":"at+jwt","kid":"k1"}"#,
            &c.claims(),
        )
    })
    .await;
}

/// JWK-06.
#[tokio::test]
async fn refuses_two_kids() {
    is_refused(|c| {
        c.signed(
            r#"{"alg":"ES256","typ":"at+jwt","kid":"k1","kid":"k1"}"#,
            &c.claims(),
        )
    })
    .await;
}

/// JWK-06.
#[tokio::test]
async fn refuses_two_types() {
    is_refused(|c| {
        c.signed(
            r#"{"alg":"ES256","typ":"at+jwt","typ":"at+jwt","kid":"k1"}"#,
            &c.claims(),
        )
    })
    .await;
}

/// JWK-03.
#[tokio::test]
async fn refuses_a_missing_type() {
    is_refused(|c| c.signed(r#"{"alg":"ES256","kid":"k1"}"#, &c.claims())).await;
}

/// JWK-03.
#[tokio::test]
async fn refuses_the_type_of_an_id_token() {
    is_refused(|c| c.signed(r#"{"alg":"ES256","typ":"JWT","kid":"k1"}"#, &c.claims())).await;
}

/// JWK-03.
#[tokio::test]
async fn refuses_the_type_of_a_proof() {
    is_refused(|c| {
        c.signed(
            r#"{"alg":"ES256","typ":"dpop+jwt","kid":"k1"}"#,
            &c.claims(),
        )
    })
    .await;
}

/// JWK-03.
#[tokio::test]
async fn refuses_the_type_of_an_identity_assertion() {
    is_refused(|c| {
        c.signed(
            r#"{"alg":"ES256","typ":"oauth-id-jag+jwt","kid":"k1"}"#,
            &c.claims(),
        )
    })
    .await;
}

/// JWK-03.
#[tokio::test]
async fn refuses_a_type_that_only_begins_right() {
    is_refused(|c| c.signed(r#"{"alg":"ES256","typ":"at+jwt2","kid":"k1"}"#, &c.claims())).await;
}

/// RS-13.
#[tokio::test]
async fn refuses_a_missing_issuer() {
    is_refused(|c| c.changed(without("iss"))).await;
}

/// RS-13.
#[tokio::test]
async fn refuses_another_issuer() {
    is_refused(|c| c.changed(|c| c["iss"] = json!("https://id.example"))).await;
}

/// RS-13.
#[tokio::test]
async fn refuses_an_issuer_with_a_slash_more() {
    is_refused(|c| c.changed(|c| c["iss"] = json!(format!("{}/", c["iss"].as_str().unwrap()))))
        .await;
}

/// RS-13.
#[tokio::test]
async fn refuses_an_issuer_in_capitals() {
    is_refused(|c| c.changed(|c| c["iss"] = json!(c["iss"].as_str().unwrap().to_uppercase())))
        .await;
}

/// RS-13.
#[tokio::test]
async fn refuses_an_issuer_that_is_a_list() {
    is_refused(|c| c.changed(|c| c["iss"] = json!([c["iss"]]))).await;
}

/// RS-14.
#[tokio::test]
async fn refuses_a_missing_audience() {
    is_refused(|c| c.changed(without("aud"))).await;
}

/// RS-14.
#[tokio::test]
async fn refuses_another_audience() {
    is_refused(|c| c.changed(|c| c["aud"] = json!("https://other.example/mcp"))).await;
}

/// RS-14.
#[tokio::test]
async fn refuses_an_audience_that_only_begins_right() {
    is_refused(|c| c.changed(|c| c["aud"] = json!("https://mcp.example/mcp2"))).await;
}

/// RS-14.
#[tokio::test]
async fn refuses_the_origin_alone_as_audience() {
    is_refused(|c| c.changed(|c| c["aud"] = json!("https://mcp.example"))).await;
}

/// RS-14.
#[tokio::test]
async fn refuses_a_path_below_as_audience() {
    is_refused(|c| c.changed(|c| c["aud"] = json!("https://mcp.example/mcp/x"))).await;
}

/// RS-14.
#[tokio::test]
async fn refuses_an_empty_list_as_audience() {
    is_refused(|c| c.changed(|c| c["aud"] = json!([]))).await;
}

/// RS-14.
#[tokio::test]
async fn refuses_null_as_audience() {
    is_refused(|c| c.changed(|c| c["aud"] = json!(null))).await;
}

/// RS-14.
#[tokio::test]
async fn refuses_a_number_as_audience() {
    is_refused(|c| c.changed(|c| c["aud"] = json!(1))).await;
}

/// RS-14.
#[tokio::test]
async fn refuses_a_list_of_lists_as_audience() {
    is_refused(|c| c.changed(|c| c["aud"] = json!([["https://mcp.example/mcp"]]))).await;
}

/// RS-14.
#[tokio::test]
async fn refuses_an_object_as_audience() {
    is_refused(|c| c.changed(|c| c["aud"] = json!({"https://mcp.example/mcp": true}))).await;
}

/// RS-14.
#[tokio::test]
async fn refuses_audiences_in_one_text() {
    is_refused(|c| {
        c.changed(|c| c["aud"] = json!("https://other.example https://mcp.example/mcp"))
    })
    .await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_a_missing_as_expiry() {
    is_refused(|c| c.changed(without("exp"))).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_null_as_expiry() {
    is_refused(|c| c.changed(|c| c["exp"] = json!(null))).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_a_text_as_expiry() {
    is_refused(|c| c.changed(|c| c["exp"] = json!("4102444800"))).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_a_negative_as_expiry() {
    is_refused(|c| c.changed(|c| c["exp"] = json!(-1))).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_a_zero_as_expiry() {
    is_refused(|c| c.changed(|c| c["exp"] = json!(0))).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_an_endless_as_expiry() {
    is_refused(|c| c.changed(|c| c["exp"] = json!(1e300))).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_a_bool_as_expiry() {
    is_refused(|c| c.changed(|c| c["exp"] = json!(true))).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_a_list_as_expiry() {
    is_refused(|c| c.changed(|c| c["exp"] = json!([4102444800u64]))).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_milliseconds_as_expiry() {
    is_refused(|c| c.changed(|c| c["exp"] = json!(4_102_444_800_000_000u64))).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_an_expiry_that_is_no_number_of_json() {
    is_refused(|c| c.rewritten(r#""exp":"#, r#""exp":NaN,"x":"#)).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_two_expiries() {
    is_refused(|c| c.rewritten(r#""exp":"#, r#""exp":4102444800,"exp":"#)).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_two_subjects() {
    is_refused(|c| c.rewritten(r#""sub":"user-1""#, r#""sub":"admin","sub":"user-1""#)).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_two_audiences() {
    is_refused(|c| c.rewritten(r#""aud":"#, r#""aud":"https://other.example","aud":"#)).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_two_scopes() {
    is_refused(|c| {
        c.rewritten(
            r#""scope":"mcp:tools""#,
            r#""scope":"none","scope":"mcp:tools""#,
        )
    })
    .await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_two_subjects_of_which_one_is_escaped() {
    is_refused(|c| c.rewritten(r#""sub":"user-1""#, r#""s\u0075b":"admin","sub":"user-1""#)).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_half_a_character() {
    is_refused(|c| c.rewritten(r#""sub":"user-1""#, r#""sub":"\ud800""#)).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_two_issuers() {
    is_refused(|c| {
        let iss = format!(r#""iss":"{}""#, c.issuer.url);
        c.rewritten(&iss, &format!(r#"{iss},{iss}"#))
    })
    .await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_a_moment_to_begin_that_is_a_text() {
    is_refused(|c| c.changed(|c| c["nbf"] = json!("0"))).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_a_moment_of_issue_that_is_a_text() {
    is_refused(|c| c.changed(|c| c["iat"] = json!("0"))).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_a_missing_subject() {
    is_refused(|c| c.changed(without("sub"))).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_an_empty_subject() {
    is_refused(|c| c.changed(|c| c["sub"] = json!(""))).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_a_numeric_subject() {
    is_refused(|c| c.changed(|c| c["sub"] = json!(7))).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_an_endless_subject() {
    is_refused(|c| c.changed(|c| c["sub"] = json!("x".repeat(256)))).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_an_unprintable_subject() {
    is_refused(|c| c.changed(|c| c["sub"] = json!("user\n1"))).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_a_client_like_subject() {
    is_refused(|c| c.changed(|c| c["sub"] = json!("|host"))).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_a_scope_that_is_an_object() {
    is_refused(|c| c.changed(|c| c["scope"] = json!({"mcp:tools": true}))).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_a_scope_that_is_none() {
    is_refused(|c| c.changed(|c| c["scope"] = json!("mcp:tools \""))).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_scopes_that_are_no_texts() {
    is_refused(|c| c.changed(|c| c["scp"] = json!(["mcp:tools", 1]))).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_a_client_that_is_no_text() {
    is_refused(|c| c.changed(|c| c["client_id"] = json!(1))).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_an_empty_client() {
    is_refused(|c| c.changed(|c| c["client_id"] = json!(""))).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_what_is_bound_to_a_certificate() {
    is_refused(|c| {
        c.changed(|c| c["cnf"] = json!({"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}))
    })
    .await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_what_is_bound_to_nothing() {
    is_refused(|c| c.changed(|c| c["cnf"] = json!({}))).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_what_is_bound_to_a_thumbprint_that_is_none() {
    is_refused(|c| c.changed(|c| c["cnf"] = json!({"jkt": "short"}))).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_what_is_bound_to_two_things() {
    is_refused(|c| { c.changed(|c| c["cnf"] = json!({"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I", "x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"})) }).await;
}

/// JWK-05.
#[tokio::test]
async fn refuses_what_is_bound_to_a_text() {
    is_refused(|c| c.changed(|c| c["cnf"] = json!("jkt"))).await;
}
