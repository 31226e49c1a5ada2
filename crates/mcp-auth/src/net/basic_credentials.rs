//! `Authorization: Basic` for a client (RFC 6749 §2.3.1).

use base64::{Engine, engine::general_purpose::STANDARD};
use http::HeaderValue;
use url::form_urlencoded;
use zeroize::Zeroizing;

use crate::oauth::ClientSecret;

/// Both halves form-encoded, and then base64.
pub(crate) fn basic_credentials(client_id: &str, secret: &ClientSecret) -> Option<HeaderValue> {
    let encoded =
        |text: &str| -> String { form_urlencoded::byte_serialize(text.as_bytes()).collect() };
    let pair = Zeroizing::new(format!(
        "{}:{}",
        encoded(client_id),
        encoded(secret.expose())
    ));
    let mut value =
        HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair.as_bytes()))).ok()?;
    value.set_sensitive(true);
    Some(value)
}
