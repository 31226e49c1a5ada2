//! Forms: their fields, their buttons, and what pressing one sends.

use url::form_urlencoded;

use super::html::{self, Piece, attribute};

/// One form of a page, as it is filled in.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Form {
    /// Where it goes, as written; empty means the page itself.
    pub action: String,
    /// Whether its method is `post`.
    pub post: bool,
    /// Its buttons that submit.
    pub buttons: Vec<Button>,
    fields: Vec<Field>,
}

/// A button that submits a form.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Button {
    /// What it says.
    pub text: String,
    name: Option<String>,
    value: String,
    action: Option<String>,
}

#[derive(Clone, Default)]
struct Field {
    name: String,
    value: String,
    kind: String,
    /// Unticked boxes are not sent.
    sent: bool,
}

/// What pressing a button sends.
pub(super) struct Filled {
    pub(super) post: bool,
    pub(super) action: String,
    pub(super) fields: Vec<(String, String)>,
}

impl Form {
    /// The current value of the first field of this name, hidden ones too.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|field| field.name == name)
            .map(|field| field.value.as_str())
    }

    /// The names of the fields, in order.
    #[must_use]
    pub fn field_names(&self) -> Vec<&str> {
        self.fields
            .iter()
            .map(|field| field.name.as_str())
            .collect()
    }

    /// Whether one of its buttons says this.
    #[must_use]
    pub fn has_button(&self, text: &str) -> bool {
        self.buttons.iter().any(|button| button.text == text)
    }

    /// Writes into the first field of this name; of boxes and radio buttons, ticks the one with
    /// this value.
    pub(super) fn fill(&mut self, name: &str, value: &str) -> bool {
        let radio = |field: &Field| field.name == name && field.kind == "radio";
        let is_radio = self.fields.iter().any(radio);
        let mut found = false;
        for field in self.fields.iter_mut().filter(|field| field.name == name) {
            match field.kind.as_str() {
                "radio" | "checkbox" if field.value == value => {
                    field.sent = true;
                    found = true;
                }
                "radio" => field.sent = false,
                "checkbox" => {}
                _ if is_radio || found => {}
                _ => {
                    value.clone_into(&mut field.value);
                    found = true;
                }
            }
        }
        found
    }

    /// What pressing the button with this text sends.
    pub(super) fn press(&self, text: &str) -> Option<Filled> {
        let button = self.buttons.iter().find(|button| button.text == text)?;
        let sent = self.fields.iter().filter(|field| field.sent);
        let mut fields: Vec<(String, String)> = sent
            .map(|field| (field.name.clone(), field.value.clone()))
            .collect();
        if let Some(name) = &button.name {
            fields.push((name.clone(), button.value.clone()));
        }
        Some(Filled {
            post: self.post,
            action: button.action.clone().unwrap_or(self.action.clone()),
            fields,
        })
    }
}

/// Shows the field without its value, which may be a password.
impl std::fmt::Debug for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.name, self.kind)
    }
}

/// The forms among the pieces of a page.
pub(super) fn forms(pieces: &[Piece]) -> Vec<Form> {
    let mut reader = Reader::default();
    for piece in pieces {
        match piece {
            Piece::Open { tag, attributes } => reader.open(tag, attributes),
            Piece::Close { tag } => reader.close(tag),
            Piece::Text(text) => reader.text.push_str(text),
        }
    }
    reader.close("form");
    reader.done
}

/// Fields as `application/x-www-form-urlencoded`.
pub(super) fn encoded<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

#[derive(Default)]
struct Reader {
    done: Vec<Form>,
    form: Option<Form>,
    button: Option<Button>,
    area: Option<Field>,
    /// The text since the last button or text area was opened.
    text: String,
}

