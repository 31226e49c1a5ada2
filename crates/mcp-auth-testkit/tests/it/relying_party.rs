//! A client of the demo upstream, as little as a test needs.

use std::sync::Arc;

use mcp_auth::oauth::{CodeVerifier, Random, SystemRandom};
use mcp_auth_testkit::{
    Browser, DemoUpstream, MovingClock,
    browser::{Callback, Decision},
};
use serde_json::Value;
use url::Url;

pub(crate) const REDIRECT: &str = "http://127.0.0.1:8000/callback";

pub(crate) struct RelyingParty {
    pub(crate) upstream: DemoUpstream,
    pub(crate) clock: MovingClock,
    pub(crate) http: reqwest::Client,
    pub(crate) verifier: CodeVerifier,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn text(&self, name: &str) -> &str {
        self.body[name].as_str().unwrap_or_default()
    }
}

impl RelyingParty {
    pub(crate) async fn start() -> Self {
        let clock = MovingClock::starting_now();
        let upstream = DemoUpstream::builder()
            .with_clock(Arc::new(clock.clone()))
            .with_redirect(REDIRECT)
            .start()
            .await
            .unwrap();
        let random: &dyn Random = &SystemRandom;
        Self {
            upstream,
            clock,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            verifier: CodeVerifier::generate(random),
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.upstream.issuer())
    }

    pub(crate) fn authorize_url(&self, changes: &[(&str, &str)]) -> String {
        let challenge = self.verifier.challenge();
        let mut parameters = vec![
            ("response_type", "code"),
            ("client_id", self.upstream.client_id()),
            ("redirect_uri", REDIRECT),
            ("scope", "openid profile"),
            ("state", "the state & more"),
            ("nonce", "n-1"),
            ("code_challenge_method", "S256"),
            ("code_challenge", challenge.as_str()),
        ];
        for (name, value) in changes {
            parameters.retain(|(key, _)| key != name);
            parameters.push((name, value));
        }
        let parameters = parameters.iter().filter(|(_, value)| !value.is_empty());
        Url::parse_with_params(&self.url("/authorize"), parameters)
            .unwrap()
            .to_string()
    }

    pub(crate) async fn sign_in(&self, browser: &mut Browser) -> Callback {
        browser
            .walk(&self.authorize_url(&[]), REDIRECT, Decision::Approve)
            .await
            .unwrap()
    }

    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        let response = self
            .http
            .post(self.url(path))
            .basic_auth(
                self.upstream.client_id(),
                Some(self.upstream.client_secret()),
            )
            .form(form)
            .send()
            .await
            .unwrap();
        Answer {
            status: response.status().as_u16(),
            body: serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default(),
        }
    }

    pub(crate) async fn exchange(&self, code: &str, changes: &[(&str, &str)]) -> Answer {
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", self.verifier.expose()),
        ];
        for (name, value) in changes {
            form.retain(|(key, _)| key != name);
            form.push((name, value));
        }
        self.post("/token", &form).await
    }

    /// Signs in with a fresh browser and exchanges the code.
    pub(crate) async fn tokens(&self) -> Answer {
        let callback = self.sign_in(&mut Browser::new()).await;
        self.exchange(callback.code().unwrap(), &[]).await
    }

    pub(crate) async fn refresh(&self, token: &str) -> Answer {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
        self.post("/token", &form).await
    }

    pub(crate) async fn userinfo(&self, token: &str) -> Answer {
        let request = self.http.get(self.url("/userinfo")).bearer_auth(token);
        let response = request.send().await.unwrap();
        Answer {
            status: response.status().as_u16(),
            body: serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default(),
        }
    }
}
