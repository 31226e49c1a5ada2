//! A client of the server under test, whose requests a test can bend.

use http::{HeaderMap, StatusCode};
use mcp_auth::{
    authorization_server::pages::ErrorPageKind,
    oauth::{ClientId, CodeVerifier},
};
use mcp_auth_testkit::{
    Browser,
    browser::{Action, Callback, Decision, Page},
};
use serde_json::{Value, json};
use url::Url;

use crate::harness::Server;

/// Where the clients of these tests return to.
pub const REDIRECT: &str = "http://127.0.0.1:33418/callback";
/// What they keep.
pub const VERIFIER: &str = "a-verifier-of-exactly-the-shortest-length-43";
/// The `state` they send.
pub const STATE: &str = "state-1";

/// A client that the server knows.
#[derive(Clone)]
pub struct Client {
    pub id: String,
    pub secret: Option<String>,
    pub redirect_uri: String,
}

/// Tokens, as texts.
#[derive(Clone)]
pub struct Tokens {
    pub access: String,
    pub refresh: String,
}

impl Client {
    pub async fn registered(server: &Server, metadata: Value) -> Self {
        let answer = register(server, &metadata).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        let body = answer.json();
        Self {
            id: body["client_id"].as_str().unwrap().to_owned(),
            secret: body["client_secret"].as_str().map(str::to_owned),
            redirect_uri: body["redirect_uris"][0].as_str().unwrap().to_owned(),
        }
    }

    pub async fn public(server: &Server) -> Self {
        let metadata = json!({ "redirect_uris": [REDIRECT], "client_name": "Public" });
        Self::registered(server, metadata).await
    }

    pub async fn confidential(server: &Server) -> Self {
        let metadata = json!({
            "redirect_uris": ["https://client.example/callback"],
            "client_name": "Confidential",
            "token_endpoint_auth_method": "client_secret_basic",
        });
        Self::registered(server, metadata).await
    }

    pub fn client_id(&self) -> ClientId {
        ClientId::parse(&self.id).unwrap()
    }

    /// A good authorization request.
    pub fn request(&self, server: &Server) -> Parameters {
        let challenge = CodeVerifier::parse(VERIFIER).unwrap().challenge();
        Parameters::default()
            .and("response_type", "code")
            .and("client_id", &self.id)
            .and("redirect_uri", &self.redirect_uri)
            .and("code_challenge", challenge.as_str())
            .and("code_challenge_method", "S256")
            .and("state", STATE)
            .and("resource", &server.mcp_url())
    }

    /// A good redemption of a code, with the secret in the form.
    pub fn redemption(&self, server: &Server, code: &str) -> Parameters {
        self.identified(
            Parameters::default()
                .and("grant_type", "authorization_code")
                .and("code", code)
                .and("redirect_uri", &self.redirect_uri)
                .and("code_verifier", VERIFIER)
                .and("resource", &server.mcp_url()),
        )
    }

    /// A good refresh, with the secret in the form.
    pub fn refreshing(&self, refresh_token: &str) -> Parameters {
        self.identified(
            Parameters::default()
                .and("grant_type", "refresh_token")
                .and("refresh_token", refresh_token),
        )
    }

    fn identified(&self, form: Parameters) -> Parameters {
        let form = form.and("client_id", &self.id);
        match &self.secret {
            Some(secret) => form.and("client_secret", secret),
            None => form,
        }
    }

    /// A fresh user approves this request and signs in.
    pub async fn code_for(&self, server: &Server, request: &Parameters) -> String {
        let callback = approve(server, &mut server.browser(), self, request).await;
        callback.code().unwrap().to_owned()
    }

    pub async fn code(&self, server: &Server) -> String {
        self.code_for(server, &self.request(server)).await
    }

    pub async fn tokens(&self, server: &Server) -> Tokens {
        let code = self.code(server).await;
        token(server, &self.redemption(server, &code))
            .await
            .tokens()
    }
}

