//! Tier 1 from the environment.

use std::{env::VarError, net::SocketAddr};

use http::HeaderName;

use super::{StaticKey, StaticKeyBuilder};
use crate::{BuildError, oauth::PublicUrl};

/// Reads one variable of the process.
#[allow(clippy::disallowed_methods)] // the door of every `from_env` here
pub(super) fn read(name: &str) -> Result<String, VarError> {
    std::env::var(name)
}

/// The tier, from whatever answers for variables.
pub(super) fn static_key(
    name: &str,
    read: impl Fn(&str) -> Result<String, VarError>,
) -> Result<StaticKey, BuildError> {
    let mut builder = place(&read)?.with_key("key-1", required(name, &read)?);
    for number in 2..=MAX_KEYS {
        let variable = format!("{name}_{number}");
        if let Some(key) = optional(&variable, &read)? {
            let key = long_enough(&variable, key)?;
            builder = builder.with_key(format!("key-{number}"), key);
        }
    }
    let variable = format!("{name}_HEADER");
    if let Some(header) = optional(&variable, &read)? {
        let header = HeaderName::try_from(header.trim()).map_err(|_| {
            BuildError::argument(variable, "not a header name; write one such as X-Api-Key")
        })?;
        builder = builder.with_header(header);
    }
    builder.build()
}

/// A variable without which nothing starts, long enough to be a key.
pub(super) fn required(
    name: &str,
    read: impl Fn(&str) -> Result<String, VarError>,
) -> Result<String, BuildError> {
    match optional(name, read)? {
        Some(value) => long_enough(name, value),
        None => Err(BuildError::missing(
            name.to_owned(),
            "set it to a key of at least 16 bytes, from `openssl rand -hex 32`",
        )),
    }
}

/// Where the server is and who may call it, as in `docs/environment.md`; an empty variable is not
/// set.
fn place(read: impl Fn(&str) -> Result<String, VarError>) -> Result<StaticKeyBuilder, BuildError> {
    let set = |name| Ok(optional(name, &read)?.filter(|value| !value.trim().is_empty()));
    let listen: SocketAddr = match set("MCP_AUTH_LISTEN")? {
        Some(listen) => listen.trim().parse().map_err(|_| {
            BuildError::argument(
                "MCP_AUTH_LISTEN",
                "must be an address and a port such as 127.0.0.1:8000",
            )
        })?,
        None => SocketAddr::from(([127, 0, 0, 1], 8000)),
    };
    let public_url = match set("MCP_AUTH_PUBLIC_URL")? {
        Some(url) => url,
        None if listen.ip().is_loopback() => format!("http://{listen}"),
        None => {
            return Err(BuildError::missing(
                "MCP_AUTH_PUBLIC_URL",
                "the https origin under which hosts reach this server",
            ));
        }
    };
    let public_url = PublicUrl::parse(&public_url)
        .map_err(|error| BuildError::argument("MCP_AUTH_PUBLIC_URL", error.rule()))?;
    let mut builder = StaticKey::builder(public_url);
    builder.listen = listen;
    if let Some(origins) = set("MCP_AUTH_ALLOWED_ORIGINS")? {
        let origins = origins.split([',', ' ']);
        builder = builder.with_allowed_origins(origins.filter(|origin| !origin.is_empty()));
    }
    Ok(builder)
}

fn optional(
    name: &str,
    read: impl Fn(&str) -> Result<String, VarError>,
) -> Result<Option<String>, BuildError> {
    match read(name) {
        Ok(value) => Ok(Some(value)),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(BuildError::argument(name.to_owned(), "not UTF-8")),
    }
}

/// The check again that the builder makes, with the variable's name in the error.
fn long_enough(name: &str, value: String) -> Result<String, BuildError> {
    let reason = if value.trim().is_empty() {
        "it is set but empty; set a key from `openssl rand -hex 32`, or unset it"
    } else if value.len() < 16 {
        "shorter than 16 bytes; set a key from `openssl rand -hex 32`"
    } else if !value.bytes().all(|b| b.is_ascii_graphic()) {
        "a key has printable ASCII only, without spaces"
    } else {
        return Ok(value);
    };
    Err(BuildError::argument(name.to_owned(), reason))
}

const MAX_KEYS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn tier(variables: &[(&str, &str)]) -> Result<StaticKey, BuildError> {
        static_key("MCP_API_KEY", |name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found
                .map(|(_, v)| (*v).to_owned())
                .ok_or(VarError::NotPresent)
        })
    }

    // STK-07
    #[test]
    fn a_missing_empty_or_short_key_stops_the_start_and_is_named() {
        let good = ("MCP_API_KEY", "0123456789abcdef");
        assert!(tier(&[good]).is_ok());
        for (variables, name) in [
            (vec![], "MCP_API_KEY "),
            (vec![("MCP_API_KEY", "")], "MCP_API_KEY:"),
            (
                vec![("MCP_API_KEY", "                    ")],
                "MCP_API_KEY:",
            ),
            (vec![("MCP_API_KEY", "canary")], "MCP_API_KEY:"),
            (vec![good, ("MCP_API_KEY_2", "canary")], "MCP_API_KEY_2:"),
            (vec![good, ("MCP_API_KEY_3", "")], "MCP_API_KEY_3:"),
            (
                vec![good, ("MCP_API_KEY_2", "canary canary canary")],
                "MCP_API_KEY_2:",
            ),
            (
                vec![good, ("MCP_API_KEY_HEADER", "a b")],
                "MCP_API_KEY_HEADER:",
            ),
            (
                vec![good, ("MCP_AUTH_PUBLIC_URL", "http://mcp.example.com")],
                "MCP_AUTH_PUBLIC_URL:",
            ),
            (vec![good, ("MCP_AUTH_LISTEN", "8000")], "MCP_AUTH_LISTEN:"),
            (
                vec![good, ("MCP_AUTH_LISTEN", "0.0.0.0:80")],
                "MCP_AUTH_PUBLIC_URL ",
            ),
        ] {
            let error = tier(&variables).unwrap_err().to_string();
            assert!(error.starts_with(name), "{error}");
            assert!(!error.contains("canary"), "{error}");
        }
    }

    #[test]
    fn reads_the_place_and_the_rest() {
        let made = tier(&[
            ("MCP_API_KEY", "0123456789abcdef"),
            ("MCP_API_KEY_2", "fedcba9876543210"),
            ("MCP_API_KEY_HEADER", "X-Api-Key"),
            ("MCP_AUTH_PUBLIC_URL", "https://mcp.example.com"),
            ("MCP_AUTH_LISTEN", "0.0.0.0:9000"),
            (
                "MCP_AUTH_ALLOWED_ORIGINS",
                "https://a.example, https://b.example",
            ),
        ])
        .unwrap();
        assert_eq!(made.listen().to_string(), "0.0.0.0:9000");
        let main = crate::tier::Tier::resource_servers(&made).main().clone();
        assert_eq!(main.resource().as_str(), "https://mcp.example.com/mcp");
        assert_eq!(main.allowed_origins().count(), 2);
        let shown = format!("{made:?}");
        assert!(
            shown.contains("key-2") && !shown.contains("0123456789abcdef"),
            "{shown}"
        );
    }
}
