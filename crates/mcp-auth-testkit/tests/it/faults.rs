//! What goes wrong on purpose.

use std::time::Duration;

use mcp_auth::oauth::Clock;
use mcp_auth_testkit::{
    Browser,
    browser::Callback,
    demo_upstream::{Faults, IdTokenFault},
};
use serde_json::{Value, json};

use crate::relying_party::RelyingParty;

#[tokio::test]
async fn faults_are_shown_and_changed_over_http() {
    let party = RelyingParty::start().await;
    let url = party.url("/_faults");
    let json = json!({ "token_status": 503, "expires_in": "soon" });
    let set = party.http.post(&url).json(&json).send().await.unwrap();
    assert_eq!(set.status(), 200);
    let form = [
        ("omit_iss", "true"),
        ("token_delay_ms", "5"),
        ("expires_in", "-1"),
    ];
    party.http.post(&url).form(&form).send().await.unwrap();

    let expected = Faults {
        token_status: Some(503),
        omit_iss: true,
        token_delay_ms: Some(5),
        expires_in: Some(json!(-1)),
        ..Faults::default()
    };
    assert_eq!(party.upstream.faults(), expected);
    let shown: Faults = reqwest::get(&url).await.unwrap().json().await.unwrap();
    assert_eq!(shown, expected);

    let called_a_form = party
        .http
        .post(&url)
        .header("content-type", "application/x-www-form-urlencoded");
    let called_a_form = called_a_form.body(r#"{"omit_iss": true}"#);
    assert_eq!(called_a_form.send().await.unwrap().status(), 200);
    assert_eq!(party.upstream.faults(), expected);

    let unknown = party.http.post(&url).json(&json!({ "no_such": 1 }));
    assert_eq!(unknown.send().await.unwrap().status(), 400);
    let reset = party
        .http
        .post(&url)
        .form(&[("reset", "1"), ("wrong_iss", "true")]);
    reset.send().await.unwrap();
    let expected = Faults {
        wrong_iss: true,
        ..Faults::default()
    };
    assert_eq!(party.upstream.faults(), expected);
}

#[tokio::test]
async fn faults_are_not_set_by_a_page_of_another_site_or_name() {
    let party = RelyingParty::start().await;
    let url = party.url("/_faults");
    let page = Browser::new()
        .post_form_from("https://evil.example", &url, &[("wrong_iss", "true")])
        .await
        .unwrap()
        .status;
    assert_eq!(page, 403);
    let rebound = party.http.post(&url).header("host", "evil.example");
    let rebound = rebound.json(&json!({ "wrong_iss": true }));
    assert_eq!(rebound.send().await.unwrap().status(), 403);
    assert_eq!(party.upstream.faults(), Faults::default());
}

#[tokio::test]
async fn the_redirect_can_carry_a_wrong_iss_or_none_or_an_error() {
    let party = RelyingParty::start().await;
    let mut browser = Browser::new();
    party
        .upstream
        .change_faults(|faults| faults.wrong_iss = true);
    let callback = party.sign_in(&mut browser).await;
    assert_eq!(callback.iss(), Some("https://issuer.invalid"));

    party.upstream.set_faults(Faults {
        omit_iss: true,
        ..Faults::default()
    });
    assert_eq!(party.sign_in(&mut browser).await.iss(), None);

    party.upstream.set_faults(Faults {
        error_on_authorize: Some("access_denied".to_owned()),
        ..Faults::default()
    });
    let callback: Callback = party.sign_in(&mut browser).await;
    assert_eq!(callback.error(), Some("access_denied"));
    assert_eq!(callback.code(), None);
    let description = callback.parameter("error_description").unwrap();
    assert!(description.contains("<script>"));
}

#[tokio::test]
async fn token_responses_break_as_asked() {
    let party = RelyingParty::start().await;
    let tokens = party.tokens().await;
    let refresh_token = tokens.text("refresh_token");
    let ask = async |faults: Faults| {
        party.upstream.set_faults(faults);
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token),
        ];
        let id = party.upstream.client_id();
        let secret = Some(party.upstream.client_secret());
        let request = party.http.post(party.url("/token")).basic_auth(id, secret);
        request.form(&form).send().await.unwrap()
    };

    let failed = ask(Faults {
        token_status: Some(502),
        ..Faults::default()
    })
    .await;
    assert_eq!(failed.status(), 502);
    assert!(
        failed.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/html")
    );

    let garbage = ask(Faults {
        token_garbage: true,
        ..Faults::default()
    })
    .await;
    let text = garbage.text().await.unwrap();
    assert!(serde_json::from_str::<Value>(&text).is_err());

    let huge = ask(Faults {
        huge_body: true,
        ..Faults::default()
    })
    .await;
    assert!(huge.bytes().await.unwrap().len() > 8_000_000);

    let refused = ask(Faults {
        refresh_invalid_grant: true,
        ..Faults::default()
    })
    .await;
    assert_eq!(refused.status(), 400);
    assert!(party.upstream.is_live_refresh_token(refresh_token));

    let kept = ask(Faults {
        no_rotation: true,
        expires_in: Some(json!(u64::MAX)),
        ..Faults::default()
    })
    .await;
    let kept: Value = kept.json().await.unwrap();
    assert_eq!(kept["refresh_token"], Value::Null);
    assert_eq!(kept["expires_in"], u64::MAX);
    assert!(party.upstream.is_live_refresh_token(refresh_token));

    let bare = ask(Faults {
        no_refresh_token: true,
        omit_expires_in: true,
        ..Faults::default()
    })
    .await;
    let bare: Value = bare.json().await.unwrap();
    assert!(bare.get("refresh_token").is_none() && bare.get("expires_in").is_none());
}

