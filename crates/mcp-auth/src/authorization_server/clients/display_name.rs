//! The name a client gives itself, made fit to be shown to a person.

use crate::authorization_server::invisible::{is_visible, moves_or_hides};

/// The name without characters that cannot be seen or that turn others around; `None` if nothing is
/// left of it.
///
/// # Security
///
/// This keeps a name from hiding text, not from lying: whatever a client calls itself is its own
/// claim (RFC 7591 §5), and a page has to escape it all the same.
pub(in crate::authorization_server) fn display_name(claimed: &str) -> Option<String> {
    let stays = |c: &char| c.is_whitespace() || !moves_or_hides(*c);
    let kept: String = claimed.chars().filter(stays).collect();
    let words: Vec<&str> = kept.split_whitespace().collect();
    is_visible(&kept).then(|| words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_can_be_read() {
        for name in [
            "Claude Code (my-server)",
            "Grüße",
            "日本語クライアント",
            "🦀 client",
            "👩‍💻 Dev",
            "❤️ नमस्‍ते",
        ] {
            assert_eq!(display_name(name).as_deref(), Some(name));
        }
    }

    #[test]
    fn drops_what_hides_or_turns_text_around() {
        let shown = display_name("  Cla\u{200b}ude\u{202e}\u{0}\n\t by\u{e0041} \u{2066}x ");
        assert_eq!(shown.as_deref(), Some("Claude by x"));
        assert_eq!(display_name("\u{200b} \u{feff}\n"), None);
        assert_eq!(display_name("\u{200d} \u{fe0f}"), None);
        assert_eq!(display_name(""), None);
    }
}
