//! Making a connection: find the server, sign in, and make sure that it is one to talk to.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind,
    IntoConnectionInfo, RedisError, ServerErrorKind, Value,
    aio::MultiplexedConnection,
    cluster::ClusterClientBuilder,
    io::tcp::{TcpSettings, socket2::TcpKeepalive},
};

use crate::{
    address::{Address, Host, Servers},
    away::{Away, Refusal},
    connection::Connection,
    failure::{Failure, code},
    inspection::Inspection,
    script::{Call, LIST, Script},
};

/// Makes connections to the servers of one address.
pub(crate) struct Dialler {
    pub(crate) address: Address,
    /// A key of ours, which nothing is ever written to.
    pub(crate) probe: Vec<u8>,
    /// How long one try may take.
    pub(crate) patience: Duration,
    /// Which sentinel is the first to be asked next time.
    pub(crate) turn: AtomicUsize,
}

/// A connection that is ready, and what its server said about itself.
pub(crate) struct Dialled {
    pub(crate) connection: Connection,
    pub(crate) inspection: Option<Inspection>,
}

impl Dialler {
    /// One try.
    pub(crate) async fn dial(&self) -> Result<Dialled, Away> {
        if self.address.tls {
            name_the_back_end_of_tls();
        }
        let try_once = async {
            match &self.address.servers {
                Servers::Single { database } => self.dial_single(*database).await,
                Servers::Cluster => self.dial_cluster().await,
                Servers::Sentinel { service, database } => {
                    self.dial_by_sentinel(service, *database).await
                }
            }
        };
        let tried = tokio::time::timeout(self.patience, try_once).await;
        tried.unwrap_or_else(|_| Err(Away::Down(Failure::new("nobody answered in time"))))
    }

    /// One try to get a connection on which the servers of these keys answer.
    pub(crate) async fn dial_for(&self, keys: &[Vec<u8>]) -> Result<Connection, Away> {
        let Dialled { mut connection, .. } = self.dial().await?;
        let all = async {
            for key in keys {
                let mut question = redis::cmd("EXISTS");
                question.arg(key);
                connection.query(&question).await?;
            }
            Ok(connection)
        };
        let answered = tokio::time::timeout(self.patience, all).await;
        answered.unwrap_or_else(|_| Err(nobody()))
    }

    async fn dial_single(&self, database: u32) -> Result<Dialled, Away> {
        let mut away = nobody();
        for host in &self.address.hosts {
            match self.dial_primary(host, database).await {
                Err(Away::Down(failure)) => away = Away::Down(failure),
                answer => return answer,
            }
        }
        Err(away)
    }

    /// A server that takes writes: one that is starting, or is a replica, is none to talk to.
    async fn dial_primary(&self, host: &Host, database: u32) -> Result<Dialled, Away> {
        let mut connection = self.sign_in(host).await?;
        if database != 0 {
            select(&mut connection, database).await?;
        }
        let inspection = Inspection::of(&mut connection).await;
        if inspection.as_ref().is_some_and(Inspection::is_cluster) {
            return Err(Away::Refused(Refusal::IsCluster));
        }
        let mut connection = Connection::Single(connection);
        self.probe(&mut connection).await?;
        Ok(Dialled {
            connection,
            inspection,
        })
    }

    async fn dial_by_sentinel(&self, service: &str, database: u32) -> Result<Dialled, Away> {
        let mut away = nobody();
        let hosts = &self.address.hosts;
        // Each time another is the first: one that knows only a primary of the past cannot stand
        // before the others for ever.
        let first = self.turn.fetch_add(1, Ordering::Relaxed) % hosts.len().max(1);
        for sentinel in hosts.iter().cycle().skip(first).take(hosts.len()) {
            match self.by_this(sentinel, service, database).await {
                Err(Away::Down(failure)) => away = Away::Down(failure),
                answer => return answer,
            }
        }
        Err(away)
    }

    /// A sentinel that hangs, or names a server that does, leaves time for another.
    async fn by_this(
        &self,
        sentinel: &Host,
        service: &str,
        database: u32,
    ) -> Result<Dialled, Away> {
        let asked = tokio::time::timeout(self.share(), self.primary(sentinel, service)).await;
        let late = |_| Away::Down(Failure::new("a sentinel did not answer"));
        let primary = asked.map_err(late)??;
        let dialling = self.dial_primary(&primary, database);
        let dialled = tokio::time::timeout(self.patience / 2, dialling).await;
        dialled.unwrap_or_else(|_| {
            let late = Failure::new("the primary that a sentinel named did not answer");
            Err(Away::Down(late))
        })
    }

    /// Where this sentinel sees the primary. Most have no password, others that of the servers.
    async fn primary(&self, sentinel: &Host, service: &str) -> Result<Host, Away> {
        let mut question = redis::cmd("SENTINEL");
        question.arg("GET-MASTER-ADDR-BY-NAME").arg(service);
        let mut connection = self.connect(sentinel).await?;
        let mut answer = question.query_async::<Value>(&mut connection).await;
        if answer
            .as_ref()
            .is_err_and(|e| code(e).as_deref() == Some("NOAUTH"))
        {
            let mut connection = self.sign_in(sentinel).await?;
            answer = question.query_async(&mut connection).await;
        }
        let found: Option<(String, u16)> = redis::from_redis_value(answer?)
            .map_err(|_| Away::Down(Failure::new("a sentinel gave no address")))?;
        let (name, port) = found
            .ok_or_else(|| Away::Down(Failure::new("a sentinel knows no service of this name")))?;
        Ok(Host { name, port })
    }

