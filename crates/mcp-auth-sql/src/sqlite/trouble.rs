//! What SQLite's result codes mean for the store.

use crate::cause::Trouble;

/// The meaning of an error of SQLite.
pub(super) fn trouble(error: &sqlx::Error) -> Trouble {
    let Some(database) = error.as_database_error() else {
        return match error {
            sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed => {
                Trouble::Away(format!("SQLite could not be used: {error}").into())
            }
            _ => Trouble::Failed(format!("SQLite gave an unexpected answer: {error}").into()),
        };
    };
    let code = code(error).unwrap_or(0);
    let said = format!("SQLite answered {code}: {}", database.message());
    match (code, code & 0xff) {
        // The index of the write-ahead log cannot grow: that is a full disk too.
        (IOERR_SHMSIZE, _) | (_, FULL) => Trouble::Full,
        (_, CORRUPT | NOTADB) => Trouble::Failed(format!("{DAMAGED} ({said})").into()),
        (_, BUSY | LOCKED | PERM | NOMEM | READONLY | IOERR | CANTOPEN | PROTOCOL | AUTH) => {
            Trouble::Away(said.into())
        }
        _ => Trouble::Failed(said.into()),
    }
}

/// Whether another connection holds a lock.
pub(super) fn is_busy(error: &sqlx::Error) -> bool {
    matches!(code(error).map(|code| code & 0xff), Some(BUSY | LOCKED))
}

/// Whether the file cannot be opened or written at all.
pub(super) fn is_unusable(error: &sqlx::Error) -> bool {
    let code = code(error).map(|code| code & 0xff);
    matches!(code, Some(CANTOPEN | PERM | READONLY | AUTH))
}

fn code(error: &sqlx::Error) -> Option<i32> {
    error.as_database_error()?.code()?.parse().ok()
}

pub(super) const DAMAGED: &str = "the SQLite file is damaged or no SQLite database: stop the server, move the file away together with its -wal and -shm, then restore the file from a backup, or begin anew";

const PERM: i32 = 3;
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const NOMEM: i32 = 7;
const READONLY: i32 = 8;
const IOERR: i32 = 10;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CANTOPEN: i32 = 14;
const PROTOCOL: i32 = 15;
const AUTH: i32 = 23;
const NOTADB: i32 = 26;
const IOERR_SHMSIZE: i32 = 4874;
