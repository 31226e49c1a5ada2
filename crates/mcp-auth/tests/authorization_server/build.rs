//! What `DcrShim` refuses to start with.

use std::{sync::Arc, time::Duration};

use mcp_auth::{
    BuildError, DcrShim,
    access_token::Dpop,
    authorization_server::{IntrospectionClient, clients::PreregisteredClients},
    oauth::{
        AuthorizationCode, ClientId, CodeVerifier, Issuer, PublicUrl, RefreshToken,
        ResourceIdentifier, Scopes,
    },
    resource_server::OperationScopes,
    store::{Capabilities, KeyRing},
    tier::ShimBuilder,
    upstream::{
        ExpectedIssuer, OAuthUpstream, Upstream, UpstreamAuthorization, UpstreamError,
        UpstreamLogin, UpstreamTokens,
    },
};

use crate::{harness::KEY, storage::Witness};

fn builder(url: &str) -> ShimBuilder<DcrShim> {
    let upstream = OAuthUpstream::with_issuer("https://id.example", "c")
        .build()
        .unwrap();
    DcrShim::builder(PublicUrl::parse(url).unwrap(), Arc::new(upstream))
}

fn local() -> ShimBuilder<DcrShim> {
    builder("http://127.0.0.1:8000")
}

fn refusal(builder: ShimBuilder<DcrShim>) -> String {
    let refused: BuildError = builder.build().expect_err("it must not start");
    refused.to_string()
}

/// CFG-05, CFG-07.
#[tokio::test]
async fn nothing_unsafe_is_built() {
    let public = || builder("https://mcp.example.com");
    assert!(local().build().is_ok());
    assert!(refusal(public()).contains("MCP_AUTH_KEY"));
    let ring = || KeyRing::parse(KEY).unwrap();
    assert!(public().with_key_ring(ring()).build().is_ok());
    let unasked = public()
        .with_key_ring(ring())
        .insecure_approve_without_consent();
    assert!(refusal(unasked).contains("loopback"));
    // A store that outlives the process would hold records that no key opens any more.
    let kept = Arc::new(Witness::promising(Capabilities::durable_and_shared()));
    assert!(refusal(local().with_store(kept)).contains("outlives"));
    // One that comes to agree only later lets two redeem one code.
    let mut later = Capabilities::durable_and_shared();
    later.atomic = false;
    let later = Arc::new(Witness::promising(later));
    let said = refusal(local().with_key_ring(ring()).with_store(later));
    assert!(said.contains("atomic"), "{said}");
}

/// JWK-12. A subject is `namespace|user`; one without a namespace is left for what is no user.
#[tokio::test]
async fn users_without_a_namespace_are_not_built() {
    let url = || PublicUrl::parse("http://127.0.0.1:8000").unwrap();
    for namespace in ["", "id.example|alice"] {
        let said = refusal(DcrShim::builder(url(), Arc::new(Named(namespace))));
        assert!(said.starts_with("upstream namespace"), "{said}");
    }
    assert!(
        DcrShim::builder(url(), Arc::new(Named("demo")))
            .build()
            .is_ok()
    );
}

/// An upstream that is never asked anything but its namespace.
#[derive(Debug)]
struct Named(&'static str);

#[async_trait::async_trait]
impl Upstream for Named {
    fn namespace(&self) -> &str {
        self.0
    }

    fn display_host(&self) -> &str {
        "id.example"
    }

    async fn authorization_url(
        &self,
        _: &UpstreamAuthorization<'_>,
    ) -> Result<String, UpstreamError> {
        Err(NEVER_ASKED)
    }

    async fn expected_issuer(&self) -> Result<ExpectedIssuer, UpstreamError> {
        Err(NEVER_ASKED)
    }

    async fn redeem(
        &self,
        _: &AuthorizationCode,
        _: &CodeVerifier,
        _: &str,
    ) -> Result<UpstreamLogin, UpstreamError> {
        Err(NEVER_ASKED)
    }

    async fn refresh(&self, _: &RefreshToken) -> Result<UpstreamTokens, UpstreamError> {
        Err(NEVER_ASKED)
    }
}

const NEVER_ASKED: UpstreamError = UpstreamError::Outage("never asked");

/// JWK-11.
#[tokio::test]
async fn jwts_without_a_key_to_sign_with_are_not_built() {
    let said = refusal(local().with_jwt_access_tokens());
    assert!(said.starts_with("MCP_AUTH_SIGNING_KEY"), "{said}");
}

#[tokio::test]
async fn a_client_that_must_push_needs_somewhere_to_push_to() {
    let clients = || {
        PreregisteredClients::parse_json(
            r#"[{ "client_id": "desk", "redirect_uris": ["https://desk.example/cb"],
                  "require_pushed_authorization_requests": true }]"#,
        )
        .unwrap()
    };
    let off = local().with_preregistered_clients(clients());
    assert!(refusal(off).contains("with_pushed_authorization_requests"));
    let on = local()
        .with_preregistered_clients(clients())
        .with_pushed_authorization_requests();
    assert!(on.build().is_ok());
}

