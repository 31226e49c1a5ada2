//! Every preset is complete, and each logs a user in by the answers that its provider documents.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::{Router, body::Bytes, extract::State, response::IntoResponse};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use mcp_auth::{
    access_token::SigningKeys,
    net::{HttpClient, HttpError, ReqwestClient},
    oauth::{
        AuthorizationCode, ClientSecret, Clock, CodeVerifier, RefreshToken, SystemClock,
        SystemRandom,
    },
    upstream::{
        OAuthUpstream, PlaceholderKind, Preset, PresetPlace, Upstream, UpstreamAuthorization,
        UpstreamError,
    },
};
use serde_json::{Value, json};

/// Names are unique, sources are addresses, and what can be built builds.
#[test]
fn every_preset_is_complete() {
    let mut names = Vec::new();
    for preset in Preset::all() {
        let name = preset.name;
        assert!(!names.contains(&name), "{name}");
        names.push(name);
        assert!(name.bytes().all(|b| b.is_ascii_alphanumeric()), "{name}");
        for (source, read) in sources(preset) {
            assert!(source.starts_with("https://"), "{name}: {source}");
            assert!(
                read.starts_with("2026-11-2") && read.len() == 10,
                "{name}: {read}"
            );
        }
        let value = |kind| match kind {
            PlaceholderKind::Host => "id.example",
            PlaceholderKind::Segment => "a1",
            _ => "https://id.example/a",
        };
        let values: Vec<_> = preset
            .placeholders
            .iter()
            .map(|p| format!("{}={}", p.name, value(p.kind)))
            .collect();
        let built = OAuthUpstream::with_preset(&format!("{name}:{}", values.join(",")), "c");
        match preset.place {
            PresetPlace::Apart(_) => assert!(built.is_err(), "{name}"),
            _ => assert!(built.unwrap().build().is_ok(), "{name}"),
        }
    }
    assert_eq!(names.len(), 21);
}

fn sources(preset: &Preset) -> Vec<(&'static str, &'static str)> {
    let mut all: Vec<_> = preset.traps.iter().map(|f| (f.source, f.read)).collect();
    all.extend(preset.metadata.map(|f| (f.source, f.read)));
    all.extend(preset.registration.map(|f| (f.source, f.read)));
    all.extend(preset.client_documents.map(|f| (f.source, f.read)));
    all.extend(preset.audience.map(|f| (f.source, f.read)));
    all.extend(preset.refresh_token.map(|f| (f.source, f.read)));
    all.extend(preset.id_tokens.map(|f| (f.source, f.read)));
    all.extend(preset.revocation.map(|f| (f.source, f.read)));
    all
}

/// A provider's answers, as its documents show them.
struct Recorded {
    preset: &'static str,
    /// Host and path, and the answer.
    metadata: Option<(&'static str, &'static str)>,
    token_endpoint: &'static str,
    token: &'static str,
    userinfo_endpoint: &'static str,
    userinfo: &'static str,
    /// Status and body of a refusal, and whether it ends the grant.
    refusal: Option<(u16, &'static str, bool)>,
    subject: &'static str,
    /// Whether `token` brings a refresh token.
    refreshes: bool,
    /// What the authorization URL has.
    asks: &'static [&'static str],
    /// Whether the client's secret goes into the form.
    secret_in_form: bool,
}

