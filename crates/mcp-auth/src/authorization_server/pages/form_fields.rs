//! What a form sends back beside its buttons.

use std::fmt;

use super::ShownText;

/// The hidden fields of one form: written with `{}` they are whole `<input>` elements.
#[derive(Clone)]
pub struct FormFields<'a>(Vec<(&'static str, &'a str)>);

impl<'a> FormFields<'a> {
    pub(crate) fn new<const N: usize>(fields: [(&'static str, &'a str); N]) -> Self {
        Self(fields.into())
    }

    /// Their names and values, for template engines that write the elements themselves.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &'a str)> {
        self.0.iter().copied()
    }
}

impl fmt::Display for FormFields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in self.iter() {
            let value = ShownText::new(value);
            write!(
                f,
                "<input type=\"hidden\" name=\"{name}\" value=\"{value}\">"
            )?;
        }
        Ok(())
    }
}

/// The names alone: the values are what makes a form count.
impl fmt::Debug for FormFields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.iter().map(|(name, _)| name))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_elements_and_shows_names_alone() {
        let fields = FormFields::new([("a", "1"), ("b", "\">x")]);
        let elements = r#"<input type="hidden" name="a" value="1"><input type="hidden" name="b" value="&quot;&gt;x">"#;
        assert_eq!(fields.to_string(), elements);
        assert_eq!(format!("{fields:?}"), r#"["a", "b"]"#);
    }
}