/// CFG-05. An MCP endpoint there would never be reached, or hide what hosts look for.
#[tokio::test]
async fn an_mcp_endpoint_at_a_path_of_the_authorization_server_is_not_built() {
    for taken in [
        "/authorize",
        "/par",
        "/token",
        "/register",
        "/register/mcp",
        "/revoke",
        "/introspect",
        "/consent",
        "/callback",
        "/connected-apps",
        "/connected-apps/signed-out",
        "/jwks",
        "/.well-known/mcp",
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/mcp",
        "/.well-known/openid-configuration",
    ] {
        for wrong in [local().with_mcp_path(taken), local().with_resource(taken)] {
            let said = refusal(wrong);
            assert!(said.starts_with("path: ") && said.contains(taken), "{said}");
        }
    }
    for free in ["/", "/mcp", "/tokens", "/api/token", "/registers"] {
        assert!(local().with_mcp_path(free).build().is_ok(), "{free}");
    }
}

/// INT-01, INT-08, CFG-05.
#[tokio::test]
async fn whoever_could_never_ask_about_tokens_is_not_built() {
    let clients = || {
        PreregisteredClients::parse_json(
            r#"[{ "client_id": "notes", "client_secret": "a secret of the resource server",
                  "redirect_uris": ["https://notes.example/cb"] },
                { "client_id": "public", "redirect_uris": ["https://public.example/cb"] }]"#,
        )
        .unwrap()
    };
    let id = |id| ClientId::parse(id).unwrap();
    let knowing = || local().with_preregistered_clients(clients());
    let serving = |paths: &[&str]| IntrospectionClient::serving(id("notes"), paths.iter().copied());
    for (wrong, said) in [
        (
            local().with_introspection_by([id("notes")]),
            "not among the preregistered clients",
        ),
        (
            knowing().with_introspection_by([id("noets")]),
            "`noets` is not among the preregistered clients",
        ),
        (
            knowing().with_introspection_by([id("public")]),
            "neither a client_secret nor jwks",
        ),
        (
            knowing()
                .with_resource("/mail")
                .with_introspection_by([id("notes")]),
            "which of the MCP endpoints",
        ),
        (
            knowing().with_introspection_by([serving(&["/mail"])]),
            "/mail, where there is no MCP endpoint",
        ),
        (
            knowing().with_introspection_by([serving(&[])]),
            "serves no MCP endpoint",
        ),
    ] {
        let refused = refusal(wrong);
        assert!(refused.starts_with("introspection clients"), "{refused}");
        assert!(refused.contains(said), "{said}: {refused}");
    }
    let plain = knowing().with_introspection_by([id("notes")]);
    assert!(plain.build().is_ok());
    let named = knowing()
        .with_resource("/mail")
        .with_introspection_by([serving(&["/mail", "/mcp"])]);
    assert!(named.build().is_ok());
    let at_the_root = knowing()
        .with_mcp_path("/")
        .with_introspection_by([serving(&["/"])]);
    assert!(at_the_root.build().is_ok());
    // Who is a client there can be told only when one comes.
    let elsewhere = local()
        .with_clients(Arc::new(clients()))
        .with_introspection_by([id("notes")]);
    assert!(elsewhere.build().is_ok());
}

/// AX-07.
#[tokio::test]
async fn a_client_that_wants_bound_tokens_needs_them_to_be_served() {
    let clients = || {
        PreregisteredClients::parse_json(
            r#"[{ "client_id": "desk", "redirect_uris": ["https://desk.example/cb"],
                  "dpop_bound_access_tokens": true }]"#,
        )
        .unwrap()
    };
    let off = local().with_preregistered_clients(clients());
    assert!(refusal(off).contains("with_dpop"));
    let on = local()
        .with_preregistered_clients(clients())
        .with_dpop(Dpop::accepted());
    assert!(on.build().is_ok());
}

