use super::*;
use crate::{tier::DcrShim, upstream::Upstream as _};

fn environment(variables: &[(&str, &str)]) -> Result<Environment, BuildError> {
    let owned = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Environment::from_variables(owned)
}

/// What a variable that cannot be used says, at the latest to a tier with our own authorization server.
fn refusal(variables: &[(&str, &str)]) -> String {
    let started = environment(variables).and_then(|environment| {
        environment.upstream()?;
        let upstream = OAuthUpstream::with_issuer("https://id.example", "c").build()?;
        let tier = DcrShim::builder(environment.public_url().clone(), Arc::new(upstream));
        tier.with_environment(&environment).map(drop)
    });
    started.expect_err("it must not start").to_string()
}

const KEY: (&str, &str) = (
    "MCP_AUTH_KEY",
    "a:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
);

#[test]
fn nothing_set_is_a_demo_on_loopback() {
    let demo = environment(&[]).unwrap();
    assert_eq!(demo.listen().to_string(), "127.0.0.1:8000");
    assert_eq!(demo.public_url().as_str(), "http://127.0.0.1:8000");
    assert!(demo.upstream().unwrap().is_none());
    assert!(demo.require_loopback("the demo upstream").is_ok());
}

#[test]
fn the_public_url_follows_the_address_on_loopback() {
    let moved = environment(&[("MCP_AUTH_LISTEN", "127.0.0.1:9000")]).unwrap();
    assert_eq!(moved.public_url().as_str(), "http://127.0.0.1:9000");
    for (listen, origin) in [
        ("127.0.0.1:80", "http://127.0.0.1"),
        ("[::1]:80", "http://[::1]"),
        ("[::1]:8000", "http://[::1]:8000"),
        ("127.0.0.1:443", "http://127.0.0.1:443"),
    ] {
        let made = environment(&[("MCP_AUTH_LISTEN", listen)]).unwrap();
        assert_eq!(made.public_url().as_str(), origin);
    }
    assert!(
        refusal(&[("MCP_AUTH_LISTEN", "0.0.0.0:9000")])
            .starts_with("MCP_AUTH_PUBLIC_URL is missing")
    );
}

#[test]
fn any_port_is_for_a_server_whose_origin_is_given() {
    let any = ("MCP_AUTH_LISTEN", "127.0.0.1:0");
    assert!(refusal(&[any]).starts_with("MCP_AUTH_LISTEN: port 0"));
    let given = ("MCP_AUTH_PUBLIC_URL", "http://127.0.0.1:8000");
    assert_eq!(environment(&[any, given]).unwrap().listen().port(), 0);
}

#[test]
fn a_variable_that_cannot_be_used_is_named() {
    for (name, value) in [
        ("MCP_AUTH_LISTEN", "8000"),
        ("MCP_AUTH_PUBLIC_URL", "example.com"),
        ("MCP_AUTH_PUBLIC_URL", "http://mcp.example.com"),
        ("MCP_AUTH_PUBLIC_URL", "https://mcp.example.com/"),
        ("MCP_AUTH_KEY", "canary"),
        ("MCP_AUTH_KEY", "@missing-file"),
        ("MCP_AUTH_TOKEN", "opaque"),
        ("MCP_AUTH_SIGNING_KEY", "canary"),
        ("MCP_AUTH_SIGNING_KEY", "@missing-file"),
        ("MCP_AUTH_TRUSTED_PROXIES", "proxy"),
        ("MCP_AUTH_RATE_LIMIT", "no"),
        ("MCP_AUTH_STORE", "memory:canary"),
        ("MCP_AUTH_STORE", "mem"),
        ("MCP_AUTH_SCOPES", "a\"b"),
        ("MCP_AUTH_ACCESS_TTL", "1h"),
        ("MCP_AUTH_ACCESS_TTL", "0"),
        ("MCP_AUTH_REFRESH_TTL", "-1"),
        ("MCP_AUTH_CODE_TTL", "x"),
        ("MCP_AUTH_PUBLIC_URL", "http://127.0.0.1:0"),
        ("MCP_AUTH_ALLOWED_ORIGINS", "*"),
        ("MCP_AUTH_ALLOWED_ORIGINS", ","),
        ("MCP_AUTH_SCOPES", "mcp:tools offline_access"),
        ("UPSTREAM_ISSUER", "http://id.example"),
        ("MCP_AUTH_CODE_TTL", "601"),
        ("MCP_AUTH_SCOPES", ""),
        ("MCP_AUTH_KEY", " "),
        ("MCP_AUTH_REFRESH_GRACE", "1.5"),
        ("MCP_AUTH_REVOCATION_CACHE", "99999999999999999999"),
        ("MCP_AUTH_CLIENTS", "missing-file.json"),
        ("MCP_AUTH_DCR", "1"),
        ("MCP_AUTH_CIMD", "yes"),
        ("MCP_AUTH_DEV_CIMD_CA", "ca.pem"),
        ("MCP_AUTH_DEV_APPROVE", "yes"),
        ("MCP_AUTH_ACESS_TTL", "60"),
        ("UPSTREAM_PRESET", "gitbub"),
        ("UPSTREAM_CLIENT_ID", "id"),
        ("UPSTREAM_REVOCATION_ENDPOINT", "https://id.example/revoke"),
        ("UPSTREAM_TOKEN_ENDPOINT", "https://h.example/token"),
    ] {
        let said = refusal(&[(name, value)]);
        let named = if name == "UPSTREAM_TOKEN_ENDPOINT" {
            "UPSTREAM_AUTHORIZATION_ENDPOINT"
        } else {
            name
        };
        assert!(said.starts_with(named), "{name}={value}: {said}");
        assert!(!said.contains('\n') && !said.contains("canary"), "{said}");
    }
}

