//! Redis for tests: one server, a primary with replica and sentinel, a cluster.
//!
//! ```no_run
//! use mcp_auth_testkit::services::RedisServer;
//!
//! let Some(mut server) = RedisServer::start() else {
//!     return; // not installed, and said so
//! };
//! let url = server.url();
//! server.kill();
//! server.restart();
//! ```

use std::{
    fs::File,
    io,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::{Scratch, ServerProcess, free_port, installed};

/// A Redis server on a free loopback port with an empty folder of its own; gone when dropped.
///
/// All its methods panic where a server misbehaves in a way that no test means.
#[derive(Debug)]
pub struct RedisServer {
    program: PathBuf,
    settings: RedisSettings,
    folder: Scratch,
    port: u16,
    process: ServerProcess,
}

/// How a [`RedisServer`] is to be; by default without persistence and without a password.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct RedisSettings {
    password: Option<String>,
    options: Vec<(String, String)>,
}

impl RedisSettings {
    /// Writes every command to disk before it is answered: `appendonly yes`, `appendfsync always`.
    pub fn append_only(self) -> Self {
        self.with("appendonly", "yes").with("appendfsync", "always")
    }

    /// Demands this password of everybody.
    pub fn with_password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self.with("requirepass", password)
    }

    /// Follows this server as its replica.
    pub fn replica_of(self, primary: &RedisServer) -> Self {
        self.with("replicaof", &format!("127.0.0.1 {}", primary.port()))
    }

    /// Has this option in its configuration file.
    pub fn with(mut self, option: &str, value: &str) -> Self {
        self.options.push((option.to_owned(), value.to_owned()));
        self
    }

    /// Starts the server; none, said aloud, where Redis is not installed.
    #[must_use]
    pub fn start(self) -> Option<RedisServer> {
        let program = installed("redis-server", &[])?;
        installed("redis-cli", &[])?;
        Some(must(RedisServer::launch(program, self)))
    }
}

impl RedisServer {
    /// A server as it comes; none, said aloud, where Redis is not installed.
    #[must_use]
    pub fn start() -> Option<Self> {
        Self::settings().start()
    }

    /// For a server with persistence, a password or other options.
    pub fn settings() -> RedisSettings {
        RedisSettings::default()
    }

    fn launch(program: PathBuf, settings: RedisSettings) -> io::Result<Self> {
        let folder = Scratch::new("redis")?;
        // A port that was free may be somebody else's by now.
        let mut tries = 0;
        loop {
            tries += 1;
            let port = free_port()?;
            let mut file = format!("port {port}\nbind 127.0.0.1\nsave \"\"\nloglevel warning\n");
            for (option, value) in &settings.options {
                file.push_str(&format!("{option} {value}\n"));
            }
            std::fs::write(folder.path().join("redis.conf"), file)?;
            match run(&program, &folder, port) {
                Ok(process) => {
                    let server = Self {
                        program,
                        settings,
                        folder,
                        port,
                        process,
                    };
                    server.wait_until_ready();
                    return Ok(server);
                }
                Err(error) if tries == 3 => return Err(error),
                Err(_) => {}
            }
        }
    }

    /// The store URL of its database 0, with the password.
    #[must_use]
    pub fn url(&self) -> String {
        match &self.settings.password {
            Some(password) => format!("redis://:{password}@127.0.0.1:{}/0", self.port),
            None => format!("redis://127.0.0.1:{}/0", self.port),
        }
    }

    /// Where it listens, on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Where it keeps what it writes to disk.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Ends it as `kill -9` does.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again, on the same folder and port, and waits until it has read its data.
    pub fn restart(&mut self) {
        self.process.kill();
        self.process = must(run(&self.program, &self.folder, self.port));
        self.wait_until_ready();
    }

    /// Stops it where it stands: it keeps its connections and answers nothing.
    pub fn pause(&self) {
        must(self.process.signal("STOP"));
    }

    /// Lets a paused server go on.
    pub fn resume(&self) {
        must(self.process.signal("CONT"));
    }

    /// Runs a command through `redis-cli`; what it printed.
    #[must_use]
    pub fn command(&self, words: &[&str]) -> String {
        let mut command = cli(self.port);
        if let Some(password) = &self.settings.password {
            command.env("REDISCLI_AUTH", password);
        }
        let output = must(command.args(words).output());
        String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned()
    }

    fn wait_until_ready(&self) {
        wait_until("the server answers", || self.command(&["PING"]) == "PONG");
    }
}

