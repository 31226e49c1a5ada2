//! Scopes per operation, decided on the body that the handler sees (MCP 2026-07-28, Runtime
//! Insufficient Scope Errors; SEP-2243).

use std::net::SocketAddr;

use axum::{Router, extract::Request};
use base64::{Engine, prelude::BASE64_STANDARD};
use http_body_util::BodyExt;
use mcp_auth::{
    StaticKey, Tier,
    oauth::{PublicUrl, Scope, Scopes},
    resource_server::{OperationScopes, ScopeHierarchy},
    tier::Protected,
};
use serde_json::{Value, json};

use crate::{
    mcp_server::{ORIGIN, Plain, RESOURCE, local, mcp, serve, serve_app},
    tokens::{Tokens, principal},
    wire::{Answer, Ask},
};

fn scopes(text: &str) -> Scopes {
    Scopes::parse(text).unwrap()
}

fn policy() -> OperationScopes {
    OperationScopes::new()
        .with_tool("whoami", scopes("who:read who:write"))
        .with_resource("notes:///private/*", scopes("notes:private"))
        .with_prompt("secret", scopes("prompts:secret"))
        .with_method("logging/*", scopes("mcp:admin"))
}

fn tier() -> Plain {
    let tokens = Tokens::default()
        .with("weak", RESOURCE, principal("weak", "mcp:tools zeta alpha"))
        .with("half", RESOURCE, principal("half", "who:write mcp:tools"))
        .with(
            "strong",
            RESOURCE,
            principal("strong", "mcp:tools who:read who:write"),
        )
        .with("admin", RESOURCE, principal("admin", "mcp:admin"))
        .with("none", RESOURCE, principal("none", "who:read who:write"));
    let hierarchy = ScopeHierarchy::none().implies(
        Scope::parse("mcp:admin").unwrap(),
        &scopes("mcp:tools who:read who:write notes:private"),
    );
    let builder = local(tokens)
        .with_operation_scopes(policy())
        .with_max_body(64 * 1024)
        .with_scope_hierarchy(hierarchy);
    Plain::from(builder.build().unwrap())
}

/// In front of rmcp.
async fn server() -> SocketAddr {
    serve(&tier()).await
}

/// In front of a service that answers with the body it was given.
async fn mirror() -> SocketAddr {
    let inner = Router::new().fallback(|request: Request| async {
        request.into_body().collect().await.unwrap().to_bytes()
    });
    serve_app(Router::new().fallback_service(Protected::new(&tier(), inner))).await
}

async fn post(server: SocketAddr, token: &str, body: &str) -> Answer {
    let ask = Ask::message(&Value::Null).body(body).bearer(token);
    ask.send(server).await
}

fn call(method: &str, params: Value) -> String {
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string()
}

fn scope_of(answer: &Answer) -> String {
    assert_eq!(answer.status, 403, "{answer:?}");
    let challenge = answer.challenge();
    assert!(
        challenge.contains("error=\"insufficient_scope\""),
        "{challenge}"
    );
    assert!(
        challenge.contains("resource_metadata=\"http"),
        "{challenge}"
    );
    let (_, rest) = challenge.split_once("scope=\"").unwrap();
    rest.split('"').next().unwrap().to_owned()
}

/// RS-33, RS-34, RS-36, RS-39.
#[tokio::test]
async fn names_every_scope_of_the_operation_and_of_the_token_in_one_challenge() {
    let server = server().await;
    for _ in 0..2 {
        let weak = Ask::call("whoami").bearer("weak").send(server).await;
        assert_eq!(scope_of(&weak), "mcp:tools who:read who:write alpha zeta");
        let half = Ask::call("whoami").bearer("half").send(server).await;
        assert_eq!(scope_of(&half), "mcp:tools who:read who:write");
    }
    let strong = Ask::call("whoami").bearer("strong").send(server).await;
    assert_eq!(strong.tool_text(), "strong");
}

/// RS-34: what every request needs is needed here too.
#[tokio::test]
async fn an_operation_needs_its_own_scopes_and_those_of_every_request() {
    let server = server().await;
    let none = Ask::call("whoami").bearer("none").send(server).await;
    assert_eq!(scope_of(&none), "mcp:tools who:read who:write");
    let other = Ask::call("everything").bearer("weak").send(server).await;
    assert_eq!(
        other.status, 200,
        "an operation without an entry: {other:?}"
    );
}

