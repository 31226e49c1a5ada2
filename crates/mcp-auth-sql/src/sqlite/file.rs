//! The file under an open database.

use std::{
    fs::OpenOptions,
    io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{cause::Trouble, location::File, sqlite::trouble::DAMAGED};

/// Which files they are, however they are called: the database, and the log beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    database: Number,
    log: Option<Number>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Number {
    device: u64,
    inode: u64,
}

/// Sees to it that there is a file, for nobody else to read.
pub(super) fn prepare(file: &File) -> Result<(), Trouble> {
    let shown = file.path.display();
    if file.path.is_dir() {
        return Err(operator(format!(
            "`{shown}` is a folder: name a file in it"
        )));
    }
    if std::fs::metadata(&file.path).is_ok_and(|found| !found.is_file()) {
        return Err(operator(format!(
            "`{shown}` is a device, a pipe or a socket: name a file on a disk"
        )));
    }
    if file.path.parent().is_some_and(|folder| !folder.is_dir()) {
        return Err(operator(format!(
            "the folder of `{shown}` does not exist: make it, or name another file"
        )));
    }
    if is_held(&file.path) {
        return Ok(());
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    if file.create && !file.path.exists() {
        options.create_new(true);
        owner_only(&mut options);
    }
    match options.open(&file.path) {
        Ok(_) => Ok(()),
        // Another process was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(operator(format!(
            "the file `{shown}` does not exist: leave out `mode=rw` to have it made"
        ))),
        Err(error) if error.kind() == io::ErrorKind::StorageFull => Err(Trouble::Full),
        Err(error) => Err(operator(format!(
            "the file `{shown}` cannot be opened for writing ({}): give the server's user the right to write it and its folder",
            error.kind()
        ))),
    }
}

/// The databases that stores of this process have open.
///
/// POSIX takes all locks of a process off a file when the process closes any handle to it: to open
/// one of these and close it again would leave its stores without their locks.
static HELD: Mutex<Vec<Number>> = Mutex::new(Vec::new());

fn is_held(path: &Path) -> bool {
    let number = std::fs::metadata(path).map(|found| of(&found));
    number.is_ok_and(|number| held().contains(&number))
}

fn held() -> MutexGuard<'static, Vec<Number>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says that a database is open, until it is dropped.
pub(super) struct Held(Number);

impl Held {
    pub(super) fn of(identity: &Identity) -> Self {
        held().push(identity.database);
        Self(identity.database)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut held = held();
        if let Some(at) = held.iter().position(|number| *number == self.0) {
            held.swap_remove(at);
        }
    }
}

/// Which file stands at this path, and which log beside it.
///
/// SQLite takes the log away when the last connection of all closes, and makes another one for the
/// next: what this gives stays the same only while one connection is open.
///
/// # Errors
///
/// When there is none, or one that lost its content.
pub(super) fn identity(path: &Path) -> Result<Identity, Trouble> {
    let found = std::fs::metadata(path).map_err(|_| Trouble::Away(MOVED.into()))?;
    if found.len() == 0 {
        return Err(Trouble::Failed(DAMAGED.into()));
    }
    let log = std::fs::metadata(log(path)).ok();
    Ok(Identity {
        database: of(&found),
        log: log.as_ref().map(of),
    })
}

fn log(path: &Path) -> PathBuf {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    log.into()
}

/// Tells whether a file is short enough to be read through at each start.
pub(super) fn is_short(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.len() <= CHECKED_THROUGH)
}

#[cfg(unix)]
fn of(found: &std::fs::Metadata) -> Number {
    use std::os::unix::fs::MetadataExt;
    Number {
        device: found.dev(),
        inode: found.ino(),
    }
}

/// Elsewhere an open file can be neither removed nor replaced.
#[cfg(not(unix))]
fn of(_: &std::fs::Metadata) -> Number {
    Number {
        device: 0,
        inode: 0,
    }
}

#[cfg(unix)]
fn owner_only(options: &mut OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(0o600);
}

#[cfg(not(unix))]
fn owner_only(_: &mut OpenOptions) {}

fn operator(sentence: String) -> Trouble {
    Trouble::Operator(sentence.into())
}

pub(super) const MOVED: &str = "the SQLite file, or the -wal beside it, was moved, removed or replaced while it was open: start the server again, on the file that is to be used; if that is a backup, move the -wal and -shm of the old file away first";
/// 64 MiB are read well within the deadline; they hold some 40,000 grants.
const CHECKED_THROUGH: u64 = 64 * 1024 * 1024;
