//! Characters that a person does not see, in the names that clients give themselves.

/// Whether a character moves or hides the text around it: controls, line separators, format
/// characters (Unicode category Cf), fillers, and variation selectors and tags beyond the BMP.
///
/// Joiners are not among them, for emoji and several scripts need them.
pub(super) const fn moves_or_hides(c: char) -> bool {
    matches!(
        c,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}'
            | '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
            | '\u{890}' | '\u{891}' | '\u{8e2}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Whether a text has a character that can be seen; what joins or varies others cannot by itself.
pub(super) fn is_visible(text: &str) -> bool {
    text.chars().any(|c| {
        !(c.is_whitespace()
            || moves_or_hides(c)
            || matches!(
                c,
                '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}' | '\u{fffd}'
            ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joiners_neither_hide_nor_stand_alone() {
        for joined in ["👩‍💻", "नमस्‍ते", "❤️"] {
            assert!(!joined.chars().any(moves_or_hides), "{joined}");
            assert!(is_visible(joined), "{joined}");
        }
        for nothing in [
            "",
            " ",
            "\u{200d}",
            "\u{200c}\u{fe0f}",
            "\u{202e}",
            "\u{fffd}",
        ] {
            assert!(!is_visible(nothing), "{nothing:?}");
        }
    }
}
