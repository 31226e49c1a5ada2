//! A registration as few bytes: what consent and the checks need, and nothing else.
//!
//! ```text
//! version  flags  [further flags]  issued_at  count  redirect_uri…  [client_name]  [scope]  [client_uri]
//! ```
//!
//! Numbers are LEB128. Texts are compressed against the [`dictionary`]:
//!
//! | byte | means |
//! |---|---|
//! | `00` | the text ends |
//! | `01`–`1f` | so many bytes follow as they are |
//! | `20`–`7e` | this character |
//! | `80`–`ff` | an entry of the dictionary |
//!
//! Form and dictionary belong to the version: an identifier that was once given out must be read
//! for as long as a host may bring it back.

use super::dictionary;
use crate::oauth::{ClientAuthenticationMethod, ClientMetadata, RedirectUri, Scopes, Timestamp};

/// The compact form of a registration.
pub(super) fn encode(metadata: &ClientMetadata, issued_at: Timestamp) -> Vec<u8> {
    let scope = metadata.scope.as_ref().map(ToString::to_string);
    let mut flags = match metadata.token_endpoint_auth_method {
        ClientAuthenticationMethod::None => 0,
        ClientAuthenticationMethod::ClientSecretPost => 1,
        ClientAuthenticationMethod::ClientSecretBasic => 2,
        // Registered by nobody: keys are in documents.
        ClientAuthenticationMethod::PrivateKeyJwt => METHOD,
    };
    let set = [
        (REFRESH_TOKENS, metadata.refresh_tokens),
        (CLIENT_NAME, metadata.client_name.is_some()),
        (SCOPE, scope.is_some()),
        (CLIENT_URI, metadata.client_uri.is_some()),
        (DPOP_BOUND, metadata.dpop_bound_access_tokens),
    ];
    flags |= sum(&set);
    let further = sum(&[
        (IDENTITY_ASSERTIONS, metadata.identity_assertions),
        (MUST_PUSH, metadata.require_pushed_authorization_requests),
    ]);
    let mut out = match further {
        0 => vec![VERSION, flags],
        _ => vec![VERSION, flags | FURTHER, further],
    };
    put_number(&mut out, issued_at.as_seconds());
    put_number(&mut out, metadata.redirect_uris.len() as u64);
    for uri in &metadata.redirect_uris {
        put_text(&mut out, uri.as_str());
    }
    let texts = [&metadata.client_name, &scope, &metadata.client_uri];
    for text in texts.into_iter().flatten() {
        put_text(&mut out, text);
    }
    out
}

/// The registration and its issue time; `None` for bytes that [`encode`] does not give.
///
/// A redirection URI that is not allowed any more is left out.
pub(super) fn decode(
    bytes: &[u8],
    redirect_schemes: &[String],
) -> Option<(ClientMetadata, Timestamp)> {
    let mut reader = Reader(bytes);
    if reader.byte()? != VERSION {
        return None;
    }
    let flags = reader.byte()?;
    let further = match flags & FURTHER {
        0 => 0,
        _ => reader.byte().filter(|byte| *byte != 0)?,
    };
    if further & UNUSED != 0 {
        return None;
    }
    let issued_at = Timestamp::from_seconds(reader.number()?);
    let mut redirect_uris = Vec::new();
    for _ in 0..reader.number()? {
        let text = reader.text()?;
        redirect_uris.extend(RedirectUri::parse_with_schemes(&text, redirect_schemes));
    }
    let mut text_if = |flag| match flags & flag {
        0 => Some(None),
        _ => reader.text().map(Some),
    };
    let client_name = text_if(CLIENT_NAME)?;
    let scope = text_if(SCOPE)?;
    let client_uri = text_if(CLIENT_URI)?;
    if !reader.0.is_empty() {
        return None;
    }
    let mut metadata = ClientMetadata::public(redirect_uris);
    metadata.token_endpoint_auth_method = match flags & METHOD {
        0 => ClientAuthenticationMethod::None,
        1 => ClientAuthenticationMethod::ClientSecretPost,
        2 => ClientAuthenticationMethod::ClientSecretBasic,
        _ => return None,
    };
    metadata.refresh_tokens = flags & REFRESH_TOKENS != 0;
    metadata.client_name = client_name;
    metadata.scope = scope.map(|text| Scopes::parse(&text)).transpose().ok()?;
    metadata.client_uri = client_uri;
    metadata.dpop_bound_access_tokens = flags & DPOP_BOUND != 0;
    metadata.identity_assertions = further & IDENTITY_ASSERTIONS != 0;
    metadata.require_pushed_authorization_requests = further & MUST_PUSH != 0;
    Some((metadata, issued_at))
}

/// One byte of those flags that are set.
fn sum(flags: &[(u8, bool)]) -> u8 {
    let set = flags.iter().filter(|(_, is_set)| *is_set);
    set.fold(0, |sum, (flag, _)| sum | flag)
}

/// Whatever is read is written and read again as the same.
#[cfg(any(test, fuzzing))]
pub(in crate::authorization_server) fn holds(bytes: &[u8]) {
    if let Some((metadata, issued_at)) = decode(bytes, &[]) {
        let again = decode(&encode(&metadata, issued_at), &[]);
        assert_eq!(again, Some((metadata, issued_at)));
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            number |= part.checked_shl(shift).filter(|up| up >> shift == part)?;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn text(&mut self) -> Option<String> {
        let mut text = Vec::new();
        loop {
            match self.byte()? {
                END => return String::from_utf8(text).ok(),
                count @ 0x01..=RUN_MAX => text.extend_from_slice(self.bytes(count.into())?),
                character @ 0x20..=0x7e => text.push(character),
                code => text.extend_from_slice(dictionary::entry(code)?.as_bytes()),
            }
        }
    }
}

fn put_number(out: &mut Vec<u8>, mut number: u64) {
    loop {
        let part = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            out.push(part);
            return;
        }
        out.push(part | 0x80);
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        if let Some((code, after)) = dictionary::longest_prefix(rest) {
            out.push(code);
            rest = after;
        } else if (0x20..=0x7e).contains(first) {
            out.push(*first);
            rest = tail;
        } else {
            let is_raw = |byte: &&u8| !(0x20..=0x7e).contains(*byte);
            let count = rest.iter().take(RUN_MAX.into()).take_while(is_raw).count();
            let (run, after) = rest.split_at(count);
            out.push(count as u8); // at most RUN_MAX
            out.extend_from_slice(run);
            rest = after;
        }
    }
    out.push(END);
}

const VERSION: u8 = 1;

const METHOD: u8 = 0b0000_0011;
const REFRESH_TOKENS: u8 = 0b0000_0100;
const CLIENT_NAME: u8 = 0b0000_1000;
const SCOPE: u8 = 0b0001_0000;
const CLIENT_URI: u8 = 0b0010_0000;
const DPOP_BOUND: u8 = 0b0100_0000;
/// Another byte of flags follows, with one of them set at least.
const FURTHER: u8 = 0b1000_0000;

const IDENTITY_ASSERTIONS: u8 = 0b0000_0001;
const MUST_PUSH: u8 = 0b0000_0010;
const UNUSED: u8 = 0b1111_1100;

const END: u8 = 0x00;
const RUN_MAX: u8 = 0x1f;
