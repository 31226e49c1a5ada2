//! Logins, refreshes, refusals and outages of every kind, and the secrets that came of them.

use std::time::Duration;

use mcp_auth::{
    access_token::SigningKeys,
    oauth::{AccessToken, RefreshToken},
};
use mcp_auth_testkit::{
    ScriptedHost,
    browser::Decision,
    demo_upstream::Faults,
    scripted_host::{Authorization, Discovery, Registration},
};
use serde_json::json;

use crate::{
    further_days,
    rig::{KEY, Rig, Session, State},
    secrets::Secrets,
};

/// All of it; the session that comes back is alive.
pub async fn all(rig: &mut Rig, secrets: &mut Secrets) -> Session {
    secrets.add(
        "root key",
        KEY.split_once(':').unwrap().1.trim_end_matches('='),
    );
    good_days(rig, secrets).await;
    refusals(rig, secrets).await;
    visits(rig, secrets).await;
    upstream_outages(rig, secrets).await;
    store_outages(rig, secrets).await;
    further_days::all(rig, secrets).await;
    signed_tokens(rig, secrets).await;
    let live = session(rig, secrets, public(rig)).await;
    secrets.add_upstream(rig);
    live
}

/// People who look at their connected apps, end one, and are refused.
async fn visits(rig: &Rig, secrets: &mut Secrets) {
    session(rig, secrets, public(rig)).await;
    let mut host = rig.host();
    let url = format!("{}/connected-apps", rig.url);
    let browser = host.browser();
    browser.get(&url).await.unwrap();
    let page = browser.submit("Sign in").await.unwrap();
    assert_eq!(page.title(), "Sign in · Demo upstream");
    note_cookies(rig, secrets, &mut host);
    let browser = host.browser();
    let page = browser.sign_in_as("alice", "wonderland").await.unwrap();
    let forms = page.forms.clone();
    let [first, .., last] = forms.as_slice() else {
        panic!("{}", page.text());
    };
    let token = last.value("token").unwrap();
    secrets.add("visitor form", token);
    let visitor = browser.cookie(&rig.url, "mcp-auth-visitor").unwrap();
    secrets.add("visitor cookie", visitor);
    let own = rig.url.clone();
    for (origin, token, grant) in [
        ("https://evil.example", token, first.value("grant").unwrap()),
        (
            &own,
            "forged-token-of-nobody",
            first.value("grant").unwrap(),
        ),
        (&own, token, "no-such-grant"),
        (&own, token, first.value("grant").unwrap()),
    ] {
        let fields = [("action", "revoke"), ("token", token), ("grant", grant)];
        browser.post_form_from(origin, &url, &fields).await.unwrap();
        browser.get(&url).await.unwrap();
    }
    browser.submit("Sign out").await.unwrap();
    browser.get(&url).await.unwrap();
}

