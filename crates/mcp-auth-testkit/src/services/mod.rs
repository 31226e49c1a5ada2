//! Real servers for tests: each is started from the installed binary on a free loopback port, with a
//! folder of its own, and ends with the value that stands for it.
//!
//! Where the binary is missing a test says `skipped: …` and passes, unless
//! `MCP_AUTH_REQUIRE_SERVICES=1` is set: then it fails.

mod postgres;
mod process;
mod redis;

use std::{
    env,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

pub use postgres::PostgresServer;
pub use process::ServerProcess;
pub use redis::{RedisCluster, RedisSentinel, RedisServer, RedisSettings};

/// The program of this name on the `PATH`, or in one of these further folders.
///
/// None, said aloud, where it is not installed and need not be.
///
/// # Panics
///
/// When it is not installed and `MCP_AUTH_REQUIRE_SERVICES=1` is set.
#[must_use]
#[allow(clippy::disallowed_methods, clippy::print_stdout)] // it speaks to whoever runs the tests
pub fn installed(program: &str, further: &[&Path]) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(further.iter().map(|folder| folder.to_path_buf()));
    let found = folders
        .map(|folder| folder.join(program))
        .find(|file| file.is_file());
    if found.is_none() {
        let required = env::var("MCP_AUTH_REQUIRE_SERVICES").is_ok_and(|value| value == "1");
        assert!(
            !required,
            "{program} is not installed, and MCP_AUTH_REQUIRE_SERVICES=1"
        );
        println!("skipped: {program} is not installed");
    }
    found
}

/// A loopback port that nothing listens on, and that is given to nobody else in this process.
///
/// It lies below the range that systems take ports of outgoing connections from, so it stays free
/// until its server binds it, and while that server is away.
///
/// # Errors
///
/// When none is free.
pub fn free_port() -> std::io::Result<u16> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    const FIRST: u32 = 10_000;
    const PORTS: u32 = 22_000;
    let mut last = std::io::Error::other("no port is free");
    for _ in 0..PORTS {
        // Test processes that run side by side begin far apart.
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let offset = std::process::id().wrapping_mul(499).wrapping_add(count) % PORTS;
        let port = u16::try_from(FIRST + offset).unwrap_or_default();
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => return Ok(port),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// A folder of its own under the system's temporary one, removed with everything in it when dropped.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// An empty folder.
    ///
    /// # Errors
    ///
    /// When it cannot be made.
    pub fn new(name: &str) -> std::io::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("mcp-auth-{name}-{}-{count}", std::process::id());
        let folder = env::temp_dir().join(name);
        std::fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}
