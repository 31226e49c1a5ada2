//! The name a client gives itself, made fit to be shown to a person.

/// The name without characters that cannot be seen or that turn others around; `None` if nothing is
/// left of it.
///
/// # Security
///
/// This keeps a name from hiding text, not from lying: whatever a client calls itself is its own
/// claim (RFC 7591 §5), and a page has to escape it all the same.
pub(in crate::authorization_server) fn display_name(claimed: &str) -> Option<String> {
    let seen = |c: &char| c.is_whitespace() || !(c.is_control() || is_invisible(*c));
    let visible: String = claimed.chars().filter(seen).collect();
    let words: Vec<&str> = visible.split_whitespace().collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// Format characters (Unicode category Cf), fillers, and variation selectors beyond the BMP.
const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
            | '\u{890}' | '\u{891}' | '\u{8e2}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
    )
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
        ] {
            assert_eq!(display_name(name).as_deref(), Some(name));
        }
    }

    #[test]
    fn drops_what_hides_or_turns_text_around() {
        let shown = display_name("  Cla\u{200b}ude\u{202e}\u{0}\n\t by\u{e0041} \u{2066}x ");
        assert_eq!(shown.as_deref(), Some("Claude by x"));
        assert_eq!(display_name("\u{200b} \u{feff}\n"), None);
        assert_eq!(display_name(""), None);
    }
}
