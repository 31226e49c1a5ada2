//! Which foreign types stand in public signatures: those of the HTTP surface, and no others.

use crate::arrows::{files, sources};

/// Crates whose types stay inside: their majors must not become ours.
const INSIDE: [&str; 12] = [
    "oauth2",
    "jsonwebtoken",
    "reqwest",
    "redis",
    "sqlx",
    "rmcp",
    "aws_lc_rs",
    "askama",
    "governor",
    "secrecy",
    "axum",
    "hyper",
];

/// The places that exist for such a crate, behind its feature.
const ALLOWED: [(&str, &str); 1] = [("rmcp/mod.rs", "rmcp")];

#[test]
fn public_signatures_name_no_inside_crate() {
    let root = sources();
    let mut broken = Vec::new();
    let mut signatures = 0;
    for (path, text) in files(&root) {
        let place = path
            .strip_prefix(&root)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        signatures += public_signatures(&text).len();
        for name in leaks(&text) {
            if !ALLOWED.contains(&(place.as_str(), name)) {
                broken.push(format!("{place}: {name} stands in a public signature"));
            }
        }
    }
    assert!(signatures > 200, "only {signatures} signatures were read");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn a_leak_is_found() {
    for text in [
        "pub fn f(client: reqwest::Client) {}",
        "use oauth2::{basic::BasicClient, Scope as S};\n    pub async fn f(&self) -> BasicClient {",
        "use oauth2::{basic::BasicClient, Scope as S};\npub(crate) fn g() {}\npub fn f(x: Vec<S>) {}",
        "pub use jsonwebtoken::Algorithm;",
        "pub struct S {\n    pub key: aws_lc_rs::hmac::Key,\n}",
        "pub struct S(pub secrecy::SecretString);",
        "pub type T = sqlx::Pool<()>;",
        "pub trait T {\n    fn f(&self) -> redis::Client;\n}",
        "pub fn f<T>(\n    x: T,\n) -> T\nwhere\n    T: ::rmcp::ServerHandler,\n{",
    ] {
        assert_eq!(leaks(text).len(), 1, "{text}");
    }
    for text in [
        "pub struct S(reqwest::Client);",
        "pub struct S {\n    key: aws_lc_rs::hmac::Key,\n}",
        "fn f(client: reqwest::Client) {}",
        "pub(crate) fn f(client: reqwest::Client) {}",
        "pub fn f() {\n    let client = reqwest::Client::new();\n}",
        "/// [`reqwest::Client`]\npub fn f() {}",
        "use oauth2::Scope;\nuse crate::oauth::Scopes;\npub fn f(x: &Scopes) {}",
        "#[cfg(test)]\nmod tests {\n    pub fn f(x: reqwest::Client) {}\n}",
    ] {
        assert!(leaks(text).is_empty(), "{text}");
    }
}

/// The inside crates that the public signatures of a file name, by path or by import.
fn leaks(text: &str) -> Vec<&'static str> {
    let code = code_of(text);
    let signatures = public_signatures(text);
    let leaked = |name: &&str| {
        let imported = imports(&code, name);
        signatures.iter().any(|signature| {
            let mut words = words(signature);
            let path = format!("{name}::");
            let by_path = signature.match_indices(&path).any(|(at, _)| {
                let before = signature[..at].chars().next_back();
                !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
                    && !signature[..at].ends_with("crate::")
            });
            by_path || words.any(|word| imported.iter().any(|known| known == word))
        })
    };
    INSIDE.into_iter().filter(leaked).collect()
}

/// The text of everything public in a file: signatures, fields, aliases, re-exports, and all of a
/// public trait.
fn public_signatures(text: &str) -> Vec<String> {
    let code = code_of(text);
    let mut found = Vec::new();
    let mut lines = code.lines();
    let mut in_trait = false;
    while let Some(line) = lines.next() {
        let trimmed = line.trim_start();
        if line.starts_with('}') {
            in_trait = false;
        }
        if line.starts_with("pub trait ") {
            in_trait = true;
        }
        let in_signature =
            in_trait && (trimmed.starts_with("fn ") || trimmed.starts_with("async fn "));
        if let Some(rest) = trimmed.strip_prefix("pub struct ") {
            // Of a tuple struct only the public fields show.
            found.extend(
                rest.match_indices("pub ")
                    .map(|(at, _)| rest[at..].to_owned()),
            );
        } else if trimmed.starts_with("pub ") || in_signature {
            let mut signature = trimmed.to_owned();
            while !signature.contains(['{', ';']) && !signature.ends_with(',')
                || is_open(&signature)
            {
                match lines.next() {
                    Some(next) => signature.push_str(next.trim_start()),
                    None => break,
                }
            }
            // What follows the brace is a body, except in a list of re-exports; what follows the
            // equals sign of a constant is its value.
            let end = match trimmed {
                _ if trimmed.starts_with("pub use") => None,
                _ if trimmed.starts_with("pub const ") && !trimmed.contains(" fn ") => {
                    signature.find('=')
                }
                _ => signature.find('{'),
            };
            found.push(signature[..end.unwrap_or(signature.len())].to_owned());
        }
    }
    found
}

/// Whether a parenthesis is still open.
fn is_open(text: &str) -> bool {
    text.matches('(').count() > text.matches(')').count()
}

/// The names that `use` brings in from a crate, under the names they get.
fn imports(code: &str, name: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, start) in [format!("use {name}::"), format!("use ::{name}::")]
        .iter()
        .flat_map(|start| code.match_indices(start.as_str()).collect::<Vec<_>>())
    {
        let rest = &code[at + start.len()..];
        let list = &rest[..rest.find(';').unwrap_or(rest.len())];
        for entry in list.split([',', '{', '}']) {
            let entry = entry.trim();
            let last = entry.rsplit([':', ' ']).next().unwrap_or_default();
            if last.starts_with(char::is_uppercase) {
                found.push(last.to_owned());
            }
        }
    }
    found
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
}

/// The code without comments and without its tests.
fn code_of(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let lines = code.lines().map(|line| {
        let line = line.split_once("//").map_or(line, |(code, _)| code);
        format!("{line}\n")
    });
    lines.collect()
}
