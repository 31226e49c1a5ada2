//! The [`HttpClient`] for URLs that come from strangers: it reaches the public internet only.

use std::{
    error::Error as StdError,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response, Uri};
use tokio::sync::Semaphore;
use url::{Host, Url};

use super::{
    ClientAddress, HttpClient, HttpError, Visits, public_address::is_public,
    reqwest_client::exchange, visits::Visit,
};
use crate::{
    BuildError,
    oauth::{SystemClock, is_loopback_host},
};

/// Fetches what strangers name, such as client ID metadata documents, without being led inward.
///
/// `https` only; every address that a name resolves to must be global unicast, and the connection
/// goes to one of the addresses that were checked; no redirect is followed, no cookie or credential
/// sent, no proxy of the environment used; one deadline covers the whole exchange (draft-ietf-oauth-
/// client-id-metadata-document-02 §8.6).
#[derive(Debug, Clone)]
pub struct GuardedClient {
    client: reqwest::Client,
    /// Trusts the certificates for development too, and is used for loopback alone.
    loopback: Option<reqwest::Client>,
    resolver: Arc<dyn Resolver>,
    reach: Reach,
    deadline: Duration,
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
            resolver: Arc::new(SystemResolver::new()),
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
        tokio::time::timeout(self.deadline, self.exchange(request, limit))
            .await
            .unwrap_or_else(|late| Err(HttpError::NoAnswer(late.into())))
    }
}

impl GuardedClient {
    async fn exchange(
        &self,
        request: Request<Bytes>,
        limit: usize,
    ) -> Result<Response<Bytes>, HttpError> {
        let mut addresses = match self.reach.host(request.uri())? {
            Host::Ipv4(address) => vec![address.into()],
            Host::Ipv6(address) => vec![address.into()],
            Host::Domain(name) => self.resolved(&name).await?,
        };
        let visits = request.extensions().get::<Arc<Visits<IpAddr>>>();
        let _under_way = match visits {
            Some(visits) => enter(visits, &mut addresses)?,
            None => Vec::new(),
        };
        let client = self.client_for(&addresses);
        CHECKED
            .scope(addresses, exchange(client, request, limit))
            .await
    }

    /// The addresses of a name, if it does not lead inward: one that does so once is refused as a
    /// whole.
    async fn resolved(&self, name: &str) -> Result<Vec<IpAddr>, HttpError> {
        let found = self.resolver.resolve(name).await;
        let mut addresses = found.map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => HttpError::Busy,
            _ => HttpError::NotSent(error.into()),
        })?;
        if let Some(inward) = addresses.iter().find(|a| !self.reach.allows(**a)) {
            tracing::warn!(
                event = "address_refused",
                fault = "client",
                host = name,
                address = %inward,
                "a name leads to an address that is not on the public internet"
            );
            // Outward the same as no such name: nobody asks us which names there are inside.
            return Err(HttpError::NotSent("the name leads inward".into()));
        }
        if addresses.is_empty() {
            return Err(HttpError::NotSent("the name has no address".into()));
        }
        addresses.truncate(MAX_ADDRESSES);
        Ok(addresses)
    }

    fn client_for(&self, addresses: &[IpAddr]) -> &reqwest::Client {
        let loopback = self.loopback.as_ref();
        loopback
            .filter(|_| addresses.iter().all(IpAddr::is_loopback))
            .unwrap_or(&self.client)
    }
}

/// Addresses of one name that are tried.
const MAX_ADDRESSES: usize = 8;

tokio::task_local! {
    /// Where the exchange that is under way may connect to: what was checked is what is used.
    static CHECKED: Vec<IpAddr>;
}

/// Takes a visit of every address that has room, and leaves the others out.
///
/// Names cost nothing, so whoever is asked is counted by where the connection goes: an IPv4 address,
/// or the /64 of an IPv6 address.
fn enter(
    visits: &Arc<Visits<IpAddr>>,
    addresses: &mut Vec<IpAddr>,
) -> Result<Vec<Visit<IpAddr>>, HttpError> {
    let mut under_way: Vec<(IpAddr, Visit<IpAddr>)> = Vec::new();
    addresses.retain(|address| {
        let network = ClientAddress(*address).network();
        if under_way.iter().any(|(entered, _)| *entered == network) {
            return true;
        }
        let visit = visits.enter(network);
        let entered = visit.map(|visit| under_way.push((network, visit)));
        entered.is_some()
    });
    if addresses.is_empty() {
        return Err(HttpError::Busy);
    }
    Ok(under_way.into_iter().map(|(_, visit)| visit).collect())
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

    /// Reaches loopback addresses too, on any port, and trusts these certificates (PEM) there beside
    /// the system's: for the development of clients on one machine. Nobody else is trusted for them.
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
        let client = || {
            reqwest::Client::builder()
                .https_only(true)
                .redirect(reqwest::redirect::Policy::none())
                .no_proxy()
                .timeout(self.deadline)
                .pool_max_idle_per_host(0)
                .dns_resolver(Arc::new(CheckedAddresses))
                .user_agent(concat!("mcp-auth/", env!("CARGO_PKG_VERSION")))
        };
        let built = |client: reqwest::ClientBuilder| {
            client
                .build()
                .map_err(|e| BuildError::argument("HTTP client", e.without_url().to_string()))
        };
        let loopback = match &self.loopback {
            Some(pem) => {
                let certificates = reqwest::Certificate::from_pem_bundle(pem)
                    .ok()
                    .filter(|certificates| !certificates.is_empty())
                    .ok_or_else(|| {
                        BuildError::argument("development CA", "must be certificates in PEM")
                    })?;
                Some(built(client().tls_certs_merge(certificates))?)
            }
            None => None,
        };
        Ok(GuardedClient {
            client: built(client())?,
            loopback,
            resolver: self.resolver,
            reach,
            deadline: self.deadline,
        })
    }
}