const RECORDED: [Recorded; 7] = [
    // docs.github.com, "Authorizing OAuth apps", "Troubleshooting OAuth app access token request errors".
    Recorded {
        preset: "github",
        metadata: None,
        token_endpoint: "github.com/login/oauth/access_token",
        token: r#"{"access_token":"gho_1","scope":"repo,gist","token_type":"bearer"}"#,
        userinfo_endpoint: "api.github.com/user",
        userinfo: r#"{"login":"octocat","id":1,"node_id":"MDQ6VXNlcjE=","type":"User","email":null}"#,
        refusal: Some((
            200,
            r#"{"error":"bad_verification_code","error_description":"no","error_uri":"/x"}"#,
            true,
        )),
        subject: "1",
        refreshes: false,
        asks: &["https://github.com/login/oauth/authorize?"],
        secret_in_form: true,
    },
    // accounts.google.com/.well-known/openid-configuration and developers.google.com/identity.
    Recorded {
        preset: "google",
        metadata: Some((
            "accounts.google.com/.well-known/openid-configuration",
            r#"{"issuer":"https://accounts.google.com","authorization_endpoint":"https://accounts.google.com/o/oauth2/v2/auth",
            "device_authorization_endpoint":"https://oauth2.googleapis.com/device/code","token_endpoint":"https://oauth2.googleapis.com/token",
            "userinfo_endpoint":"https://openidconnect.googleapis.com/v1/userinfo","revocation_endpoint":"https://oauth2.googleapis.com/revoke",
            "jwks_uri":"https://www.googleapis.com/oauth2/v3/certs","response_types_supported":["code","token","id_token","none"],
            "subject_types_supported":["public"],"id_token_signing_alg_values_supported":["RS256"],"scopes_supported":["openid","email","profile"],
            "token_endpoint_auth_methods_supported":["client_secret_post","client_secret_basic"],"code_challenge_methods_supported":["plain","S256"]}"#,
        )),
        token_endpoint: "oauth2.googleapis.com/token",
        token: r#"{"access_token":"ya29.1","expires_in":3920,"token_type":"Bearer","scope":"openid email","refresh_token":"1//r"}"#,
        userinfo_endpoint: "openidconnect.googleapis.com/v1/userinfo",
        userinfo: r#"{"sub":"10769150350006150715113082367","email":"a@b.example","email_verified":true}"#,
        refusal: None,
        subject: "10769150350006150715113082367",
        refreshes: true,
        asks: &[
            "access_type=offline",
            "prompt=consent",
            "scope=openid+email+profile",
            "/o/oauth2/v2/auth?",
        ],
        secret_in_form: false,
    },
    // discord.com/developers/docs/topics/oauth2.
    Recorded {
        preset: "discord",
        metadata: None,
        token_endpoint: "discord.com/api/oauth2/token",
        token: r#"{"access_token":"6q","token_type":"Bearer","expires_in":604800,"refresh_token":"D4","scope":"identify"}"#,
        userinfo_endpoint: "discord.com/api/users/@me",
        userinfo: r#"{"id":"80351110224678912","username":"Nelly","discriminator":"1337","verified":true}"#,
        refusal: None,
        subject: "80351110224678912",
        refreshes: true,
        asks: &["https://discord.com/oauth2/authorize?", "scope=identify"],
        secret_in_form: false,
    },
    // gitlab.com/.well-known/openid-configuration and docs.gitlab.com/api/oauth2.
    Recorded {
        preset: "gitlab:host=gitlab.com",
        metadata: Some((
            "gitlab.com/.well-known/openid-configuration",
            r#"{"issuer":"https://gitlab.com","authorization_endpoint":"https://gitlab.com/oauth/authorize","token_endpoint":"https://gitlab.com/oauth/token",
            "revocation_endpoint":"https://gitlab.com/oauth/revoke","introspection_endpoint":"https://gitlab.com/oauth/introspect",
            "userinfo_endpoint":"https://gitlab.com/oauth/userinfo","jwks_uri":"https://gitlab.com/oauth/discovery/keys","scopes_supported":["openid","profile","email"],
            "response_types_supported":["code"],"token_endpoint_auth_methods_supported":["client_secret_basic","client_secret_post"]}"#,
        )),
        token_endpoint: "gitlab.com/oauth/token",
        token: r#"{"access_token":"de","token_type":"bearer","expires_in":7200,"refresh_token":"8257","created_at":1607635748}"#,
        userinfo_endpoint: "gitlab.com/oauth/userinfo",
        userinfo: r#"{"sub":"42","name":"A","nickname":"a","preferred_username":"a","groups":[]}"#,
        refusal: None,
        subject: "42",
        refreshes: true,
        asks: &["https://gitlab.com/oauth/authorize?"],
        secret_in_form: false,
    },
    // api.slack.com/.well-known/openid-configuration and api.slack.com/docs/sign-in-with-slack.
    Recorded {
        preset: "slack",
        metadata: Some((
            "slack.com/.well-known/openid-configuration",
            r#"{"issuer":"https://slack.com","authorization_endpoint":"https://slack.com/openid/connect/authorize",
            "token_endpoint":"https://slack.com/api/openid.connect.token","userinfo_endpoint":"https://slack.com/api/openid.connect.userInfo",
            "jwks_uri":"https://slack.com/openid/connect/keys","scopes_supported":["openid","profile","email"],"response_types_supported":["code"],
            "grant_types_supported":["authorization_code"],"token_endpoint_auth_methods_supported":["client_secret_post","client_secret_basic"]}"#,
        )),
        token_endpoint: "slack.com/api/openid.connect.token",
        token: r#"{"ok":true,"access_token":"xoxp-1","token_type":"Bearer","id_token":"e.y.J"}"#,
        userinfo_endpoint: "slack.com/api/openid.connect.userInfo",
        userinfo: r#"{"ok":true,"sub":"U0R7JM","https://slack.com/user_id":"U0R7JM","https://slack.com/team_id":"T0R7GR","email_verified":true}"#,
        refusal: Some((200, r#"{"ok":false,"error":"invalid_client_id"}"#, false)),
        subject: "U0R7JM",
        refreshes: false,
        asks: &[
            "https://slack.com/openid/connect/authorize?",
            "scope=openid+profile+email",
        ],
        secret_in_form: false,
    },
    // developer.atlassian.com/cloud/oauth/getting-started/implementing-oauth-3lo, v2.lucia-auth.com/oauth/providers/atlassian.
    Recorded {
        preset: "atlassian",
        metadata: None,
        token_endpoint: "auth.atlassian.com/oauth/token",
        token: r#"{"access_token":"a","expires_in":3600,"refresh_token":"r","scope":"read:me offline_access"}"#,
        userinfo_endpoint: "api.atlassian.com/me",
        userinfo: r#"{"account_type":"atlassian","account_id":"112233aa-bb11","email":"a@b.example"}"#,
        refusal: None,
        subject: "112233aa-bb11",
        refreshes: true,
        asks: &[
            "audience=api.atlassian.com",
            "prompt=consent",
            "scope=read%3Ame+offline_access",
        ],
        secret_in_form: true,
    },
    // learn.microsoft.com/entra/identity-platform: v2-oauth2-auth-code-flow, userinfo.
    Recorded {
        preset: "entra:tenant=11112222-bbbb-3333-cccc-4444dddd5555",
        metadata: Some((
            "login.microsoftonline.com/11112222-bbbb-3333-cccc-4444dddd5555/v2.0/.well-known/openid-configuration",
            r#"{"issuer":"https://login.microsoftonline.com/11112222-bbbb-3333-cccc-4444dddd5555/v2.0",
            "authorization_endpoint":"https://login.microsoftonline.com/11112222-bbbb-3333-cccc-4444dddd5555/oauth2/v2.0/authorize",
            "token_endpoint":"https://login.microsoftonline.com/11112222-bbbb-3333-cccc-4444dddd5555/oauth2/v2.0/token",
            "jwks_uri":"https://login.microsoftonline.com/11112222-bbbb-3333-cccc-4444dddd5555/discovery/v2.0/keys",
            "userinfo_endpoint":"https://graph.microsoft.com/oidc/userinfo"}"#,
        )),
        token_endpoint: "login.microsoftonline.com/11112222-bbbb-3333-cccc-4444dddd5555/oauth2/v2.0/token",
        token: r#"{"access_token":"eyJ0","token_type":"Bearer","expires_in":3599,"scope":"openid","refresh_token":"AwAB","id_token":"eyJ0"}"#,
        userinfo_endpoint: "graph.microsoft.com/oidc/userinfo",
        userinfo: r#"{"sub":"OLu859SGc2Sr9ZsqbkG","name":"A","family_name":"B","given_name":"A","email":"a@b.example"}"#,
        refusal: Some((
            400,
            r#"{"error":"invalid_scope","error_description":"AADSTS70011: no","error_codes":[70011],"timestamp":"2016-01-09 02:02:12Z"}"#,
            false,
        )),
        subject: "OLu859SGc2Sr9ZsqbkG",
        refreshes: true,
        asks: &["offline_access"],
        secret_in_form: false,
    },
];