/// A primary, its replica, and the sentinel that fails over from one to the other.
#[derive(Debug)]
pub struct RedisSentinel {
    /// The primary at the start.
    pub primary: RedisServer,
    /// Its replica at the start.
    pub replica: RedisServer,
    port: u16,
    _process: ServerProcess,
    _folder: Scratch,
}

impl RedisSentinel {
    /// All three; none, said aloud, where Redis is not installed.
    ///
    /// The sentinel takes a primary for dead after half a second.
    #[must_use]
    pub fn start() -> Option<Self> {
        let program = installed("redis-sentinel", &[])?;
        let primary = RedisServer::start()?;
        let replica = RedisServer::settings().replica_of(&primary).start()?;
        let (folder, port) = (must(Scratch::new("sentinel")), must(free_port()));
        let file = format!(
            "port {port}\nbind 127.0.0.1\nsentinel monitor {SERVICE} 127.0.0.1 {} 1\n\
             sentinel down-after-milliseconds {SERVICE} 500\nsentinel failover-timeout {SERVICE} 3000\n",
            primary.port
        );
        must(std::fs::write(folder.path().join("redis.conf"), file));
        let sentinel = Self {
            primary,
            replica,
            port,
            _process: must(run(&program, &folder, port)),
            _folder: folder,
        };
        wait_until("the replica follows", || {
            let told = sentinel.primary.command(&["INFO", "replication"]);
            told.contains("state=online")
        });
        wait_until("the sentinel knows the replica", || {
            let words = ["SENTINEL", "REPLICAS", SERVICE];
            let told = must(cli(port).args(words).output()).stdout;
            String::from_utf8_lossy(&told).contains(&sentinel.replica.port.to_string())
        });
        Some(sentinel)
    }

    /// The store URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis-sentinel://127.0.0.1:{}/{SERVICE}", self.port)
    }
}

/// A cluster of three primaries.
#[derive(Debug)]
pub struct RedisCluster {
    /// The nodes; each has a third of the slots.
    pub nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts it and waits until every node serves; none, said aloud, where Redis is not installed.
    ///
    /// Where a node is away the others go on.
    #[must_use]
    pub fn start() -> Option<Self> {
        let mut nodes = Vec::new();
        for _ in 0..3 {
            // The default, a port 10,000 higher, may not exist.
            let bus = must(free_port()).to_string();
            let settings = RedisServer::settings()
                .with("cluster-enabled", "yes")
                .with("cluster-port", &bus)
                .with("cluster-node-timeout", "2000")
                .with("cluster-require-full-coverage", "no");
            nodes.push(settings.start()?);
        }
        let mut create = Command::new("redis-cli");
        create.args(["--cluster", "create"]);
        for node in &nodes {
            create.arg(format!("127.0.0.1:{}", node.port));
        }
        let created = must(create.arg("--cluster-yes").output());
        let said = String::from_utf8_lossy(&created.stdout);
        assert!(created.status.success(), "no cluster was made: {said}");
        for node in &nodes {
            wait_until("the cluster is up", || {
                let told = node.command(&["CLUSTER", "INFO"]);
                told.contains("cluster_state:ok") && told.contains("cluster_slots_ok:16384")
            });
        }
        Some(Self { nodes })
    }

    /// The store URL, naming every node.
    #[must_use]
    pub fn url(&self) -> String {
        let nodes = self.nodes.iter().map(|n| format!("127.0.0.1:{}", n.port));
        format!("redis-cluster://{}", nodes.collect::<Vec<_>>().join(","))
    }
}

/// Starts a server on the configuration in this folder.
fn run(program: &PathBuf, folder: &Scratch, port: u16) -> io::Result<ServerProcess> {
    let log = File::create(folder.path().join("log"))?;
    let mut command = Command::new(program);
    command
        .arg("redis.conf")
        .current_dir(folder.path())
        .stdout(log.try_clone()?)
        .stderr(log);
    let mut process = ServerProcess::start(&mut command)?;
    process.wait_for(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), PATIENCE)?;
    Ok(process)
}

fn cli(port: u16) -> Command {
    let mut command = Command::new("redis-cli");
    command
        .args(["-h", "127.0.0.1", "-p"])
        .arg(port.to_string())
        .stdin(Stdio::null());
    command
}

#[allow(clippy::disallowed_methods)] // a real server takes real time
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[allow(clippy::panic)] // a test cannot go on without its server
fn must<T>(result: io::Result<T>) -> T {
    result.unwrap_or_else(|error| panic!("a Redis server for tests: {error}"))
}

const SERVICE: &str = "mymaster";
const PATIENCE: Duration = Duration::from_secs(30);
