//! The tables' version.
//!
//! `mcp_auth_schema` has one row: the version that the tables have, and the oldest version of this
//! crate's schema whose code can work with them. During a rolling upgrade processes of two releases
//! run side by side, and any of them may restart. So a release that changes the tables raises
//! `version` and only adds: a table, an index, a column with a default. What the release before
//! reads and writes stays as it was, and `oldest` with it. Only a later release, when nobody runs
//! the old one any longer, may take away what is no longer used, and raises `oldest`.

use crate::cause::Trouble;

/// What this release writes.
pub(crate) const VERSION: i64 = 1;

/// Whether this release can work with tables that say this of themselves.
pub(crate) fn usable(oldest: i64) -> Result<(), Trouble> {
    if oldest <= VERSION {
        return Ok(());
    }
    Err(Trouble::Operator(
        "the tables of this database were written by a newer release of mcp-auth-sql: run that release, or use another database"
            .into(),
    ))
}
