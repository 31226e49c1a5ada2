//! What the browser visits: the server under test, the upstream behind it, and a host that waits for
//! its answer.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{RawQuery, State},
    response::Html,
    routing::get,
};
use mcp_auth::{
    DcrShim, Tier,
    authorization_server::{
        AdmissionRule,
        clients::PreregisteredClients,
        pages::{Accent, Accents, BuiltInPages, HelpLink, Logo, LogoKind, ScopeDescriptions},
    },
    oauth::{ClientSecret, PublicUrl, Scopes},
    tier::ShimBuilder,
    upstream::OAuthUpstream,
};
use mcp_auth_testkit::DemoUpstream;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::{Url, form_urlencoded};

use crate::webdriver::Session;

/// `DcrShim` before a demo upstream, and a host's listener.
pub(crate) struct Site {
    pub(crate) origin: String,
    pub(crate) upstream: DemoUpstream,
    pub(crate) host: Host,
    http: reqwest::Client,
}

impl Site {
    /// The server under test is called `localhost`, upstream and host are `127.0.0.1`: to the browser
    /// these are different sites, as they are in life.
    pub(crate) async fn start() -> Self {
        Self::start_as("localhost").await
    }

    /// With the server under test reached by this name.
    pub(crate) async fn start_as(name: &str) -> Self {
        Self::start_with(name, |tier| tier).await
    }

    /// With an operator who lets nobody in.
    pub(crate) async fn start_closed() -> Self {
        let nobody = AdmissionRule::subjects(["nobody"]);
        let nobody = nobody.with_words("Ask it-help@recipes.example for access.");
        Self::start_with("localhost", |tier| tier.with_admission(Arc::new(nobody))).await
    }

    /// With a client that the operator knows, under this name.
    pub(crate) async fn start_knowing(client_name: &str) -> Self {
        let known = json!([{ "client_id": KNOWN, "client_name": client_name,
            "redirect_uris": ["http://127.0.0.1/callback"] }]);
        let known = PreregisteredClients::parse_json(&known.to_string()).unwrap();
        Self::start_with("localhost", |tier| tier.with_preregistered_clients(known)).await
    }

    /// With an operator's own logo, colours and link.
    pub(crate) async fn start_branded() -> Self {
        let colour = |text| Accent::parse(text).unwrap();
        let accents = Accents::new(colour("#8c1d40"), colour("#ffc627")).unwrap();
        let logo = Logo::new(LogoKind::Svg, LOGO).unwrap();
        let help = HelpLink::new("Privacy at Recipe Box", "https://recipes.example/privacy");
        let pages = BuiltInPages::default()
            .with_accents(accents)
            .with_logo(logo)
            .with_help_link(help.unwrap());
        Self::start_with("localhost", |tier| tier.with_pages(Arc::new(pages))).await
    }

    async fn start_with(
        name: &str,
        change: impl FnOnce(ShimBuilder<DcrShim>) -> ShimBuilder<DcrShim>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let origin = format!("http://{name}:{port}");
        let upstream = DemoUpstream::start().await.unwrap();
        upstream.register_redirect(&format!("{origin}/callback"));
        let ours = OAuthUpstream::with_issuer(upstream.issuer(), upstream.client_id())
            .with_client_secret(ClientSecret::new(upstream.client_secret()))
            .with_scopes(["openid", "profile"])
            .build()
            .unwrap();
        let tier = DcrShim::builder(PublicUrl::parse(&origin).unwrap(), Arc::new(ours))
            .with_server_name("Recipe Box")
            .with_scopes(Scopes::parse("recipes:read recipes:write").unwrap())
            .with_scope_descriptions(
                ScopeDescriptions::default()
                    .with("recipes:read", "Read your recipes")
                    .with("recipes:write", "Add, change and delete recipes"),
            )
            .with_connected_apps()
            .without_rate_limits();
        let tier = change(tier).build().unwrap();
        serve(listener, Router::new().fallback_service(tier.endpoints()));
        Self {
            origin,
            upstream,
            host: Host::start().await,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
        }
    }

