//! The operator's colour.

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