/// RS-37.
#[tokio::test]
async fn a_broader_scope_opens_an_operation() {
    let answer = Ask::call("whoami")
        .bearer("admin")
        .send(server().await)
        .await;
    assert_eq!(answer.tool_text(), "admin");
}

/// TR-09: on every wire, whatever the version headers say.
#[tokio::test]
async fn decides_by_the_body_whatever_the_version_headers_say() {
    let server = server().await;
    let ask = Ask::call("whoami").bearer("weak");
    let bare = ask.clone().without("mcp-protocol-version");
    let twice = ask.clone().header("mcp-protocol-version", "2025-03-26");
    let silent = bare.clone().without("mcp-method").without("mcp-name");
    for ask in [ask, bare, twice, silent] {
        scope_of(&ask.send(server).await);
    }
}

/// TR-08, TR-09: a header that names an allowed tool does not open a forbidden one, nor the reverse.
#[tokio::test]
async fn refuses_headers_that_say_something_else_than_the_body() {
    let server = mirror().await;
    let base64 = |name: &str| format!("=?base64?{}?=", BASE64_STANDARD.encode(name));
    let with = |method: &str, name: &str| {
        Ask::call("whoami")
            .without("mcp-name")
            .without("mcp-method")
            .header("mcp-method", method)
            .header("mcp-name", name)
            .bearer("strong")
    };
    for ask in [
        with("tools/call", "whoami"),
        with("tools/call", &base64("whoami")),
    ] {
        assert_eq!(ask.send(server).await.status, 200);
    }
    for ask in [
        with("tools/call", "everything"),
        with("tools/call", &base64("everything")),
        with("tools/call", "=?base64?!!?="),
        with("tools/call", "Whoami"),
        with("tools/list", "whoami"),
        with("tools/call", "whoami").header("mcp-name", "everything"),
        with("tools/call", "whoami").header("mcp-name", "whoami"),
        with("tools/call", "whoami").header("mcp-method", "tools/list"),
    ] {
        let answer = ask.send(server).await;
        assert_eq!(answer.status, 400, "{ask:?}");
        assert_eq!(answer.json()["error"]["code"], -32020);
        assert_eq!(answer.all("www-authenticate").count(), 0);
    }
    let ask = with("tools/call", "everything").without("authorization");
    scope_of(&ask.without("mcp-name").bearer("weak").send(server).await);
}

/// TR-09: of two keys parsers take different ones.
#[tokio::test]
async fn refuses_a_key_that_is_there_twice() {
    let server = mirror().await;
    for body in [
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"everything","name":"whoami"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"everything","n\u0061me":"whoami"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call","params":{"name":"whoami"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"everything"},"params":{"name":"whoami"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"a","name":"secret"}}}"#,
        r#"[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"everything","name":"whoami"}}]"#,
    ] {
        for token in ["weak", "strong"] {
            let answer = post(server, token, body).await;
            assert_eq!(answer.status, 400, "{body}");
            assert_eq!(answer.json()["error"]["code"], -32600);
        }
    }
}

/// TR-09.
#[tokio::test]
async fn refuses_what_is_no_message() {
    let server = mirror().await;
    for body in [
        "",
        " ",
        "{",
        "null",
        "1",
        "\"x\"",
        "[]",
        "[[]]",
        "[1]",
        "{}",
        "{}{}",
        "\u{feff}{}",
        r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":null}"#,
        r#"{"jsonrpc":"2.0","id":1}"#,
        r#"{"jsonrpc":"2.0","result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":null}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":["whoami"]}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":7}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":["whoami"]}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"Name":"whoami"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"name":"whoami"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":7}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"everything"},"result":{}}"#,
    ] {
        let answer = post(server, "strong", body).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.json()["error"]["message"].is_string());
    }
}

/// TR-09: another spelling of the same text is the same text.
#[tokio::test]
async fn reads_escapes_as_the_handler_does() {
    let body = r#"{"jsonrpc":"2.0","id":1,"meth\u006fd":"tools\/call","params":{"n\u0061me":"who\u0061mi"}}"#;
    scope_of(&post(mirror().await, "weak", body).await);
}

/// TR-09: nesting and size cost nothing and end in an answer.
#[tokio::test]
async fn survives_deep_and_large_bodies() {
    let server = server().await;
    let deep = "[".repeat(30_000);
    assert_eq!(post(server, "strong", &deep).await.status, 400);
    let nested = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let arguments = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"arguments":{nested},"name":"whoami"}}}}"#
    );
    scope_of(&post(server, "weak", &arguments).await);
    assert_ne!(post(server, "strong", &arguments).await.status, 200);
    let large = call("ping", json!({"x": "y".repeat(65 * 1024)}));
    let answer = post(server, "strong", &large).await;
    assert_eq!(
        (answer.status, answer.json()["error"]["code"].as_i64()),
        (413, Some(-32600))
    );
}

