//! How long a token lives, as providers write it (RFC 6749 §5.1).

use serde_json::Value;

/// Seconds: a number, or a number in a text; what is neither, or is not at least one, is not told. No token
/// lives longer than `most`, whatever is said.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // within bounds by the filter
pub(super) fn seconds(told: &Value, most: u64) -> Option<u64> {
    let told = match told {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    told.filter(|seconds: &f64| *seconds >= 1.0)
        .map(|seconds| (seconds as u64).min(most))
}
