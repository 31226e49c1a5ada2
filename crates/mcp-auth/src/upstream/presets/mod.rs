//! Well-known providers, as data: one [`Preset`] each.
//!
//! To add a provider, add a `Preset` to `accounts.rs` or `hosted.rs` and run `scripts/update-hosting`.
//! What no source says stays `None`; nothing here is guessed.

mod accounts;
mod hosted;
mod values;

use crate::BuildError;

/// What is known of one provider, and where from.
///
/// [`OAuthUpstream::with_preset`](super::OAuthUpstream::with_preset) builds from it; the page
/// `docs/hosting.md` is written from it.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Preset {
    /// The name it is chosen by: `github`.
    pub name: &'static str,
    /// The name people know it by.
    pub display_name: &'static str,
    /// Where it is, with `{placeholders}`.
    pub place: PresetPlace,
    /// The placeholders of `place`.
    pub placeholders: &'static [Placeholder],
    /// Where its metadata document lies.
    pub metadata: Option<Fact<MetadataForm>>,
    /// Whether strangers can register clients there (RFC 7591).
    pub registration: Option<Fact<Offer>>,
    /// Whether it takes client id metadata documents.
    pub client_documents: Option<Fact<Offer>>,
    /// What decides the audience of its access tokens.
    pub audience: Option<Fact<Audience>>,
    /// What we ask for to learn who the user is, unless other scopes are given.
    pub scopes: &'static [&'static str],
    /// What it needs in the authorization request beside OAuth's own parameters.
    pub authorization_parameters: &'static [(&'static str, &'static str)],
    /// How our client says who it is at the token endpoint (RFC 6749 §2.3.1).
    pub client_authentication: PresetClientAuthentication,
    /// The member of its userinfo answer that is the user, for ever.
    pub subject: &'static str,
    /// What gives a refresh token.
    pub refresh_token: Option<Fact<&'static str>>,
    /// Whether it issues ID tokens.
    pub id_tokens: Option<Fact<bool>>,
    /// How tokens are given back there.
    pub revocation: Option<Fact<&'static str>>,
    /// What people fell over.
    pub traps: &'static [Fact<&'static str>],
    /// The tier that fits.
    pub tier: PresetTier,
}

/// Something known, and where and when it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fact<T> {
    /// What is known.
    pub value: T,
    /// The address of the page or the repository that says so.
    pub source: &'static str,
    /// The day it was read, as `2026-11-24`.
    pub read: &'static str,
}

/// Where a provider is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PresetPlace {
    /// Its issuer; the endpoints come from its metadata.
    Issuer(&'static str),
    /// Its endpoints.
    Endpoints {
        /// Where the browser is sent.
        authorization: &'static str,
        /// Where codes are redeemed.
        token: &'static str,
        /// Where it says who the user is.
        userinfo: &'static str,
        /// Where tokens are given back (RFC 7009).
        revocation: Option<&'static str>,
    },
    /// It cannot be an [`OAuthUpstream`](super::OAuthUpstream), for this reason: it takes an
    /// [`Upstream`](super::Upstream) of its own.
    Apart(&'static str),
}

/// A part of an address that is another for each customer of the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Placeholder {
    /// Its name.
    pub name: &'static str,
    /// What may stand there.
    pub kind: PlaceholderKind,
    /// What to write there.
    pub meaning: &'static str,
}

/// What may stand for a placeholder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlaceholderKind {
    /// A host name, perhaps with a port.
    Host,
    /// One segment of a path, or one label of a host name.
    Segment,
    /// A whole URL.
    Url,
}

/// Where a metadata document lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetadataForm {
    /// RFC 8414: `/.well-known/oauth-authorization-server`, before the issuer's path.
    OAuth,
    /// OpenID Connect Discovery: `/.well-known/openid-configuration`, after the issuer's path.
    OpenId,
    /// Both.
    Both,
}

/// Whether something is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Offer {
    /// To everybody.
    Yes,
    /// On a condition, which this says.
    If(&'static str),
    /// Not to MCP hosts.
    No,
}

/// What decides the audience of an access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Audience {
    /// The `resource` parameter (RFC 8707), on the condition that this says, if any.
    Resource(&'static str),
    /// A parameter `audience` of the provider's own.
    AudienceParameter(&'static str),
    /// The scopes that were asked for.
    Scopes(&'static str),
    /// It is always the same, or the client.
    Fixed(&'static str),
    /// Its access tokens have none.
    Absent,
}

/// How our client says who it is at a provider's token endpoint (RFC 6749 §2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PresetClientAuthentication {
    /// In the `Authorization` header: `client_secret_basic`.
    Basic,
    /// In the form: `client_secret_post`.
    Post,
}

/// The tier that fits a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PresetTier {
    /// It registers hosts itself and mints tokens for the MCP server: it can be the issuer that hosts see.
    Hosted,
    /// It knows us as one client: `DcrShim` or `Cimd`.
    Shim,
}

impl<T> Fact<T> {
    const fn new(value: T, source: &'static str, read: &'static str) -> Self {
        Self {
            value,
            source,
            read,
        }
    }
}

impl Preset {
    /// All of them, in the order of the page `docs/hosting.md`.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        accounts::PRESETS.iter().chain(&hosted::PRESETS)
    }

    /// The one of this name.
    ///
    /// # Errors
    ///
    /// When there is none; the error lists the names that there are.
    pub fn named(name: &str) -> Result<&'static Self, BuildError> {
        Self::all()
            .find(|preset| preset.name == name)
            .ok_or_else(|| {
                let names: Vec<_> = Self::all().map(|preset| preset.name).collect();
                let names = names.join(", ");
                BuildError::argument(
                    ARGUMENT,
                    format!("there is none of this name, only {names}"),
                )
            })
    }

    /// What its userinfo answers are read by, where that is not OpenID Connect's `sub`.
    pub(super) const fn own_subject(&self) -> Option<&'static str> {
        match self.subject.as_bytes() {
            b"sub" => None,
            _ => Some(self.subject),
        }
    }
}

pub(super) use values::{Chosen, FilledPlace};

/// What a mistake in the choice is reported under, unless it has a name of its own.
const ARGUMENT: &str = "upstream preset";