#[tokio::test]
async fn a_rotation_can_get_lost_on_the_way_back() {
    let party = RelyingParty::start().await;
    let tokens = party.tokens().await;
    party
        .upstream
        .change_faults(|faults| faults.drop_after_rotation = true);
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", tokens.text("refresh_token")),
    ];
    let id = party.upstream.client_id();
    let secret = Some(party.upstream.client_secret());
    let request = party.http.post(party.url("/token")).basic_auth(id, secret);
    let lost = match request.form(&form).send().await {
        Ok(response) => response.bytes().await.is_err(),
        Err(_) => true,
    };
    assert!(lost);
    assert!(
        !party
            .upstream
            .is_live_refresh_token(tokens.text("refresh_token"))
    );

    party.upstream.set_faults(Faults::default());
    let again = party.refresh(tokens.text("refresh_token")).await;
    assert_eq!(again.text("error"), "invalid_grant");
}

#[tokio::test]
async fn userinfo_and_id_token_can_lie() {
    let party = RelyingParty::start().await;
    party.upstream.set_faults(Faults {
        userinfo_sub: Some("user-bob".to_owned()),
        id_token: Some(IdTokenFault::WrongNonce),
        ..Faults::default()
    });
    let tokens = party.tokens().await;
    let user = party.userinfo(tokens.text("access_token")).await;
    assert_eq!(user.text("sub"), "user-bob");
    assert_eq!(claims(tokens.text("id_token"))["nonce"], "another-nonce");

    party.upstream.set_faults(Faults {
        userinfo_status: Some(500),
        id_token: Some(IdTokenFault::Expired),
        ..Faults::default()
    });
    let tokens = party.tokens().await;
    assert_eq!(
        party.userinfo(tokens.text("access_token")).await.status,
        500
    );
    let expired = claims(tokens.text("id_token"))["exp"].as_u64().unwrap();
    let hour = Duration::from_secs(3_600);
    assert_eq!(expired, party.clock.now().minus(hour).as_seconds());

    party
        .upstream
        .change_faults(|faults| faults.id_token = Some(IdTokenFault::Missing));
    assert_eq!(party.tokens().await.body.get("id_token"), None);
    party
        .upstream
        .change_faults(|faults| faults.id_token = Some(IdTokenFault::Unsigned));
    assert!(party.tokens().await.text("id_token").ends_with('.'));
}

fn claims(jwt: &str) -> Value {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let part = jwt.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}
