//! The whole way from an authorization URL to the redirect URI.

use std::fmt;

use url::Url;

use super::{
    Browser,
    error::{BrowserError, Stopped},
    page::{Hop, Page, without_query},
    parse,
    person::{Action, Decision, Person},
    request::Request,
};

/// The redirect that would have gone to the client.
#[derive(Clone)]
#[non_exhaustive]
pub struct Callback {
    /// The whole URL.
    pub url: Url,
    /// Its parameters in order, repeats included.
    pub parameters: Vec<(String, String)>,
    /// Every hop that led here, over all pages.
    pub hops: Vec<Hop>,
    /// How many pages a person saw on the way.
    pub pages: usize,
}

impl Callback {
    /// The first parameter of this name.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The authorization code.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.parameter("code")
    }

    /// The client's state.
    #[must_use]
    pub fn state(&self) -> Option<&str> {
        self.parameter("state")
    }

    /// The issuer (RFC 9207).
    #[must_use]
    pub fn iss(&self) -> Option<&str> {
        self.parameter("iss")
    }

    /// The error code.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.parameter("error")
    }
}

/// Shows the names of the parameters only: a code is a secret.
impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self
            .parameters
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        f.debug_struct("Callback")
            .field("url", &format_args!("{}", without_query(&self.url)))
            .field("parameters", &names)
            .field("error", &self.error())
            .field("hops", &self.hops)
            .finish_non_exhaustive()
    }
}

impl Browser {
    /// Goes from `url` to `redirect_uri`, decides on the consent page and signs in where asked.
    ///
    /// The redirect URI itself is not requested; [`deliver`](Self::deliver) does that.
    ///
    /// # Errors
    ///
    /// [`BrowserError::Ended`] with the page on which the way ended, else as [`get`](Self::get).
    pub async fn walk(
        &mut self,
        url: &str,
        redirect_uri: &str,
        decision: Decision,
    ) -> Result<Callback, BrowserError> {
        let visitor = self.visitor.clone().deciding(decision);
        self.visit_until(url, redirect_uri, &visitor).await
    }

    /// Goes from `url` to `redirect_uri`, with this person acting on every page in between.
    ///
    /// # Errors
    ///
    /// [`BrowserError::Ended`] when the person stops, else as [`get`](Self::get).
    pub async fn visit_until(
        &mut self,
        url: &str,
        redirect_uri: &str,
        person: &dyn Person,
    ) -> Result<Callback, BrowserError> {
        let request = Request::typed(parse(url)?);
        self.continue_until(request, redirect_uri, person).await
    }

    /// Goes on from the page that is shown, with this person acting on it.
    ///
    /// # Errors
    ///
    /// As [`visit_until`](Self::visit_until).
    pub async fn resume_until(
        &mut self,
        redirect_uri: &str,
        person: &dyn Person,
    ) -> Result<Callback, BrowserError> {
        let request = self.acting(person)?;
        self.continue_until(request, redirect_uri, person).await
    }

    /// Presses a button from which redirects lead to `redirect_uri` with no page in between.
    ///
    /// # Errors
    ///
    /// [`BrowserError::Ended`] when a page comes instead, else as [`submit`](Self::submit).
    pub async fn submit_until(
        &mut self,
        button: &str,
        redirect_uri: &str,
    ) -> Result<Callback, BrowserError> {
        let request = self.pressing(button)?;
        let stays = |_: &Page| Action::Stop;
        self.continue_until(request, redirect_uri, &stays).await
    }

    /// Requests the redirect URI after all, as the redirect would have.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub async fn deliver(&mut self, callback: &Callback) -> Result<&Page, BrowserError> {
        let last = callback.hops.last().map(|hop| hop.url.clone());
        let request = match last {
            Some(last) => Request::linked(last, callback.url.clone()),
            None => Request::typed(callback.url.clone()),
        };
        self.navigate(request, None).await?;
        self.page()
    }

    async fn continue_until(
        &mut self,
        mut request: Request,
        redirect_uri: &str,
        person: &dyn Person,
    ) -> Result<Callback, BrowserError> {
        let stop = parse(redirect_uri)?;
        let mut hops = Vec::new();
        for pages in 0..MAX_PAGES {
            let arrived = self.navigate(request, Some(&stop)).await?;
            hops.extend(self.hops.iter().cloned());
            if let Some(url) = arrived {
                let parameters = url.query_pairs().into_owned().collect();
                return Ok(Callback {
                    url,
                    parameters,
                    hops,
                    pages,
                });
            }
            request = self.acting(person)?;
        }
        Err(BrowserError::Circles {
            url: without_query(&self.page()?.url).to_string(),
        })
    }

    /// The request that this person makes on the page.
    fn acting(&mut self, person: &dyn Person) -> Result<Request, BrowserError> {
        match person.act(self.page()?) {
            Action::Press { button, fields } => {
                for (name, value) in fields {
                    self.fill(&name, &value)?;
                }
                self.pressing(&button)
            }
            Action::Click(text) => self.clicking(&text),
            Action::Stop => Err(BrowserError::Ended(Stopped::at(self.page()?))),
        }
    }
}

const MAX_PAGES: usize = 20;
