//! `prompt`: what the client wants the user to see, or not to see (OpenID Connect Core §3.1.2.1).
//!
//! | value | what becomes of it |
//! |---|---|
//! | `none` | goes on if this browser remembers the consent and the upstream knows `prompt`; else `consent_required` or `interaction_required` |
//! | `consent` | our own page, whatever is remembered |
//! | `login`, `select_account` | handed to the upstream, which knows the users; one that is no OpenID provider is not told |

use serde::{Deserialize, Serialize};

/// The values that were sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Prompt(u8);

/// A value that is not known, or `none` beside another.
pub(super) struct UnknownPrompt;

impl Prompt {
    pub(super) fn parse(sent: Option<&str>) -> Result<Self, UnknownPrompt> {
        let mut values = 0;
        for value in sent
            .unwrap_or_default()
            .split(' ')
            .filter(|v| !v.is_empty())
        {
            values |= match value {
                "none" => NONE,
                "consent" => CONSENT,
                "login" => LOGIN,
                "select_account" => SELECT_ACCOUNT,
                _ => return Err(UnknownPrompt),
            };
        }
        if values & NONE != 0 && values != NONE {
            return Err(UnknownPrompt);
        }
        Ok(Self(values))
    }

    /// Whether nothing was sent.
    pub(super) fn is_empty(&self) -> bool {
        self.0 == 0
    }

    /// Whether the user must not see a page.
    pub(super) const fn is_none(self) -> bool {
        self.0 & NONE != 0
    }

    /// Whether the user must see the consent page.
    pub(super) const fn asks_for_consent(self) -> bool {
        self.0 & CONSENT != 0
    }

    /// What the upstream is told.
    pub(super) const fn for_upstream(self) -> Option<&'static str> {
        match self.0 & !CONSENT {
            0 => None,
            NONE => Some("none"),
            LOGIN => Some("login"),
            SELECT_ACCOUNT => Some("select_account"),
            _ => Some("login select_account"),
        }
    }
}

const NONE: u8 = 1;
const CONSENT: u8 = 2;
const LOGIN: u8 = 4;
const SELECT_ACCOUNT: u8 = 8;
