//! The registrations that live hosts send to `POST /register` (RFC 7591 §3.1), as JSON.
//!
//! Where each was seen stands in the `README.md` beside them.

/// Claude on the web, on the desktop and on phones.
pub const CLAUDE: &str = include_str!("claude.json");
/// Claude Code, for a server that its user named `my-server`.
pub const CLAUDE_CODE: &str = include_str!("claude-code.json");
/// ChatGPT, for one connector.
pub const CHATGPT: &str = include_str!("chatgpt.json");
/// Visual Studio Code.
pub const VSCODE: &str = include_str!("vscode.json");
/// Cursor: its desktop application, its cloud agents and its command line in one registration.
pub const CURSOR: &str = include_str!("cursor.json");
/// The MCP Inspector in the browser.
pub const INSPECTOR: &str = include_str!("inspector.json");

/// All of them with their names.
pub const ALL: [(&str, &str); 6] = [
    ("Claude", CLAUDE),
    ("Claude Code", CLAUDE_CODE),
    ("ChatGPT", CHATGPT),
    ("Visual Studio Code", VSCODE),
    ("Cursor", CURSOR),
    ("MCP Inspector", INSPECTOR),
];
