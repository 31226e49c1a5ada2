//! The [`HttpClient`] for URLs that come from strangers: it reaches the public internet only.

use std::{
    error::Error as StdError,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response, Uri};
use url::{Host, Url};

use super::{HttpClient, HttpError, public_address::is_public, reqwest_client::exchange};
use crate::{BuildError, oauth::is_loopback_host};

/// Fetches what strangers name, such as client ID metadata documents, without being led inward.
///
/// `https` only; every address that a name resolves to must be global unicast, and the connection
/// goes to one of the addresses that were checked; no redirect is followed, no cookie or credential
/// sent, no proxy of the environment used; one deadline covers the whole exchange (draft-ietf-oauth-
/// client-id-metadata-document-02 §8.6).
#[derive(Debug, Clone)]
pub struct GuardedClient {
    client: reqwest::Client,
    reach: Reach,
}

impl GuardedClient {
    /// With the system's resolver and five seconds for an exchange.
    ///
    /// # Errors
    ///
    /// As [`GuardedClientBuilder::build`].
    pub fn new() -> Result<Self, BuildError> {
        Self::builder().build()
    }

    /// To be changed before it is built.
    pub fn builder() -> GuardedClientBuilder {
        GuardedClientBuilder {
            resolver: Arc::new(SystemResolver),
            deadline: Duration::from_secs(5),
            loopback: None,
        }
    }
}

#[async_trait]
impl HttpClient for GuardedClient {
    async fn send(
        &self,
        request: Request<Bytes>,
        limit: usize,
    ) -> Result<Response<Bytes>, HttpError> {
        // An address written into the URL is resolved by nobody, so it is checked here.
        self.reach.check_url(request.uri())?;
        exchange(&self.client, request, limit).await
    }
}

/// Sets a [`GuardedClient`] up.
#[derive(Debug)]
#[must_use]
pub struct GuardedClientBuilder {
    resolver: Arc<dyn Resolver>,
    deadline: Duration,
    loopback: Option<Vec<u8>>,
}

impl GuardedClientBuilder {
    /// With this long for a whole exchange; five seconds by default.
    pub const fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// With another resolver than the system's; what it answers is checked all the same.
    pub fn with_resolver(mut self, resolver: Arc<dyn Resolver>) -> Self {
        self.resolver = resolver;
        self
    }

    /// Reaches loopback addresses too, on any port, and trusts the certificates (PEM) beside the
    /// system's: for the development of clients on one machine.
    ///
    /// # Security
    ///
    /// Whoever can name a URL then reaches every `https` service of this machine.
    pub fn insecure_allow_loopback(mut self, ca_pem: impl Into<Vec<u8>>) -> Self {
        self.loopback = Some(ca_pem.into());
        self
    }

    /// Builds the client.
    ///
    /// # Errors
    ///
    /// When the certificates cannot be read, or the TLS back end cannot be set up.
    pub fn build(self) -> Result<GuardedClient, BuildError> {
        let reach = match self.loopback {
            Some(_) => Reach::PublicAndLoopback,
            None => Reach::Public,
        };
        let resolver = CheckedResolver {
            resolver: self.resolver,
            reach,
        };
        let mut client = reqwest::Client::builder()
            .https_only(true)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(self.deadline)
            .pool_max_idle_per_host(0)
            .dns_resolver(Arc::new(resolver))
            .user_agent(concat!("mcp-auth/", env!("CARGO_PKG_VERSION")));
        if let Some(pem) = &self.loopback {
            let certificates = reqwest::Certificate::from_pem_bundle(pem)
                .ok()
                .filter(|certificates| !certificates.is_empty())
                .ok_or_else(|| {
                    BuildError::argument("development CA", "must be certificates in PEM")
                })?;
            client = client.tls_certs_merge(certificates);
        }
        let client = client
            .build()
            .map_err(|e| BuildError::argument("HTTP client", e.without_url().to_string()))?;
        Ok(GuardedClient { client, reach })
    }
}

/// Turns a host name into addresses.
#[async_trait]
pub trait Resolver: std::fmt::Debug + Send + Sync {
    /// Every address of this host.
    ///
    /// # Errors
    ///
    /// When it has none or that cannot be told.
    async fn resolve(&self, host: &str) -> std::io::Result<Vec<IpAddr>>;
}

const _: Option<&dyn Resolver> = None;

/// The operating system's resolver.
#[derive(Debug, Clone, Copy)]
struct SystemResolver;

#[async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, host: &str) -> std::io::Result<Vec<IpAddr>> {
        let found = tokio::net::lookup_host((host, 0)).await?;
        Ok(found.map(|address| address.ip()).collect())
    }
}

/// Where connections may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Public,
    PublicAndLoopback,
}

impl Reach {
    fn allows(self, address: IpAddr) -> bool {
        is_public(address) || (self == Self::PublicAndLoopback && address.is_loopback())
    }

    /// Judges the host as the connection will read it: `0x7f.1` is an address to some parsers.
    fn check_url(self, uri: &Uri) -> Result<(), HttpError> {
        let url = Url::parse(&uri.to_string()).map_err(|_| HttpError::NotAllowed)?;
        let allowed = match url.host() {
            Some(Host::Ipv4(address)) => self.allows(address.into()),
            Some(Host::Ipv6(address)) => self.allows(address.into()),
            // Loopback by definition, whatever a resolver says (RFC 6761 §6.3).
            Some(Host::Domain(name)) if is_loopback_host(name) => self == Self::PublicAndLoopback,
            Some(Host::Domain(_)) => true,
            None => false,
        };
        if url.scheme() == "https" && allowed {
            return Ok(());
        }
        Err(HttpError::NotAllowed)
    }
}

/// Hands on addresses only if all of them are allowed: a name that leads inward once is refused.
#[derive(Debug)]
struct CheckedResolver {
    resolver: Arc<dyn Resolver>,
    reach: Reach,
}

impl reqwest::dns::Resolve for CheckedResolver {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let (resolver, reach) = (Arc::clone(&self.resolver), self.reach);
        Box::pin(async move {
            let addresses = resolver.resolve(name.as_str()).await?;
            if let Some(inward) = addresses.iter().find(|address| !reach.allows(**address)) {
                tracing::warn!(
                    event = "address_refused",
                    fault = "client",
                    host = name.as_str(),
                    address = %inward,
                    "a name leads to an address that is not on the public internet"
                );
                return Err(Box::new(HttpError::NotAllowed) as Box<dyn StdError + Send + Sync>);
            }
            let sockets = addresses.into_iter().map(|ip| SocketAddr::new(ip, 0));
            Ok(Box::new(sockets.collect::<Vec<_>>().into_iter()) as reqwest::dns::Addrs)
        })
    }
}
