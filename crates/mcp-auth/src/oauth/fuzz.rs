//! What must be true of the words of OAuth, whatever they are read from.

#![allow(clippy::expect_used)]

use url::{Host, Url};

use super::{
    ClientId, CodeChallenge, CodeVerifier, Issuer, PublicUrl, RedirectUri, ResourceIdentifier,
    Scopes, State,
};

/// Schemes whose URIs a browser runs or shows by itself: whoever is sent there meets no client.
const NO_CLIENTS: [&str; 8] = [
    "javascript",
    "data",
    "file",
    "vbscript",
    "blob",
    "about",
    "filesystem",
    "view-source",
];
/// The private-use schemes without a dot that live hosts register.
const OF_HOSTS: [&str; 4] = ["cursor", "vscode", "vscode-insiders", "windsurf"];

/// One that an operator could allow beside them.
const ALLOWED: &str = "example-app";

/// What is true of every redirection URI that is taken, by another reading than the one that takes it.
pub(crate) fn leads_to_a_client(uri: &str) {
    let (scheme, _) = uri.split_once(':').expect("a URI has a scheme");
    let lower = scheme.to_ascii_lowercase();
    assert!(!NO_CLIENTS.contains(&lower.as_str()), "{scheme}");
    assert!(!uri.contains('#'), "no fragment");
    let url = Url::parse(uri).expect("what is taken is a URL");
    assert_eq!(url.scheme(), scheme, "a scheme in lower case");
    assert!(has_no_user(&url));
    match scheme {
        "https" => assert!(url.host().is_some()),
        "http" => assert!(is_this_machine(&url), "in the clear on loopback alone"),
        _ => assert!(scheme.contains('.') || OF_HOSTS.contains(&scheme)),
    }
}

fn has_no_user(url: &Url) -> bool {
    url.username().is_empty() && url.password().is_none()
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// One or two redirection URIs, one a line: registered and asked for.
pub fn redirect_uri(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut lines = text.splitn(2, '\n');
    let first = lines.next().unwrap_or_default();
    let mut lines = lines.map(RedirectUri::parse);
    let registered = RedirectUri::parse(first);
    // A scheme that an operator allows lets in nothing but itself.
    if let Ok(further) = RedirectUri::parse_with_schemes(first, &[ALLOWED.to_owned()]) {
        let scheme = further.as_str().split(':').next();
        assert_eq!(registered.is_ok(), scheme != Some(ALLOWED));
    }
    let Ok(registered) = registered else {
        return;
    };
    leads_to_a_client(registered.as_str());
    assert_eq!(
        RedirectUri::parse(registered.as_str()).as_ref(),
        Ok(&registered)
    );
    assert!(registered.allows(&registered));
    let url = Url::parse(registered.as_str()).expect("what is taken is a URL");
    if registered.is_loopback() || registered.is_https() {
        // Whoever parses it sees the host that a person is shown, whose case means nothing.
        let port = url.port().map_or(String::new(), |port| format!(":{port}"));
        let host = format!("{}{port}", url.host_str().unwrap_or_default());
        let shown = registered.destination().to_ascii_lowercase();
        let default = if registered.is_https() { ":443" } else { ":80" };
        assert_eq!(shown.strip_suffix(default).unwrap_or(&shown), host);
    } else {
        assert_eq!(registered.destination(), url.scheme());
    }
    let answer = registered.with_parameters(&[("code", "a&b=c#d"), ("iss", "https://x.example")]);
    let answer = Url::parse(&answer).expect("an answer is a URL");
    assert_eq!(answer.fragment(), None);
    let parameters = |name: &str| answer.query_pairs().filter(|(n, _)| n == name).count();
    assert_eq!((parameters("code"), parameters("iss")), (1, 1));
    if let Some(Ok(asked)) = lines.next() {
        let allowed = registered.allows(&asked);
        assert_eq!(
            allowed,
            asked.allows(&registered),
            "it is the same both ways"
        );
        if allowed && registered != asked {
            let mut asked = Url::parse(asked.as_str()).expect("what is taken is a URL");
            let mut registered = url;
            for url in [&mut registered, &mut asked] {
                assert_eq!(url.scheme(), "http");
                assert!(url.set_port(None).is_ok());
            }
            assert_eq!(registered, asked, "nothing but the port may differ");
        }
    }
}

/// Two lists of scopes, one a line.
pub fn scopes(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut lines = text.splitn(2, '\n').map(Scopes::parse);
    let Some(Ok(one)) = lines.next() else {
        return;
    };
    assert_eq!(Scopes::parse(&one.to_string()).as_ref(), Ok(&one));
    let json = serde_json::to_string(&one).expect("scopes are text");
    assert_eq!(
        serde_json::from_str::<Scopes>(&json).ok().as_ref(),
        Some(&one)
    );
    if let Some(Ok(other)) = lines.next() {
        let both = one.intersection(&other);
        assert!(one.contains_all(&both) && other.contains_all(&both));
        assert!(both.contains_all(&other.intersection(&one)));
        assert_eq!(one.contains_all(&other), both.contains_all(&other));
    }
}

/// The texts that name somebody or something: what is taken is taken again, as the same.
pub fn identifiers(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(issuer) = Issuer::parse(text) {
        assert_eq!(issuer.as_str(), text, "an issuer is compared byte for byte");
        let url = Url::parse(text).expect("an issuer is a URL");
        assert_eq!((url.query(), url.fragment()), (None, None));
        assert!(has_no_user(&url));
        assert!(url.scheme() == "https" || (url.scheme() == "http" && is_this_machine(&url)));
    }
    if let Ok(resource) = ResourceIdentifier::parse(text) {
        assert_eq!(
            ResourceIdentifier::parse(resource.as_str()).as_ref(),
            Ok(&resource)
        );
        assert!(!resource.as_str().contains('#'));
    }
    if let Ok(origin) = PublicUrl::parse(text) {
        assert_eq!(PublicUrl::parse(origin.as_str()).as_ref(), Ok(&origin));
        assert!(origin.is_https() || origin.is_loopback());
    }
    if let Ok(id) = ClientId::parse(text) {
        assert_eq!(id.as_str(), text);
    }
    if let Ok(state) = State::parse(text) {
        assert_eq!(state.as_str(), text);
    }
    if let (Ok(verifier), Ok(challenge)) = (CodeVerifier::parse(text), CodeChallenge::parse(text)) {
        assert!(
            verifier.challenge() != challenge,
            "a challenge is no verifier of its own"
        );
    }
}
