//! Why there is no connection, and whether time or the operator will change that.

use std::fmt;

use mcp_auth::BuildError;
use redis::RedisError;

use crate::failure::{Failure, code};

/// Why there is no connection.
#[derive(Debug, Clone)]
pub(crate) enum Away {
    /// The operator has to change something.
    Refused(Refusal),
    /// It may be there later.
    Down(Failure),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Credentials,
    Permission,
    TooOld,
    Database,
    IsCluster,
    IsNoCluster,
    Protected,
}

impl Refusal {
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::Credentials => "the server refuses these credentials",
            Self::Permission => {
                "the server does not permit this user what the store needs: `~PREFIX* +@read +@write +@scripting +@connection +time +info`, and `+cluster` in a cluster"
            }
            Self::TooOld => {
                "the server does not know GETEX or Lua scripts: the store needs Redis 6.2 or newer"
            }
            Self::Database => "the server has no database of this number",
            Self::IsCluster => "the server is part of a cluster: write redis-cluster://",
            Self::IsNoCluster => "the server is not part of a cluster: write redis://",
            Self::Protected => {
                "the server is in protected mode and serves its own host only: give it a password"
            }
        }
    }
}

impl From<Refusal> for BuildError {
    fn from(refusal: Refusal) -> Self {
        Self::argument("store URL", refusal.reason())
    }
}

impl fmt::Display for Away {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => f.write_str(refusal.reason()),
            Self::Down(failure) => failure.fmt(f),
        }
    }
}

/// Of an error while a connection is made.
///
/// Only words that a server is known to say stop the start: a proxy whose server is away answers in
/// words of its own, and heals.
impl From<RedisError> for Away {
    fn from(error: RedisError) -> Self {
        let refusal = match code(&error).as_deref() {
            Some("WRONGPASS" | "NOAUTH") => Some(Refusal::Credentials),
            Some("NOPERM") => Some(Refusal::Permission),
            Some("DENIED") => Some(Refusal::Protected),
            Some("ERR") => error.detail().and_then(told_in_words),
            _ => None,
        };
        refusal.map_or_else(|| Self::Down(Failure::of(&error)), Self::Refused)
    }
}

fn told_in_words(detail: &str) -> Option<Refusal> {
    let known = WORDS.iter().find(|(words, _)| detail.contains(words));
    known.map(|(_, refusal)| *refusal)
}

/// What servers say under the code that says nothing. The permissions are those of a script, which
/// runs into what its user may not do.
const WORDS: [(&str, Refusal); 8] = [
    ("NOPERM", Refusal::Permission),
    ("can't run this command", Refusal::Permission),
    ("can't access at least one of the keys", Refusal::Permission),
    ("has no permissions", Refusal::Permission),
    ("unknown command", Refusal::TooOld),
    ("DB index is out of range", Refusal::Database),
    ("invalid DB index", Refusal::Database),
    ("SELECT is not allowed", Refusal::IsCluster),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_on_known_words_alone() {
        let table = [
            (
                "WRONGPASS",
                "invalid username-password pair",
                Some(Refusal::Credentials),
            ),
            (
                "NOAUTH",
                "Authentication required.",
                Some(Refusal::Credentials),
            ),
            (
                "NOPERM",
                "this user has no permissions",
                Some(Refusal::Permission),
            ),
            (
                "DENIED",
                "Redis is running in protected mode",
                Some(Refusal::Protected),
            ),
            (
                "ERR",
                "unknown command 'GETEX', with args",
                Some(Refusal::TooOld),
            ),
            (
                "ERR",
                "unknown command `GETEX`, with args",
                Some(Refusal::TooOld),
            ),
            ("ERR", "DB index is out of range", Some(Refusal::Database)),
            (
                "ERR",
                "SELECT is not allowed in cluster mode",
                Some(Refusal::IsCluster),
            ),
            (
                "ERR",
                "The user executing the script can't run this command or subcommand script: 1",
                Some(Refusal::Permission),
            ),
            (
                "ERR",
                "ACL failure in script: User app has no permissions to run the 'time' command",
                Some(Refusal::Permission),
            ),
            ("ERR", "max number of clients reached", None),
            ("ERR", "upstream failure", None),
            ("ERR", "Connection timed out", None),
            ("no", "upstream host", None),
            ("upstream", "failure", None),
            ("BUSY", "Redis is busy running a script", None),
            ("LOADING", "Redis is loading the dataset in memory", None),
        ];
        for (code, detail, wanted) in table {
            let error = redis::make_extension_error(code.to_owned(), Some(detail.to_owned()));
            let refusal = match Away::from(error) {
                Away::Refused(refusal) => Some(refusal),
                Away::Down(_) => None,
            };
            assert_eq!(refusal, wanted, "{code} {detail}");
        }
    }
}
