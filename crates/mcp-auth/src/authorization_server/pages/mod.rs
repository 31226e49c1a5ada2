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
mod help_link;
mod html_or_json;
mod logo;
mod moment;
mod page_response;
mod scope_descriptions;
mod shown;
#[cfg(test)]
mod tests;

pub use accent::{Accent, Accents};
pub use built_in::BuiltInPages;
pub use connected_apps_page::{ConnectedApp, ConnectedAppsPage, SignInPage, SignedOutPage};
pub(crate) use consent_page::document_host;
pub use consent_page::{ConsentPage, UpstreamChoice};
pub use error_page::{ErrorPage, ErrorPageKind};
pub use form_fields::FormFields;
pub use help_link::HelpLink;
pub(crate) use html_or_json::prefers_json;
pub use logo::{Logo, LogoKind};
pub use moment::Moment;
pub(crate) use page_response::page_response;
pub use scope_descriptions::{DescribedScope, ScopeDescriptions};
pub use shown::ShownText;

/// How the pages look.
///
/// An implementation decides what a page looks like and nothing else: who is asked, which form counts
/// and which headers go with a page is decided around it. A page that leaves a form or a field out
/// only fails to do what it is for.
///
/// ```
/// use mcp_auth::authorization_server::pages::{ConsentPage, ErrorPage, Pages};
///
/// #[derive(Debug)]
/// struct Ours;
///
/// impl Pages for Ours {
///     fn consent(&self, page: &ConsentPage<'_>) -> String {
///         let name = page.client_name.as_ref().map_or("An app".to_owned(), ToString::to_string);
///         format!(
///             "<!doctype html><title>{server}</title><h1>Let {name} in?</h1>\
///              <p>Your browser goes to {uri} afterwards.\
///              <form method=post action={action:?}>{fields}\
///              <button name=decision value=approve>Yes</button>\
///              <button name=decision value=deny>No</button></form>",
///             server = page.server_name,
///             uri = page.redirect_uri,
///             action = page.action,
///             fields = page.fields,
///         )
///     }
///
///     fn error(&self, page: &ErrorPage<'_>) -> String {
///         format!("<!doctype html><title>{}</title><p>{}", page.title, page.what)
///     }
/// }
/// ```
///
/// # Security
///
/// What may come from anybody, such as the client's name and its redirection URI (OAuth 2.1 §7.12), is
/// a [`ShownText`]: written with `{}` it is escaped. Styles need the page's nonce; scripts, fonts and
/// pictures from elsewhere are refused by the `Content-Security-Policy` that goes with every page.
/// Whoever approves must have seen who asks, for what, and where the browser goes afterwards.
pub trait Pages: std::fmt::Debug + Send + Sync {
    /// Whether pages hold pictures, as `data:` URLs; others are never shown.
    fn has_pictures(&self) -> bool {
        false
    }

    /// The page that asks the user, as HTML.
    ///
    /// It must hold a form that posts to [`ConsentPage::action`] with [`ConsentPage::fields`] and a
    /// button `decision` with the value `approve` or `deny`.
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