#[test]
fn jwts_need_a_key_to_sign_with() {
    let jwt = ("MCP_AUTH_TOKEN", "jwt");
    assert!(refusal(&[jwt]).starts_with("MCP_AUTH_SIGNING_KEY is missing"));
    let key = SigningKeys::generate_pem().unwrap();
    let key = ("MCP_AUTH_SIGNING_KEY", key.as_str());
    let signing = environment(&[jwt, key]).unwrap();
    assert_eq!(signing.token_form, Some(AccessTokenForm::Jwt));
    assert!(!format!("{signing:?}").contains(key.1));
    // Published and not used yet, as in the first step of turning JWTs on.
    let published = environment(&[key]).unwrap();
    assert!(published.token_form.is_none() && published.signing_keys.is_some());
}

#[test]
fn the_provider_s_own_tokens_need_neither_key_nor_client() {
    let issuer = [
        ("MCP_AUTH_LISTEN", "0.0.0.0:8000"),
        ("MCP_AUTH_PUBLIC_URL", "https://mcp.example.com"),
        ("UPSTREAM_ISSUER", "https://id.example"),
    ];
    let of = |environment: &Environment| {
        environment
            .upstream_issuer()
            .map(|issuer| issuer.map(|i| i.to_string()))
    };
    let alone = environment(&issuer).unwrap();
    assert_eq!(of(&alone).unwrap().as_deref(), Some("https://id.example"));
    assert_eq!(alone.of_authorization_server(), None);
    assert!(of(&environment(&[]).unwrap()).unwrap().is_none());
    let preset = environment(&[("UPSTREAM_PRESET", "google")]).unwrap();
    assert_eq!(
        of(&preset).unwrap().as_deref(),
        Some("https://accounts.google.com")
    );
    let without = environment(&[("UPSTREAM_PRESET", "github")]).unwrap();
    let said = of(&without).unwrap_err().to_string();
    assert!(
        said.starts_with("UPSTREAM_ISSUER is missing") && said.contains("DcrShim"),
        "{said}"
    );
    for (name, value) in [
        KEY,
        ("MCP_AUTH_STORE", "sqlite:x.db"),
        ("MCP_AUTH_DCR", "on"),
        ("MCP_AUTH_ACCESS_TTL", "60"),
    ] {
        let environment = environment(&[(name, value)]).unwrap();
        assert_eq!(environment.of_authorization_server(), Some(name));
    }
}

