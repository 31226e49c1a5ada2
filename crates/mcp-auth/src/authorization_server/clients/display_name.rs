//! The name a client gives itself, made fit to be shown to a person.

use crate::authorization_server::{
    combining::is_combining,
    invisible::{is_visible, moves_or_hides},
};

/// The name without characters that cannot be seen or that turn others around, and without marks that
/// pile up on one letter until they reach into the lines around it; `None` if nothing is left of it.
///
/// # Security
///
/// This keeps a name from hiding text, not from lying: whatever a client calls itself is its own
/// claim (RFC 7591 §5), and a page has to escape it all the same.
pub(in crate::authorization_server) fn display_name(claimed: &str) -> Option<String> {
    let stays = |c: &char| c.is_whitespace() || !moves_or_hides(*c);
    let mut marks = Marks(0);
    let kept: String = claimed
        .chars()
        .filter(stays)
        .filter(|c| marks.fit(*c))
        .collect();
    let words: Vec<&str> = kept.split_whitespace().collect();
    is_visible(&kept).then(|| words.join(" "))
}

/// How many marks the letter has that was last seen.
struct Marks(usize);

impl Marks {
    /// No script needs more: Hebrew with points and cantillation and Tibetan stacks come closest, with
    /// five or six.
    const MOST: usize = 8;

    /// Whether there is room for this character; there is for every one that is no mark.
    fn fit(&mut self, c: char) -> bool {
        match c {
            // What only joins does not begin another letter.
            '\u{200c}' | '\u{200d}' => true,
            c if is_combining(c) => {
                self.0 += 1;
                self.0 <= Self::MOST
            }
            _ => {
                self.0 = 0;
                true
            }
        }
    }
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
    fn leaves_real_scripts_as_they_are() {
        for name in [
            // Vietnamese and polytonic Greek, decomposed.
            "Tie\u{302}\u{301}ng Vie\u{323}\u{302}t",
            "\u{3b1}\u{313}\u{301}\u{345}\u{3b3}\u{3c9}",
            // Hebrew with points and cantillation.
            "בְּרֵאשִׁ֖ית בָּרָ֣א",
            // Arabic with vowels and Koranic marks.
            "بِسْمِ ٱللَّهِ ٱلرَّحْمَٰنِ",
            // Devanagari, Tamil, Thai, Burmese, Khmer, Tibetan stacks.
            "हिन्दी क्त्र्यि",
            "தமிழ்",
            "ที่นี่ น้ำ",
            "မြန်မာ ကြွေ့",
            "ខ្មែរ ស្ត្រី",
            "བསྒྲུབས རྐྱེན ཧཱུྃ",
            "1\u{fe0f}\u{20e3} \u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
        ] {
            assert_eq!(display_name(name).as_deref(), Some(name));
        }
    }

    #[test]
    fn drops_marks_that_pile_up() {
        let pile = "\u{301}\u{310}\u{336}\u{359}";
        let kept = format!("C{0}{0}ursor o\u{301}", pile);
        for height in [2, 3, 40] {
            let claimed = format!("C{}ursor o\u{301}", pile.repeat(height));
            assert_eq!(display_name(&claimed).as_deref(), Some(&*kept));
        }
        // Joiners between them are no way around it.
        let joined = format!("C{}", "\u{301}\u{200d}\u{200c}".repeat(60));
        let shown = display_name(&joined).unwrap();
        assert_eq!(shown.matches('\u{301}').count(), 8);
        assert_eq!(display_name(&shown).as_deref(), Some(&*shown));
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