/// The service behind the layer gets the very bytes that were decided on.
#[tokio::test]
async fn hands_the_same_bytes_on() {
    let body = " {\"jsonrpc\":\"2.0\",\n \"id\":1.0, \"method\":\"ping\",\"x\":\"\\u0061\"} ";
    let answer = post(mirror().await, "weak", body).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, body));
}

/// RS-34, TR-09: a batch (2025-03-26) is one request.
#[tokio::test]
async fn a_batch_needs_what_all_of_it_needs() {
    let server = mirror().await;
    let [ping, whoami, prompt] = [
        call("ping", json!({})),
        call("tools/call", json!({"name": "whoami"})),
        call("prompts/get", json!({"name": "secret"})),
    ];
    let batch = format!("[{ping},{whoami},{prompt}]");
    let answer = post(server, "weak", &batch).await;
    let named = "mcp:tools who:read who:write prompts:secret alpha zeta";
    assert_eq!(scope_of(&answer), named);
    let allowed = post(server, "strong", &format!("[{ping},{whoami}]")).await;
    assert_eq!(allowed.status, 200);
    let headed = Ask::message(&Value::Null)
        .body(&format!("[{ping},{whoami}]"))
        .header("mcp-method", "ping")
        .bearer("strong");
    assert_eq!(headed.send(server).await.status, 400);
}

/// RS-31: streams, the end of a session, answers and notifications need what every request needs.
#[tokio::test]
async fn what_is_no_operation_needs_what_every_request_needs() {
    let server = mirror().await;
    for method in ["GET", "DELETE"] {
        let ask = |token| Ask::new(method, "/mcp").bearer(token);
        assert_eq!(ask("weak").send(server).await.status, 200, "{method}");
        scope_of(&ask("none").send(server).await);
    }
    for body in [
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":1,"result":{"method":"tools/call","name":"whoami"}}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"x"}}"#.to_owned(),
        call("resources/subscribe", json!({})),
        call("no/such/method", json!({"name": "whoami"})),
        call("tools/list", json!({})),
    ] {
        assert_eq!(post(server, "weak", &body).await.status, 200, "{body}");
        scope_of(&post(server, "none", &body).await);
    }
    scope_of(
        &post(
            server,
            "weak",
            &call("logging/setLevel", json!({"level": "info"})),
        )
        .await,
    );
}

/// TR-09: a tool call without an id would be run by a lenient handler all the same.
#[tokio::test]
async fn a_call_in_the_shape_of_a_notification_is_a_call() {
    let body = r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"whoami"}}"#;
    scope_of(&post(mirror().await, "weak", body).await);
}

/// TR-09: URIs are compared byte for byte with what the handler is given, by every way to them.
#[tokio::test]
async fn resources_are_held_to_patterns_of_their_uri() {
    let server = mirror().await;
    let private = "notes:///private/a/b";
    for body in [
        call("resources/read", json!({"uri": private})),
        call("resources/subscribe", json!({"uri": private})),
        call("resources/unsubscribe", json!({"uri": private})),
        call(
            "resources/read",
            json!({"uri": "notes:///private/../public"}),
        ),
        call(
            "completion/complete",
            json!({"ref": {"type": "ref/resource", "uri": private}, "argument": {}}),
        ),
        call(
            "subscriptions/listen",
            json!({"notifications": {"resourceSubscriptions": ["x:y", private]}}),
        ),
    ] {
        let answer = post(server, "weak", &body).await;
        assert_eq!(
            scope_of(&answer),
            "mcp:tools notes:private alpha zeta",
            "{body}"
        );
        assert_eq!(post(server, "admin", &body).await.status, 200);
    }
    // Other strings: a handler for which they are the same resource needs an entry that fits them.
    for uri in [
        "notes:///Private/a",
        "notes:///%70rivate/a",
        "notes:///public/../private/a",
        "notes:///private",
    ] {
        let body = call("resources/read", json!({ "uri": uri }));
        assert_eq!(post(server, "weak", &body).await.status, 200, "{uri}");
    }
}

