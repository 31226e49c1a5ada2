//! The installed browser: its driver is started on a free port, and both end with the test.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    ops::Deref,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use mcp_auth_testkit::services::{Scratch, installed};
use serde_json::json;

use crate::webdriver::Session;

/// A browser with a profile of its own, and nothing in it.
pub(crate) struct Chromium {
    session: Session,
    // In this order: the driver ends, then its folder goes.
    _driver: Driver,
    _profile: Scratch,
}

impl Chromium {
    /// The browser, or none (said aloud) where it is not installed and need not be.
    pub(crate) async fn start() -> Option<Self> {
        let browser = installed("chromium", &[])?;
        let driver = installed("chromedriver", &[])?;
        let driver = Driver::start(&driver);
        let profile = Scratch::new("chromium").unwrap();
        let session = Session::start(driver.address, &wanted(&browser, profile.path())).await;
        Some(Self {
            session,
            _driver: driver,
            _profile: profile,
        })
    }
}

impl Deref for Chromium {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // The driver, killed, would leave the browser behind: the session ends first, without the
        // runtime, which may be on its way out.
        end_session(self.session.address(), self.session.id());
    }
}

fn wanted(browser: &Path, profile: &Path) -> serde_json::Value {
    json!({ "capabilities": { "alwaysMatch": {
        "browserName": "chrome",
        "goog:loggingPrefs": { "browser": "ALL" },
        "goog:chromeOptions": {
            "binary": browser,
            "args": [
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--no-proxy-server",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--hide-scrollbars",
                "--window-size=1280,900",
                format!("--user-data-dir={}", profile.display()),
            ],
        },
    }}})
}

struct Driver {
    process: Child,
    address: SocketAddr,
}

impl Driver {
    /// It takes a free port of one loopback address and then wants the same of the other. Where that
    /// one is taken it exits at once: another start finds another port.
    fn start(program: &Path) -> Self {
        let mut last_words = String::new();
        for _ in 0..5 {
            match Self::start_once(program) {
                Ok(driver) => return driver,
                Err(words) => last_words = words,
            }
        }
        panic!("chromedriver names no port: {last_words}");
    }

    /// What it said instead, where it ended before it listened.
    fn start_once(program: &Path) -> Result<Self, String> {
        let mut process = Command::new(program)
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts");
        let mut said = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut words = String::new();
        for line in said.by_ref().map_while(Result::ok) {
            let port = line.split_once("started successfully on port ");
            if let Some(port) = port.and_then(|(_, port)| port.trim_end_matches('.').parse().ok()) {
                // A full pipe would stop it.
                thread::spawn(move || said.for_each(drop));
                return Ok(Self {
                    process,
                    address: SocketAddr::from(([127, 0, 0, 1], port)),
                });
            }
            words.push_str(&line);
            words.push('\n');
        }
        drop(process.kill());
        drop(process.wait());
        Err(words)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn end_session(address: SocketAddr, id: &str) {
    let Ok(mut stream) = TcpStream::connect(address) else {
        return;
    };
    drop(stream.set_read_timeout(Some(Duration::from_secs(10))));
    let request = format!(
        "DELETE /session/{id} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    if stream.write_all(request.as_bytes()).is_ok() {
        // Answered once the browser has ended; the connection would stay open.
        drop(stream.read(&mut [0; 1024]));
    }
}
