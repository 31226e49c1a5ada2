//! The pages that come with the library.

use askama::Template;

use super::{Accent, ConnectedAppsPage, ConsentPage, ErrorPage, Pages, SignInPage, SignedOutPage};

/// Calm, plain pages for phone and desktop, light and dark, without script.
#[derive(Debug, Clone, Default)]
pub struct BuiltInPages {
    accent: Accent,
}

impl BuiltInPages {
    /// With the operator's colour.
    #[must_use]
    pub const fn with_accent(mut self, accent: Accent) -> Self {
        self.accent = accent;
        self
    }
}

impl Pages for BuiltInPages {
    fn consent(&self, page: &ConsentPage<'_>) -> String {
        rendered(&ConsentTemplate {
            page,
            accent: self.accent,
        })
    }

    fn error(&self, page: &ErrorPage<'_>) -> String {
        rendered(&ErrorTemplate {
            page,
            accent: self.accent,
        })
    }

    fn sign_in(&self, page: &SignInPage<'_>) -> String {
        rendered(&SignInTemplate {
            page,
            accent: self.accent,
        })
    }

    fn connected_apps(&self, page: &ConnectedAppsPage<'_>) -> String {
        rendered(&ConnectedAppsTemplate {
            page,
            accent: self.accent,
        })
    }

    fn signed_out(&self, page: &SignedOutPage<'_>) -> String {
        rendered(&SignedOutTemplate {
            page,
            accent: self.accent,
        })
    }
}

#[derive(Template)]
#[template(path = "consent.html")]
struct ConsentTemplate<'a> {
    page: &'a ConsentPage<'a>,
    accent: Accent,
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorTemplate<'a> {
    page: &'a ErrorPage<'a>,
    accent: Accent,
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInTemplate<'a> {
    page: &'a SignInPage<'a>,
    accent: Accent,
}

#[derive(Template)]
#[template(path = "connected_apps.html")]
struct ConnectedAppsTemplate<'a> {
    page: &'a ConnectedAppsPage<'a>,
    accent: Accent,
}

#[derive(Template)]
#[template(path = "signed_out.html")]
struct SignedOutTemplate<'a> {
    page: &'a SignedOutPage<'a>,
    accent: Accent,
}

/// Writing into a string does not fail; the words are there for the compiler.
fn rendered(template: &impl Template) -> String {
    template.render().unwrap_or_else(|_| {
        "<!doctype html><title>Error</title><p>This page cannot be shown.".into()
    })
}
