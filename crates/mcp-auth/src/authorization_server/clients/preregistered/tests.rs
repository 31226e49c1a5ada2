use super::*;

fn refused(json: &str) -> String {
    PreregisteredClients::parse_json(json)
        .unwrap_err()
        .to_string()
}

fn refused_with(member: &str, value: Value) -> String {
    let mut client = serde_json::json!({
        "client_id": "desk",
        "redirect_uris": ["https://desk.example/cb"],
    });
    client[member] = value;
    let good = serde_json::json!({"client_id": "a", "redirect_uris": ["https://a.example/cb"]});
    refused(&Value::from(vec![good, client]).to_string())
}

async fn only(json: &str) -> Client {
    let clients = PreregisteredClients::parse_json(json).unwrap();
    let id = clients.0.keys().next().unwrap();
    clients.resolve(id).await.unwrap()
}

#[tokio::test]
async fn reads_a_confidential_client() {
    let client = only(
        r#"[{
            "client_id": "desk", "client_secret": "hush", "client_name": "Desk",
            "redirect_uris": ["https://desk.example/cb", "http://127.0.0.1/cb"],
            "token_endpoint_auth_method": "client_secret_post",
            "grant_types": ["authorization_code"], "scope": "a b",
            "client_uri": "https://desk.example"
        }]"#,
    )
    .await;
    assert_eq!(client.id().as_str(), "desk");
    assert_eq!(client.kind(), ClientKind::Preregistered);
    let metadata = client.metadata();
    assert_eq!(
        metadata.token_endpoint_auth_method,
        Method::ClientSecretPost
    );
    assert_eq!(metadata.client_name.as_deref(), Some("Desk"));
    assert_eq!(metadata.scope, Some(Scopes::parse("a b").unwrap()));
    assert_eq!(metadata.client_uri.as_deref(), Some("https://desk.example"));
    assert!(!metadata.refresh_tokens);
    assert_eq!(client.redirect_uris().len(), 2);
    assert_eq!(
        client.authenticate(Some(&ClientSecret::new("hush"))),
        Ok(())
    );
    assert!(
        client
            .authenticate(Some(&ClientSecret::new("hash")))
            .is_err()
    );
    assert!(client.authenticate(None).is_err());
}

