//! Names of operations, where `*` stands for anything.

/// A name, or many of them: `*` stands for any run of characters, none and `/` included; everything
/// else for itself, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern(Box<str>);

impl Pattern {
    pub(super) fn new(text: String) -> Self {
        Self(text.into_boxed_str())
    }

    /// Takes at most the product of both lengths, whatever they are.
    pub(super) fn matches(&self, name: &str) -> bool {
        let (pattern, name) = (self.0.as_bytes(), name.as_bytes());
        let (mut at, mut seen) = (0, 0);
        // Where the last star is, and how much of the name it was given so far.
        let mut star: Option<(usize, usize)> = None;
        while seen < name.len() {
            match pattern.get(at) {
                Some(b'*') => {
                    star = Some((at, seen));
                    at += 1;
                }
                Some(byte) if name.get(seen) == Some(byte) => {
                    at += 1;
                    seen += 1;
                }
                _ => {
                    let Some((place, given)) = star else {
                        return false;
                    };
                    star = Some((place, given + 1));
                    at = place + 1;
                    seen = given + 1;
                }
            }
        }
        pattern.iter().skip(at).all(|byte| *byte == b'*')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything_and_nothing_else_does() {
        for (pattern, name, matches) in [
            ("a", "a", true),
            ("a", "A", false),
            ("a", "ab", false),
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "file:///x/../y", true),
            ("file:///p/*", "file:///p/q/r", true),
            ("file:///p/*", "file:///p", false),
            ("n://*/secret", "n://a/b/secret", true),
            ("n://*/secret", "n://a/secret/b", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("a.c", "abc", false),
            ("**", "x", true),
        ] {
            let pattern = Pattern::new(pattern.to_owned());
            assert_eq!(pattern.matches(name), matches, "{pattern:?} {name}");
        }
        let hard = Pattern::new(format!("{}b", "*a".repeat(64)));
        assert!(!hard.matches(&"a".repeat(10_000)), "and it takes no time");
    }
}
