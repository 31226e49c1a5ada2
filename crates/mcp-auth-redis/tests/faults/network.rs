//! What lies between the store and its server.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

/// A way to a server that loses answers and connections when told to.
pub(crate) struct Network {
    pub(crate) port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    cut: AtomicBool,
    /// Whether a connection whose answer was cut stays open until [`Network::let_go`].
    hold: AtomicBool,
    held: Notify,
    let_go: Notify,
    /// Connections of earlier ages are silent.
    age: AtomicU32,
}

impl Network {
    pub(crate) async fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::from(listener, server)
    }

    pub(crate) fn from(listener: TcpListener, server: u16) -> Self {
        let port = listener.local_addr().unwrap().port();
        let state = Arc::<State>::default();
        let network = Self {
            port,
            state: state.clone(),
        };
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                tokio::spawn(state.clone().carry(near, far));
            }
        });
        network
    }

    pub(crate) fn cut_next_answer(&self) {
        self.state.cut.store(true, Ordering::SeqCst);
    }

    /// As [`Network::cut_next_answer`], but the connection is closed only when let go.
    pub(crate) fn hold_next_answer(&self) {
        self.state.hold.store(true, Ordering::SeqCst);
        self.cut_next_answer();
    }

    pub(crate) async fn held(&self) {
        self.state.held.notified().await;
    }

    pub(crate) fn let_go(&self) {
        self.state.let_go.notify_one();
    }

    pub(crate) fn was_cut(&self) {
        assert!(!self.state.cut.load(Ordering::SeqCst), "nothing was cut");
    }

    /// From now on the connections that there are carry nothing and stay open; new ones are good.
    pub(crate) fn forget_connections(&self) {
        self.state.age.fetch_add(1, Ordering::SeqCst);
    }
}

impl State {
    async fn carry(self: Arc<Self>, mut near: TcpStream, mut far: TcpStream) {
        let age = self.age.load(Ordering::SeqCst);
        let is_silent = || self.age.load(Ordering::SeqCst) != age;
        let (mut near_in, mut near_out) = near.split();
        let (mut far_in, mut far_out) = far.split();
        let questions = async {
            let mut question = [0; 4096];
            loop {
                let length = near_in.read(&mut question).await.unwrap_or(0);
                if length == 0 {
                    return;
                }
                if is_silent() {
                    continue;
                }
                if far_out.write_all(&question[..length]).await.is_err() {
                    return;
                }
            }
        };
        let answers = async {
            let mut answer = [0; 4096];
            loop {
                let length = far_in.read(&mut answer).await.unwrap_or(0);
                if is_silent() {
                    return std::future::pending().await;
                }
                if length == 0 {
                    return;
                }
                if self.cut.swap(false, Ordering::SeqCst) {
                    if self.hold.swap(false, Ordering::SeqCst) {
                        self.held.notify_one();
                        self.let_go.notified().await;
                    }
                    return;
                }
                if near_out.write_all(&answer[..length]).await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            () = questions => {}
            () = answers => {}
        }
    }
}