/// From here on access tokens are JWTs.
async fn signed_tokens(rig: &mut Rig, secrets: &mut Secrets) {
    secrets.add("signing key", SIGNING_SEED);
    let key = json!({ "kty": "OKP", "crv": "Ed25519", "d": SIGNING_SEED,
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    let keys = SigningKeys::parse(&key.to_string()).unwrap();
    rig.redeploy(0, |builder| {
        builder.with_signing_keys(keys).with_jwt_access_tokens()
    });
    let session = session(rig, secrets, public(rig)).await;
    let token = &session.tokens.access_token;
    assert_eq!(rig.whoami(token).await.status, 200);
    let (signed, _) = token.expose().rsplit_once('.').unwrap();
    let forged = AccessToken::new(format!("{signed}.AAAA"));
    assert_eq!(rig.whoami(&forged).await.status, 401);
    rig.clock.advance(Duration::from_secs(3600));
    assert_eq!(rig.whoami(token).await.status, 401);
}

/// RFC 8037 appendix A.1.
const SIGNING_SEED: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";

fn public(rig: &Rig) -> ScriptedHost {
    rig.host()
}

pub fn confidential(rig: &Rig, method: &str) -> ScriptedHost {
    let redirect_uri = "http://127.0.0.1:33418/callback";
    let body = json!({
        "client_name": "Confidential host",
        "redirect_uris": [redirect_uri],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": method,
    });
    rig.host().with_registration(body, redirect_uri)
}

/// A login whose every secret is noted.
pub async fn session(rig: &Rig, secrets: &mut Secrets, mut host: ScriptedHost) -> Session {
    let (discovery, registration) = client(secrets, &host).await;
    let (authorization, code) = login(rig, secrets, &mut host, &discovery, &registration).await;
    let answer = host
        .redeem(&discovery, &registration, &authorization, &code.unwrap())
        .await
        .unwrap();
    secrets.add_token_answer(&answer.body);
    Session {
        host,
        discovery,
        registration,
        tokens: answer.granted().unwrap(),
    }
}

async fn client(secrets: &mut Secrets, host: &ScriptedHost) -> (Discovery, Registration) {
    let discovery = host.discover().await.unwrap();
    let registration = host.register(&discovery).await.unwrap();
    if let Some(secret) = &registration.client_secret {
        secrets.add("client secret", secret.expose());
    }
    (discovery, registration)
}

/// Up to the callback, whatever it says; a login that stops on a page has no code.
async fn login(
    rig: &Rig,
    secrets: &mut Secrets,
    host: &mut ScriptedHost,
    discovery: &Discovery,
    registration: &Registration,
) -> (Authorization, Option<String>) {
    let authorization = host.authorization(discovery, registration);
    secrets.add("state", authorization.state.as_str());
    secrets.add("verifier", authorization.verifier.expose());
    let browser = host.browser();
    let page = browser.get(&authorization.url).await.unwrap();
    let (_, form) = page.html.split_once("name=\"request\" value=\"").unwrap();
    secrets.add("consent form", form.split_once('"').unwrap().0);
    if let Ok(page) = browser.submit("Approve").await
        && page.has_button("Sign in")
    {
        note_cookies(rig, secrets, host);
    }
    let arrived = host
        .browser()
        .resume_until(
            "http://127.0.0.1:33418/callback",
            &|page: &mcp_auth_testkit::browser::Page| {
                if page.has_button("Sign in") {
                    mcp_auth_testkit::browser::Action::sign_in("alice", "wonderland")
                } else {
                    mcp_auth_testkit::browser::Action::Stop
                }
            },
        )
        .await;
    let code = arrived
        .ok()
        .and_then(|callback| callback.code().map(str::to_owned));
    if let Some(code) = &code {
        secrets.add("code", code.as_str());
    }
    (authorization, code)
}

fn note_cookies(rig: &Rig, secrets: &mut Secrets, host: &mut ScriptedHost) {
    let names = host.browser().cookie_names(&rig.url);
    assert!(names.iter().any(|name| name.starts_with("mcp-auth-login-")));
    for name in names.iter().filter(|name| name.starts_with("mcp-auth-")) {
        let value = host.browser().cookie(&rig.url, name).unwrap();
        secrets.add("cookie", value);
    }
}

async fn good_days(rig: &Rig, secrets: &mut Secrets) {
    let hosts = [
        public(rig),
        confidential(rig, "client_secret_post"),
        confidential(rig, "client_secret_basic"),
    ];
    for host in hosts {
        let mut session = session(rig, secrets, host).await;
        for _ in 0..2 {
            assert_eq!(rig.whoami(&session.tokens.access_token).await.status, 200);
            let told = rig.upstream_token(&session.tokens.access_token).await;
            assert!(told.body["upstream"].is_string());
            rig.clock.advance(Duration::from_secs(301));
            let answer = session.refresh().await;
            secrets.add_token_answer(&answer.body);
            session.tokens = answer.granted().unwrap();
        }
    }
}

async fn refusals(rig: &Rig, secrets: &mut Secrets) {
    let mut host = confidential(rig, "client_secret_post");
    let (discovery, registration) = client(secrets, &host).await;
    let (authorization, code) = login(rig, secrets, &mut host, &discovery, &registration).await;
    let code = code.unwrap();
    let wrong = host.authorization(&discovery, &registration);
    secrets.add("verifier", wrong.verifier.expose());
    let redeem = |authorization| host.redeem(&discovery, &registration, authorization, &code);
    assert_eq!(redeem(&wrong).await.unwrap().status, 400);

    // The right secrets in every wrong place.
    let secret = registration.client_secret.as_ref().unwrap().expose();
    let of_another = Registration::known("mcp-client-nobody-knows");
    for (name, value) in [
        ("code", code.as_str()),
        ("refresh_token", code.as_str()),
        ("client_assertion", secret),
        ("scope", code.as_str()),
        ("grant_type", secret),
    ] {
        let form = [
            ("grant_type", "authorization_code"),
            (name, value),
            ("code_verifier", secret),
        ];
        let answer = host.token_request(&discovery, &of_another, &form).await;
        assert!(answer.unwrap().status >= 400);
        let answer = host.token_request(&discovery, &registration, &form).await;
        assert!(answer.unwrap().status >= 400);
    }
    let tokens = redeem(&authorization).await.unwrap();
    secrets.add_token_answer(&tokens.body);
    assert_eq!(
        redeem(&authorization).await.unwrap().status,
        400,
        "a second use"
    );
    let tokens = tokens.granted().unwrap();
    let token = tokens.access_token.expose();
    assert_eq!(rig.whoami(&tokens.access_token).await.status, 401);
    let cut = AccessToken::new(&token[..token.len() - 2]);
    assert_eq!(rig.whoami(&cut).await.status, 401);
    for path in [
        "/mcp",
        "/authorize",
        "/callback",
        "/register",
        "/token",
        "/nowhere",
    ] {
        let url = format!(
            "{}{path}?access_token={token}&code={code}&client_secret={secret}&state={}",
            rig.url, authorization.state
        );
        let request = rig
            .http
            .get(url.as_str())
            .header("authorization", format!("Basic {secret}"));
        assert!(request.send().await.unwrap().status().as_u16() >= 400);
        let request = rig
            .http
            .post(url)
            .body(format!("{{\"token\":\"{token}\"}}"));
        let request = request.header("cookie", format!("mcp-auth-browser={code}"));
        assert!(request.send().await.unwrap().status().as_u16() >= 400);
    }

    // Reuse of a refresh token, and one that was tampered with.
    let mut session = session(rig, secrets, public(rig)).await;
    let first = session.refresh_token().clone();
    let tampered = RefreshToken::new(first.expose().replacen("mcprt_A", "mcprt_B", 1) + "x");
    assert_eq!(session.refresh_with(&tampered).await.status, 400);
    for _ in 0..2 {
        let answer = session.refresh().await;
        secrets.add_token_answer(&answer.body);
        session.tokens = answer.granted().unwrap();
    }
    assert_eq!(session.refresh_with(&first).await.status, 400);

    // The user says no; another browser brings the callback.
    let asked = host.authorization(&discovery, &registration);
    secrets.add("state", asked.state.as_str());
    host.visit(&asked, Decision::Deny).await.unwrap();
    let asked = host.authorization(&discovery, &registration);
    secrets.add("state", asked.state.as_str());
    let callback = host.visit(&asked, Decision::Approve).await.unwrap();
    secrets.add("code", callback.code().unwrap());
    let link = callback.hops.last().unwrap().url.clone();
    let page = rig
        .host()
        .browser()
        .get(link.as_str())
        .await
        .unwrap()
        .status;
    assert_eq!(page, 400);
    assert_eq!(host.browser().get(link.as_str()).await.unwrap().status, 400);
}

async fn upstream_outages(rig: &Rig, secrets: &mut Secrets) {
    let outages = [
        Faults {
            token_status: Some(500),
            ..Faults::default()
        },
        Faults {
            token_status: Some(400),
            ..Faults::default()
        },
        Faults {
            token_garbage: true,
            ..Faults::default()
        },
        Faults {
            huge_body: true,
            ..Faults::default()
        },
        Faults {
            userinfo_status: Some(500),
            ..Faults::default()
        },
        Faults {
            userinfo_status: Some(401),
            ..Faults::default()
        },
        Faults {
            wrong_iss: true,
            ..Faults::default()
        },
        Faults {
            omit_iss: true,
            ..Faults::default()
        },
        Faults {
            error_on_authorize: Some("server_error".into()),
            ..Faults::default()
        },
        Faults {
            token_type: Some("mac".into()),
            ..Faults::default()
        },
        Faults {
            expires_in: Some(json!("never")),
            ..Faults::default()
        },
        Faults {
            drop_after_rotation: true,
            ..Faults::default()
        },
        Faults {
            refresh_invalid_grant: true,
            ..Faults::default()
        },
    ];
    for outage in outages {
        let mut session = session(rig, secrets, public(rig)).await;
        rig.clock.advance(Duration::from_secs(301));
        rig.upstream.set_faults(outage);
        let told = rig.upstream_token(&session.tokens.access_token).await;
        assert!(matches!(told.status, 200 | 401));
        secrets.add_token_answer(&session.refresh().await.body);
        let (discovery, registration) = (session.discovery.clone(), session.registration.clone());
        login(rig, secrets, &mut session.host, &discovery, &registration).await;
        rig.upstream.set_faults(Faults::default());
        secrets.add_token_answer(&session.refresh().await.body);
    }
    let mut session = session(rig, secrets, public(rig)).await;
    rig.clock.advance(Duration::from_secs(301));
    rig.wire.set_unreachable(true);
    assert_eq!(session.refresh().await.status, 503);
    let (discovery, registration) = (session.discovery.clone(), session.registration.clone());
    login(rig, secrets, &mut session.host, &discovery, &registration).await;
    rig.wire.set_unreachable(false);
}

async fn store_outages(rig: &Rig, secrets: &mut Secrets) {
    let mut session = session(rig, secrets, public(rig)).await;
    let grant = rig.store.latest_grant();
    rig.store.set(State::Down);
    assert_eq!(session.refresh().await.status, 503);
    rig.clock.advance(Duration::from_secs(10));
    assert_eq!(rig.whoami(&session.tokens.access_token).await.status, 503);
    let (discovery, registration) = (session.discovery.clone(), session.registration.clone());
    login(rig, secrets, &mut session.host, &discovery, &registration).await;
    rig.store.set(State::Up);
    let answer = session.refresh().await;
    secrets.add_token_answer(&answer.body);
    rig.store
        .edit(&grant, |record| record.sealed[30] ^= 1)
        .await;
    assert_eq!(session.refresh().await.status, 400);
    rig.clock.advance(Duration::from_secs(10));
    assert_eq!(rig.whoami(&session.tokens.access_token).await.status, 401);
}
