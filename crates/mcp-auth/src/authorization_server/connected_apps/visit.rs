//! The page's own login at the upstream, while it is under way.

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{
    super::{
        AuthorizationServer, Lifetimes, pages::ErrorPageKind, paths, pending::LoginHandle, response,
    },
    ConnectedApps, FormToken,
};
use crate::{
    net::Causes,
    oauth::{CodeVerifier, Timestamp},
    upstream::UpstreamAuthorization,
};

/// What the browser keeps until the upstream sends it back.
///
/// It lies under a handle like a client's login does, and is sealed under a key of its own: a cookie
/// of one kind opens for no other, so neither can be finished as the other.
#[derive(Serialize, Deserialize)]
pub(in crate::authorization_server) struct PendingVisit {
    #[serde(rename = "v")]
    verifier: Zeroizing<String>,
    #[serde(rename = "t")]
    created_at: Timestamp,
    /// The name of the upstream; the main one has none.
    #[serde(rename = "u", default, skip_serializing_if = "str::is_empty")]
    upstream: Box<str>,
}

/// Sends the visitor to the upstream with our state and our PKCE.
pub(super) async fn begin(
    server: &AuthorizationServer,
    apps: &ConnectedApps,
    request: &Request<Bytes>,
    _: FormToken,
    name: Box<str>,
) -> Response<Bytes> {
    let handle = LoginHandle::generate(&*server.random);
    let verifier = CodeVerifier::generate(&*server.random);
    let Some(upstream) = server.upstreams.named(&name) else {
        return server.page(request, ErrorPageKind::MalformedRequest, "no such upstream");
    };
    let callback = server.public_url.join(&paths::callback_of(&name));
    let asked = UpstreamAuthorization::new(handle.as_str(), &verifier, &callback);
    match upstream.authorization_url(&asked).await {
        Ok(url) => {
            let visit = PendingVisit {
                verifier: verifier.expose().to_owned().into(),
                created_at: server.clock.now(),
                upstream: name,
            };
            let sealed = handle.seal(&apps.visits, visit.created_at, &visit);
            let mut response = response::see_other(&url);
            handle.keep(server, &sealed, request.headers(), &mut response);
            response
        }
        Err(error) => {
            tracing::error!(event = "upstream_unavailable", fault = "upstream", reason = %Causes(&error));
            server.page(
                request,
                ErrorPageKind::UpstreamUnavailable,
                "the upstream's metadata cannot be read",
            )
        }
    }
}

impl PendingVisit {
    /// The visit that this browser began under this handle, if it is still in time.
    pub(in crate::authorization_server) fn take(
        server: &AuthorizationServer,
        handle: &LoginHandle,
        sent: &HeaderMap,
    ) -> Option<Self> {
        let apps = server.connected_apps.as_ref()?;
        let visit: Self = handle.open(&apps.visits, &server.public_url, sent)?;
        let now = server.clock.now();
        now.is_within(visit.created_at, Lifetimes::LOGIN)
            .then_some(visit)
    }

    pub(in crate::authorization_server) fn verifier(&self) -> Option<CodeVerifier> {
        CodeVerifier::parse(&self.verifier).ok()
    }

    pub(in crate::authorization_server) const fn upstream(&self) -> &str {
        &self.upstream
    }

    pub(in crate::authorization_server) const fn expires_at(&self) -> Timestamp {
        self.created_at.plus(Lifetimes::LOGIN)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::{HeaderValue, header::COOKIE};

    use super::*;
    use crate::{
        oauth::{PublicUrl, SystemRandom},
        store::{KeyRing, Purpose, Sealer},
    };

    /// The same handle, the same content, the same name of the cookie: the key alone tells the kinds
    /// of login apart.
    // ASC-13, PX-03
    #[test]
    fn a_cookie_opens_for_its_own_kind_of_login_alone() {
        let random = Arc::new(SystemRandom);
        let ring = KeyRing::ephemeral(&*random);
        let issuer = "https://mcp.example.com";
        let url = PublicUrl::parse(issuer).unwrap();
        let sealer = |purpose| Sealer::new(&ring, purpose, issuer, random.clone());
        let kinds = [Purpose::Visit, Purpose::Cookie];
        let handle = LoginHandle::generate(&*random);
        let visit = PendingVisit {
            verifier: "v".to_owned().into(),
            created_at: Timestamp::from_seconds(7),
            upstream: "".into(),
        };
        let mut response = Response::new(Bytes::new());
        handle.forget(&url, &mut response);
        let set = response.headers()["set-cookie"]
            .to_str()
            .unwrap()
            .to_owned();
        let name = set.split('=').next().unwrap();
        for sealed_for in kinds {
            let value = handle.seal(&sealer(sealed_for), visit.created_at, &visit);
            let mut sent = HeaderMap::new();
            let cookie = HeaderValue::try_from(format!("{name}={value}")).unwrap();
            sent.insert(COOKIE, cookie);
            for opened_for in kinds {
                let opened: Option<PendingVisit> = handle.open(&sealer(opened_for), &url, &sent);
                assert_eq!(opened.is_some(), sealed_for == opened_for);
            }
        }
    }
}