    /// A login of a client that registers for it under this name.
    pub(crate) async fn login(&self, client_name: &str) -> Login {
        let redirect_uri = self.host.redirect_uri();
        self.login_to(client_name, &redirect_uri).await
    }

    /// A login that ends at another address than the host's.
    pub(crate) async fn login_to(&self, client_name: &str, redirect_uri: &str) -> Login {
        let metadata = json!({ "client_name": client_name, "redirect_uris": [redirect_uri] });
        let registered = self
            .http
            .post(format!("{}/register", self.origin))
            .header("content-type", "application/json")
            .body(metadata.to_string());
        let (status, registered) = answer(registered).await;
        assert_eq!(status, 201, "{registered}");
        self.login_of(registered["client_id"].as_str().unwrap(), redirect_uri)
    }

    /// A login of a client that is known already.
    fn login_of(&self, client_id: &str, redirect_uri: &str) -> Login {
        let client_id = client_id.to_owned();
        let state = format!("state {} / ü", client_id.len());
        let mut url = Url::parse(&format!("{}/authorize", self.origin)).unwrap();
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &client_id)
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("state", &state)
            .append_pair("resource", &format!("{}/mcp", self.origin))
            .append_pair("code_challenge", CODE_CHALLENGE)
            .append_pair("code_challenge_method", "S256");
        Login {
            url: url.into(),
            client_id,
            state,
            redirect_uri: redirect_uri.to_owned(),
        }
    }

    /// Where people see their apps.
    pub(crate) fn connected_apps_url(&self) -> String {
        format!("{}/connected-apps", self.origin)
    }

    /// A client of this name that alice lets in, in another browser.
    pub(crate) async fn connect(&self, client_name: &str) {
        let login = self.login(client_name).await;
        self.let_in(&login).await;
    }

    /// The client that the operator knows, see [`Site::start_knowing`], let in by alice.
    pub(crate) async fn connect_known(&self) {
        let login = self.login_of(KNOWN, &self.host.redirect_uri());
        self.let_in(&login).await;
    }

    async fn let_in(&self, login: &Login) {
        let redirect_uri = self.host.redirect_uri();
        let mut browser = mcp_auth_testkit::Browser::new();
        let approve = mcp_auth_testkit::browser::Decision::Approve;
        let callback = browser.walk(&login.url, &redirect_uri, approve).await;
        let callback = callback.unwrap();
        let (status, answer) = self.redeem(login, callback.code().unwrap()).await;
        assert_eq!(status, 200, "{answer}");
    }

    /// Goes to the connected apps page and signs in there.
    pub(crate) async fn visit(&self, browser: &Session) {
        browser.go(&self.connected_apps_url()).await;
        browser.click("button[value=sign-in]").await;
        browser.arrives_at(self.upstream.issuer()).await;
        sign_in_as_alice(browser).await;
        browser.arrives_at(&self.connected_apps_url()).await;
        browser.find("button[value=sign-out]").await;
    }

    /// The address of a page that says what is wrong.
    pub(crate) fn error_url(&self) -> String {
        format!("{}/authorize?client_id=never-registered", self.origin)
    }

    /// What the token endpoint says to this code: the status and the answer.
    pub(crate) async fn redeem(&self, login: &Login, code: &str) -> (u16, Value) {
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("client_id", &login.client_id)
            .append_pair("redirect_uri", &login.redirect_uri)
            .append_pair("resource", &format!("{}/mcp", self.origin))
            .append_pair("code_verifier", CODE_VERIFIER)
            .finish();
        let request = self
            .http
            .post(format!("{}/token", self.origin))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        answer(request).await
    }

    /// The good end of a login: code, state and issuer have arrived, and the code opens the server.
    pub(crate) async fn redeems(&self, login: &Login, callback: &Callback) {
        assert_eq!(callback.get("error"), None, "{callback:?}");
        assert_eq!(callback.get("state"), Some(login.state.as_str()));
        assert_eq!(callback.get("iss"), Some(self.origin.as_str()));
        let code = callback.get("code").expect("a code");
        let (status, answer) = self.redeem(login, code).await;
        assert_eq!(status, 200, "{answer}");
        assert!(answer["access_token"].is_string(), "{answer}");
        assert!(answer["refresh_token"].is_string(), "{answer}");
    }
}

