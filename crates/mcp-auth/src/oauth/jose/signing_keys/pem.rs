//! Private keys in PEM (RFC 7468 §10).

use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::SigningKeysError;

/// The content of every block. Text between blocks is left out, as RFC 7468 §2 has it.
pub(super) fn private_keys(text: &str) -> Result<Vec<Zeroizing<Vec<u8>>>, SigningKeysError> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some((_, from_label)) = rest.split_once(BEGIN) {
        let (label, body) = from_label
            .split_once(DASHES)
            .ok_or(SigningKeysError::Malformed)?;
        if label != LABEL {
            return Err(SigningKeysError::NotPkcs8);
        }
        let (body, after) = body.split_once(END).ok_or(SigningKeysError::Malformed)?;
        rest = after
            .strip_prefix(LABEL)
            .and_then(|after| after.strip_prefix(DASHES))
            .ok_or(SigningKeysError::Malformed)?;
        let mut encoded = Zeroizing::new(String::with_capacity(body.len()));
        encoded.extend(body.chars().filter(|c| !c.is_ascii_whitespace()));
        let der = STANDARD
            .decode(encoded.as_bytes())
            .map_err(|_| SigningKeysError::Malformed)?;
        blocks.push(Zeroizing::new(der));
    }
    if blocks.is_empty() && !text.is_empty() {
        return Err(SigningKeysError::Malformed);
    }
    Ok(blocks)
}

/// One block.
pub(super) fn of_private_key(der: &[u8]) -> Zeroizing<String> {
    let encoded = Zeroizing::new(STANDARD.encode(der));
    let mut text = Zeroizing::new(String::with_capacity(encoded.len() + 80));
    for part in [BEGIN, LABEL, DASHES, "\n"] {
        text.push_str(part);
    }
    let mut rest = encoded.as_str();
    while let Some((line, after)) = rest.split_at_checked(LINE) {
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    if !rest.is_empty() {
        text.push_str(rest);
        text.push('\n');
    }
    for part in [END, LABEL, DASHES, "\n"] {
        text.push_str(part);
    }
    text
}

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const LABEL: &str = "PRIVATE KEY";
const DASHES: &str = "-----";
/// Characters of a line (RFC 7468 §2).
const LINE: usize = 64;
