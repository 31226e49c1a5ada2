//! Imports point down only, so that a reader can stop at any floor of the house.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// The floors, lowest first; modules on one floor do not know each other.
const FLOORS: [&[&str]; 7] = [
    &["oauth", "metering"],
    &["store", "net", "audit"],
    &["upstream"],
    &["access_token"],
    &["resource_server", "authorization_server", "local"],
    &["tier"],
    &["rmcp"],
];

/// Names at the root that belong to no floor.
const FREE: [&str; 1] = ["BuildError"];

#[test]
fn imports_point_down_only() {
    let root = sources();
    let exports = root_exports(&fs::read_to_string(root.join("lib.rs")).unwrap());
    let mut seen = 0;
    let mut broken = Vec::new();
    for (path, text) in files(&root) {
        let module = module_of(path.strip_prefix(&root).unwrap());
        if floor(&module).is_some() {
            seen += 1;
            broken.extend(
                violations(&module, &text, &exports)
                    .map(|to| format!("{}: {module} must not know {to}", path.display())),
            );
        }
    }
    assert!(seen > 30, "only {seen} files were read");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn a_reversed_arrow_is_found() {
    let exports =
        root_exports("pub use access_token::Principal;\npub use tier::{StaticKey, Tier};\n");
    let found = |module: &str, text: &str| violations(module, text, &exports).collect::<Vec<_>>();
    for (module, text, to) in [
        ("oauth", "use crate::store::KeyRing;", "store"),
        (
            "store",
            "use crate::{BuildError, oauth::Scope, net::HttpClient};",
            "net",
        ),
        (
            "access_token",
            "use crate::{\n    oauth::{A, B},\n    resource_server::R,\n};",
            "resource_server",
        ),
        (
            "resource_server",
            "use crate::authorization_server::Grant;",
            "authorization_server",
        ),
        (
            "authorization_server",
            "fn f(x: &crate::resource_server::ResourceServer) {}",
            "resource_server",
        ),
        ("net", "use crate::Principal;", "access_token"),
        ("upstream", "use crate::{Tier, BuildError};", "tier"),
        ("tier", "use crate::rmcp::server_config;", "rmcp"),
    ] {
        assert_eq!(found(module, text), [to], "{module}: {text}");
    }
    for (module, text) in [
        (
            "tier",
            "use crate::{BuildError, resource_server::R, authorization_server::A, oauth::O};",
        ),
        (
            "oauth",
            "use crate::oauth::secret::Secret; use super::ParseError;",
        ),
        (
            "oauth",
            "/// See [`crate::tier`].\n//! and crate::store\n// crate::net\nfn f() {}",
        ),
        ("rmcp", "use crate::{tier::Tier, Principal};"),
    ] {
        assert!(found(module, text).is_empty(), "{module}: {text}");
    }
}

fn violations<'a>(
    module: &'a str,
    text: &'a str,
    exports: &'a BTreeMap<String, String>,
) -> impl Iterator<Item = String> + 'a {
    let own = floor(module).expect("a known module");
    crate_names(text).into_iter().filter_map(move |name| {
        let target = exports.get(&name).unwrap_or(&name).clone();
        if target == module || FREE.contains(&target.as_str()) {
            return None;
        }
        let allowed = floor(&target).is_some_and(|floor| floor < own);
        (!allowed).then_some(target)
    })
}

/// The first names of everything that is reached through `crate::`, comments left out.
fn crate_names(text: &str) -> Vec<String> {
    let code: Vec<&str> = text
        .lines()
        .map(|line| line.split_once("//").map_or(line, |(code, _)| code))
        .collect();
    let code = code.join("\n");
    let mut names = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => names.extend(group_names(group)),
            None => names.push(identifier(rest)),
        }
    }
    names.retain(|name| !name.is_empty());
    names.sort();
    names.dedup();
    names
}

/// The first name of each entry of `{a::b, c::{d, e}, f}`, the brace already read.
fn group_names(group: &str) -> Vec<String> {
    let mut names = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                names.push(identifier(&group[start..at]));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(identifier(&group[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    names
}

fn identifier(text: &str) -> String {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    text[..end.unwrap_or(text.len())].to_owned()
}

/// Where the names that `lib.rs` re-exports come from.
fn root_exports(text: &str) -> BTreeMap<String, String> {
    let mut exports = BTreeMap::new();
    for line in text
        .lines()
        .filter_map(|line| line.strip_prefix("pub use "))
    {
        let Some((module, names)) = line.trim_end_matches(';').split_once("::") else {
            continue;
        };
        for name in names.trim_matches(['{', '}']).split(',') {
            exports.insert(name.trim().to_owned(), module.to_owned());
        }
    }
    exports.retain(|name, _| !FREE.contains(&name.as_str()));
    exports
}

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

fn module_of(path: &Path) -> String {
    let first = path.iter().next().unwrap().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

pub(crate) fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every source file below a folder, with its text.
pub(crate) fn files(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    found
}