/// One authorization that a host has begun.
#[derive(Debug)]
pub(crate) struct Login {
    pub(crate) url: String,
    client_id: String,
    state: String,
    redirect_uri: String,
}

/// Fills in and sends the login page that is shown.
pub(crate) async fn sign_in_as_alice(browser: &Session) {
    browser.type_into("#username", "alice").await;
    browser.type_into("#password", "wonderland").await;
    browser.click("button[type=submit]").await;
}

/// A host on this computer: it listens for its callback, and writes down what comes.
pub(crate) struct Host {
    address: SocketAddr,
    heard: Heard,
}

type Heard = Arc<Mutex<Vec<Callback>>>;

/// The parameters of one call of the redirect URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Callback(Vec<(String, String)>);

impl Callback {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.0.iter().filter(|(known, _)| known == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert_eq!(values.next(), None, "{name} twice");
        value
    }
}

impl Host {
    async fn start() -> Self {
        let heard = Heard::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Router::new()
            .route("/callback", get(callback))
            .route("/frame", get(frame))
            .route("/plain", get(|| async { Html("<h1>Plain</h1>") }));
        serve(listener, routes.with_state(Arc::clone(&heard)));
        Self { address, heard }
    }

    pub(crate) fn redirect_uri(&self) -> String {
        format!("http://{}/callback", self.address)
    }

    /// A page without any policy of its own.
    pub(crate) fn plain_page(&self) -> String {
        format!("http://{}/plain", self.address)
    }

    /// A page that shows `url` in a frame.
    pub(crate) fn page_with_frame(&self, url: &str) -> String {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("url", url)
            .finish();
        format!("http://{}/frame?{query}", self.address)
    }

    pub(crate) fn heard(&self) -> Vec<Callback> {
        self.heard.lock().unwrap().clone()
    }

    /// Waits for the callback after `earlier` others.
    pub(crate) async fn hears(&self, earlier: usize) -> Callback {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(callback) = self.heard().get(earlier) {
                return callback.clone();
            }
            assert!(Instant::now() < deadline, "the host never hears back");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn callback(State(heard): State<Heard>, RawQuery(query): RawQuery) -> Html<&'static str> {
    let query = query.unwrap_or_default();
    let parameters = form_urlencoded::parse(query.as_bytes()).into_owned();
    heard.lock().unwrap().push(Callback(parameters.collect()));
    Html("<!doctype html><title>Connected</title><h1>Connected</h1>")
}

async fn frame(RawQuery(query): RawQuery) -> Html<String> {
    let query = query.unwrap_or_default();
    let (_, url) = form_urlencoded::parse(query.as_bytes()).next().unwrap();
    let url = url.replace('&', "&amp;");
    Html(format!(
        "<!doctype html><title>Frame</title><iframe src=\"{url}\" width=800 height=600></iframe>"
    ))
}

fn serve(listener: TcpListener, routes: Router) {
    tokio::spawn(async move { axum::serve(listener, routes).await });
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let body = response.bytes().await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

/// A pot; the script in it must not run.
const LOGO: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" width="32" height="32"><script>window.ran=1</script><path d="M4 12h24v10a6 6 0 0 1-6 6H10a6 6 0 0 1-6-6z" fill="#8c1d40"/><path d="M2 9h28M16 5v4" stroke="#ffc627" stroke-width="3" stroke-linecap="round"/></svg>"##;

const KNOWN: &str = "known-to-the-operator";

/// The pair of RFC 7636, appendix B.
const CODE_VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CODE_CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
