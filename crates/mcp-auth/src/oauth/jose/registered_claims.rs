//! Registered claims (RFC 7519 §4.1), as issuers really write them.

use serde::{Deserialize, Deserializer};
use serde_json::Number;

use crate::oauth::Timestamp;

/// Whether this can be a `sub`: OpenID Connect Core §2 has at most 255 characters in it.
pub(crate) fn is_usable_subject(sub: &str) -> bool {
    !sub.is_empty() && sub.len() <= MAX_SUBJECT && !sub.chars().any(char::is_control)
}

const MAX_SUBJECT: usize = 255;

/// One text or a list of them (RFC 7519 §4.1.3).
pub(crate) fn audience<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<String>, D::Error> {
    texts(deserializer)?.ok_or_else(|| serde::de::Error::custom("no audience"))
}

/// A list of texts, one text, or nothing.
pub(crate) fn texts<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Texts {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Option::<Texts>::deserialize(deserializer)? {
        None => None,
        Some(Texts::One(text)) => Some(vec![text]),
        Some(Texts::Many(texts)) => Some(texts),
    })
}

/// A list of texts, or one text with spaces between them.
pub(crate) fn words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let texts = texts(deserializer)?.unwrap_or_default();
    let words = texts.iter().flat_map(|text| text.split(' '));
    Ok(words
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect())
}

/// One that has to be there.
pub(crate) fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    maybe_moment(deserializer)?.ok_or_else(|| serde::de::Error::custom("no moment"))
}

/// A `NumericDate` (RFC 7519 §2): a number, whole or not, of this age of the world.
pub(crate) fn maybe_moment<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Timestamp>, D::Error> {
    match Option::<Number>::deserialize(deserializer)? {
        None => Ok(None),
        Some(number) => match timestamp(&number) {
            None => Err(serde::de::Error::custom("no moment")),
            moment => Ok(moment),
        },
    }
}

/// Whole seconds of it.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // within bounds
pub(crate) fn timestamp(number: &Number) -> Option<Timestamp> {
    let seconds = number.as_f64()?;
    let in_this_age = seconds.is_finite() && (0.0..END_OF_TIME).contains(&seconds);
    in_this_age.then(|| Timestamp::from_seconds(seconds as u64))
}

/// The year 10000.
const END_OF_TIME: f64 = 253_402_300_800.0;