    async fn dial_cluster(&self) -> Result<Dialled, Away> {
        let inspection = self.any_node().await?;
        if inspection.as_ref().is_some_and(|it| !it.is_cluster()) {
            return Err(Away::Refused(Refusal::IsNoCluster));
        }
        let nodes = self.address.hosts.iter().map(|host| self.info(host));
        let nodes: Result<Vec<ConnectionInfo>, _> = nodes.collect();
        let mut builder = ClusterClientBuilder::new(nodes.map_err(down)?)
            // Only who counts the tries can tell what an answer means; see `query_cluster`.
            .retries(0)
            .connection_timeout(self.share())
            .response_timeout(self.patience)
            .tcp_settings(self.tcp());
        if let Some(username) = &self.address.username {
            builder = builder.username(username);
        }
        if let Some(password) = &self.address.password {
            builder = builder.password(password);
        }
        let client = builder.build().map_err(down)?;
        let mut connection =
            Connection::Cluster(client.get_async_connection().await.map_err(down)?);
        self.probe(&mut connection).await?;
        Ok(Dialled {
            connection,
            inspection,
        })
    }

    /// Does what reads and listings do, where nothing is: a server that cannot is found out now.
    async fn probe(&self, connection: &mut Connection) -> Result<(), Away> {
        connection.query(&load(&self.probe)).await?;
        let nothing = Call {
            keys: vec![self.probe.clone()],
            arguments: vec![b"1"],
        };
        Script::new(LIST).run(connection, &nothing).await?;
        Ok(())
    }

    /// Signs in at the first node that answers, so that wrong credentials are told from a cluster
    /// that is away.
    async fn any_node(&self) -> Result<Option<Inspection>, Away> {
        let mut away = nobody();
        for host in &self.address.hosts {
            match tokio::time::timeout(self.share(), self.sign_in(host)).await {
                Ok(Ok(mut node)) => {
                    redis::cmd("PING").query_async::<Value>(&mut node).await?;
                    return Ok(Inspection::of(&mut node).await);
                }
                Ok(Err(Away::Down(failure))) => away = Away::Down(failure),
                Ok(Err(refused)) => return Err(refused),
                Err(_) => {}
            }
        }
        Err(away)
    }

    async fn sign_in(&self, host: &Host) -> Result<MultiplexedConnection, Away> {
        let mut connection = self.connect(host).await?;
        let Some(password) = &self.address.password else {
            return Ok(connection);
        };
        let mut command = redis::cmd("AUTH");
        command.arg(self.address.username.as_deref()).arg(password);
        match command.query_async::<Value>(&mut connection).await {
            Ok(_) => Ok(connection),
            // Also where no password is set: then this is not the server that was meant.
            Err(e) if is_about_credentials(&e) => Err(Away::Refused(Refusal::Credentials)),
            Err(e) => Err(e.into()),
        }
    }

    async fn connect(&self, host: &Host) -> Result<MultiplexedConnection, Away> {
        let client = Client::open(self.info(host).map_err(down)?).map_err(down)?;
        // The store's own deadline counts, over all that an operation does.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        let connecting = client.get_multiplexed_async_connection_with_config(&config);
        connecting.await.map_err(down)
    }

    fn info(&self, host: &Host) -> Result<ConnectionInfo, RedisError> {
        let (name, port) = (host.name.clone(), host.port);
        let address = if self.address.tls {
            ConnectionAddr::TcpTls {
                host: name,
                port,
                insecure: false,
                tls_params: None,
            }
        } else {
            ConnectionAddr::Tcp(name, port)
        };
        Ok(address.into_connection_info()?.set_tcp_settings(self.tcp()))
    }

    /// A connection through a network that forgets quiet ones is kept alive, or found dead: by the
    /// system too, where what was sent is not even acknowledged.
    fn tcp(&self) -> TcpSettings {
        let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(30));
        let settings = TcpSettings::default()
            .set_nodelay(true)
            .set_keepalive(keepalive);
        #[cfg(target_os = "linux")]
        let settings = settings.set_user_timeout(self.patience.saturating_mul(2));
        settings
    }

    /// The patience for one of several that are asked.
    fn share(&self) -> Duration {
        let others = u32::try_from(self.address.hosts.len()).unwrap_or(u32::MAX - 1);
        self.patience / (others + 1)
    }
}

/// Reads, by a command that counts as a write: a replica, which may have missed the latest, refuses
/// it, and so does a primary that was cut off from its replicas and told not to go on alone.
pub(crate) fn load(key: &[u8]) -> Cmd {
    let mut command = redis::cmd("GETEX");
    command.arg(key);
    command
}

async fn select(connection: &mut MultiplexedConnection, database: u32) -> Result<(), RedisError> {
    let mut command = redis::cmd("SELECT");
    command.arg(database);
    command.query_async::<Value>(connection).await.map(drop)
}

fn is_about_credentials(error: &RedisError) -> bool {
    let says = |words| error.detail().is_some_and(|detail| detail.contains(words));
    error.kind() == ErrorKind::Server(ServerErrorKind::ResponseError) && says("AUTH")
        || code(error).as_deref() == Some("WRONGPASS")
}

/// Where a program has more than one in its tree, rustls would panic for want of a choice.
fn name_the_back_end_of_tls() {
    use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
    if CryptoProvider::get_default().is_none() {
        // An error says that another thread was faster.
        drop(aws_lc_rs::default_provider().install_default());
    }
}

fn down(error: RedisError) -> Away {
    Away::Down(Failure::of_connecting(&error))
}

fn nobody() -> Away {
    Away::Down(Failure::new("nobody answered"))
}