/// A whole login over the documented answers: where the browser is sent, the code, the user, the refresh.
#[tokio::test]
async fn logs_a_user_in_by_the_documented_answers() {
    for recorded in &RECORDED {
        let name = recorded.preset;
        let provider = Provider::start(recorded).await;
        let upstream = provider.upstream();
        let verifier = CodeVerifier::generate(&SystemRandom);
        let asked = UpstreamAuthorization::new("s", &verifier, CALLBACK);
        let url = upstream.authorization_url(&asked).await.unwrap();
        provider.signs_in(recorded, &url);
        for part in recorded.asks {
            assert!(url.contains(part), "{name}: {url}");
        }
        let code = AuthorizationCode::new("code");
        let login = upstream.redeem(&code, &verifier, CALLBACK).await;
        let login = login.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(login.identity.subject, recorded.subject, "{name}");
        assert_eq!(
            login.tokens.refresh_token.is_some(),
            recorded.refreshes,
            "{name}"
        );
        if let Some(token) = &login.tokens.refresh_token {
            assert!(upstream.refresh(token).await.is_ok(), "{name}");
        }
        for (headers, body) in provider.asked.lock().unwrap().iter() {
            assert_eq!(headers["accept"], "application/json", "{name}");
            assert_eq!(
                headers.contains_key("authorization"),
                !recorded.secret_in_form,
                "{name}"
            );
            assert_eq!(
                body.contains("client_secret=hush"),
                recorded.secret_in_form,
                "{name}"
            );
        }
    }
}

