//! What an issuer says about itself: its metadata document, and the endpoints in it.

use bytes::Bytes;
use http::{Request, StatusCode};
use serde_json::{Map, Value};
use url::Url;

use super::UpstreamError;
use crate::{
    net::{HttpClient, HttpError},
    oauth::{AuthorizationServerMetadata, Issuer},
};

/// Where the upstream is spoken to.
#[cfg(feature = "authorization-server")]
#[derive(Debug, Clone)]
pub(super) struct UpstreamEndpoints {
    pub(super) issuer: Option<Issuer>,
    pub(super) sends_iss: bool,
    pub(super) authorization: String,
    pub(super) token: String,
    /// None only where ID tokens say who the user is.
    pub(super) userinfo: Option<String>,
    /// Whether there are keys that ID tokens can be checked by.
    pub(super) publishes_keys: bool,
    /// Where tokens are given back, if that is possible.
    pub(super) revocation: Option<String>,
}

const MAX_DOCUMENT: usize = 256 * 1024;

/// An issuer's metadata document, as it was published.
#[derive(Debug, Clone)]
pub(crate) struct IssuerDocument(Map<String, Value>);

impl IssuerDocument {
    /// Reads the metadata of an issuer: RFC 8414 first, then OpenID Connect Discovery.
    pub(crate) async fn read(
        http: &dyn HttpClient,
        issuer: &Issuer,
    ) -> Result<Self, UpstreamError> {
        let mut last = UpstreamError::Outage("no metadata document");
        for url in well_known_urls(issuer) {
            let request = Request::get(&url)
                .header("accept", "application/json")
                .body(Bytes::new());
            let request = request.map_err(|_| UpstreamError::Refused("its issuer makes no URL"))?;
            match http.send(request, MAX_DOCUMENT).await {
                Ok(answer) if answer.status() == StatusCode::OK => {
                    return Self::parse(answer.body(), issuer);
                }
                Ok(answer) if answer.status().is_server_error() => {
                    last = UpstreamError::Outage("its metadata answers 5xx")
                }
                Ok(_) => {}
                Err(HttpError::NotSent(source)) => return Err(UpstreamError::NotReached(source)),
                Err(_) => last = UpstreamError::Outage("its metadata gives no answer"),
            }
        }
        Err(last)
    }

    fn parse(document: &[u8], issuer: &Issuer) -> Result<Self, UpstreamError> {
        let document: Map<String, Value> =
            serde_json::from_slice(document).map_err(|_| NO_METADATA)?;
        // RFC 8414 §3.3: the document must name the issuer it was asked for, byte for byte.
        match document.get("issuer").and_then(Value::as_str) {
            None => Err(NO_METADATA),
            Some(named) if named == issuer.as_str() => Ok(Self(document)),
            Some(_) => Err(UpstreamError::Refused("its metadata names another issuer")),
        }
    }

    /// What it says of an authorization server.
    pub(crate) fn metadata(&self) -> Result<AuthorizationServerMetadata, UpstreamError> {
        let document = Value::Object(self.0.clone());
        serde_json::from_value(document).map_err(|_| NO_METADATA)
    }

    /// An endpoint that it names, if the way there is secure.
    pub(crate) fn endpoint(&self, member: &str) -> Option<&str> {
        let endpoint = self.0.get(member).and_then(Value::as_str);
        endpoint.filter(|endpoint| self.may_name(endpoint))
    }

    /// An issuer on the network leads nobody to this machine (RFC 8414 §6.1).
    pub(crate) fn may_name(&self, endpoint: &str) -> bool {
        let issuer = self.0.get("issuer").and_then(Value::as_str);
        let on_network = issuer.is_none_or(|issuer| issuer.starts_with("https:"));
        is_secure(endpoint) && (!on_network || endpoint.starts_with("https:"))
    }

    /// All of it.
    pub(crate) fn into_members(self) -> Map<String, Value> {
        self.0
    }
}

const NO_METADATA: UpstreamError = UpstreamError::Outage("its metadata is not a metadata document");

/// The endpoints of a provider that people sign in at; `openid` says that it is asked for ID tokens.
#[cfg(feature = "authorization-server")]
pub(super) async fn discover(
    http: &dyn HttpClient,
    issuer: &Issuer,
    openid: bool,
) -> Result<UpstreamEndpoints, UpstreamError> {
    endpoints(&IssuerDocument::read(http, issuer).await?, openid)
}

