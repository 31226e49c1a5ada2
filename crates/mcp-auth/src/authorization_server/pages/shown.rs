//! Text from a client, fit to be shown.

use crate::authorization_server::invisible::{is_visible, moves_or_hides};

/// A client's name without characters that would move or hide the text around it; `None` if nothing
/// visible is left.
///
/// Escaping keeps it from becoming markup, `<bdi>` keeps its direction to itself; but a stray
/// "pop directional isolate" inside would end that isolation early (UAX #9, X6a), so such
/// characters are shown as U+FFFD.
pub(super) fn shown_name(name: &str) -> Option<String> {
    let shown: String = name
        .trim()
        .chars()
        .map(|c| if moves_or_hides(c) { '\u{fffd}' } else { c })
        .collect();
    is_visible(&shown).then_some(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_ordinary_names_as_they_are() {
        for name in ["Claude Code", "مثال", "👩‍💻 Dev", "Ünïcode <b>"] {
            assert_eq!(shown_name(name).as_deref(), Some(name));
        }
    }

    #[test]
    fn disarms_characters_that_move_the_text_around_them() {
        assert_eq!(
            shown_name("a\u{202e}b\u{2069}c\nd").as_deref(),
            Some("a�b�c�d")
        );
    }

    #[test]
    fn takes_a_name_without_visible_characters_for_none() {
        for name in ["", "  ", "\u{200b}\u{2060}", "\u{3164}", "\u{200d}"] {
            assert_eq!(shown_name(name), None, "{name:?}");
        }
    }
}
