//! Which client documents are let in.

use std::{fmt, sync::Arc};

use crate::{
    BuildError,
    authorization_server::clients::{Client, document::DocumentUrl},
    oauth::{ClientId, is_dns_name},
};

/// A policy on client documents: of which hosts, which not, and a check of your own.
///
/// Hosts and denials hold whenever a client comes to one of our endpoints, also while its document
/// cannot be fetched. The check of your own is asked then too, about the document as it was seen last;
/// it cannot be asked about one that this process has not seen. An access token that was issued before
/// ends by itself.
///
/// ```
/// # use mcp_auth::authorization_server::clients::AllowClients;
/// let policy = AllowClients::of_hosts(["claude.ai", "*.example.com"])?
///     .deny(["https://old.example.com/client.json", "*.test.example.com"])?
///     .when(|client| client.redirect_uris().iter().all(|uri| uri.is_https()));
/// # Ok::<(), mcp_auth::BuildError>(())
/// ```
#[derive(Clone, Default)]
pub struct AllowClients {
    hosts: Option<Vec<HostPattern>>,
    denied: Vec<Denied>,
    check: Option<Check>,
}

type Check = Arc<dyn Fn(&Client) -> bool + Send + Sync>;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Denied {
    One(ClientId),
    Hosts(HostPattern),
}

/// `example.com`, or `*.example.com` for every host below it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct HostPattern {
    name: String,
    below: bool,
}

impl AllowClients {
    /// Every document, which is the default: the user decides on the consent page.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Documents of these hosts alone: `example.com` is that host, `*.example.com` every host below
    /// it and not itself. The port does not count.
    ///
    /// # Errors
    ///
    /// When one of them is neither.
    pub fn of_hosts<S: AsRef<str>>(hosts: impl IntoIterator<Item = S>) -> Result<Self, BuildError> {
        let hosts = hosts
            .into_iter()
            .map(|host| HostPattern::parse(host.as_ref()));
        Ok(Self {
            hosts: Some(hosts.collect::<Result<_, _>>()?),
            ..Self::default()
        })
    }

    /// None of these: whole identifiers, byte for byte, or hosts as [`AllowClients::of_hosts`] takes
    /// them.
    ///
    /// # Errors
    ///
    /// When one of them is neither, such as the URL of an origin.
    ///
    /// # Security
    ///
    /// Whoever has a host can have another identifier there: deny the host of a client that means
    /// harm.
    pub fn deny<S: AsRef<str>>(
        mut self,
        denied: impl IntoIterator<Item = S>,
    ) -> Result<Self, BuildError> {
        for one in denied {
            self.denied.push(Denied::parse(one.as_ref())?);
        }
        Ok(self)
    }

    /// Only those for which this holds; it is asked after the document was read.
    #[must_use]
    pub fn when(mut self, check: impl Fn(&Client) -> bool + Send + Sync + 'static) -> Self {
        self.check = Some(Arc::new(check));
        self
    }

    /// Whether a document may be fetched at all.
    pub(super) fn allows_fetch(&self, id: &ClientId, host: &str) -> bool {
        let denied = |entry: &Denied| match entry {
            Denied::One(denied) => denied == id,
            Denied::Hosts(pattern) => pattern.matches(host),
        };
        let listed = self
            .hosts
            .as_ref()
            .is_none_or(|hosts| hosts.iter().any(|pattern| pattern.matches(host)));
        listed && !self.denied.iter().any(denied)
    }

    /// Whether the client that a document describes may be used.
    pub(super) fn allows(&self, client: &Client) -> bool {
        self.check.as_ref().is_none_or(|check| check(client))
    }
}

impl fmt::Debug for AllowClients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AllowClients")
            .field("hosts", &self.hosts)
            .field("denied", &self.denied)
            .finish_non_exhaustive()
    }
}

impl Denied {
    fn parse(text: &str) -> Result<Self, BuildError> {
        if !text.contains('/') {
            return HostPattern::parse(text).map(Self::Hosts);
        }
        let id = ClientId::parse(text).ok().filter(|id| {
            DocumentUrl::parse(id).is_ok_and(|url| !matches!(url.uri().path(), "" | "/"))
        });
        id.map(Self::One).ok_or_else(|| {
            BuildError::argument(
                "denied client documents",
                format!(
                    "`{}` is neither the whole URL of a document nor a host",
                    text.escape_debug()
                ),
            )
        })
    }
}

impl HostPattern {
    fn parse(text: &str) -> Result<Self, BuildError> {
        let (below, name) = match text.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, text),
        };
        if !is_dns_name(name) {
            return Err(BuildError::argument(
                "hosts of client documents",
                format!(
                    "`{}` is neither a host such as example.com nor *.example.com",
                    text.escape_debug()
                ),
            ));
        }
        Ok(Self {
            name: name.to_ascii_lowercase(),
            below,
        })
    }

    fn matches(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        if self.below {
            let rest = host.strip_suffix(&self.name);
            return rest.is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'));
        }
        host == self.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CIM-19.
    #[test]
    fn hosts_are_whole_names() {
        let policy = AllowClients::of_hosts(["Example.com", "*.example.org"])
            .unwrap()
            .deny([
                "https://example.com/old",
                "Bad.example.org",
                "*.worse.example.org",
            ])
            .unwrap();
        let allows = |id: &str| {
            let host = id.split('/').nth(2).unwrap();
            policy.allows_fetch(&ClientId::parse(id).unwrap(), host)
        };
        assert!(allows("https://example.com/new"));
        assert!(allows("https://EXAMPLE.com/new"));
        assert!(allows("https://a.example.org/c"));
        assert!(allows("https://a.b.example.org/c"));
        for other in [
            "https://example.com/old",
            "https://evil-example.com/c",
            "https://example.com.evil.org/c",
            "https://a.example.com/c",
            "https://example.org/c",
            "https://evilexample.org/c",
            "https://bad.example.org/c",
            "https://a.worse.example.org/c",
            "https://.example.org/c",
        ] {
            assert!(!allows(other), "{other}");
        }
        for bad in [
            "",
            "*",
            "*.",
            "a b",
            "https://example.com",
            "*.*.com",
            "example.com/x",
        ] {
            assert!(AllowClients::of_hosts([bad]).is_err(), "{bad}");
            assert!(AllowClients::all().deny([bad]).is_err(), "{bad}");
        }
        for bad in [
            "https://example.com/",
            "https://example.com?x=/",
            "http://example.com/client",
            "https://example.com./client",
            "example.com.",
            "https://example.com/a/../client",
        ] {
            assert!(AllowClients::all().deny([bad]).is_err(), "{bad}");
        }
    }
}
