//! What a failed command means.

use std::{error::Error, fmt};

use mcp_auth::store::StoreError;
use redis::{ErrorKind, RedisError};

/// What failed, in words that hold no part of a command: what a server says about one it does not
/// take can quote a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(what: &str) -> Self {
        Self(what.to_owned())
    }

    pub(crate) fn of(error: &RedisError) -> Self {
        Self(match code(error) {
            Some(code) => format!("the server answered {code}"),
            None if error.is_connection_refusal() => "the connection was refused".to_owned(),
            None if error.is_timeout() => "the server did not answer in time".to_owned(),
            None if error.is_connection_dropped() => "the connection was lost".to_owned(),
            None => error.category().to_owned(),
        })
    }

    /// Of an error from before anything was sent, so in its own words: those of TLS are worth having.
    pub(crate) fn of_connecting(error: &RedisError) -> Self {
        Self(error.to_string())
    }

    pub(crate) fn unavailable(self) -> StoreError {
        StoreError::Unavailable(Some(Box::new(self)))
    }

    pub(crate) fn failed(self) -> StoreError {
        StoreError::Failed(Box::new(self))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Failure {}

/// Whose fault it is, and what has to be done about the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing is wrong with the connection; the server refused this command.
    Refused,
    /// The server has no room.
    Full,
    /// The server cannot do it at the moment; the connection is good.
    Busy,
    /// The server is not, or no longer, one to talk to: it starts, or became a replica.
    Elsewhere,
    /// The connection is gone, and nobody knows whether the command arrived.
    Dropped,
}

impl Verdict {
    pub(crate) fn of(error: &RedisError) -> Self {
        match code(error).as_deref() {
            Some("OOM") => Self::Full,
            Some("READONLY" | "MASTERDOWN" | "LOADING" | "NOAUTH" | "WRONGPASS") => Self::Elsewhere,
            Some(
                "CLUSTERDOWN" | "TRYAGAIN" | "MOVED" | "ASK" | "BUSY" | "MISCONF" | "NOREPLICAS"
                | "UNBLOCKED",
            ) => Self::Busy,
            Some(_) => Self::Refused,
            None => match error.kind() {
                ErrorKind::Parse | ErrorKind::UnexpectedReturnType => Self::Refused,
                _ => Self::Dropped,
            },
        }
    }

    pub(crate) fn to_error(self, failure: Failure) -> StoreError {
        match self {
            Self::Full => StoreError::Full,
            Self::Refused => failure.failed(),
            Self::Busy | Self::Elsewhere | Self::Dropped => failure.unavailable(),
        }
    }
}

/// The code of a server's answer; where a script ran into it, before Redis 7, it stands within.
pub(crate) fn code(error: &RedisError) -> Option<String> {
    let code = error.code()?;
    let within = error.detail().filter(|_| code == "ERR").and_then(|text| {
        let words = text.split_ascii_whitespace();
        let mut codes = words.filter_map(|word| word.strip_prefix('-'));
        codes.find(|word| is_code(word))
    });
    let code = within.unwrap_or(code);
    Some(if is_code(code) { code } else { "ERR" }.to_owned())
}

fn is_code(word: &str) -> bool {
    (2..20).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn answered(code: &str, detail: &str) -> RedisError {
        redis::make_extension_error(code.to_owned(), Some(detail.to_owned()))
    }

    #[test]
    fn tells_full_from_away_and_from_refused() {
        let table = [
            ("OOM", "command not allowed", Verdict::Full),
            ("READONLY", "You can't write", Verdict::Elsewhere),
            ("MASTERDOWN", "Link is down", Verdict::Elsewhere),
            ("LOADING", "Redis is loading", Verdict::Elsewhere),
            ("NOAUTH", "Authentication required.", Verdict::Elsewhere),
            ("CLUSTERDOWN", "Hash slot not served", Verdict::Busy),
            ("TRYAGAIN", "Multiple keys request", Verdict::Busy),
            ("MISCONF", "Errors writing to the AOF file", Verdict::Busy),
            ("NOREPLICAS", "Not enough good replicas", Verdict::Busy),
            ("BUSY", "Redis is busy running a script", Verdict::Busy),
            ("WRONGTYPE", "Operation against a key", Verdict::Refused),
            ("NOPERM", "this user has no permissions", Verdict::Refused),
            (
                "ERR",
                "Error running script (call to f_1): @user_script:2: -OOM command not allowed",
                Verdict::Full,
            ),
            (
                "ERR",
                "Error running script (call to f_1): @user_script: 1: -READONLY You can't write",
                Verdict::Elsewhere,
            ),
        ];
        for (code, detail, wanted) in table {
            let verdict = Verdict::of(&answered(code, detail));
            assert_eq!(verdict, wanted, "{code} {detail}");
        }
        let dropped = RedisError::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(Verdict::of(&dropped), Verdict::Dropped);
    }

    #[test]
    fn repeats_nothing_that_a_server_quotes() {
        let quoting = answered(
            "ERR",
            "unknown command 'AUTH', with args beginning with: 'hunter2'",
        );
        let failure = Failure::of(&quoting);
        assert_eq!(failure.to_string(), "the server answered ERR");
        let error = Verdict::of(&quoting).to_error(failure);
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}
