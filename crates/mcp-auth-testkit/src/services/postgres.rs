//! A PostgreSQL server.

#![allow(clippy::disallowed_methods, clippy::print_stdout)] // tests wait by real time, and say what they skip

use std::{
    fs::{self, File},
    io::{self, Error},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use super::{Scratch, ServerProcess, free_port, installed};

/// A PostgreSQL server of its own, on a free loopback port, with a superuser `mcp` that logs in by
/// password.
///
/// It ends, and its folder goes, when the value is dropped or the process ends in whatever way. As
/// root it runs as the user `postgres` or `nobody`, since PostgreSQL refuses root.
///
/// ```no_run
/// use mcp_auth_testkit::services::PostgresServer;
///
/// let Some(mut server) = PostgresServer::start() else {
///     return; // not installed: it said so
/// };
/// let url = server.create_database("grants").unwrap();
/// assert!(url.starts_with("postgres://mcp:"));
/// server.kill();
/// server.restart().unwrap();
/// ```
#[derive(Debug)]
pub struct PostgresServer {
    // Dropped in this order: nobody watches, nothing runs, then the folder goes.
    _watcher: Watcher,
    process: ServerProcess,
    programs: Programs,
    durable: bool,
    port: u16,
    folder: Scratch,
}

impl PostgresServer {
    /// A server that writes to disk as an operator's does; it takes some seconds to start.
    ///
    /// None, said aloud, where PostgreSQL is not installed and need not be.
    ///
    /// # Panics
    ///
    /// When it does not start, or is not installed and `MCP_AUTH_REQUIRE_SERVICES=1` is set.
    #[must_use]
    #[allow(clippy::expect_used)] // a test that cannot have its server has failed
    pub fn start() -> Option<Self> {
        let programs = Programs::find()?;
        Some(Self::begin(programs, true).expect("PostgreSQL starts"))
    }

    /// One server for all tests of this process, which waits for no disk; give each test a database
    /// of its own by [`PostgresServer::create_database`].
    ///
    /// # Panics
    ///
    /// As [`PostgresServer::start`].
    #[must_use]
    #[allow(clippy::expect_used)] // a test that cannot have its server has failed
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<PostgresServer>> = OnceLock::new();
        let shared = SHARED.get_or_init(|| {
            let programs = Programs::find()?;
            Some(Self::begin(programs, false).expect("PostgreSQL starts"))
        });
        if shared.is_none() {
            println!("skipped: PostgreSQL is not installed");
        }
        shared.as_ref()
    }

    /// Where the superuser reaches the database `postgres`.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// Where the superuser reaches the database of this name, whether there is one or not.
    #[must_use]
    pub fn url_of(&self, database: &str) -> String {
        format!(
            "postgres://mcp:{PASSWORD}@127.0.0.1:{}/{database}",
            self.port
        )
    }

    /// The port that it listens on.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Makes an empty database and gives its URL.
    ///
    /// # Errors
    ///
    /// When there is one of this name, or the server is away.
    pub fn create_database(&self, name: &str) -> io::Result<String> {
        self.sql("postgres", &format!("CREATE DATABASE \"{name}\""))?;
        Ok(self.url_of(name))
    }

    /// Runs statements as the superuser and gives the rows, with `|` between the columns.
    ///
    /// # Errors
    ///
    /// When a statement fails, or the server is away.
    pub fn sql(&self, database: &str, statements: &str) -> io::Result<String> {
        let mut psql = Command::new(self.programs.program("psql"));
        psql.args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only"])
            .args(["--set", "ON_ERROR_STOP=1", "--command", statements])
            .arg(self.url_of(database));
        run(&mut psql)
    }

    /// A client that runs statements as the superuser until it is dropped: to hold a lock, say.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn session(&self, database: &str, statements: &str) -> io::Result<ServerProcess> {
        let mut psql = Command::new(self.programs.program("psql"));
        psql.args(["--no-psqlrc", "--quiet", "--command", statements])
            .arg(self.url_of(database))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        ServerProcess::start(&mut psql)
    }

    /// Ends it at once, as `kill -9` of all its processes does.
    pub fn kill(&mut self) {
        let children = self.children().unwrap_or_default();
        self.process.kill();
        for child in children {
            drop(signal("KILL", child));
        }
    }

    /// Starts it again after [`PostgresServer::kill`], on the same port and with the same data.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub fn restart(&mut self) -> io::Result<()> {
        self.kill();
        let end = Instant::now() + PATIENCE;
        loop {
            // What is left of the old one may still hold its memory and its port.
            match launch(&self.programs, self.folder.path(), self.port, self.durable) {
                Ok(process) => {
                    self.process = process;
                    return Ok(());
                }
                Err(error) if Instant::now() > end => return Err(error),
                Err(_) => thread::sleep(POLL),
            }
        }
    }

    /// Stops all its processes where they are: it accepts connections and answers nothing.
    ///
    /// # Errors
    ///
    /// When they cannot be stopped.
    pub fn pause(&self) -> io::Result<()> {
        self.process.signal("STOP")?;
        // Stopped first, it starts no more of them.
        for child in self.children()? {
            drop(signal("STOP", child));
        }
        Ok(())
    }

    /// Lets it go on after [`PostgresServer::pause`].
    ///
    /// # Errors
    ///
    /// When it cannot.
    pub fn resume(&self) -> io::Result<()> {
        for child in self.children()? {
            drop(signal("CONT", child));
        }
        self.process.signal("CONT")
    }

    fn children(&self) -> io::Result<Vec<u32>> {
        let parent = self.process.id().to_string();
        let all = run(Command::new("ps").args(["-A", "-o", "pid=,ppid="]))?;
        let children = all.lines().filter_map(|line| {
            let mut fields = line.split_whitespace();
            let child = fields.next()?;
            (fields.next()? == parent).then(|| child.parse().ok())?
        });
        Ok(children.collect())
    }

    fn begin(programs: Programs, durable: bool) -> io::Result<Self> {
        let folder = Scratch::new("postgres")?;
        let watcher = Watcher::start(folder.path())?;
        let password = folder.path().join("password");
        fs::write(&password, PASSWORD)?;
        let data = data(folder.path());
        fs::create_dir(&data)?;
        programs.own(&data)?;
        programs.own(&password)?;
        let mut initdb = programs.command("initdb", folder.path());
        initdb
            .args(["--no-sync", "--username=mcp", "--auth=scram-sha-256"])
            .args(["--encoding=UTF8", "--locale=C"])
            .arg(format!("--pwfile={}", password.display()))
            .arg(format!("--pgdata={}", data.display()));
        run(&mut initdb)?;
        let mut tries = 0;
        loop {
            // Between the choice of a port and its use somebody else may take it.
            let port = free_port()?;
            match launch(&programs, folder.path(), port, durable) {
                Ok(process) => {
                    return Ok(Self {
                        _watcher: watcher,
                        process,
                        programs,
                        durable,
                        port,
                        folder,
                    });
                }
                Err(error) if tries == 3 => return Err(error),
                Err(_) => tries += 1,
            }
        }
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Starts a server on data that is there, and waits until it answers.
fn launch(
    programs: &Programs,
    folder: &Path,
    port: u16,
    durable: bool,
) -> io::Result<ServerProcess> {
    let log = File::options()
        .create(true)
        .append(true)
        .open(folder.join("log"))?;
    let mut postgres = programs.command("postgres", folder);
    postgres
        .arg("-D")
        .arg(data(folder))
        .args([
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "unix_socket_directories=",
        ])
        .args(["-c", &format!("port={port}"), "-c", "max_connections=200"])
        .stdout(log.try_clone()?)
        .stderr(log);
    if !durable {
        postgres.args(["-c", "fsync=off", "-c", "full_page_writes=off"]);
    }
    let mut process = ServerProcess::start(&mut postgres)?;
    let end = Instant::now() + PATIENCE;
    while !is_ready(folder, process.id()) {
        if !process.is_running() || Instant::now() > end {
            let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
            return Err(Error::other(format!("PostgreSQL did not start: {log}")));
        }
        thread::sleep(POLL);
    }
    Ok(process)
}

/// Its own account of itself: its process on the first line, its state on the eighth.
fn is_ready(folder: &Path, process: u32) -> bool {
    let account = fs::read_to_string(data(folder).join("postmaster.pid")).unwrap_or_default();
    let mut lines = account.lines();
    lines.next() == Some(&process.to_string()) && lines.nth(6).map(str::trim) == Some("ready")
}

fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}