/// Names and values in order.
#[derive(Clone, Default)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// One more, also where there is one of this name.
    pub fn and(mut self, name: &str, value: &str) -> Self {
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.0.retain(|(known, _)| known != name);
        self
    }

    /// With this value in place of what there was.
    pub fn with(self, name: &str, value: &str) -> Self {
        self.without(name).and(name, value)
    }

    pub fn encoded(&self) -> String {
        let mut encoded = url::form_urlencoded::Serializer::new(String::new());
        encoded.extend_pairs(&self.0);
        encoded.finish()
    }
}

/// An answer as it came.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }

    /// The tokens of a good answer of the token endpoint.
    pub fn tokens(&self) -> Tokens {
        assert_eq!(self.status, 200, "{}", self.body);
        let text = |name: &str| self.json()[name].as_str().unwrap_or_default().to_owned();
        Tokens {
            access: text("access_token"),
            refresh: text("refresh_token"),
        }
    }

    /// Holds a refusal to RFC 6749 §5.2.
    #[track_caller]
    pub fn refuses(&self, status: u16, error: &str) {
        assert_eq!(self.json()["error"], error, "{}", self.body);
        assert_eq!(self.status, status);
        assert_eq!(self.header("content-type"), Some("application/json"));
        assert_eq!(self.header("cache-control"), Some("no-store"));
        assert!(self.json()["error_description"].is_string());
    }

    /// Holds a refusal at `/authorize` that may go nowhere but to the person.
    #[track_caller]
    pub fn shows(&self, kind: ErrorPageKind) {
        assert!(self.body.contains(kind.what()), "{kind:?}: {}", self.body);
        assert_eq!(self.status, kind.status());
        assert_eq!(self.header("location"), None);
        assert_eq!(
            self.header("content-type"),
            Some("text/html; charset=utf-8")
        );
    }

    /// Where a redirect to a client goes, with everything that holds for each of them.
    #[track_caller]
    pub fn redirect(&self, server: &Server, redirect_uri: &str) -> Redirect {
        assert_eq!(self.status, 303, "{}", self.body);
        let location = self.header("location").unwrap();
        let redirect = Redirect::read(location);
        assert!(location.starts_with(redirect_uri), "{location}");
        assert!(!location.contains('#'), "{location}");
        assert_eq!(redirect.all("iss"), [server.issuer()]);
        assert_eq!(redirect.all("access_token"), Vec::<String>::new());
        redirect
    }

    /// The same for a refusal of a request with [`STATE`].
    #[track_caller]
    pub fn sends_error(&self, server: &Server, redirect_uri: &str, error: &str) {
        let redirect = self.redirect(server, redirect_uri);
        assert_eq!(redirect.all("error"), [error]);
        assert_eq!(redirect.all("state"), [STATE]);
        assert_eq!(redirect.all("code"), Vec::<String>::new());
    }
}

/// The parameters of a redirect to a client.
#[derive(Debug)]
pub struct Redirect(Vec<(String, String)>);

impl Redirect {
    pub fn read(url: &str) -> Self {
        let url = Url::parse(url).unwrap();
        Self(url.query_pairs().into_owned().collect())
    }

    pub fn of(callback: &Callback) -> Self {
        Self(callback.parameters.clone())
    }

    pub fn all(&self, name: &str) -> Vec<String> {
        let named = self.0.iter().filter(|(known, _)| known == name);
        named.map(|(_, value)| value.clone()).collect()
    }
}

/// A request to be sent, without cookies and without following redirects.
pub fn send(server: &Server, method: http::Method, path: &str) -> reqwest::RequestBuilder {
    let host = server.issuer().split_once("://").unwrap().1;
    server
        .http
        .request(method, server.direct(path))
        .header("host", host)
}

pub async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    Answer {
        status: response.status(),
        headers: response.headers().clone(),
        body: response.text().await.unwrap(),
    }
}

pub async fn get(server: &Server, path: &str) -> Answer {
    answer(send(server, http::Method::GET, path)).await
}

