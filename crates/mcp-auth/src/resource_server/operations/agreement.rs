//! `Mcp-Method` and `Mcp-Name` have to say what the body says (SEP-2243).
//!
//! Nothing is decided by them here. Whoever stands in front of this server may decide by them, so a
//! request where they say something else is refused.

use base64::{Engine, prelude::BASE64_STANDARD};
use http::HeaderMap;

use super::Message;

/// Whether the headers, as far as they are there, say the same as every message.
pub(in super::super) fn agree(headers: &HeaderMap, messages: &[Message]) -> bool {
    let (Ok(method), Ok(name)) = (single(headers, "mcp-method"), single(headers, "mcp-name"))
    else {
        return false;
    };
    let name = match name.map(decoded) {
        Some(None) => return false,
        name => name.flatten(),
    };
    messages.iter().all(|message| {
        let says = |header: Option<&str>, body: Option<&str>| header.is_none() || header == body;
        says(method, message.method.as_deref())
            // Of a method whose messages have no name the header says nothing.
            && (message.name.is_none() || says(name.as_deref(), message.name.as_deref()))
    })
}

/// The value of a header that may be there once.
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, ()> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(drop),
        (Some(_), Some(_)) => Err(()),
    }
}

/// A name that fits no header travels as `=?base64?…?=`.
fn decoded(value: &str) -> Option<String> {
    let inner = value
        .strip_prefix("=?base64?")
        .and_then(|rest| rest.strip_suffix("?="));
    match inner {
        None => Some(value.to_owned()),
        Some(inner) => String::from_utf8(BASE64_STANDARD.decode(inner).ok()?).ok(),
    }
}
