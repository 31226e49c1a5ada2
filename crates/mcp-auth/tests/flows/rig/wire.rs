//! Our requests at the upstream, seen on their way.

use std::{sync::Mutex, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response, Uri};
use mcp_auth::net::{HttpClient, HttpError, ReqwestClient};

/// The built-in client; it keeps what went over it, and can be cut.
#[derive(Debug)]
pub struct Wire {
    client: ReqwestClient,
    seen: Mutex<Vec<Exchange>>,
    fault: Mutex<Fault>,
}

/// One request and its answer.
#[derive(Debug, Clone)]
pub struct Exchange {
    pub path: String,
    pub authorization: Option<String>,
    pub sent: String,
    pub answered: String,
}

#[derive(Debug, Default)]
struct Fault {
    unreachable: bool,
    /// The answer is there, but comes this much later.
    late: Option<Duration>,
}

impl Wire {
    pub fn new() -> Self {
        Self {
            client: ReqwestClient::new().unwrap(),
            seen: Mutex::default(),
            fault: Mutex::default(),
        }
    }

    /// From now on nobody listens at the other end, or somebody does again.
    pub fn set_unreachable(&self, unreachable: bool) {
        self.fault.lock().unwrap().unreachable = unreachable;
    }

    /// From now on every answer comes this much later.
    pub fn set_late(&self, late: Option<Duration>) {
        self.fault.lock().unwrap().late = late;
    }

    pub fn seen(&self) -> Vec<Exchange> {
        self.seen.lock().unwrap().clone()
    }

    /// A field of the latest answer of the token endpoint.
    pub fn latest_token_field(&self, name: &str) -> Option<String> {
        let seen = self.seen();
        let answers = seen
            .iter()
            .rev()
            .filter(|exchange| exchange.path == "/token");
        answers
            .filter_map(|exchange| {
                serde_json::from_str::<serde_json::Value>(&exchange.answered).ok()
            })
            .find_map(|answer| answer.get(name)?.as_str().map(str::to_owned))
    }
}

#[async_trait]
impl HttpClient for Wire {
    async fn send(
        &self,
        mut request: Request<Bytes>,
        limit: usize,
    ) -> Result<Response<Bytes>, HttpError> {
        let (unreachable, late) = {
            let fault = self.fault.lock().unwrap();
            (fault.unreachable, fault.late)
        };
        if unreachable {
            *request.uri_mut() = nobody_listens(request.uri()).await;
        }
        let mut exchange = Exchange {
            path: request.uri().path().to_owned(),
            authorization: request
                .headers()
                .get("authorization")
                .map(|value| value.to_str().unwrap().to_owned()),
            sent: String::from_utf8_lossy(request.body()).into_owned(),
            answered: String::new(),
        };
        let answer = self.client.send(request, limit).await;
        if let Ok(answer) = &answer {
            exchange.answered = String::from_utf8_lossy(answer.body()).into_owned();
        }
        self.seen.lock().unwrap().push(exchange);
        if let Some(late) = late {
            tokio::time::sleep(late).await;
        }
        answer
    }
}

/// The same path at a port that was free a moment ago: the connection is really refused.
async fn nobody_listens(uri: &Uri) -> Uri {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap();
    let path = uri.path_and_query().unwrap();
    format!("http://{address}{path}").parse().unwrap()
}