pub async fn register(server: &Server, metadata: &Value) -> Answer {
    let request = send(server, http::Method::POST, "/register");
    let request = request.header("content-type", "application/json");
    answer(request.body(metadata.to_string())).await
}

/// `GET /authorize` by itself.
pub async fn authorize(server: &Server, request: &Parameters) -> Answer {
    get(server, &format!("/authorize?{}", request.encoded())).await
}

/// `POST /token` with the credentials in the form, if there are any.
pub async fn token(server: &Server, form: &Parameters) -> Answer {
    token_with(server, form, |request| request).await
}

/// `POST /token` with headers of the test's own.
pub async fn token_with(
    server: &Server,
    form: &Parameters,
    change: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder,
) -> Answer {
    let request = send(server, http::Method::POST, "/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form.encoded());
    let answer = answer(change(request)).await;
    // Whatever it says: it redirects nowhere and nobody keeps it.
    assert!(!answer.status.is_redirection());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    answer
}

/// The `Authorization` header of a client.
pub fn basic(id: &str, secret: &str) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
    let (id, secret): (String, String) = (encoded(id), encoded(secret));
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

/// The status of the MCP endpoint at this path for this token.
pub async fn mcp_status(server: &Server, path: &str, access_token: &str) -> StatusCode {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
    let request = send(server, http::Method::POST, path)
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .bearer_auth(access_token)
        .body(body.to_string());
    answer(request).await.status
}

/// Whether this access token still opens `/mcp`.
pub async fn opens(server: &Server, access_token: &str) -> bool {
    match mcp_status(server, "/mcp", access_token).await.as_u16() {
        200 => true,
        401 => false,
        other => panic!("status {other}"),
    }
}

/// The user of this browser approves, signs in, and is sent back to the client.
pub async fn approve(
    server: &Server,
    browser: &mut Browser,
    client: &Client,
    request: &Parameters,
) -> Callback {
    let url = server.url(&format!("/authorize?{}", request.encoded()));
    browser
        .walk(&url, &client.redirect_uri, Decision::Approve)
        .await
        .unwrap()
}

/// The consent page of this request, in this browser.
pub async fn consent_page<'b>(
    server: &Server,
    browser: &'b mut Browser,
    request: &Parameters,
) -> &'b Page {
    let url = server.url(&format!("/authorize?{}", request.encoded()));
    let page = browser.get(&url).await.unwrap();
    assert!(page.has_button("Approve"), "{}", page.text());
    page
}

/// The user of this browser approves and signs in; where the upstream sends the browser then.
pub async fn pending(server: &Server, browser: &mut Browser, request: &Parameters) -> Callback {
    server.upstream.auto_sign_in(Some("alice"));
    consent_page(server, browser, request).await;
    browser
        .submit_until("Approve", &server.url("/callback"))
        .await
        .unwrap()
}

/// Goes to a URL of ours that ends in a redirect to the client.
pub async fn finish(browser: &mut Browser, url: &str, client: &Client) -> Callback {
    let stays = |_: &Page| Action::Stop;
    browser
        .visit_until(url, &client.redirect_uri, &stays)
        .await
        .unwrap()
}

/// Goes to a URL of ours that must end on this page.
#[track_caller]
pub fn assert_shows(page: &Page, kind: ErrorPageKind) {
    assert!(
        page.text().contains(kind.what()),
        "{kind:?}: {}",
        page.text()
    );
    assert_eq!(page.status, kind.status());
}

/// What the tool of this name says to the bearer.
pub async fn call(server: &Server, access_token: &str, tool: &str) -> String {
    let body = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": tool },
    });
    let request = send(server, http::Method::POST, "/mcp")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .bearer_auth(access_token)
        .body(body.to_string());
    let said = answer(request).await.json();
    let text = said.pointer("/result/content/0/text").unwrap();
    text.as_str().unwrap().to_owned()
}

/// Who the bearer is, as a tool sees it.
pub async fn whoami(server: &Server, access_token: &str) -> Value {
    serde_json::from_str(&call(server, access_token, "whoami").await).unwrap()
}
