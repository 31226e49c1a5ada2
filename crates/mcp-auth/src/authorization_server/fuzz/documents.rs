//! A client's document as its own host serves it: read by the resolver that serves real ones.

use std::{
    pin::pin,
    sync::{Arc, LazyLock},
    task::{Context, Poll, Waker},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Extensions, HeaderValue, Request, Response, header::CONTENT_TYPE};

use super::{ISSUER, ring};
use crate::{
    access_token::{GrantAdministration, Grants, GrantsSettings},
    audit::Auditor,
    authorization_server::clients::{
        Client, ClientDocuments, ClientResolver, document::DocumentContext,
    },
    net::{HttpClient, HttpError},
    oauth::{ClientId, Clock, Issuer, SystemRandom, Timestamp},
    store::{MemoryStore, Purpose, Records, Sealer},
    upstream::{OAuthUpstream, Upstreams},
};

/// A host that has this document under every URL.
#[derive(Debug)]
struct Host(Bytes);

#[async_trait]
impl HttpClient for Host {
    async fn send(&self, _: Request<Bytes>, _: usize) -> Result<Response<Bytes>, HttpError> {
        let mut answer = Response::new(self.0.clone());
        let json = HeaderValue::from_static("application/json");
        answer.headers_mut().insert(CONTENT_TYPE, json);
        Ok(answer)
    }
}

/// It is always the same moment, so that what was found is found again.
#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(1_790_000_000)
    }
}

/// No document ends a grant here; the resolver asks for them all the same.
static GRANTS: LazyLock<GrantAdministration> = LazyLock::new(|| {
    let issuer = Issuer::parse(ISSUER).expect("an issuer");
    let random = Arc::new(SystemRandom);
    let sealer = Sealer::new(&ring(), Purpose::Record, ISSUER, random.clone());
    let store = Arc::new(MemoryStore::with_clock(Arc::new(Still)));
    let [authorization, token, userinfo] =
        ["authorize", "token", "userinfo"].map(|path| format!("https://idp.example/{path}"));
    let upstream = OAuthUpstream::with_endpoints(authorization, token, userinfo, "client")
        .with_http_client(Arc::new(Host(Bytes::new())))
        .build()
        .expect("an upstream");
    let settings = GrantsSettings {
        revocation_bound: Duration::from_secs(5),
        serve_until: None,
    };
    GrantAdministration::new(Grants::new(
        Records::new(store, sealer, Arc::new(Still)),
        Upstreams::new(Arc::new(upstream), []).expect("one upstream"),
        &issuer,
        settings,
        Arc::new(Still),
        random,
        Auditor::new(None, Arc::new(Still)),
    ))
});

/// The client of this identifier, if the document there is taken.
pub(super) fn resolve(id: &ClientId, document: &[u8]) -> Option<Client> {
    // One per document: a cache would answer for the one before, and a host is not asked for ever.
    let documents = ClientDocuments::new().resolver(DocumentContext {
        http: Arc::new(Host(Bytes::copy_from_slice(document))),
        redirect_schemes: &[],
        grants: GRANTS.clone(),
        fetches_for_a_caller: 0,
        clock: Arc::new(Still),
    });
    let documents = documents.expect("a resolver");
    let caller = Extensions::new();
    let resolving = pin!(documents.resolve_for(id, &caller));
    let Poll::Ready(found) = resolving.poll(&mut Context::from_waker(Waker::noop())) else {
        unreachable!("the host answers at once");
    };
    found.ok()
}