#[cfg(feature = "authorization-server")]
fn endpoints(document: &IssuerDocument, openid: bool) -> Result<UpstreamEndpoints, UpstreamError> {
    let metadata = document.metadata()?;
    let publishes_keys = metadata.jwks_uri.is_some();
    if metadata.userinfo_endpoint.is_none() && !(openid && publishes_keys) {
        return Err(UpstreamError::Refused(
            "nothing says who the user is: its metadata names no userinfo_endpoint, and no jwks_uri for the id_token that the scope openid gives",
        ));
    }
    let asked = [&metadata.authorization_endpoint, &metadata.token_endpoint];
    let named = [&metadata.userinfo_endpoint, &metadata.jwks_uri];
    let all_secure = asked
        .into_iter()
        .chain(named.into_iter().flatten())
        .all(|endpoint| document.may_name(endpoint));
    if !all_secure {
        return Err(UpstreamError::Refused(
            "its metadata names an endpoint without https",
        ));
    }
    Ok(UpstreamEndpoints {
        issuer: Some(metadata.issuer),
        sends_iss: metadata.authorization_response_iss_parameter_supported,
        authorization: metadata.authorization_endpoint,
        token: metadata.token_endpoint,
        userinfo: metadata.userinfo_endpoint,
        publishes_keys,
        revocation: metadata
            .revocation_endpoint
            .filter(|endpoint| document.may_name(endpoint)),
    })
}

/// RFC 8414 §2: https, or http on loopback, which is what an issuer is.
pub(crate) fn is_secure(endpoint: &str) -> bool {
    let origin = endpoint.split(['?', '#']).next().unwrap_or_default();
    Issuer::parse(origin).is_ok()
}

/// The forms a document can be at, in the order clients try them (RFC 8414 §3.1, §5).
fn well_known_urls(issuer: &Issuer) -> Vec<String> {
    let Ok(url) = Url::parse(issuer.as_str()) else {
        return Vec::new();
    };
    let origin = url.origin().ascii_serialization();
    let path = url.path().trim_end_matches('/');
    let mut urls = vec![
        format!("{origin}/.well-known/oauth-authorization-server{path}"),
        format!("{origin}/.well-known/openid-configuration{path}"),
    ];
    if !path.is_empty() {
        urls.push(format!("{origin}{path}/.well-known/openid-configuration"));
    }
    urls
}

#[cfg(all(test, feature = "authorization-server"))]
mod tests {
    use super::*;

    #[test]
    fn tries_every_form() {
        let urls = |text| well_known_urls(&Issuer::parse(text).unwrap());
        assert_eq!(
            urls("https://h.example/t1/"),
            [
                "https://h.example/.well-known/oauth-authorization-server/t1",
                "https://h.example/.well-known/openid-configuration/t1",
                "https://h.example/t1/.well-known/openid-configuration",
            ]
        );
        assert_eq!(urls("https://h.example").len(), 2);
    }

    // PX-13
    #[test]
    fn refuses_metadata_of_another_issuer() {
        let issuer = Issuer::parse("https://h.example").unwrap();
        let read = |named: &str, token: &str| {
            let document = serde_json::json!({
                "issuer": named, "authorization_endpoint": "https://h.example/a",
                "token_endpoint": token, "userinfo_endpoint": "https://h.example/u",
            });
            let document = IssuerDocument::parse(document.to_string().as_bytes(), &issuer)?;
            endpoints(&document, false)
        };
        assert!(read("https://h.example", "https://h.example/t").is_ok());
        assert!(read("https://h.example/", "https://h.example/t").is_err());
        assert!(read("https://h.example", "http://h.example/t").is_err());
        assert!(IssuerDocument::parse(b"<html>", &issuer).is_err());
    }

    /// PX-20.
    #[test]
    fn something_must_say_who_the_user_is() {
        let issuer = Issuer::parse("https://h.example").unwrap();
        let read = |userinfo: Option<&str>, keys: Option<&str>, openid: bool| {
            let document = serde_json::json!({
                "issuer": "https://h.example", "authorization_endpoint": "https://h.example/a",
                "token_endpoint": "https://h.example/t", "userinfo_endpoint": userinfo,
                "jwks_uri": keys,
            });
            let document = IssuerDocument::parse(document.to_string().as_bytes(), &issuer);
            endpoints(&document.unwrap(), openid).is_ok()
        };
        let (userinfo, keys) = (Some("https://h.example/u"), Some("https://h.example/k"));
        assert!(read(userinfo, None, false) && read(userinfo, None, true));
        assert!(read(None, keys, true));
        assert!(!read(None, keys, false) && !read(None, None, true));
        assert!(!read(None, Some("http://h.example/k"), true));
    }

    // RS-68
    #[test]
    fn an_issuer_on_the_network_leads_nobody_to_this_machine() {
        let document = |issuer: &str| {
            let parsed = Issuer::parse(issuer).unwrap();
            let text = serde_json::json!({ "issuer": issuer }).to_string();
            IssuerDocument::parse(text.as_bytes(), &parsed).unwrap()
        };
        let (network, local) = (
            document("https://h.example"),
            document("http://127.0.0.1:1"),
        );
        for (endpoint, from_network, from_here) in [
            ("https://h.example/jwks", true, true),
            ("http://127.0.0.1:2/jwks", false, true),
            ("http://localhost/jwks", false, true),
            ("http://h.example/jwks", false, false),
            ("file:///etc/passwd", false, false),
        ] {
            assert_eq!(network.may_name(endpoint), from_network, "{endpoint}");
            assert_eq!(local.may_name(endpoint), from_here, "{endpoint}");
        }
    }
}
