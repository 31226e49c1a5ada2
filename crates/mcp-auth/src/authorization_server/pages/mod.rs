//! The pages that people see: one asks for consent, one explains a refusal, three are about the apps
//! that are connected already.
//!
//! [`BuiltInPages`] are rendered on the server, without script and without anything from elsewhere.
//! Other ones implement [`Pages`]; the headers are set by the core around either.

mod accent;
mod built_in;
mod connected_apps_page;
mod consent_page;
mod error_page;
mod error_words;
mod form_fields;
mod html_or_json;
mod moment;
mod page_response;
mod scope_descriptions;
mod shown;
#[cfg(test)]
mod tests;

pub use accent::Accent;
pub use built_in::BuiltInPages;
pub use connected_apps_page::{ConnectedApp, ConnectedAppsPage, SignInPage, SignedOutPage};
pub use consent_page::ConsentPage;
pub(crate) use consent_page::document_host;
pub use error_page::{ErrorPage, ErrorPageKind};
pub use form_fields::FormFields;
pub use moment::Moment;
pub(crate) use page_response::page_response;
pub use scope_descriptions::{DescribedScope, ScopeDescriptions};
pub use shown::ShownText;

/// How the pages look.
///
/// # Security
///
/// An implementation must escape every text it is given: the client's name and its redirection URI
/// come from whoever registered it (OAuth 2.1 §7.12). Styles need the page's nonce; scripts, images
/// and fonts are refused by the `Content-Security-Policy` that goes with every page.
pub trait Pages: std::fmt::Debug + Send + Sync {
    /// The page that asks the user, as HTML.
    ///
    /// It must hold a form that posts to [`ConsentPage::action`] with the hidden field `request`
    /// and a button `decision` with the value `approve` or `deny`.
    fn consent(&self, page: &ConsentPage<'_>) -> String;

    /// The page that says why a login cannot go on, as HTML.
    fn error(&self, page: &ErrorPage<'_>) -> String;

    /// The connected apps page for somebody who is not signed in, as HTML; the built-in one unless
    /// there is another.
    ///
    /// It must hold a form that posts to [`SignInPage::action`] with [`SignInPage::fields`] and a
    /// button `action` with the value `sign-in`.
    fn sign_in(&self, page: &SignInPage<'_>) -> String {
        BuiltInPages::default().sign_in(page)
    }

    /// The connected apps of whoever is signed in, as HTML; the built-in page unless there is another.
    ///
    /// It must hold a form for each app that posts to [`ConnectedAppsPage::action`] with
    /// [`ConnectedApp::fields`] and a button `action` with the value `revoke`, and one with
    /// [`ConnectedAppsPage::fields`] and the value `sign-out`.
    fn connected_apps(&self, page: &ConnectedAppsPage<'_>) -> String {
        BuiltInPages::default().connected_apps(page)
    }

    /// The page after signing out, as HTML; the built-in one unless there is another.
    fn signed_out(&self, page: &SignedOutPage<'_>) -> String {
        BuiltInPages::default().signed_out(page)
    }
}

const _: Option<&dyn Pages> = None;
