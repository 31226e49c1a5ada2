//! The pages that people see: one asks for consent, the other explains a refusal.
//!
//! [`BuiltInPages`] are rendered on the server, without script and without anything from elsewhere.
//! Other ones implement [`Pages`]; the headers are set by the core around either.

mod accent;
mod built_in;
mod consent_page;
mod error_page;
mod error_words;
mod html_or_json;
mod page_response;
mod scope_descriptions;
mod shown;
#[cfg(test)]
mod tests;

pub use accent::Accent;
pub use built_in::BuiltInPages;
pub use consent_page::ConsentPage;
pub(crate) use consent_page::document_host;
pub use error_page::{ErrorPage, ErrorPageKind};
pub(crate) use page_response::page_response;
pub use scope_descriptions::{DescribedScope, ScopeDescriptions};

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
}

const _: Option<&dyn Pages> = None;
