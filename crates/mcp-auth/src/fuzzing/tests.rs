//! The targets on stable: over the corpus, and over what proptest makes of it.
//!
//! `MCP_AUTH_FUZZ_SECONDS` runs each for so long instead of a few hundred times; `scripts/fuzz` sets it.

#![allow(clippy::disallowed_methods)] // how long it runs is real time, and told by the environment

use std::{
    collections::BTreeSet,
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
    test_runner::{Config, TestRunner},
};

use super::{TARGETS, Target};

fn fuzz_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

/// The files of a target, each with what is in it.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = fuzz_folder().join("corpus").join(target);
    let files = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.sort_unstable();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// One step away from an input.
#[derive(Debug, Clone)]
enum Edit {
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    /// A part of it once more, elsewhere.
    Repeat(Index, Index, usize),
    Swap(Index, Index),
}

/// What parsers trip over.
const PIECES: &[&str] = &[
    "",
    " ",
    "\t",
    "\r\n",
    "\0",
    "=",
    "==",
    ";",
    ",",
    ":",
    "@",
    "%",
    "%00",
    "%2e",
    "%ff",
    "+",
    "&",
    "?",
    "#",
    "/",
    "//",
    "\\",
    "..",
    ".",
    "[",
    "]",
    "{}",
    "\"",
    "'",
    "<",
    "\u{202e}",
    "\u{fffd}",
    "é",
    "\u{1f980}",
    "localhost",
    "127.0.0.1",
    "[::1]",
    "2130706433",
    "0x7f.1",
    ":0",
    ":65535",
    ":65536",
    "xn--",
    "https://",
    "http://",
    "javascript:",
    "Bearer ",
    "Basic ",
    "null",
    "-1",
    "1e999",
    "18446744073709551616",
    "access_token=",
    "client_id=",
    "resource=",
    "__Host-mcp-auth-browser=",
    "q=0.0000001",
    "unknown",
    "_",
];

fn edits() -> impl Strategy<Value = Edit> {
    let piece = prop_oneof![
        select(PIECES).prop_map(|piece| piece.as_bytes().to_vec()),
        vec(any::<u8>(), 1..8),
    ];
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Edit::Set(at, byte)),
        (any::<Index>(), piece).prop_map(|(at, piece)| Edit::Insert(at, piece)),
        (any::<Index>(), 1..16_usize).prop_map(|(at, count)| Edit::Remove(at, count)),
        (any::<Index>(), any::<Index>(), 1..64_usize)
            .prop_map(|(from, to, count)| Edit::Repeat(from, to, count)),
        (any::<Index>(), any::<Index>()).prop_map(|(one, other)| Edit::Swap(one, other)),
    ]
}

fn edited(mut input: Vec<u8>, edits: Vec<Edit>) -> Vec<u8> {
    for edit in edits {
        let end = input.len() + 1;
        match edit {
            Edit::Insert(at, piece) => {
                let at = at.index(end);
                input.splice(at..at, piece);
            }
            Edit::Remove(at, count) => {
                let at = at.index(end);
                input.drain(at..(at + count).min(input.len()));
            }
            Edit::Repeat(from, to, count) => {
                let (from, to) = (from.index(end), to.index(end));
                let part = input[from..(from + count).min(input.len())].to_vec();
                input.splice(to..to, part);
            }
            Edit::Set(at, byte) if !input.is_empty() => {
                let at = at.index(input.len());
                input[at] = byte;
            }
            Edit::Swap(one, other) if !input.is_empty() => {
                let (one, other) = (one.index(input.len()), other.index(input.len()));
                input.swap(one, other);
            }
            Edit::Set(..) | Edit::Swap(..) => {}
        }
    }
    input
}

fn inputs(corpus: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => (select(corpus), vec(edits(), 0..8)).prop_map(|(input, edits)| edited(input, edits)),
        1 => vec(any::<u8>(), 0..256),
        1 => any::<String>().prop_map(String::into_bytes),
    ]
}

fn drive(target: &str, run: Target) {
    let corpus = corpus(target);
    assert!(
        corpus.len() >= 5,
        "the corpus of {target} has too few inputs"
    );
    for input in &corpus {
        run(input);
    }
    let seconds = std::env::var("MCP_AUTH_FUZZ_SECONDS").ok();
    let until = seconds.map(|text| {
        let seconds = text
            .parse()
            .expect("MCP_AUTH_FUZZ_SECONDS is a whole number");
        Instant::now() + Duration::from_secs(seconds)
    });
    let strategy = inputs(corpus);
    let mut runner = TestRunner::new(Config {
        cases: 512,
        failure_persistence: None,
        ..Config::default()
    });
    loop {
        let found = runner.run(&strategy, |input| {
            run(&input);
            Ok(())
        });
        if let Err(error) = found {
            panic!("{target}: {error}");
        }
        if until.is_none_or(|until| Instant::now() >= until) {
            return;
        }
    }
}

macro_rules! targets {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        const DRIVEN: &[&str] = &[$(stringify!($name)),*];
        $(
            $(#[$doc])*
            #[test]
            fn $name() {
                drive(stringify!($name), super::$name);
            }
        )*
    };
}

targets! {
    accept_header,
    authorization_header,
    basic_header,
    client_document,
    cookies,
    form_body,
    forwarded_headers,
    identifiers,
    jws,
    redirect_uri,
    registration_body,
    scopes,
    sealed,
}

#[test]
fn every_target_is_driven_here_and_by_cargo_fuzz() {
    let named = |names: &[&str]| {
        names
            .iter()
            .map(ToString::to_string)
            .collect::<BTreeSet<_>>()
    };
    let targets = named(&TARGETS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    assert_eq!(named(DRIVEN), targets);
    let files = |folder: &str| {
        let entries = fs::read_dir(fuzz_folder().join(folder)).unwrap();
        let stem = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
        entries
            .map(|entry| stem(entry.unwrap().path()))
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(files("corpus"), targets);
    assert_eq!(files("fuzz_targets"), targets);
    let manifest = fs::read_to_string(fuzz_folder().join("Cargo.toml")).unwrap();
    for target in &targets {
        assert!(
            manifest.contains(&format!("name = \"{target}\"")),
            "{target}"
        );
        let path = format!("fuzz_targets/{target}.rs");
        let source = fs::read_to_string(fuzz_folder().join(path)).unwrap();
        assert!(
            source.contains(&format!("mcp_auth::fuzzing::{target}(data)")),
            "{target}"
        );
    }
}

/// The driver finds what is wrong, and makes it small.
#[test]
fn a_target_that_panics_is_caught() {
    let strategy = inputs(vec![b"Bearer abc".to_vec()]);
    let mut runner = TestRunner::new(Config {
        cases: 100_000,
        failure_persistence: None,
        ..Config::default()
    });
    let found = runner.run(&strategy, |input| {
        prop_assert!(!input.windows(2).any(|pair| pair == b"%f"));
        Ok(())
    });
    let error = found.unwrap_err().to_string();
    assert!(error.contains("37"), "{error}");
}
