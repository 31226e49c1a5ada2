//! For how long a token is good, as providers really say it (`expires_in`, RFC 6749 §5.1).

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// No token lives longer than this for us, whatever the upstream says.
pub(super) const MAX_LIFETIME: u64 = 365 * 24 * 3600;

/// Seconds; clamped to a year.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Lifetime(pub(super) u64);

/// A number, or a number in a string; what is neither, or is not positive, is not told.
pub(super) fn lifetime<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Lifetime>, D::Error> {
    let told = match Value::deserialize(deserializer)? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse::<f64>().ok(),
        _ => None,
    };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    // within bounds by the filter
    Ok(told
        .filter(|seconds| *seconds >= 1.0)
        .map(|seconds| Lifetime((seconds as u64).min(MAX_LIFETIME))))
}
