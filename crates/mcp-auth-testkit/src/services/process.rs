//! A server's process.

#![allow(clippy::disallowed_methods)] // a process is waited for by the time that really passes

use std::{
    io,
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// A running server; killed when dropped.
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
}

impl ServerProcess {
    /// Starts a command without a terminal, and with its output where the command says.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        let child = command.stdin(Stdio::null()).spawn()?;
        Ok(Self { child })
    }

    /// Waits until something listens at this address.
    ///
    /// # Errors
    ///
    /// When the process ends before, or nothing listens in time.
    pub fn wait_for(&mut self, address: SocketAddr, patience: Duration) -> io::Result<()> {
        let end = Instant::now() + patience;
        loop {
            if TcpStream::connect_timeout(&address, Duration::from_millis(500)).is_ok() {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!(
                    "the server ended before it listened: {status}"
                )));
            }
            if Instant::now() > end {
                return Err(io::Error::other("the server does not listen"));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends it at once, as `kill -9` does, and waits until it is gone.
    pub fn kill(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// Sends it a signal by name, such as `TERM`, `STOP` or `CONT`.
    ///
    /// # Errors
    ///
    /// When there is no such signal or process.
    pub fn signal(&self, name: &str) -> io::Result<()> {
        let status = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.id().to_string())
            .status()?;
        if status.success() {
            return Ok(());
        }
        Err(io::Error::other(format!("kill -{name} failed")))
    }

    /// Waits until it ends by itself; whether it ended well, or none if it did not in time.
    ///
    /// # Errors
    ///
    /// When it cannot be waited for.
    pub fn wait(&mut self, patience: Duration) -> io::Result<Option<bool>> {
        let end = Instant::now() + patience;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status.success()));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(None)
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.kill();
    }
}
