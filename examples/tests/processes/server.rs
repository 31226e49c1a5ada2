//! One process of `remote_dcr`.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use mcp_auth_testkit::services::{ServerProcess, free_port};

/// A process that can be killed and started again as it was.
pub(crate) struct Server {
    process: Option<ServerProcess>,
    variables: BTreeMap<String, String>,
    address: SocketAddr,
    log: PathBuf,
}

impl Server {
    /// `remote_dcr` on a free port with these variables, not started yet.
    pub(crate) fn prepare(variables: &[(&str, &str)], log: &Path) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port().unwrap()));
        let mut all: BTreeMap<_, _> = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        all.insert("MCP_AUTH_LISTEN".into(), address.to_string());
        Self {
            process: None,
            variables: all,
            address,
            log: log.to_owned(),
        }
    }

    /// Starts it (again) and waits until it answers.
    pub(crate) fn begin(&mut self) {
        let mut process = self.spawn();
        process
            .wait_for(self.address, Duration::from_secs(60))
            .unwrap_or_else(|error| panic!("{error}: {}", self.said()));
        // It listens before it has opened its store; a balancer asks for an answer, too.
        while !self.answers() {
            assert!(process.is_running(), "it ended: {}", self.said());
            std::thread::sleep(Duration::from_millis(10));
        }
        self.process = Some(process);
    }

    fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(self.address) else {
            return false;
        };
        let ask = format!("GET {HEALTH} HTTP/1.0\r\nHost: {}\r\n\r\n", self.address);
        let mut answer = String::new();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        let asked = stream.write_all(ask.as_bytes());
        let read = asked.and_then(|()| stream.read_to_string(&mut answer));
        read.is_ok() && answer.contains(" 200 ")
    }

    /// Starts it, expecting it to end by itself; what it said.
    pub(crate) fn refusal(variables: &[(&str, &str)], log: &Path) -> String {
        let server = Self::prepare(variables, log);
        let ended = server.spawn().wait(Duration::from_secs(30)).unwrap();
        assert_eq!(ended, Some(false), "it started: {}", server.said());
        server.said()
    }

    fn spawn(&self) -> ServerProcess {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)
            .unwrap();
        let mut command = Command::new(program_of("remote_dcr"));
        for (name, _) in std::env::vars() {
            if name.starts_with("MCP_") || name.starts_with("UPSTREAM_") {
                command.env_remove(name);
            }
        }
        command
            .env("RUST_LOG", "info")
            .envs(&self.variables)
            .stdout(Stdio::null())
            .stderr(log);
        ServerProcess::start(&mut command).unwrap()
    }

    /// With other variables from the next start on.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.into(), value.into());
    }

    /// Where it listens, whatever hosts see.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The running process.
    pub(crate) fn process(&mut self) -> &mut ServerProcess {
        self.process.as_mut().expect("it was started")
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        drop(self.process.take());
    }

    /// `kill -9` and a new start at the same address.
    pub(crate) fn restart(&mut self) {
        self.kill();
        self.begin();
    }

    /// As a deployment does it: asks it to stop, waits until it has, and starts it again.
    pub(crate) fn roll(&mut self) {
        self.process().signal("TERM").unwrap();
        let ended = self.process().wait(Duration::from_secs(30)).unwrap();
        assert_eq!(ended, Some(true), "it stops when it is asked to");
        self.begin();
    }

    /// Everything it logged so far.
    pub(crate) fn said(&self) -> String {
        let mut said = Vec::new();
        if let Ok(mut log) = File::open(&self.log) {
            log.read_to_end(&mut said).unwrap();
        }
        String::from_utf8_lossy(&said).into_owned()
    }
}

/// What docs/deployment.md names for health checks.
const HEALTH: &str = "/.well-known/oauth-protected-resource/mcp";

/// An example that `cargo test` built beside this test.
pub(crate) fn program_of(example: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test
        .ancestors()
        .nth(2)
        .unwrap()
        .join("examples")
        .join(example);
    assert!(
        program.is_file(),
        "{} is not there: cargo build --examples",
        program.display()
    );
    program
}
