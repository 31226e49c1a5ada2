//! Which database a URL names.

use std::path::PathBuf;

use mcp_auth::BuildError;
use sqlx::{ConnectOptions, postgres::PgConnectOptions};
use url::{Host, Url};

/// A URL that was understood.
pub(crate) enum Location {
    Sqlite(File),
    Postgres(Box<Server>),
}

/// A file of SQLite.
#[derive(Debug, Clone)]
pub(crate) struct File {
    /// Absolute: the process may change its folder later.
    pub(crate) path: PathBuf,
    /// Whether it is made when there is none.
    pub(crate) create: bool,
}

/// A server of PostgreSQL.
pub(crate) struct Server {
    pub(crate) options: PgConnectOptions,
    /// What errors and logs may say of it: host and port, or the socket's folder.
    pub(crate) shown: String,
}

impl Location {
    pub(crate) fn parse(url: &str) -> Result<Self, BuildError> {
        match url.split_once(':') {
            Some(("sqlite", rest)) => File::parse(rest).map(Self::Sqlite),
            Some(("postgres" | "postgresql", _)) => {
                Server::parse(url).map(|server| Self::Postgres(Box::new(server)))
            }
            _ => Err(refused(
                "must be `sqlite:FILE` or `postgres://USER:PASSWORD@HOST/DATABASE`",
            )),
        }
    }
}

impl File {
    fn parse(rest: &str) -> Result<Self, BuildError> {
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let (path, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let create = match parameters {
            "" | "mode=rwc" => true,
            "mode=rw" => false,
            "mode=memory" => return Err(refused(IN_MEMORY)),
            _ => {
                return Err(refused(
                    "a SQLite file takes no parameters but `mode=rw` and `mode=rwc`: leave them out",
                ));
            }
        };
        if path == ":memory:" {
            return Err(refused(IN_MEMORY));
        }
        if path.is_empty() || path.ends_with('/') || path.contains('\0') {
            return Err(refused(
                "names no file: write `sqlite:FILE`, such as `sqlite:mcp-auth.db`",
            ));
        }
        let path = std::path::absolute(path)
            .map_err(|_| refused("the current folder is gone: give the file's absolute path"))?;
        Ok(Self { path, create })
    }
}

impl Server {
    fn parse(text: &str) -> Result<Self, BuildError> {
        let mut url = Url::parse(text).map_err(|_| refused(UNREADABLE))?;
        // A `#` or a `/` in a password ends it, and what is left looks like something else.
        if url.fragment().is_some() || url.cannot_be_a_base() || url.path().contains('@') {
            return Err(refused(UNREADABLE));
        }
        let parameters = parameters(&url)?;
        url.set_query(None);
        if !parameters.is_empty() {
            url.query_pairs_mut().extend_pairs(&parameters);
        }
        let named = |wanted: &str| parameters.iter().any(|(name, _)| name == wanted);
        let mut options = PgConnectOptions::from_url(&url)
            .map_err(|_| refused("one of its parameters has a value that cannot be used"))?;
        if let (Some(Host::Ipv6(address)), false) = (url.host(), named("host") || named("hostaddr"))
        {
            // Without the brackets that the URL needs.
            options = options.host(&address.to_string());
        }
        let shown = options.get_socket().map_or_else(
            || format!("{}:{}", options.get_host(), options.get_port()),
            |socket| socket.display().to_string(),
        );
        let options = options
            // No fractions here; pgbouncer refuses the parameter.
            .extra_float_digits(None)
            .disable_statement_logging();
        Ok(Self { options, shown })
    }
}

/// The parameters that the driver is to see.
///
/// It logs those that it does not know with their value, which could be a misspelt password.
fn parameters(url: &Url) -> Result<Vec<(String, String)>, BuildError> {
    let mut kept = Vec::new();
    for (name, value) in url.query_pairs() {
        let usable = match &*name {
            "sslmode" | "ssl-mode" => matches!(
                &*value,
                "disable" | "allow" | "prefer" | "require" | "verify-ca" | "verify-full"
            ),
            "sslrootcert" | "ssl-root-cert" | "ssl-ca" | "sslcert" | "ssl-cert" | "sslkey"
            | "ssl-key" => {
                value.starts_with("-----BEGIN") || std::path::Path::new(&*value).is_file()
            }
            "host"
            | "hostaddr"
            | "port"
            | "dbname"
            | "user"
            | "password"
            | "application_name"
            | "options"
            | "statement-cache-capacity" => true,
            option if option.starts_with("options[") => true,
            // What these ask for is so in any case.
            "target_session_attrs" if matches!(&*value, "any" | "read-write" | "primary") => {
                continue;
            }
            "connect_timeout" => continue,
            "channel_binding" | "gssencmode" if matches!(&*value, "disable" | "prefer") => continue,
            _ => false,
        };
        if !usable {
            // Only what is known to be a name is repeated.
            let which = KNOWN.iter().find(|known| **known == name);
            return Err(which.map_or_else(
                || refused("has a parameter that PostgreSQL's driver does not know: correct or remove it"),
                |known| {
                    BuildError::argument(
                        "store URL",
                        format!("its parameter `{known}` has a value that cannot be used, or names a file that is not there"),
                    )
                },
            ));
        }
        kept.push((name.into_owned(), value.into_owned()));
    }
    Ok(kept)
}

fn refused(sentence: &'static str) -> BuildError {
    BuildError::argument("store URL", sentence)
}

const IN_MEMORY: &str =
    "a SQLite database in memory ends with its connection: name a file, or use the store `memory:`";
const UNREADABLE: &str = "cannot be read as `postgres://USER:PASSWORD@HOST:PORT/DATABASE`: write special characters of the password as %XX, such as `%23` for `#`";
const KNOWN: &[&str] = &[
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "target_session_attrs",
    "channel_binding",
    "gssencmode",
];
