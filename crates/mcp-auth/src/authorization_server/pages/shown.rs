//! Text from elsewhere, fit to be shown.

use std::{borrow::Cow, fmt};

use crate::authorization_server::invisible::{is_visible, moves_or_hides};

/// A client's name without characters that would move or hide the text around it; `None` if nothing
/// visible is left.
///
/// Escaping keeps it from becoming markup, `<bdi>` keeps its direction to itself; but a stray
/// "pop directional isolate" inside would end that isolation early (UAX #9, X6a), so such
/// characters are shown as U+FFFD.
fn shown_name(name: &str) -> Option<String> {
    let shown = disarmed(name.trim());
    is_visible(&shown).then_some(shown)
}

fn disarmed(text: &str) -> String {
    let shown = text.chars();
    shown
        .map(|c| if moves_or_hides(c) { '\u{fffd}' } else { c })
        .collect()
}

/// A text that somebody else chose, for a page: written with `{}` it is escaped for HTML, in text and
/// in quoted attributes.
///
/// Characters that would move or hide the text around it are U+FFFD already.
#[derive(Clone, PartialEq, Eq)]
pub struct ShownText<'a>(Cow<'a, str>);

impl<'a> ShownText<'a> {
    /// This text.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        if text.chars().any(moves_or_hides) {
            return Self(Cow::Owned(disarmed(text)));
        }
        Self(Cow::Borrowed(text))
    }

    /// A name; `None` if there is nothing to be seen of it.
    #[must_use]
    pub fn of_name(name: &'a str) -> Option<Self> {
        shown_name(name).map(|name| Self(Cow::Owned(name)))
    }

    /// The text without escaping.
    ///
    /// # Security
    ///
    /// It is for template engines that escape by themselves; put into HTML as it is, it is markup.
    #[must_use]
    pub fn unescaped(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ShownText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => fmt::Write::write_char(f, c)?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for ShownText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_text_is_no_markup() {
        let text = ShownText::new("<b a='1' c=\"2\">&\u{202e}");
        let escaped = "&lt;b a=&#39;1&#39; c=&quot;2&quot;&gt;&amp;\u{fffd}";
        assert_eq!(text.to_string(), escaped);
        assert_eq!(text.unescaped(), "<b a='1' c=\"2\">&\u{fffd}");
        assert_eq!(ShownText::of_name(" \u{200b}"), None);
    }

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