/// The documented refusals end a grant only where they say so, whatever their status.
#[tokio::test]
async fn tells_the_documented_refusals_apart() {
    for recorded in &RECORDED {
        let Some((status, body, ends)) = recorded.refusal else {
            continue;
        };
        let provider = Provider::start(recorded).await;
        *provider.refuses.lock().unwrap() = Some((status, body));
        let token = RefreshToken::new("r");
        let error = provider.upstream().refresh(&token).await.unwrap_err();
        let ended = matches!(error, UpstreamError::InvalidGrant);
        assert_eq!(ended, ends, "{}: {error}", recorded.preset);
        assert!(
            ended || matches!(error, UpstreamError::Refused(_)),
            "{error}"
        );
    }
}

/// Another subject would be another user: a userinfo answer without the preset's member is none.
#[tokio::test]
async fn takes_the_user_from_the_member_of_the_preset() {
    let recorded = &RECORDED[2];
    let other = Recorded {
        userinfo: r#"{"sub":"somebody","username":"Nelly"}"#,
        ..*recorded
    };
    let upstream = Provider::start(&other).await.upstream();
    let verifier = CodeVerifier::generate(&SystemRandom);
    let code = AuthorizationCode::new("code");
    let error = upstream
        .redeem(&code, &verifier, CALLBACK)
        .await
        .unwrap_err();
    assert!(matches!(error, UpstreamError::Refused(_)), "{error}");
}

const CALLBACK: &str = "https://mcp.example.com/callback";

/// A server on loopback that stands for all hosts of one provider.
struct Provider {
    preset: &'static str,
    address: std::net::SocketAddr,
    asked: Asked,
    refuses: Refuses,
    id_token: IdToken,
}

