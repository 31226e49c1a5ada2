//! The statements, each whole in one message.
//!
//! Values are written into the text, as hexadecimal and as numbers: nothing that comes from outside
//! reaches it in any other form. Prepared statements would be sent in two messages, and a pooler in
//! transaction mode may carry the second one to a connection where the same name, or none, stands
//! for somebody else's statement: a load could then remove.

use std::{collections::BTreeSet, fmt::Write, time::Duration};

use mcp_auth::store::{IndexName, RecordKey, Version};

use crate::row::{self, Columns, HASH, KEPT_AFTER_EXPIRY};

/// What holds for one statement, and ends with it: in one message they are one transaction.
///
/// A statement that waits for a foreign lock ends by itself, so that those that were given up do not
/// heap up on the server. The statements are written for READ COMMITTED. A server that acknowledges
/// before it has written would make `durable` a lie. And the driver reads bytes as hexadecimal only.
pub(super) fn settings(deadline: Duration) -> String {
    let deadline = deadline.as_millis().clamp(1, 3_600_000);
    format!(
        "SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
        SET LOCAL statement_timeout = {deadline};
        SET LOCAL synchronous_commit = on;
        SET LOCAL bytea_output = hex;"
    )
}

/// Gives a row if the record was written.
pub(super) fn insert(key: &RecordKey, version: i64, columns: &Columns) -> String {
    let Columns { expires_at, .. } = columns;
    let (key, sealed, names) = (
        hex(key.as_bytes()),
        hex(&columns.sealed),
        hex(&columns.names),
    );
    let record = format!(
        "INSERT INTO mcp_auth_record (key, version, expires_at, sealed, indexes)
        VALUES ({key}, {version}, {expires_at}, {sealed}, {names})
        ON CONFLICT (key) DO NOTHING
        RETURNING key"
    );
    let entries = and_its_entries(columns);
    format!("WITH record AS ({record}){entries} SELECT key FROM record")
}

/// Gives a row if the record was written.
pub(super) fn replace(key: &RecordKey, version: Version, columns: &Columns) -> String {
    let Columns { expires_at, .. } = columns;
    let (key, sealed, names) = (
        hex(key.as_bytes()),
        hex(&columns.sealed),
        hex(&columns.names),
    );
    let next = row::new_version();
    let version = version.0.cast_signed();
    let record = format!(
        "UPDATE mcp_auth_record
        SET version = {next}, expires_at = {expires_at}, sealed = {sealed}, indexes = {names}
        WHERE key = {key} AND version = {version}
        RETURNING key"
    );
    // A version stands for one state: what is read here is the state that is replaced, if one is.
    let dropped = format!(
        "SELECT name FROM record, (
            SELECT substring(indexes FROM at FOR {HASH}) AS name
            FROM mcp_auth_record, generate_series(1, octet_length(indexes), {HASH}) AS at
            WHERE key = {key} AND version = {version} AND indexes <> {names}
        ) AS listed
        WHERE NOT name = ANY (ARRAY[{}]::bytea[])",
        distinct(columns).join(", ")
    );
    let entries = and_its_entries(columns);
    format!(
        "WITH record AS ({record}), dropped AS (
            DELETE FROM mcp_auth_index WHERE key = {key} AND name = ANY (ARRAY ({dropped}))
        ){entries}
        SELECT key FROM record"
    )
}

/// The entries are made of what the record's statement gives: they are written only if it is, and
/// after it. An entry's expiry only ever grows.
fn and_its_entries(columns: &Columns) -> String {
    let names = distinct(columns);
    if names.is_empty() {
        return String::new();
    }
    let names = names.join("), (");
    let listed_until = columns.listed_until;
    format!(
        ", entries AS (
            INSERT INTO mcp_auth_index AS old (name, key, expires_at)
            SELECT names.name, record.key, {listed_until} FROM record, (VALUES ({names})) AS names (name)
            ON CONFLICT (name, key)
            DO UPDATE SET expires_at = greatest(old.expires_at, excluded.expires_at)
        )"
    )
}

/// The index names, each once.
fn distinct(columns: &Columns) -> Vec<String> {
    let (names, _) = columns.names.as_chunks::<HASH>();
    let names: BTreeSet<_> = names.iter().collect();
    names.into_iter().map(|name| hex(name)).collect()
}

/// Gives one row: whether this is a standby, and the record's columns or nothing.
pub(super) fn load(key: &RecordKey) -> String {
    let key = hex(key.as_bytes());
    format!(
        "SELECT pg_is_in_recovery(), version, expires_at, sealed, indexes
        FROM (SELECT) AS one LEFT JOIN mcp_auth_record ON key = {key}"
    )
}

/// Its entries go with it; an array of names, so that they are found by the index.
pub(super) fn remove(key: &RecordKey) -> String {
    let key = hex(key.as_bytes());
    format!(
        "WITH record AS (DELETE FROM mcp_auth_record WHERE key = {key} RETURNING indexes)
        DELETE FROM mcp_auth_index
        WHERE key = {key} AND name = ANY (ARRAY (
            SELECT substring(indexes FROM at FOR {HASH})
            FROM record, generate_series(1, octet_length(indexes), {HASH}) AS at
        ))"
    )
}

/// Gives at least one row: whether this is a standby, and a key or nothing.
pub(super) fn list(index: &IndexName, after: &[u8], limit: usize) -> String {
    let (name, after, limit) = (hex(index.as_bytes()), hex(after), row::one_more_than(limit));
    format!(
        "SELECT pg_is_in_recovery(), found.key
        FROM (SELECT) AS one LEFT JOIN LATERAL (
            SELECT key FROM mcp_auth_index
            WHERE name = {name} AND key > {after}
            ORDER BY key LIMIT {limit}
        ) AS found ON true"
    )
}

/// Gives a row for each that went. The deletion looks at the expiry again: a record whose life was
/// extended meanwhile stays. What another one has locked is passed by.
pub(super) fn purge_records(limit: usize) -> String {
    let limit = row::stride(limit);
    let expired = format!("expires_at >= 0 AND expires_at < {BY_ITS_CLOCK} - {KEPT_AFTER_EXPIRY}");
    format!(
        "DELETE FROM mcp_auth_record
        WHERE {expired} AND key = ANY (ARRAY (
            SELECT key FROM mcp_auth_record WHERE {expired}
            ORDER BY expires_at LIMIT {limit} FOR UPDATE SKIP LOCKED
        ))
        RETURNING 1"
    )
}

/// The same for entries.
pub(super) fn purge_index(limit: usize) -> String {
    let limit = row::stride(limit);
    let expired = format!("expires_at < {BY_ITS_CLOCK} - {KEPT_AFTER_EXPIRY}");
    format!(
        "WITH old AS (
            SELECT name, key FROM mcp_auth_index WHERE {expired}
            ORDER BY expires_at LIMIT {limit} FOR UPDATE SKIP LOCKED
        )
        DELETE FROM mcp_auth_index AS entry USING old
        WHERE entry.name = old.name AND entry.key = old.key AND entry.{expired}
        RETURNING 1"
    )
}

/// Bytes, whatever the server makes of a backslash.
fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2 + 16);
    text.push_str("decode('");
    for byte in bytes {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text.push_str("', 'hex')");
    text
}

const BY_ITS_CLOCK: &str = "extract(epoch FROM now())::bigint";
