//! The operator's colours.

use crate::oauth::ParseError;

/// The colour of the mark and of the button that approves.
///
/// The words on it are black or white, whichever reads better, so any colour keeps a contrast of at
/// least 4.5 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accent {
    red: u8,
    green: u8,
    blue: u8,
}

impl Default for Accent {
    /// A quiet blue.
    fn default() -> Self {
        Self {
            red: 0x1f,
            green: 0x5f,
            blue: 0xb8,
        }
    }
}

impl Accent {
    /// Parses `#rrggbb`.
    ///
    /// # Errors
    ///
    /// For any other form.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let broken = ParseError::new("accent", "# and six hexadecimal digits");
        let digits = text
            .strip_prefix('#')
            .filter(|digits| digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let value = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let [_, red, green, blue] = value.ok_or(broken)?.to_be_bytes();
        Ok(Self { red, green, blue })
    }

    /// The colour in CSS.
    pub(super) fn css(self) -> String {
        let Self { red, green, blue } = self;
        format!("#{red:02x}{green:02x}{blue:02x}")
    }

    /// The colour of words on it, in CSS.
    pub(super) fn ink(self) -> &'static str {
        let luminance = self.luminance();
        let on_white = 1.05 / (luminance + 0.05);
        let on_black = (luminance + 0.05) / 0.05;
        if on_white >= on_black.min(4.5) {
            "#ffffff"
        } else {
            "#000000"
        }
    }

    /// The contrast with another colour, from 1 to 21 (WCAG 2.2).
    fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    /// Relative luminance (WCAG 2.2).
    fn luminance(self) -> f64 {
        let linear = |channel: u8| {
            let c = f64::from(channel) / 255.0;
            if c <= 0.04045 {
                c / 12.92
            } else {
                ((c + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * linear(self.red) + 0.7152 * linear(self.green) + 0.0722 * linear(self.blue)
    }
}

/// The colours for light and for dark pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accents {
    pub(super) light: Accent,
    pub(super) dark: Accent,
}

impl Default for Accents {
    /// A quiet blue, and a lighter one in the dark.
    fn default() -> Self {
        Self {
            light: Accent::default(),
            dark: Accent {
                red: 0x5a,
                green: 0x97,
                blue: 0xe8,
            },
        }
    }
}

impl Accents {
    /// A colour for light pages and one for dark pages.
    ///
    /// # Errors
    ///
    /// When one of them stands out from its page by a contrast of less than 3 to 1 (WCAG 2.2 §1.4.11).
    pub fn new(light: Accent, dark: Accent) -> Result<Self, ParseError> {
        let faint = |what| ParseError::new(what, "a contrast of at least 3 to 1 with the page");
        if light.contrast(LIGHT_CARD) < 3.0 {
            return Err(faint("accent for light pages"));
        }
        if dark.contrast(DARK_CARD) < 3.0 {
            return Err(faint("accent for dark pages"));
        }
        Ok(Self { light, dark })
    }
}

/// What lies behind them; `--card` in the style.
const LIGHT_CARD: Accent = Accent {
    red: 0xff,
    green: 0xff,
    blue: 0xff,
};
const DARK_CARD: Accent = Accent {
    red: 0x1c,
    green: 0x1f,
    blue: 0x24,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_anything_that_is_not_a_colour() {
        for bad in [
            "",
            "red",
            "#fff",
            "#12345g",
            "#+12345",
            "1f5fb8",
            "#1f5fb8;}",
            "#é1234",
        ] {
            assert!(Accent::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(Accent::parse("#1F5fB8").unwrap(), Accent::default());
    }

    #[test]
    fn refuses_a_colour_that_does_not_stand_out() {
        let [light, dark] = [Accents::default().light, Accents::default().dark];
        assert_eq!(Accents::new(light, dark), Ok(Accents::default()));
        let yellow = Accent::parse("#ffcc00").unwrap();
        let refused = Accents::new(yellow, dark).unwrap_err();
        assert!(refused.to_string().contains("light pages"), "{refused}");
        assert!(Accents::new(light, yellow).is_ok());
        let refused = Accents::new(light, light).unwrap_err();
        assert!(refused.to_string().contains("dark pages"), "{refused}");
    }

    #[test]
    fn knows_the_pages_it_is_shown_on() {
        let style = include_str!("../../../templates/style.css");
        for card in [LIGHT_CARD, DARK_CARD] {
            assert!(style.contains(&format!("--card: {};", card.css())));
        }
        assert!(
            (LIGHT_CARD.contrast(Accent {
                red: 0,
                green: 0,
                blue: 0
            }) - 21.0)
                .abs()
                < 0.01
        );
    }

    #[test]
    fn keeps_words_readable_on_any_colour() {
        for step in 0..=255_u8 {
            for accent in [
                Accent {
                    red: step,
                    green: step,
                    blue: step,
                },
                Accent {
                    red: step,
                    green: 255 - step,
                    blue: 128,
                },
                Accent {
                    red: 255,
                    green: step,
                    blue: 0,
                },
            ] {
                let back = accent.luminance();
                let ink = if accent.ink() == "#ffffff" { 1.0 } else { 0.0 };
                let (light, dark) = if ink > back { (ink, back) } else { (back, ink) };
                let contrast = (light + 0.05) / (dark + 0.05);
                assert!(contrast >= 4.5, "{accent:?}: {contrast}");
            }
        }
    }
}