/// Documented answers show none that anybody could check: it is signed here.
type IdToken = Arc<Mutex<Option<String>>>;
type Asked = Arc<Mutex<Vec<(HeaderMap, String)>>>;
type Refuses = Arc<Mutex<Option<(u16, &'static str)>>>;

#[derive(Clone)]
struct Answers {
    by_place: Vec<(String, String)>,
    id_token: IdToken,
    token_endpoint: &'static str,
    asked: Asked,
    refuses: Refuses,
}

impl Provider {
    async fn start(recorded: &Recorded) -> Self {
        let mut by_place = vec![
            (
                recorded.token_endpoint.to_owned(),
                recorded.token.to_owned(),
            ),
            (
                recorded.userinfo_endpoint.to_owned(),
                recorded.userinfo.to_owned(),
            ),
        ];
        if let Some((place, document)) = recorded.metadata {
            by_place.push((place.to_owned(), document.to_owned()));
            let keys = SigningKeys::parse(KEY).unwrap().published().to_string();
            let uri = member(document, "jwks_uri");
            by_place.push((uri.trim_start_matches("https://").to_owned(), keys));
        }
        let (asked, refuses) = (Asked::default(), Refuses::default());
        let id_token = IdToken::default();
        let answers = Answers {
            by_place,
            token_endpoint: recorded.token_endpoint,
            asked: asked.clone(),
            refuses: refuses.clone(),
            id_token: id_token.clone(),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(answer).with_state(answers);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            preset: recorded.preset,
            address,
            asked,
            refuses,
            id_token,
        }
    }

    /// The user signs in where the browser was sent; an OpenID provider has an ID token from then on.
    fn signs_in(&self, recorded: &Recorded, url: &str) {
        let Some((_, document)) = recorded.metadata else {
            assert!(!url.contains("nonce="), "{url}");
            return;
        };
        let url = url::Url::parse(url).unwrap();
        let nonce = url.query_pairs().find(|(name, _)| name == "nonce").unwrap();
        let now = SystemClock.now().as_seconds();
        let claims = json!({
            "iss": member(document, "issuer"), "sub": recorded.subject, "aud": "us",
            "nonce": nonce.1, "iat": now, "exp": now + 300,
        });
        let keys = SigningKeys::parse(KEY).unwrap().published();
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(keys["keys"][0]["kid"].as_str().unwrap().to_owned());
        let body: String = KEY.lines().filter(|l| !l.starts_with('-')).collect();
        let key = EncodingKey::from_ec_der(&STANDARD.decode(body).unwrap());
        let signed = jsonwebtoken::encode(&header, &claims, &key).unwrap();
        *self.id_token.lock().unwrap() = Some(signed);
    }

    fn upstream(&self) -> OAuthUpstream {
        OAuthUpstream::with_preset(self.preset, "us")
            .unwrap()
            .with_client_secret(ClientSecret::new("hush"))
            .with_http_client(Arc::new(Redirected {
                to: self.address,
                http: ReqwestClient::new().unwrap(),
            }))
            .build()
            .unwrap()
    }
}

async fn answer(
    State(answers): State<Answers>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> impl IntoResponse {
    let place = format!("{}{}", headers[MEANT].to_str().unwrap(), uri.path());
    if place == answers.token_endpoint {
        assert_eq!(method, Method::POST);
        let form = String::from_utf8(body.to_vec()).unwrap();
        answers.asked.lock().unwrap().push((headers, form));
        if let Some((status, body)) = *answers.refuses.lock().unwrap() {
            return (StatusCode::from_u16(status).unwrap(), JSON, body.to_owned());
        }
    }
    let found = answers.by_place.iter().find(|(known, _)| *known == place);
    let Some((_, body)) = found else {
        return (StatusCode::NOT_FOUND, JSON, String::new());
    };
    let signed = answers.id_token.lock().unwrap().clone();
    match signed.filter(|_| place == answers.token_endpoint) {
        None => (StatusCode::OK, JSON, body.clone()),
        Some(signed) => {
            let mut answer: Value = serde_json::from_str(body).unwrap();
            answer["id_token"] = signed.into();
            (StatusCode::OK, JSON, answer.to_string())
        }
    }
}

fn member(document: &str, name: &str) -> String {
    let document: Value = serde_json::from_str(document).unwrap();
    document[name].as_str().unwrap().to_owned()
}

const KEY: &str = include_str!("../signing_keys/p256.pem");

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

/// The host that a request was meant for.
const MEANT: &str = "x-meant";

/// Sends everything to one address, and says whom it was meant for.
#[derive(Debug)]
struct Redirected {
    to: std::net::SocketAddr,
    http: ReqwestClient,
}

#[async_trait]
impl HttpClient for Redirected {
    async fn send(
        &self,
        mut request: Request<Bytes>,
        limit: usize,
    ) -> Result<Response<Bytes>, HttpError> {
        assert_eq!(request.uri().scheme_str(), Some("https"));
        let meant = request.uri().host().unwrap().parse().unwrap();
        let path = request.uri().path_and_query().unwrap().clone();
        *request.uri_mut() = format!("http://{}{path}", self.to).parse().unwrap();
        request.headers_mut().insert(MEANT, meant);
        self.http.send(request, limit).await
    }
}
