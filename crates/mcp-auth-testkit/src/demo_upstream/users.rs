//! The people who can sign in.

use mcp_auth::oauth::constant_time_eq;

/// One demo user.
#[derive(Debug, Clone, Copy)]
pub(super) struct User {
    pub(super) username: &'static str,
    pub(super) subject: &'static str,
    pub(super) name: &'static str,
    pub(super) email: &'static str,
    password: &'static str,
}

impl User {
    /// The user of this name.
    pub(super) fn named(username: &str) -> Option<Self> {
        USERS.into_iter().find(|user| user.username == username)
    }

    /// The user of this name, if the password is theirs.
    pub(super) fn signing_in(username: &str, password: &str) -> Option<Self> {
        Self::named(username)
            .filter(|user| constant_time_eq(user.password.as_bytes(), password.as_bytes()))
    }
}

const USERS: [User; 2] = [
    User {
        username: "alice",
        subject: "user-alice",
        name: "Alice Liddell",
        email: "alice@example.com",
        password: "wonderland",
    },
    User {
        username: "bob",
        subject: "user-bob",
        name: "Bob Builder",
        email: "bob@example.com",
        password: "builder",
    },
];
