//! The [`Store`](mcp_auth::store::Store) of mcp-auth on SQLite and PostgreSQL.