/// Turns a host name into addresses.
#[async_trait]
pub trait Resolver: std::fmt::Debug + Send + Sync {
    /// Every address of this host.
    ///
    /// # Errors
    ///
    /// When it has none or that cannot be told; [`io::ErrorKind::WouldBlock`] when too many lookups are
    /// under way.
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

const _: Option<&dyn Resolver> = None;

/// The operating system's resolver.
///
/// A lookup cannot be stopped: it goes on in its thread when nobody waits for it any more. So it
/// counts for as long as it really takes, and names of one owner hold up each other first.
#[derive(Debug)]
struct SystemResolver {
    lookups: Arc<Semaphore>,
    /// By the last two labels of the name.
    of_one_owner: Arc<Visits<String>>,
}

/// Lookups at once; the runtime has 512 threads for what blocks.
const LOOKUPS: usize = 64;
const LOOKUPS_OF_ONE_OWNER: u32 = 8;

impl SystemResolver {
    fn new() -> Self {
        Self {
            lookups: Arc::new(Semaphore::new(LOOKUPS)),
            of_one_owner: Visits::new(u32::MAX, LOOKUPS_OF_ONE_OWNER, Arc::new(SystemClock)),
        }
    }
}

#[async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let busy = || io::Error::from(io::ErrorKind::WouldBlock);
        let owner = self.of_one_owner.enter(last_two_labels(host));
        let owner = owner.ok_or_else(busy)?;
        let permit = Arc::clone(&self.lookups).try_acquire_owned();
        let permit = permit.map_err(|_| busy())?;
        let host = host.to_owned();
        let lookup = tokio::spawn(async move {
            let found = tokio::net::lookup_host((host, 0)).await;
            drop((permit, owner));
            found.map(|found| found.map(|address| address.ip()).collect())
        });
        lookup.await.map_err(io::Error::other)?
    }
}

fn last_two_labels(host: &str) -> String {
    let mut labels: Vec<&str> = host.rsplit('.').take(2).collect();
    labels.reverse();
    labels.join(".").to_ascii_lowercase()
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

    /// The host as the connection will read it, if it may go there: `0x7f.1` is an address to some
    /// parsers. An address is resolved by nobody, so it is judged here.
    fn host(self, uri: &Uri) -> Result<Host, HttpError> {
        let url = Url::parse(&uri.to_string()).map_err(|_| HttpError::NotAllowed)?;
        let host = url.host().ok_or(HttpError::NotAllowed)?;
        let allowed = match host {
            Host::Ipv4(address) => self.allows(address.into()),
            Host::Ipv6(address) => self.allows(address.into()),
            // Loopback by definition, whatever a resolver says (RFC 6761 §6.3).
            Host::Domain(name) if is_loopback_host(name) => self == Self::PublicAndLoopback,
            Host::Domain(_) => true,
        };
        if url.scheme() == "https" && allowed {
            return Ok(host.to_owned());
        }
        Err(HttpError::NotAllowed)
    }
}

/// Resolves to the addresses that were checked for the exchange under way, and to nothing else.
#[derive(Debug)]
struct CheckedAddresses;

impl reqwest::dns::Resolve for CheckedAddresses {
    fn resolve(&self, _: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let checked = CHECKED.try_with(Clone::clone);
        Box::pin(async move {
            let checked = checked
                .map_err(|_| Box::new(HttpError::NotAllowed) as Box<dyn StdError + Send + Sync>)?;
            let sockets = checked.into_iter().map(|ip| SocketAddr::new(ip, 0));
            Ok(Box::new(sockets.collect::<Vec<_>>().into_iter()) as reqwest::dns::Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A CA of one machine, made for this test.
    const CA: &str = include_str!("guarded_client/development_ca.pem");

    // CIM-12
    #[test]
    fn the_development_ca_is_trusted_for_loopback_alone() {
        let client = GuardedClient::builder().insecure_allow_loopback(CA);
        let client = client.build().unwrap();
        let uses_it = |addresses: &[&str]| {
            let addresses: Vec<IpAddr> = addresses.iter().map(|a| a.parse().unwrap()).collect();
            std::ptr::eq(
                client.client_for(&addresses),
                client.loopback.as_ref().unwrap(),
            )
        };
        assert!(uses_it(&["127.0.0.1"]));
        assert!(uses_it(&["127.0.0.1", "::1"]));
        assert!(!uses_it(&["8.8.8.8"]));
        assert!(!uses_it(&["127.0.0.1", "8.8.8.8"]));
    }

    // CIM-17
    #[test]
    fn an_owner_is_told_by_the_end_of_a_name() {
        for (name, owner) in [
            ("a.b.Evil.test", "evil.test"),
            ("evil.test", "evil.test"),
            ("localhost", "localhost"),
        ] {
            assert_eq!(last_two_labels(name), owner);
        }
    }
}
