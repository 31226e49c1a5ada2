//! The pages that come with the library.

use askama::Template;

use super::{
    Accents, ConnectedAppsPage, ConsentPage, ErrorPage, HelpLink, Logo, Pages, SignInPage,
    SignedOutPage,
};

/// Calm, plain pages for phone and desktop, light and dark, without script.
///
/// ```
/// use mcp_auth::authorization_server::pages::{Accent, Accents, BuiltInPages, HelpLink};
///
/// # fn main() -> Result<(), mcp_auth::oauth::ParseError> {
/// let accents = Accents::new(Accent::parse("#7a1fa2")?, Accent::parse("#c792ea")?)?;
/// let pages = BuiltInPages::default()
///     .with_accents(accents)
///     .with_help_link(HelpLink::new("Privacy", "https://notes.example/privacy")?);
/// # let _ = pages; Ok(()) }
/// ```
#[derive(Debug, Clone, Default)]
pub struct BuiltInPages {
    accents: Accents,
    logo: Option<Logo>,
    help: Option<HelpLink>,
}

impl BuiltInPages {
    /// With the operator's colours.
    #[must_use]
    pub const fn with_accents(mut self, accents: Accents) -> Self {
        self.accents = accents;
        self
    }

    /// With the operator's logo in place of ours.
    #[must_use]
    pub fn with_logo(mut self, logo: Logo) -> Self {
        self.logo = Some(logo);
        self
    }

    /// With a link under every page.
    #[must_use]
    pub fn with_help_link(mut self, link: HelpLink) -> Self {
        self.help = Some(link);
        self
    }
}

impl Pages for BuiltInPages {
    fn has_pictures(&self) -> bool {
        self.logo.is_some()
    }

    fn consent(&self, page: &ConsentPage<'_>) -> String {
        rendered(&ConsentTemplate { page, look: self })
    }

    fn error(&self, page: &ErrorPage<'_>) -> String {
        rendered(&ErrorTemplate { page, look: self })
    }

    fn sign_in(&self, page: &SignInPage<'_>) -> String {
        rendered(&SignInTemplate { page, look: self })
    }

    fn connected_apps(&self, page: &ConnectedAppsPage<'_>) -> String {
        rendered(&ConnectedAppsTemplate { page, look: self })
    }

    fn signed_out(&self, page: &SignedOutPage<'_>) -> String {
        rendered(&SignedOutTemplate { page, look: self })
    }
}

#[derive(Template)]
#[template(path = "consent.html")]
struct ConsentTemplate<'a> {
    page: &'a ConsentPage<'a>,
    look: &'a BuiltInPages,
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorTemplate<'a> {
    page: &'a ErrorPage<'a>,
    look: &'a BuiltInPages,
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInTemplate<'a> {
    page: &'a SignInPage<'a>,
    look: &'a BuiltInPages,
}

#[derive(Template)]
#[template(path = "connected_apps.html")]
struct ConnectedAppsTemplate<'a> {
    page: &'a ConnectedAppsPage<'a>,
    look: &'a BuiltInPages,
}

#[derive(Template)]
#[template(path = "signed_out.html")]
struct SignedOutTemplate<'a> {
    page: &'a SignedOutPage<'a>,
    look: &'a BuiltInPages,
}

/// Writing into a string does not fail; the words are there for the compiler.
fn rendered(template: &impl Template) -> String {
    template.render().unwrap_or_else(|_| {
        "<!doctype html><title>Error</title><p>This page cannot be shown.".into()
    })
}
