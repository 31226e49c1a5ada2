//! Where the servers are: the store URL, taken apart.

use std::fmt;

use mcp_auth::BuildError;

/// A store URL, taken apart.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) servers: Servers,
    pub(crate) tls: bool,
    /// One or several; of a cluster and of sentinels those to ask first.
    pub(crate) hosts: Vec<Host>,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Servers {
    Single { database: u32 },
    Cluster,
    Sentinel { service: String, database: u32 },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) port: u16,
}

impl Address {
    /// Takes a URL apart.
    ///
    /// No error repeats any of it: where a password has an unescaped `/` or `@` in it, its rest
    /// looks like a host.
    pub(crate) fn parse(url: &str) -> Result<Self, BuildError> {
        let (scheme, rest) = url.split_once("://").ok_or_else(|| wrong(SCHEMES))?;
        let (kind, tls) = match scheme {
            "redis" => (Kind::Single, false),
            "rediss" => (Kind::Single, true),
            "redis-cluster" => (Kind::Cluster, false),
            "rediss-cluster" => (Kind::Cluster, true),
            "redis-sentinel" => (Kind::Sentinel, false),
            "rediss-sentinel" => (Kind::Sentinel, true),
            _ => return Err(wrong(SCHEMES)),
        };
        if rest.contains(['?', '#']) {
            return Err(wrong(
                "must have no `?` and no `#`; in a password write them as %3F and %23",
            ));
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (credentials, hosts) = match authority.rsplit_once('@') {
            Some((credentials, hosts)) => (Some(credentials), hosts),
            None => (None, authority),
        };
        let (username, password) = credentials.map_or(Ok((None, None)), parse_credentials)?;
        let hosts: Result<Vec<Host>, _> = hosts
            .split(',')
            .map(|host| Host::parse(host, kind.port()))
            .collect();
        let hosts = hosts?;
        if kind == Kind::Single && hosts.len() > 1 {
            return Err(wrong(
                "must name one host; several are for redis-cluster:// and redis-sentinel://",
            ));
        }
        Ok(Self {
            servers: kind.servers(path)?,
            tls,
            hosts,
            username,
            password,
        })
    }
}

/// Hosts and ports, for people: all of a URL that is not secret.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, host) in self.hosts.iter().enumerate() {
            let comma = if n == 0 { "" } else { "," };
            write!(f, "{comma}{host}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Host {
    fn parse(text: &str, port: u16) -> Result<Self, BuildError> {
        let (name, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (name, rest) = rest.split_once(']').ok_or_else(|| wrong(HOST))?;
                match rest.strip_prefix(':') {
                    Some(port) => (name, parse_port(port)?),
                    None if rest.is_empty() => (name, port),
                    None => return Err(wrong(HOST)),
                }
            }
            None => match text.split_once(':') {
                Some((name, port)) => (name, parse_port(port)?),
                None => (text, port),
            },
        };
        let bracketed = text.starts_with('[');
        let legal = |c: char| c.is_alphanumeric() || "-._".contains(c) || (bracketed && c == ':');
        if name.is_empty() || !name.chars().all(legal) {
            return Err(wrong(HOST));
        }
        let name = name.to_owned();
        Ok(Self { name, port })
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.contains(':') {
            return write!(f, "[{}]:{}", self.name, self.port);
        }
        write!(f, "{}:{}", self.name, self.port)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Single,
    Cluster,
    Sentinel,
}

impl Kind {
    const fn port(self) -> u16 {
        match self {
            Self::Single | Self::Cluster => 6379,
            Self::Sentinel => 26379,
        }
    }

    fn servers(self, path: &str) -> Result<Servers, BuildError> {
        match self {
            Self::Single => Ok(Servers::Single {
                database: parse_database(path)?,
            }),
            Self::Cluster if path.is_empty() => Ok(Servers::Cluster),
            Self::Cluster => Err(wrong(
                "must name no database: a cluster has one, as in redis-cluster://host:6379,host:6379",
            )),
            Self::Sentinel => {
                let (service, database) = path.split_once('/').unwrap_or((path, ""));
                let service = decode(service).filter(|service| !service.is_empty());
                let service = service.ok_or_else(|| {
                    wrong("must name the service that the sentinels watch, as in redis-sentinel://host:26379/mymaster")
                })?;
                let database = parse_database(database)?;
                Ok(Servers::Sentinel { service, database })
            }
        }
    }
}

fn parse_credentials(text: &str) -> Result<(Option<String>, Option<String>), BuildError> {
    let parts = text
        .split_once(':')
        .and_then(|(user, password)| Some((decode(user)?, decode(password)?)));
    match parts {
        Some((user, password)) if !password.is_empty() => {
            Ok((Some(user).filter(|user| !user.is_empty()), Some(password)))
        }
        _ => Err(wrong(
            "must give credentials as `user:password@` or `:password@`, with what is not a letter or digit as %XX",
        )),
    }
}

fn parse_database(text: &str) -> Result<u32, BuildError> {
    if text.is_empty() {
        return Ok(0);
    }
    digits(text).ok_or_else(|| wrong("must end with the number of the database, as in /0"))
}

fn parse_port(text: &str) -> Result<u16, BuildError> {
    let port = digits(text).filter(|port| *port != 0);
    port.ok_or_else(|| wrong("must give a port from 1 to 65535, as in redis://host:6379"))
}

/// `parse` alone would take `+1`.
fn digits<T: std::str::FromStr>(text: &str) -> Option<T> {
    let all = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| all)
}

/// Undoes percent-encoding.
fn decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        let value = digit()? * 16 + digit()?;
        decoded.push(u8::try_from(value).ok()?);
    }
    String::from_utf8(decoded).ok()
}

fn wrong(reason: &'static str) -> BuildError {
    BuildError::argument("store URL", reason)
}

const SCHEMES: &str =
    "must begin with redis://, rediss:// (TLS), redis-cluster:// or redis-sentinel://";
const HOST: &str = "must name a host, as in redis://host:6379 or redis://[::1]:6379";

#[cfg(test)]
mod tests;