impl Reader {
    fn open(&mut self, tag: &str, attributes: &[(String, String)]) {
        let owned = |name| attribute(attributes, name).unwrap_or_default().to_owned();
        if tag == "form" && self.form.is_none() {
            self.form = Some(Form {
                action: owned("action"),
                post: owned("method").eq_ignore_ascii_case("post"),
                ..Form::default()
            });
            return;
        }
        let Some(form) = &mut self.form else {
            return;
        };
        let disabled = attribute(attributes, "disabled").is_some();
        match tag {
            _ if disabled => {}
            "input" => form.add_input(attributes),
            "button" if matches!(owned("type").as_str(), "" | "submit") => {
                self.text.clear();
                self.button = Some(button(attributes));
            }
            "textarea" => {
                self.text.clear();
                self.area = Some(Field {
                    name: owned("name"),
                    kind: tag.to_owned(),
                    sent: true,
                    ..Field::default()
                });
            }
            "select" => form.fields.push(Field {
                name: owned("name"),
                kind: tag.to_owned(),
                ..Field::default()
            }),
            "option" => {
                let selected = attribute(attributes, "selected").is_some();
                let select = form.fields.last_mut();
                if let Some(select) = select.filter(|field| field.kind == "select") {
                    // Without a choice the first option counts.
                    if selected || !select.sent {
                        select.value = owned("value");
                        select.sent = true;
                    }
                }
            }
            _ => {}
        }
    }

    fn close(&mut self, tag: &str) {
        match (tag, &mut self.form) {
            ("button", Some(form)) => {
                if let Some(mut button) = self.button.take() {
                    button.text = html::collapsed(&self.text);
                    form.buttons.push(button);
                }
            }
            ("textarea", Some(form)) => {
                if let Some(mut area) = self.area.take() {
                    area.value = std::mem::take(&mut self.text);
                    form.fields.push(area);
                }
            }
            ("form", _) => self.done.extend(self.form.take()),
            _ => {}
        }
    }
}

impl Form {
    fn add_input(&mut self, attributes: &[(String, String)]) {
        let kind = attribute(attributes, "type").unwrap_or("text");
        let kind = kind.to_ascii_lowercase();
        if kind == "submit" {
            let mut button = button(attributes);
            let text = attribute(attributes, "value").unwrap_or("Submit");
            button.text = html::collapsed(text);
            self.buttons.push(button);
            return;
        }
        let Some(name) = attribute(attributes, "name").filter(|name| !name.is_empty()) else {
            return;
        };
        let ticked = attribute(attributes, "checked").is_some();
        let boxed = matches!(kind.as_str(), "checkbox" | "radio");
        let unset = if boxed { "on" } else { "" };
        self.fields.push(Field {
            name: name.to_owned(),
            value: attribute(attributes, "value").unwrap_or(unset).to_owned(),
            sent: !matches!(kind.as_str(), "button" | "reset" | "image") && (!boxed || ticked),
            kind,
        });
    }
}

fn button(attributes: &[(String, String)]) -> Button {
    Button {
        text: String::new(),
        name: attribute(attributes, "name").map(str::to_owned),
        value: attribute(attributes, "value")
            .unwrap_or_default()
            .to_owned(),
        action: attribute(attributes, "formaction").map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONSENT: &str = r#"<form method="POST" action="/consent">
        <input type=hidden name=csrf value="a&quot;b">
        <input type=checkbox name=remember value=yes>
        <select name=s><option value=1>One<option value=2 selected>Two</select>
        <textarea name=note>hi</textarea>
        <button name="decision" value="approve"><b>App</b>rove</button>
        <button name="decision" value="deny">
            Deny
        </button>
        <button type="button">Nothing</button></form>"#;

    #[test]
    fn a_button_sends_its_own_value_and_the_fields() {
        let forms = forms(&html::pieces(CONSENT));
        let [form] = forms.as_slice() else {
            panic!("{forms:?}");
        };
        let filled = form.press("Deny").unwrap();
        assert!(filled.post);
        assert_eq!(filled.action, "/consent");
        let fields: Vec<_> = filled
            .fields
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        assert_eq!(
            fields,
            [
                ("csrf", "a\"b"),
                ("s", "2"),
                ("note", "hi"),
                ("decision", "deny")
            ]
        );
        assert!(form.has_button("Approve"));
        assert!(!form.has_button("Nothing"));
    }

    #[test]
    fn a_box_is_sent_once_it_is_ticked() {
        let mut form = forms(&html::pieces(CONSENT)).remove(0);
        assert!(!form.fill("remember", "no"));
        assert!(form.fill("remember", "yes"));
        let sent = form.press("Approve").unwrap().fields;
        assert!(sent.contains(&("remember".to_owned(), "yes".to_owned())));
    }

    #[test]
    fn values_stay_out_of_debug() {
        let form = forms(&html::pieces(CONSENT)).remove(0);
        assert!(!format!("{form:?}").contains("a\\\"b"));
    }
}
