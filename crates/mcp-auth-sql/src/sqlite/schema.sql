CREATE TABLE mcp_auth_record (
    key BLOB PRIMARY KEY NOT NULL,
    version INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    indexes BLOB NOT NULL
) STRICT;
CREATE INDEX mcp_auth_record_expires_at ON mcp_auth_record (expires_at);
CREATE TABLE mcp_auth_index (
    name BLOB NOT NULL,
    key BLOB NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (name, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX mcp_auth_index_expires_at ON mcp_auth_index (expires_at);
CREATE TABLE mcp_auth_schema (
    version INTEGER NOT NULL,
    oldest INTEGER NOT NULL
) STRICT;
INSERT INTO mcp_auth_schema (version, oldest) VALUES (1, 1);