#[tokio::test]
async fn an_argument_that_cannot_be_used_is_named() {
    let second = Duration::from_secs(1);
    let scopes = |text| Scopes::parse(text).unwrap();
    for (wrong, name) in [
        (local().with_code_lifetime(601 * second), "code lifetime"),
        (local().with_code_lifetime(Duration::ZERO), "code lifetime"),
        (
            local().with_access_token_lifetime(Duration::from_millis(1500)),
            "access token lifetime",
        ),
        (
            local().with_access_token_lifetime(86_401 * second),
            "access token lifetime",
        ),
        (local().with_refresh_grace(3601 * second), "refresh grace"),
        (
            local().with_revocation_bound(3601 * second),
            "revocation bound",
        ),
        (local().serve_until(86_401 * second), "serve until"),
        (
            local().serve_until(Duration::from_millis(1500)),
            "serve until",
        ),
        (local().with_scopes(Scopes::empty()), "scopes"),
        (
            local().with_required_scopes(scopes("files:read")),
            "required scopes",
        ),
        (
            local().with_scopes(scopes("offline_access")),
            "required scopes",
        ),
        (
            local().with_redirect_schemes(["javascript"]),
            "redirect schemes",
        ),
        (
            local().with_redirect_schemes(["MyEditor"]),
            "redirect schemes",
        ),
        (local().with_redirect_schemes(["a:b"]), "redirect schemes"),
        (local().with_mcp_path("mcp"), "path"),
        (
            local().with_allowed_origins(["https://app.example/"]),
            "allowed origins",
        ),
    ] {
        let said = refusal(wrong);
        assert!(said.starts_with(name), "{name}: {said}");
    }
    assert!(local().with_redirect_schemes(["myeditor"]).build().is_ok());
}

/// CFG-02, CFG-06.
#[test]
fn an_origin_or_issuer_that_protects_nobody_is_none() {
    for bad in [
        "http://mcp.example.com",
        "http://10.0.0.7:8000",
        "http://0.0.0.0:8000",
        "https://mcp.example.com/path",
        "https://mcp.example.com?x=1",
        "https://mcp.example.com#f",
        "https://user@mcp.example.com",
        "https://user:pass@mcp.example.com",
        "ftp://mcp.example.com",
        "mcp.example.com",
    ] {
        assert!(PublicUrl::parse(bad).is_err(), "{bad}");
    }
    for bad in [
        "http://id.example.com",
        "https://id.example.com?x=1",
        "https://id.example.com#f",
        "https://user@id.example.com",
    ] {
        assert!(Issuer::parse(bad).is_err(), "{bad}");
        let upstream = OAuthUpstream::with_issuer(bad, "client").build();
        assert!(upstream.is_err(), "{bad}");
    }
    for bad in [
        "https://mcp.example.com/mcp#f",
        "https://user@mcp.example.com/mcp",
        "http://mcp.example.com/mcp",
    ] {
        assert!(ResourceIdentifier::parse(bad).is_err(), "{bad}");
    }
}

/// ASC-16. What a browser remembers is for requests that were pushed.
#[tokio::test]
async fn remembered_consents_need_pushed_requests() {
    let day = Duration::from_secs(24 * 3600);
    let refused = refusal(local().with_remembered_consent(day));
    assert!(refused.starts_with("remembered consent: "), "{refused}");
    let pushing = local().with_pushed_authorization_requests();
    assert!(pushing.with_remembered_consent(day).build().is_ok());
}

/// RS-42.
#[tokio::test]
async fn refuses_operations_whose_scopes_nobody_could_hold() {
    let scopes = |text| Scopes::parse(text).unwrap();
    let operations = OperationScopes::new().with_tool("delete", scopes("notes:write"));
    let refused = refusal(local().with_operation_scopes(operations.clone()));
    assert!(refused.contains("operation scopes") && refused.contains("notes:write"));
    let offered = local().with_scopes(scopes("notes:read notes:write"));
    assert!(offered.with_operation_scopes(operations).build().is_ok());
}
