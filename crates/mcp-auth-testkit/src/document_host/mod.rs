//! A host of client ID metadata documents, over TLS on loopback, that can be as hostile as a test
//! needs it.

mod answer;
mod certificate;
mod connection;

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_rustls::TlsAcceptor;

pub use answer::DocumentAnswer;
use certificate::Certificates;

/// Serves documents under `https://localhost:PORT` and, to a client whose resolver leads there,
/// under any name below `client.example`; it stops when it is dropped.
///
/// ```
/// # use mcp_auth_testkit::DocumentHost;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let host = DocumentHost::start().await?;
/// let client_id = host.publish("/client.json", &["http://127.0.0.1/callback"]);
/// assert!(client_id.starts_with("https://localhost:"));
/// let trusted_by_the_server = host.ca_pem();
/// # let _ = trusted_by_the_server; Ok(()) }
/// ```
#[derive(Debug)]
pub struct DocumentHost {
    address: SocketAddr,
    ca_pem: String,
    served: Arc<Served>,
    serving: JoinHandle<()>,
}

/// What is served, and what was asked for.
#[derive(Debug, Default)]
struct Served {
    answers: Mutex<HashMap<String, DocumentAnswer>>,
    requests: Mutex<Vec<DocumentRequest>>,
    connections: Mutex<usize>,
}

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DocumentRequest {
    /// The path, with its query.
    pub path: String,
    /// Every header line, its name in lower case.
    pub headers: Vec<(String, String)>,
}

impl DocumentHost {
    /// Starts on a free loopback port, with a certificate authority of its own.
    ///
    /// # Errors
    ///
    /// When no port can be bound or no certificate be made.
    pub async fn start() -> io::Result<Self> {
        let certificates = Certificates::generate().map_err(io::Error::other)?;
        let acceptor = TlsAcceptor::from(Arc::new(certificates.server_config()?));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let served = Arc::new(Served::default());
        let serving = tokio::spawn(accept(listener, acceptor, Arc::clone(&served)));
        Ok(Self {
            address,
            ca_pem: certificates.ca_pem,
            served,
            serving,
        })
    }

    /// The certificate authority that a client has to trust, in PEM.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// A URL of this host.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        self.url_at("localhost", path)
    }

    /// The same under another name, such as `one.client.example`, which the server's resolver must know.
    #[must_use]
    pub fn url_at(&self, name: &str, path: &str) -> String {
        format!("https://{name}:{}{path}", self.address.port())
    }

    /// Publishes the document of a public client with these redirection URIs; gives its `client_id`.
    pub fn publish(&self, path: &str, redirect_uris: &[&str]) -> String {
        let client_id = self.url(path);
        self.serve(path, &document(&client_id, redirect_uris));
        client_id
    }

    /// Answers a path with this JSON document.
    pub fn serve(&self, path: &str, document: &Value) {
        self.answer(path, DocumentAnswer::json(document));
    }

    /// Answers a path in any way; everything else is 404.
    pub fn answer(&self, path: &str, answer: DocumentAnswer) {
        lock(&self.served.answers).insert(path.to_owned(), answer);
    }

    /// The requests for a path, in order.
    #[must_use]
    pub fn requests(&self, path: &str) -> Vec<DocumentRequest> {
        let requests = lock(&self.served.requests);
        let asked = requests.iter().filter(|request| request.path == path);
        asked.cloned().collect()
    }

    /// How many connections were made, with or without a request.
    #[must_use]
    pub fn connections(&self) -> usize {
        *lock(&self.served.connections)
    }

    /// Stops listening: connections are refused from now on.
    pub fn go_down(&self) {
        self.serving.abort();
    }
}

/// The document of a public client.
#[must_use]
pub fn document(client_id: &str, redirect_uris: &[&str]) -> Value {
    json!({
        "client_id": client_id,
        "client_name": "Document client",
        "redirect_uris": redirect_uris,
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    })
}

impl Drop for DocumentHost {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, served: Arc<Served>) {
    while let Ok((stream, _)) = listener.accept().await {
        *lock(&served.connections) += 1;
        let (acceptor, served) = (acceptor.clone(), Arc::clone(&served));
        tokio::spawn(async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                // Whoever hangs up early is part of a test.
                drop(connection::serve(stream, &served).await);
            }
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
