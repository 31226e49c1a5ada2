//! Tier 1 from the environment.

use http::HeaderName;

use super::{StaticKey, StaticKeyBuilder};
use crate::{BuildError, tier::variables::Variables};

/// The tier, from these variables.
pub(super) fn static_key(name: &str, variables: &Variables) -> Result<StaticKey, BuildError> {
    refuse_others(name, variables)?;
    let key = variables.get(name).ok_or_else(|| {
        BuildError::missing(
            name.to_owned(),
            "set it to a key of at least 16 bytes, from `openssl rand -hex 32`",
        )
    })?;
    let mut builder = place(variables)?.with_key("key-1", long_enough(name, key)?);
    for number in 2..=MAX_KEYS {
        let variable = format!("{name}_{number}");
        if let Some(key) = variables.get(&variable) {
            let key = long_enough(&variable, key)?;
            builder = builder.with_key(format!("key-{number}"), key);
        }
    }
    let variable = format!("{name}_HEADER");
    if let Some(header) = variables.get(&variable) {
        let header = HeaderName::try_from(header).map_err(|_| {
            BuildError::argument(variable, "not a header name; write one such as X-Api-Key")
        })?;
        builder = builder.with_header(header);
    }
    builder.build()
}

/// A key under a name that nobody reads would never be let in, and nobody would know why.
fn refuse_others(name: &str, variables: &Variables) -> Result<(), BuildError> {
    let is_read = |rest: &str| {
        rest == "HEADER" || (2..=MAX_KEYS).any(|number| rest == number.to_string().as_str())
    };
    let prefix = format!("{name}_");
    let other = variables.names().find(|variable| {
        let rest = variable.strip_prefix(&prefix);
        !variable.starts_with("MCP_AUTH_") && rest.is_some_and(|rest| !is_read(rest))
    });
    match other {
        None => Ok(()),
        Some(variable) => Err(BuildError::argument(
            variable.to_owned(),
            format!(
                "is not read: further keys are {name}_2 to {name}_{MAX_KEYS}, a header is {name}_HEADER"
            ),
        )),
    }
}

/// Where the server is and who may call it.
fn place(variables: &Variables) -> Result<StaticKeyBuilder, BuildError> {
    let listen = variables.listen()?;
    let mut builder = StaticKey::builder(variables.public_url(listen)?)
        .with_allowed_origins(variables.allowed_origins()?);
    builder.listen = listen;
    Ok(builder)
}

/// The check again that the builder makes, with the variable's name in the error.
fn long_enough<'v>(name: &str, value: &'v str) -> Result<&'v str, BuildError> {
    let reason = if value.len() < 16 {
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
        let owned = variables
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        static_key("MCP_API_KEY", &Variables::new(owned)?)
    }

    // STK-07, CFG-01
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
            (vec![good, ("MCP_API_KEY_1", "canary")], "MCP_API_KEY_1:"),
            (vec![good, ("MCP_API_KEY_17", "canary")], "MCP_API_KEY_17:"),
            (vec![good, ("MCP_API_KEY_02", "canary")], "MCP_API_KEY_02:"),
            (vec![good, ("MCP_API_KEY_x", "canary")], "MCP_API_KEY_x:"),
            (vec![good, ("MCP_API_KEY_", "canary")], "MCP_API_KEY_:"),
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
            ("MCP_API_KEY_16", "fedcba9876543211"),
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
