//! What PostgreSQL's error codes mean for the store.

use std::io::ErrorKind;

use crate::cause::Trouble;

/// The meaning of an error of PostgreSQL.
///
/// Its own words are repeated only where they speak of statements: what it says of a connection
/// names the user and the database.
pub(super) fn trouble(error: &sqlx::Error) -> Trouble {
    let Some(database) = error.as_database_error() else {
        return of_the_connection(error);
    };
    let Some(code) = code(error) else {
        return Trouble::Failed("PostgreSQL answered with an error that has no code".into());
    };
    match code.as_str() {
        "28000" | "28P01" => operator(
            "PostgreSQL refuses the user name or the password: correct them in the URL, or let the user in by the server's pg_hba.conf",
        ),
        "3D000" => operator(
            "the database does not exist on this PostgreSQL server: create it with `createdb`, or name another one in the URL",
        ),
        "42501" => operator(LACKS_RIGHTS),
        "3F000" => operator(
            "there is no schema in which the tables could be made: create it, or correct `search_path`",
        ),
        "42P01" => operator(
            "our tables are gone from the database (42P01): restore it, or start this program again to make them anew",
        ),
        "53100" => Trouble::Full,
        "25006" => away(READ_ONLY),
        "57P03" => away("PostgreSQL is starting or stopping (57P03)"),
        "57014" => away("PostgreSQL broke off a statement that took too long (57014)"),
        "53300" => away(
            "PostgreSQL has no connection left (53300): raise `max_connections`, or give the store fewer",
        ),
        _ => {
            let said = format!("PostgreSQL answered {code}");
            match code.get(..2) {
                Some("08" | "40" | "53" | "55" | "57" | "58") => Trouble::Away(said.into()),
                _ => Trouble::Failed(format!("{said}: {}", database.message()).into()),
            }
        }
    }
}

/// The same for a connection that is being made. A server, or a pooler before it, that cannot take
/// one just now has many codes for that: what is nobody's mistake for certain is tried again.
pub(super) fn while_connecting(error: &sqlx::Error) -> Trouble {
    match (trouble(error), code(error)) {
        (Trouble::Failed(_), Some(code)) => {
            Trouble::Away(format!("PostgreSQL takes no connection now ({code})").into())
        }
        (Trouble::Failed(said), None) => Trouble::Away(said),
        (other, _) => other,
    }
}

/// Whether the statement had no effect only because another one ran at the same time.
pub(super) fn is_worth_another_try(error: &sqlx::Error) -> bool {
    matches!(code(error).as_deref(), Some("40001" | "40P01"))
}

/// Whether the connection still stands, and is as good for the next statement.
pub(super) fn keeps_the_connection(error: &sqlx::Error) -> bool {
    let Some(code) = code(error) else {
        return false;
    };
    // A statement that took too long says nothing about the connection.
    code == "57014" || !matches!(code.get(..2), Some("57" | "58" | "08" | "25" | "XX"))
}

fn of_the_connection(error: &sqlx::Error) -> Trouble {
    match error {
        sqlx::Error::Io(error) if error.kind() == ErrorKind::InvalidData => operator(TLS),
        // The driver does not keep what the resolver said apart.
        sqlx::Error::Io(error) if error.to_string().contains("lookup address") => away(
            "the name of the PostgreSQL host is not known: correct it in the URL, or see to the name service",
        ),
        sqlx::Error::Io(error) => {
            Trouble::Away(format!("the connection to PostgreSQL failed: {}", error.kind()).into())
        }
        sqlx::Error::Tls(_) => operator(TLS),
        sqlx::Error::Configuration(_) => {
            operator("one of its parameters has a value that cannot be used: correct or remove it")
        }
        sqlx::Error::Protocol(said)
            if !NO_POSTGRES.iter().any(|is| said.starts_with(is)) || said.contains(NO_PROCESS) =>
        {
            away(
                "PostgreSQL takes no connection now, or says something that the driver does not understand",
            )
        }
        sqlx::Error::Protocol(_) => operator(
            "what answers there is no PostgreSQL server, or wants a way to log in that the driver does not have: correct host and port, or use a password",
        ),
        sqlx::Error::WorkerCrashed | sqlx::Error::PoolClosed | sqlx::Error::PoolTimedOut => {
            away("the connection to PostgreSQL was given up")
        }
        other => Trouble::Failed(format!("PostgreSQL gave an unexpected answer: {other}").into()),
    }
}

fn code(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

fn operator(sentence: &'static str) -> Trouble {
    Trouble::Operator(sentence.into())
}

fn away(reason: &'static str) -> Trouble {
    Trouble::Away(reason.into())
}

pub(super) const LACKS_RIGHTS: &str = "the PostgreSQL role lacks rights: grant it SELECT, INSERT, UPDATE and DELETE on mcp_auth_record and mcp_auth_index, SELECT on mcp_auth_schema, and, for the first start, CREATE in the schema";
pub(super) const READ_ONLY: &str =
    "PostgreSQL takes no writes there: a standby, or a role or database that is set read-only";
/// How the driver begins what it says of somebody who does not speak as PostgreSQL does.
const NO_POSTGRES: [&str; 4] = [
    "unexpected response from SSLRequest",
    "unknown message type",
    "unknown authentication method",
    "unsupported",
];
/// The answer `E` in place of one about TLS: the server has no process for this connection.
const NO_PROCESS: &str = "SSLRequest: 0x45";
const TLS: &str = "TLS to PostgreSQL fails: correct `sslmode`, or name the authority of its certificate by `sslrootcert`";
