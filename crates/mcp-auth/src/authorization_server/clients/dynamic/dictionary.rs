//! What live registrations are made of, as data: each entry is one byte in a client identifier.

/// The text behind a code.
pub(super) fn entry(code: u8) -> Option<&'static str> {
    let index = code.checked_sub(FIRST_CODE)?;
    ENTRIES.get(usize::from(index)).copied()
}

/// The longest entry that these bytes begin with: its code, and what comes after it.
pub(super) fn longest_prefix(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let codes = FIRST_CODE..=u8::MAX;
    let found = codes.zip(ENTRIES).filter_map(|(code, entry)| {
        let after = bytes.strip_prefix(entry.as_bytes())?;
        Some((code, after))
    });
    found.min_by_key(|(_, after)| after.len())
}

const FIRST_CODE: u8 = 0x80;

/// Append only: the position of an entry is part of identifiers that were given out. At most 128,
/// all of them printable ASCII.
const ENTRIES: &[&str] = &[
    // Beginnings and ends of redirection URIs.
    "https://",
    "http://127.0.0.1",
    "http://localhost",
    "http://[::1]",
    "http://127.0.0.1:",
    "http://localhost:",
    "/callback",
    "/oauth/callback",
    "/oauth/callback/debug",
    "/auth/callback",
    "/mcp/oauth/callback",
    "/oauth2/callback",
    "/redirect",
    "https://www.",
    ".com/",
    ".com",
    ".ai/",
    ".dev/",
    ".app/",
    ".io/",
    ".net/",
    ".org/",
    "/api/",
    "/auth",
    "/oauth",
    "/mcp",
    "://",
    // Whole URIs that are always the same.
    "https://claude.ai/api/mcp/auth_callback",
    "https://claude.com/api/mcp/auth_callback",
    "https://chatgpt.com/connector_platform_oauth_redirect",
    "https://chatgpt.com/connector/oauth/",
    "https://insiders.vscode.dev/redirect",
    "https://vscode.dev/redirect",
    "http://127.0.0.1:33418/",
    "http://127.0.0.1:33418",
    "http://127.0.0.1/",
    "cursor://anysphere.cursor-mcp/oauth/callback",
    "https://www.cursor.com/agents/mcp/oauth/callback",
    "http://localhost:8787/callback",
    "http://localhost:6274/oauth/callback",
    "http://127.0.0.1:6274/oauth/callback",
    "http://127.0.0.1:6276/oauth/callback",
    "http://localhost:3334/oauth/callback",
    "vscode://",
    "vscode-insiders://",
    "windsurf://",
    "https://grok.com/",
    "https://gemini.google.com/",
    // Names.
    "Claude",
    "Claude Code (",
    "Claude Code",
    "ChatGPT",
    "Visual Studio Code",
    "Visual Studio Code - Insiders",
    "Cursor",
    "MCP Inspector",
    "MCP CLI Proxy",
    "Windsurf",
    "Codex",
    "Gemini CLI",
    "Client",
    "client",
    "Server",
    "server",
    " MCP",
    "mcp",
    " (",
    // Home pages.
    "https://code.visualstudio.com",
    "https://github.com/modelcontextprotocol/inspector",
    "https://github.com/",
    "https://claude.ai",
    "https://cursor.com",
    // Scopes.
    "openid",
    " profile",
    " email",
    " offline_access",
    "offline_access",
    "mcp:tools",
    "mcp:",
    "read",
    "write",
    ":read",
    ":write",
    "admin",
    "tools",
    "user",
];
