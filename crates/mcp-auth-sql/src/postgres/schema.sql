CREATE TABLE mcp_auth_record (
    key bytea PRIMARY KEY,
    version bigint NOT NULL,
    expires_at bigint NOT NULL,
    sealed bytea NOT NULL,
    indexes bytea NOT NULL
);
-- Ciphertext does not shrink.
ALTER TABLE mcp_auth_record ALTER COLUMN sealed SET STORAGE EXTERNAL;
CREATE INDEX mcp_auth_record_expires_at ON mcp_auth_record (expires_at);
CREATE TABLE mcp_auth_index (
    name bytea NOT NULL,
    key bytea NOT NULL,
    expires_at bigint NOT NULL,
    PRIMARY KEY (name, key)
);
CREATE INDEX mcp_auth_index_expires_at ON mcp_auth_index (expires_at);
CREATE TABLE mcp_auth_schema (
    version integer NOT NULL,
    oldest integer NOT NULL
);
INSERT INTO mcp_auth_schema (version, oldest) VALUES (1, 1);