/// RS-36: nothing of a request gets into a header.
#[tokio::test]
async fn nothing_of_the_request_is_in_the_challenge() {
    let name = "secret\"; scope=\"evil";
    let policy = OperationScopes::new().with_prompt("secret*", scopes("prompts:secret"));
    let tokens = Tokens::for_resource(RESOURCE);
    let server = local(tokens).with_operation_scopes(policy).build().unwrap();
    let server = serve(&Plain::from(server)).await;
    let answer = post(
        server,
        "alice",
        &call("prompts/get", json!({ "name": name })),
    )
    .await;
    assert_eq!(scope_of(&answer), "mcp:tools prompts:secret");
    assert!(!answer.challenge().contains("evil") && !answer.body.contains("evil"));
}

/// RS-38.
#[test]
fn offline_access_is_in_no_policy() {
    let policy = OperationScopes::new().with_tool("x", scopes("offline_access"));
    let built = local(Tokens::default())
        .with_operation_scopes(policy)
        .build();
    assert!(built.unwrap_err().to_string().contains("offline_access"));
}

/// RS-38.
#[tokio::test]
async fn offline_access_of_a_token_is_in_no_challenge() {
    let tokens = Tokens::default().with("t", RESOURCE, principal("t", "offline_access mcp:tools"));
    let server = local(tokens)
        .with_operation_scopes(policy())
        .build()
        .unwrap();
    let server = serve(&Plain::from(server)).await;
    let answer = Ask::call("whoami").bearer("t").send(server).await;
    assert_eq!(scope_of(&answer), "mcp:tools who:read who:write");
}

/// RS-42: the document names what every request needs, not what single operations do.
#[tokio::test]
async fn metadata_stays_with_the_minimal_scopes() {
    let path = "/.well-known/oauth-protected-resource/mcp";
    let answer = Ask::new("GET", path).send(server().await).await;
    assert_eq!(answer.json()["scopes_supported"], json!(["mcp:tools"]));
}

/// STK-05: of several keys only some may do an operation, and no challenge starts a login.
#[tokio::test]
async fn static_keys_have_the_scopes_that_they_are_given() {
    let (one, two) = ("one-key-of-the-operator", "two-key-of-the-operator");
    let builder = || {
        StaticKey::builder(PublicUrl::parse(ORIGIN).unwrap())
            .with_key("laptop", one)
            .with_key("ci", two)
            .with_operation_scopes(policy())
    };
    let tier = builder().with_key_scopes("laptop", scopes("who:read who:write"));
    let tier = tier.build().unwrap();
    let server = serve_app(Router::new().fallback_service(tier.protect(mcp()))).await;
    let laptop = Ask::call("whoami").bearer(one).send(server).await;
    assert_eq!(laptop.tool_text(), "laptop");
    let ci = Ask::call("whoami").bearer(two).send(server).await;
    assert_eq!(ci.status, 403);
    assert!(ci.challenge().starts_with("Bearer realm=\"mcp\""), "{ci:?}");
    assert!(
        ci.challenge().contains("scope=\"who:read who:write\""),
        "{ci:?}"
    );
    let other = Ask::call("everything").bearer(two).send(server).await;
    assert_eq!(other.status, 200);
    let unknown = builder().with_key_scopes("desktop", scopes("x")).build();
    assert!(unknown.unwrap_err().to_string().contains("desktop"));
}

/// TR-09. Whoever decodes it behind the layer would see another body than the one decided on.
#[tokio::test]
async fn refuses_a_body_that_somebody_has_to_decode() {
    let server = mirror().await;
    let body = call("tools/list", json!({}));
    for (encoding, status) in [
        ("gzip", 400),
        ("br", 400),
        ("gzip, identity", 400),
        ("identity", 200),
    ] {
        let ask = Ask::message(&Value::Null).body(&body).bearer("strong");
        let answer = ask.header("content-encoding", encoding).send(server).await;
        assert_eq!(answer.status, status, "{encoding}");
    }
}

/// TR-09.
#[tokio::test]
async fn refuses_a_body_that_asks_for_thousands_of_things() {
    let server = mirror().await;
    let listen = |count: usize| {
        let uris: Vec<_> = (0..count).map(|n| format!("n:{n}")).collect();
        call(
            "subscriptions/listen",
            json!({ "notifications": { "resourceSubscriptions": uris } }),
        )
    };
    assert_eq!(post(server, "strong", &listen(999)).await.status, 200);
    assert_eq!(post(server, "strong", &listen(1000)).await.status, 400);
}
