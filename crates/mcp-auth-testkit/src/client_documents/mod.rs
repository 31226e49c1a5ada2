//! The client ID metadata documents that live hosts publish, as JSON.
//!
//! Where each was seen stands in the `README.md` beside them.

/// Claude on the web, on the desktop and on phones.
pub const CLAUDE: &str = include_str!("claude.json");
/// Claude Code: loopback redirection URIs without a port, used with any.
pub const CLAUDE_CODE: &str = include_str!("claude-code.json");
/// ChatGPT: `private_key_jwt`, and `none` in the list of methods.
pub const CHATGPT: &str = include_str!("chatgpt.json");
/// Cursor.
pub const CURSOR: &str = include_str!("cursor.json");

/// All of them with their names.
pub const ALL: [(&str, &str); 4] = [
    ("Claude", CLAUDE),
    ("Claude Code", CLAUDE_CODE),
    ("ChatGPT", CHATGPT),
    ("Cursor", CURSOR),
];
