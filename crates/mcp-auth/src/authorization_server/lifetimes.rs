//! How long things live.

use std::time::Duration;

/// The lifetimes of what the authorization server issues.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lifetimes {
    /// Of an access token; an hour.
    pub(crate) access_token: Duration,
    /// Of a grant without use; each refresh starts it anew; thirty days.
    pub(crate) refresh_token: Duration,
    /// Of a grant, however much it is used; none is no end.
    pub(crate) grant: Option<Duration>,
    /// Of an authorization code; a minute.
    pub(crate) code: Duration,
    /// For how long the refresh token before the current one still gives the current one; a minute.
    /// Zero turns it off.
    pub(crate) refresh_grace: Duration,
}

impl Lifetimes {
    /// Of a consent form and of a pending login.
    pub(crate) const LOGIN: Duration = Duration::from_secs(600);
    /// Of a sign-in to the connected apps page.
    pub(crate) const VISITOR: Duration = Duration::from_secs(600);
    /// Of a `request_uri`: the client sends the browser there at once.
    pub(crate) const PUSHED_REQUEST: Duration = Duration::from_secs(90);
    /// For how long after its end a used code is still recognised.
    pub(crate) const CODE_TOMBSTONE: Duration = Duration::from_secs(600);
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            access_token: Duration::from_secs(3600),
            refresh_token: Duration::from_secs(30 * 24 * 3600),
            grant: None,
            code: Duration::from_secs(60),
            refresh_grace: Duration::from_secs(60),
        }
    }
}
