//! Who sits in front of the browser.

use super::page::Page;

/// What a person does on a page.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Fills these fields and presses this button.
    Press {
        /// What the button says.
        button: String,
        /// Names and values to fill in first.
        fields: Vec<(String, String)>,
    },
    /// Follows the link that says this.
    Click(String),
    /// Goes no further.
    Stop,
}

impl Action {
    /// Presses a button.
    #[must_use]
    pub fn press(button: &str) -> Self {
        Self::Press {
            button: button.to_owned(),
            fields: Vec::new(),
        }
    }

    /// Fills a login form and signs in.
    #[must_use]
    pub fn sign_in(username: &str, password: &str) -> Self {
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Self::Press {
            button: "Sign in".to_owned(),
            fields: vec![field("username", username), field("password", password)],
        }
    }
}

/// Shows what is pressed; fields may hold a password.
impl std::fmt::Debug for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Press { button, .. } => write!(f, "Press({button:?})"),
            Self::Click(text) => write!(f, "Click({text:?})"),
            Self::Stop => f.write_str("Stop"),
        }
    }
}

/// Decides on every page what to do; a closure over [`Page`] is one too.
pub trait Person: Send + Sync {
    /// What to do on this page.
    fn act(&self, page: &Page) -> Action;
}

const _: Option<&dyn Person> = None;

impl<F: Fn(&Page) -> Action + Send + Sync> Person for F {
    fn act(&self, page: &Page) -> Action {
        self(page)
    }
}

/// What the user says to the client that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)] // a consent page has these two buttons
pub enum Decision {
    /// Presses "Approve".
    Approve,
    /// Presses "Deny".
    Deny,
}

/// A person who decides on consent pages and signs in on login pages.
///
/// A login page that comes back is left alone: the password was wrong, and would be again.
#[derive(Debug, Clone)]
pub struct Visitor {
    decision: Decision,
    sign_in: Action,
}

impl Visitor {
    /// Signs in as `alice`.
    #[must_use]
    pub fn new(decision: Decision) -> Self {
        Self {
            decision,
            sign_in: Action::sign_in("alice", "wonderland"),
        }
    }

    /// Signs in as someone else.
    #[must_use]
    pub fn signing_in_as(mut self, username: &str, password: &str) -> Self {
        self.sign_in = Action::sign_in(username, password);
        self
    }

    pub(super) fn deciding(mut self, decision: Decision) -> Self {
        self.decision = decision;
        self
    }
}

impl Person for Visitor {
    fn act(&self, page: &Page) -> Action {
        let answer = match self.decision {
            Decision::Approve => "Approve",
            Decision::Deny => "Deny",
        };
        if !page.status.is_success() {
            Action::Stop
        } else if page.has_button(answer) {
            Action::press(answer)
        } else if page.has_button("Sign in") {
            self.sign_in.clone()
        } else {
            Action::Stop
        }
    }
}
