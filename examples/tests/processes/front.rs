//! A load balancer: connections go round the servers that run.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// Listens at the public URL. It knows nothing of HTTP: a connection stays with its server.
pub(crate) struct Front {
    address: SocketAddr,
    servers: Arc<Mutex<Vec<SocketAddr>>>,
    running: JoinHandle<()>,
}

impl Front {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let servers = Arc::new(Mutex::new(Vec::new()));
        let running = tokio::spawn(balance(listener, servers.clone()));
        Self {
            address,
            servers,
            running,
        }
    }

    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on connections go to these.
    pub(crate) fn lead_to(&self, servers: Vec<SocketAddr>) {
        *self.servers.lock().unwrap() = servers;
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.running.abort();
    }
}

async fn balance(listener: TcpListener, servers: Arc<Mutex<Vec<SocketAddr>>>) {
    let turn = AtomicUsize::new(0);
    loop {
        let Ok((mut from, _)) = listener.accept().await else {
            continue;
        };
        let servers = servers.lock().unwrap().clone();
        let first = turn.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(async move {
            for n in 0..servers.len() {
                let server = servers[(first + n) % servers.len()];
                // One that does not run is passed over, as a balancer does.
                if let Ok(mut to) = TcpStream::connect(server).await {
                    drop(copy_bidirectional(&mut from, &mut to).await);
                    return;
                }
            }
        });
    }
}