#[tokio::test]
async fn the_secret_decides_where_no_method_is_named() {
    let public = only(r#"[{"client_id":"a","redirect_uris":["https://a.example/cb"]}]"#).await;
    assert_eq!(public.metadata().token_endpoint_auth_method, Method::None);
    assert!(public.metadata().refresh_tokens);
    let json =
        r#"[{"client_id":"a","client_secret":"s","redirect_uris":["https://a.example/cb"]}]"#;
    let confidential = only(json).await;
    let method = confidential.metadata().token_endpoint_auth_method;
    assert_eq!(method, Method::ClientSecretBasic);
}

#[test]
fn says_which_client_and_which_member_is_wrong() {
    for (member, value, reason) in [
        ("client_id", Value::Null, "missing"),
        (
            "client_id",
            "".into(),
            "1 to 1,500 printable ASCII characters",
        ),
        ("client_id", "a".into(), "another client has it too"),
        ("client_id", 5.into(), "not a string"),
        ("redirect_uris", Value::Null, "at least one is needed"),
        (
            "redirect_uris",
            Vec::<Value>::new().into(),
            "at least one is needed",
        ),
        (
            "redirect_uris",
            "https://a.example/cb".into(),
            "not an array of strings",
        ),
        ("redirect_uris", vec![1].into(), "not an array of strings"),
        (
            "redirect_uris",
            vec!["http://a.example/cb"].into(),
            "https, or http on loopback",
        ),
        ("client_secret", "".into(), "empty"),
        (
            "token_endpoint_auth_method",
            "client_secret_jwt".into(),
            "one of none",
        ),
        (
            "grant_types",
            vec!["implicit"].into(),
            "only authorization_code",
        ),
        (
            "grant_types",
            vec!["authorization_code", "implicit"].into(),
            "only authorization_code",
        ),
        (
            "grant_types",
            vec!["refresh_token"].into(),
            "none that gives an access token",
        ),
        ("scope", "a\"".into(), "only printable ASCII"),
        ("client_uri", "http://a.example".into(), "not an https URL"),
        (
            "redirect_uri",
            "https://a.example/cb".into(),
            "unknown member",
        ),
    ] {
        let error = refused_with(member, value);
        let begin = format!("preregistered clients: client 1, {member}: ");
        assert!(error.starts_with(&begin), "{error}");
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn refuses_a_method_that_the_secret_does_not_fit() {
    let error = refused_with("token_endpoint_auth_method", "client_secret_basic".into());
    assert!(
        error.contains("client 1, client_secret: missing"),
        "{error}"
    );
    let json = r#"[{"client_id":"a","client_secret":"canary","token_endpoint_auth_method":"none",
        "redirect_uris":["https://a.example/cb"]}]"#;
    let error = refused(json);
    assert!(
        error.contains("token_endpoint_auth_method: none, but"),
        "{error}"
    );
}

#[test]
fn no_error_and_no_debug_repeats_a_secret() {
    for json in [
        r#"{"client_secret":"canary"}"#,
        r#"["canary"]"#,
        r#"[{"client_id":"a","client_secret":["canary"]}]"#,
        r#"[{"client_id":"a","client_secret":"canary"}]"#,
        r#""canary""#,
        r#"[{"client_secret":"canary"#,
    ] {
        let error = refused(json);
        assert!(!error.contains("canary"), "{error}");
    }
    let json =
        r#"[{"client_id":"a","client_secret":"canary","redirect_uris":["https://a.example/cb"]}]"#;
    let shown = format!("{:?}", PreregisteredClients::parse_json(json).unwrap());
    assert!(!shown.contains("canary"), "{shown}");
}

#[test]
fn none_is_a_configuration_too() {
    let none = PreregisteredClients::parse_json("[]").unwrap();
    assert!(none.is_empty());
    assert_eq!(none.len(), 0);
}

/// CCR-02, AST-08.
#[test]
fn keys_make_a_client_that_signs() {
    let key = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    let entry = |more: &str| {
        format!(r#"[{{"client_id":"b","redirect_uris":["https://a.example/cb"]{more}}}]"#)
    };
    let keys = format!(r#","jwks":{{"keys":[{key}]}}"#);
    let clients = PreregisteredClients::parse_json(&entry(&keys)).unwrap();
    let client = clients.0.values().next().unwrap();
    assert_eq!(
        client.metadata().token_endpoint_auth_method,
        Method::PrivateKeyJwt
    );
    assert!(client.is_confidential());
    let private = keys.replace("\"kty\"", "\"d\":\"AAAA\",\"kty\"");
    for (more, said) in [
        (private, "private or symmetric"),
        (
            r#","jwks":{"keys":[]}"#.to_owned(),
            "no key that can verify",
        ),
        (
            r#","token_endpoint_auth_method":"private_key_jwt""#.to_owned(),
            "missing, and the method needs keys",
        ),
        (
            format!(r#"{keys},"token_endpoint_auth_method":"none""#),
            "not private_key_jwt, but there are keys",
        ),
        (
            format!(r#"{keys},"token_endpoint_auth_method":"private_key_jwt","client_secret":"s""#),
            "there is a client_secret",
        ),
    ] {
        let error = PreregisteredClients::parse_json(&entry(&more)).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
    }
}

/// CCR-01, AST-28.
#[test]
fn a_client_without_users_has_a_proof_and_no_redirect_uris() {
    let entry =
        |more: &str| format!(r#"[{{"client_id":"b","grant_types":["client_credentials"]{more}}}]"#);
    let secret = r#","client_secret":"s""#;
    let clients = PreregisteredClients::parse_json(&entry(secret)).unwrap();
    assert!(clients.has_client_credentials());
    for (more, said) in [
        (String::new(), "grant_types: needs a client_secret or jwks"),
        (
            format!(r#"{secret},"redirect_uris":["https://a.example/cb"]"#),
            "redirect_uris: none are used without authorization_code",
        ),
    ] {
        let error = refused(&entry(&more));
        assert!(error.contains(said), "{error}");
    }
}