#[test]
fn development_stays_on_loopback() {
    let public = [
        ("MCP_AUTH_LISTEN", "0.0.0.0:8000"),
        ("MCP_AUTH_PUBLIC_URL", "https://mcp.example.com"),
    ];
    assert!(refusal(&public).starts_with("MCP_AUTH_LISTEN: must be on loopback"));
    let with_key = environment(&[public[0], public[1], KEY]).unwrap();
    let said = with_key
        .require_loopback("the built-in demo upstream")
        .unwrap_err()
        .to_string();
    assert!(said.contains("the built-in demo upstream"), "{said}");
    let ca_file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/tier/environment/tests.rs");
    let ca = [public[0], public[1], KEY, ("MCP_AUTH_DEV_CIMD_CA", ca_file)];
    assert!(refusal(&ca).contains("while MCP_AUTH_DEV_CIMD_CA is in use")); // -----BEGIN CERTIFICATE-----
    let approve = [public[0], public[1], KEY, ("MCP_AUTH_DEV_APPROVE", "1")];
    assert!(refusal(&approve).contains("MCP_AUTH_DEV_APPROVE"));
    let behind_loopback = [("MCP_AUTH_PUBLIC_URL", "https://mcp.example.com")];
    assert!(refusal(&behind_loopback).starts_with("MCP_AUTH_PUBLIC_URL: must be on loopback"));
    let real = [
        ("MCP_AUTH_DEV_APPROVE", "1"),
        ("UPSTREAM_ISSUER", "https://id.example"),
        ("UPSTREAM_CLIENT_ID", "c"),
    ];
    assert!(refusal(&real).starts_with("MCP_AUTH_DEV_APPROVE"));
}

#[test]
fn names_an_upstream_by_issuer_or_by_endpoints() {
    let issuer = environment(&[
        ("UPSTREAM_ISSUER", "https://id.example/"),
        ("UPSTREAM_CLIENT_ID", "c"),
    ])
    .unwrap();
    assert!(issuer.upstream().unwrap().is_some());
    let endpoints = [
        ("UPSTREAM_AUTHORIZATION_ENDPOINT", "https://id.example/a"),
        ("UPSTREAM_TOKEN_ENDPOINT", "https://id.example/t"),
        ("UPSTREAM_USERINFO_ENDPOINT", "https://id.example/u"),
        ("UPSTREAM_CLIENT_ID", "c"),
        ("UPSTREAM_CLIENT_SECRET", "canary"),
    ];
    let built = environment(&endpoints).unwrap();
    assert!(built.upstream().unwrap().is_some());
    assert!(!format!("{built:?}").contains("canary"));
    assert!(refusal(&endpoints[..3]).starts_with("UPSTREAM_CLIENT_ID is missing"));
    assert!(refusal(&endpoints[1..]).starts_with("UPSTREAM_AUTHORIZATION_ENDPOINT is missing"));
    let both = [
        ("UPSTREAM_ISSUER", "https://id.example"),
        endpoints[0],
        endpoints[3],
    ];
    assert!(refusal(&both).starts_with("UPSTREAM_ISSUER"));
}

#[test]
fn names_an_upstream_by_preset() {
    let preset = |choice| [("UPSTREAM_PRESET", choice), ("UPSTREAM_CLIENT_ID", "c")];
    for choice in [
        "github",
        "google",
        "entra:tenant=t-1",
        "okta:domain=dev.okta.com,server=default",
    ] {
        let built = environment(&preset(choice)).unwrap().upstream().unwrap();
        assert!(built.is_some(), "{choice}");
    }
    let google = environment(&preset("google"))
        .unwrap()
        .upstream()
        .unwrap()
        .unwrap();
    assert_eq!(google.scopes(), ["openid", "email", "profile"]);
    let [google, client] = preset("google");
    let scopes = ("UPSTREAM_SCOPES", "openid");
    let own = environment(&[google, client, scopes]).unwrap();
    assert_eq!(own.upstream().unwrap().unwrap().scopes(), ["openid"]);
}

#[test]
fn a_preset_that_cannot_be_used_stops_the_start() {
    let said = |choice| refusal(&[("UPSTREAM_PRESET", choice), ("UPSTREAM_CLIENT_ID", "c")]);
    for (choice, says) in [
        ("gitbub", "github, google"),
        ("entra", "`entra:tenant=…`: `tenant` is missing"),
        ("entra:tenant=a/b", "`tenant` must be"),
        ("notion", "implement `Upstream`"),
    ] {
        let said = said(choice);
        assert!(
            said.starts_with("UPSTREAM_PRESET: ") && said.contains(says),
            "{said}"
        );
    }
    assert!(refusal(&[("UPSTREAM_PRESET", "github")]).starts_with("UPSTREAM_CLIENT_ID is missing"));
    for beside in [
        "UPSTREAM_ISSUER",
        "UPSTREAM_TOKEN_ENDPOINT",
        "UPSTREAM_REVOCATION_ENDPOINT",
    ] {
        let said = refusal(&[
            ("UPSTREAM_PRESET", "github"),
            ("UPSTREAM_CLIENT_ID", "c"),
            (beside, "https://id.example"),
        ]);
        assert!(
            said.starts_with(beside) && said.contains("UPSTREAM_PRESET"),
            "{said}"
        );
    }
}
