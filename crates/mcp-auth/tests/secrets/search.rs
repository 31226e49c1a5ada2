//! Finding a secret in whatever form it was written.

use std::collections::{BTreeSet, HashMap};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};

/// Many secrets in every form, to be looked for at once.
pub struct Needles(HashMap<[u8; START], Vec<(usize, Vec<u8>)>>);

/// Forms are found by their first bytes; no secret is shorter.
const START: usize = 12;

impl Needles {
    /// These secrets, numbered in this order.
    pub fn new<'s>(secrets: impl Iterator<Item = &'s str>) -> Self {
        let mut by_start: HashMap<[u8; START], Vec<_>> = HashMap::new();
        for (number, secret) in secrets.enumerate() {
            for form in forms(secret) {
                let start = *form.first_chunk().unwrap();
                by_start.entry(start).or_default().push((number, form));
            }
        }
        Self(by_start)
    }

    /// The numbers of the secrets that are there in any form.
    pub fn found_in(&self, haystack: &[u8]) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        for (at, start) in haystack.windows(START).enumerate() {
            let start: &[u8; START] = start.try_into().unwrap();
            for (number, form) in self.0.get(start).into_iter().flatten() {
                if haystack[at..].starts_with(form) {
                    found.insert(*number);
                }
            }
        }
        found
    }
}

/// Whether one secret is there in any form.
pub fn found(haystack: &[u8], secret: &str) -> bool {
    let needle = Needles::new(std::iter::once(secret));
    !needle.found_in(haystack).is_empty()
}

/// Every form that is looked for.
pub fn forms(secret: &str) -> Vec<Vec<u8>> {
    let mut forms = forms_of(secret.as_bytes());
    // Our tokens are text over bytes: the bytes are the secret as well.
    let bare = secret.rsplit_once('_').map_or(secret, |(prefix, rest)| {
        if prefix.starts_with("mcp") {
            rest
        } else {
            secret
        }
    });
    if let Ok(bytes) = URL_SAFE_NO_PAD.decode(bare)
        && bytes.len() >= 16
    {
        forms.push(bare.as_bytes().to_vec());
        forms.extend(forms_of(&bytes));
    }
    forms.sort_unstable();
    forms.dedup();
    forms
}

fn forms_of(bytes: &[u8]) -> Vec<Vec<u8>> {
    let each = |write: fn(&u8) -> String| -> String { bytes.iter().map(write).collect() };
    let listed: Vec<String> = bytes.iter().map(u8::to_string).collect();
    let mut forms = vec![
        bytes.to_vec(),
        each(|byte| format!("{byte:02x}")).into_bytes(),
        each(|byte| format!("{byte:02X}")).into_bytes(),
        each(|byte| format!("%{byte:02X}")).into_bytes(),
        each(|byte| format!("%{byte:02x}")).into_bytes(),
        url::form_urlencoded::byte_serialize(bytes)
            .collect::<String>()
            .into_bytes(),
        listed.join(", ").into_bytes(),
    ];
    for offset in 0..3 {
        for text in [
            aligned(&STANDARD_NO_PAD, bytes, offset),
            aligned(&URL_SAFE_NO_PAD, bytes, offset),
        ] {
            forms.push(text.into_bytes());
        }
    }
    forms
}

/// The characters of base64 that do not depend on what stands before and after.
fn aligned(engine: &impl Engine, bytes: &[u8], offset: usize) -> String {
    let mut padded = vec![0; offset];
    padded.extend_from_slice(bytes);
    let text = engine.encode(&padded);
    let begin = (offset * 8).div_ceil(6);
    let end = padded.len() * 8 / 6;
    text[begin..end].to_owned()
}
