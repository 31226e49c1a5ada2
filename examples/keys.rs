//! `keys`: makes the key ring of a server, and rotates it without signing anybody out.
//!
//! ```text
//! cargo run --example keys -- new /etc/mcp-auth/keys     # a ring with one key
//! cargo run --example keys -- add /etc/mcp-auth/keys     # one more, which opens and does not seal yet
//! cargo run --example keys -- use /etc/mcp-auth/keys     # the last one to the front: it seals from now on
//! cargo run --example keys -- drop /etc/mcp-auth/keys ID # a cut-off: what it sealed is unknown
//! cargo run --example keys -- list /etc/mcp-auth/keys    # the ids, the one that seals first
//! ```
//!
//! Servers read the file when they start (`MCP_AUTH_KEY=@/etc/mcp-auth/keys`), so restart all of them
//! after `add`, then all of them after `use`: at every moment each of them opens what any other one
//! seals. Drop a key once nothing lives that it sealed: not before the longest lifetime of a grant has
//! passed, and hosts that registered before it have to register again. One server alone needs no `add`
//! by itself: `add` and `use`, then one restart.

#![allow(clippy::print_stdout, clippy::print_stderr)] // it talks to whoever started it

use std::{
    error::Error,
    fs::{self, OpenOptions},
    io::Write,
    path::Path,
    process::ExitCode,
};

use mcp_auth::{
    oauth::{Clock, SystemClock, SystemRandom},
    store::KeyRing,
};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("keys: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<(), Box<dyn Error>> {
    match arguments {
        ["new", file] => {
            let file = Path::new(file);
            if file.exists() {
                return Err("the file is there already; `add` puts one more key into it".into());
            }
            write(file, &[entry(&[])?])?;
        }
        ["add", file] => {
            let mut keys = read(file)?;
            keys.push(entry(&keys)?);
            write(Path::new(file), &keys)?;
        }
        ["use", file] => {
            let mut keys = read(file)?;
            keys.rotate_right(1);
            write(Path::new(file), &keys)?;
        }
        ["drop", file, id] => {
            let keys = read(file)?;
            let left: Vec<_> = keys
                .iter()
                .filter(|key| id_of(key) != *id)
                .cloned()
                .collect();
            if left.len() == keys.len() {
                return Err("the ring has no key of this id".into());
            }
            if left.is_empty() {
                return Err("this is the only key: `add` another one first".into());
            }
            write(Path::new(file), &left)?;
        }
        ["list", file] => read(file)?
            .iter()
            .for_each(|key| println!("{}", id_of(key))),
        _ => {
            return Err(
                "say `new FILE`, `add FILE`, `use FILE`, `drop FILE ID` or `list FILE`".into(),
            );
        }
    }
    Ok(())
}

/// A fresh key, named after the second it was made in, or the next one that names none.
fn entry(keys: &[String]) -> Result<String, Box<dyn Error>> {
    let mut second = SystemClock.now().as_seconds();
    while keys.iter().any(|key| id_of(key) == format!("k{second}")) {
        second += 1;
    }
    Ok(KeyRing::new_entry(&format!("k{second}"), &SystemRandom)?.to_string())
}

fn id_of(key: &str) -> &str {
    key.split(':').next().unwrap_or(key)
}

/// The keys of a ring that a server could start with, one each; comments do not survive.
fn read(file: &str) -> Result<Vec<String>, Box<dyn Error>> {
    let text = fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    KeyRing::parse(&text).map_err(|error| format!("{file}: {error}"))?;
    let text = text.trim_start_matches('\u{feff}');
    let entries = text.split([',', '\n']).map(str::trim);
    let entries = entries.filter(|entry| !entry.is_empty() && !entry.starts_with('#'));
    Ok(entries.map(str::to_owned).collect())
}

/// All or nothing: a server that starts meanwhile reads the old ring or the new one.
fn write(file: &Path, keys: &[String]) -> Result<(), Box<dyn Error>> {
    let text = format!("{}\n", keys.join("\n"));
    KeyRing::parse(&text)?;
    // Where a link leads to, so that the link stays one.
    let file = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let fresh = file.with_extension("new");
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut to = options.open(&fresh).map_err(|error| {
        let fresh = fresh.display();
        format!("{fresh} cannot be made: {error} (if it is there, another `keys` runs or was cut off: remove it)")
    })?;
    to.write_all(text.as_bytes())?;
    if let Ok(before) = fs::metadata(&file) {
        // Whoever could read the ring can read it still.
        to.set_permissions(before.permissions())?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::{MetadataExt, chown};
            chown(&fresh, Some(before.uid()), Some(before.gid()))?;
        }
    }
    to.sync_all()?;
    fs::rename(&fresh, &file)?;
    Ok(())
}