fn run(command: &mut Command) -> io::Result<String> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    Err(Error::other(
        String::from_utf8_lossy(&output.stderr).into_owned(),
    ))
}

fn signal(name: &str, process: u32) -> io::Result<String> {
    run(Command::new("kill")
        .arg(format!("-{name}"))
        .arg(process.to_string()))
}

/// Where PostgreSQL's programs are, and as whom they run.
#[derive(Debug, Clone)]
struct Programs {
    folder: PathBuf,
    /// User and group, where they are not our own.
    run_as: Option<(u32, u32)>,
}

impl Programs {
    fn find() -> Option<Self> {
        // Debian keeps them off the PATH, each version in a folder of its own.
        let versions = fs::read_dir("/usr/lib/postgresql")
            .into_iter()
            .flatten()
            .flatten();
        let mut folders: Vec<PathBuf> =
            versions.map(|version| version.path().join("bin")).collect();
        folders.sort();
        folders.reverse();
        let further: Vec<&Path> = folders.iter().map(PathBuf::as_path).collect();
        let postgres = installed("postgres", &further)?;
        // One that was put on the PATH alone leads to where the others are.
        let home = postgres.canonicalize().ok()?.parent()?.to_owned();
        let whole = |folder: &PathBuf| {
            ["initdb", "postgres", "psql"]
                .iter()
                .all(|program| folder.join(program).is_file())
        };
        let folder = std::iter::once(home).chain(folders).find(whole);
        if folder.is_none() {
            // Says so, or fails where it is required.
            let _ = installed("initdb and psql beside postgres", &[]);
        }
        Some(Self {
            folder: folder?,
            run_as: other_user(),
        })
    }

    fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn command(&self, name: &str, folder: &Path) -> Command {
        let mut command = Command::new(self.program(name));
        // Where it was started may be a folder that the other user must not enter.
        command.current_dir(folder);
        #[cfg(unix)]
        if let Some((user, group)) = self.run_as {
            use std::os::unix::process::CommandExt;
            command.uid(user).gid(group);
        }
        command
    }

    fn own(&self, path: &Path) -> io::Result<()> {
        #[cfg(unix)]
        if let Some((user, group)) = self.run_as {
            std::os::unix::fs::chown(path, Some(user), Some(group))?;
        }
        #[cfg(not(unix))]
        let _ = path;
        Ok(())
    }
}

/// Whom to run as instead of root.
fn other_user() -> Option<(u32, u32)> {
    let number = |of: &[&str]| run(Command::new("id").args(of)).ok()?.parse().ok();
    if number(&["-u"])? != 0 {
        return None;
    }
    ["postgres", "nobody"]
        .iter()
        .find_map(|user| Some((number(&["-u", user])?, number(&["-g", user])?)))
}

/// Ends the server and removes its folder when this process ends without having dropped it: a
/// shared server is never dropped, and a test that is killed drops nothing.
#[derive(Debug)]
struct Watcher(Child);

impl Watcher {
    fn start(folder: &Path) -> io::Result<Self> {
        // The pipe closes with this process, however it ends.
        let watch = "cat > /dev/null
            main=$(head -n 1 \"$1/data/postmaster.pid\" 2> /dev/null)
            test -z \"$main\" || kill -9 $(ps -A -o pid=,ppid= | awk -v p=\"$main\" '$2 == p { print $1 }') \"$main\"
            rm -rf \"$1\"";
        let mut shell = Command::new("sh");
        shell
            .args(["-c", watch, "watcher"])
            .arg(folder)
            .stdin(Stdio::piped());
        shell.stdout(Stdio::null()).stderr(Stdio::null());
        // Not in the group that a terminal's Ctrl-C ends.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut shell, 0);
        shell.spawn().map(Self)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

const PASSWORD: &str = "not-a-secret-of-anybody";
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);
