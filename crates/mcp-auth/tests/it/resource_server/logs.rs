//! What a refusal leaves in the log.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use mcp_auth::{net::ResponseBody, resource_server::Refusal};
use tower::{Layer, ServiceExt, service_fn};
use tracing_subscriber::fmt::MakeWriter;

use crate::{
    mcp_server::{RESOURCE, local},
    tokens::{Tokens, principal},
};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[derive(Debug, PartialEq)]
struct InnerError;

async fn ask(header: Option<&str>) -> Result<Response<ResponseBody<String>>, InnerError> {
    let tokens = Tokens::for_resource(RESOURCE).with("weak", RESOURCE, principal("w", "x"));
    let server = local(tokens).build().unwrap();
    let inner =
        service_fn(|_: Request<Full<Bytes>>| async { Err::<Response<String>, _>(InnerError) });
    let mut request = Request::post("/mcp").header("host", "localhost");
    if let Some(value) = header {
        request = request.header("authorization", value);
    }
    let request = request.body(Full::default()).unwrap();
    server.layer().layer(inner).oneshot(request).await
}

// RS-23, RS-24
#[tokio::test]
async fn a_refusal_is_one_event_with_reason_fault_and_id_but_no_token() {
    // What is enabled is remembered per event for the whole process, and other tests run beside this
    // one without a subscriber: a global one that wants everything keeps all of them on.
    let everything = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE);
    let _ = everything.with_writer(std::io::sink).try_init();
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .with_ansi(false)
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    for (header, reason, fault) in [
        (None, "no_credential", "client"),
        (Some("Bearer canary-token"), "invalid_token", "client"),
        (Some("Bearer canary token"), "malformed_token", "client"),
        (Some("Bearer weak"), "insufficient_scope", "client"),
        (Some("Bearer unavailable"), "verifier_unavailable", "server"),
    ] {
        log.0.lock().unwrap().clear();
        let response = ask(header).await.unwrap();
        let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        let refused: Vec<&str> = text
            .lines()
            .filter(|l| l.contains("request refused"))
            .collect();
        let [event] = refused[..] else {
            panic!("not one event: {text}");
        };
        assert!(event.contains(&format!("reason=\"{reason}\"")), "{event}");
        assert!(event.contains(&format!("fault=\"{fault}\"")), "{event}");
        assert!(event.contains("correlation_id="), "{event}");
        assert!(!text.contains("canary"), "{text}");
        assert_eq!(
            text.contains("cause=the store cannot be reached: the-store-at-10.0.0.7"),
            reason == "verifier_unavailable",
            "{text}"
        );
        let refusal = response
            .extensions()
            .get::<Refusal>()
            .expect("a typed reason");
        assert_eq!(
            (refusal.code(), refusal.status()),
            (reason, response.status())
        );
    }
}

// The inner service's error type is kept: a refusal is a response.
#[tokio::test]
async fn the_inner_services_error_comes_through() {
    assert_eq!(ask(Some("Bearer alice")).await.unwrap_err(), InnerError);
    assert_eq!(ask(None).await.unwrap().status(), 401);
}
