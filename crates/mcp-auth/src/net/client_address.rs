//! Who is calling, for the rate limits.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::HeaderMap;

use crate::oauth::ParseError;

/// The address of whoever sent a request, put into its extensions by the server.
///
/// Without it there is no limit per address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    /// What a limit counts by: an IPv4 address, or the /64 an IPv6 address lies in.
    #[must_use]
    pub fn network(self) -> IpAddr {
        match self.0.to_canonical() {
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from(u128::from(v6) & !u128::from(u64::MAX))),
            v4 @ IpAddr::V4(_) => v4,
        }
    }
}

/// The reverse proxies whose forwarded headers are believed.
///
/// # Security
///
/// An address that is not really a proxy of yours lets its owner pretend to be anybody.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Vec<(IpAddr, u8)>);

impl TrustedProxies {
    /// Parses addresses and networks such as `10.0.0.0/8, ::1`.
    ///
    /// # Errors
    ///
    /// When one of them is neither.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let parts = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        parts.map(parse_network).collect::<Result<_, _>>().map(Self)
    }

    /// The client's address: the socket's peer, or, while that is a trusted proxy, the last address
    /// in `X-Forwarded-For` that is not one.
    #[must_use]
    pub fn client_address(&self, peer: SocketAddr, headers: &HeaderMap) -> ClientAddress {
        let mut client = peer.ip().to_canonical();
        let forwarded = headers
            .get_all("x-forwarded-for")
            .iter()
            .rev()
            // A line that cannot be read ends the walk, as an entry does: what stands before it may be
            // the caller's own.
            .map(|line| line.to_str().unwrap_or_default());
        for hop in forwarded.flat_map(|line| line.rsplit(',')) {
            if !self.trusts(client) {
                break;
            }
            let Some(address) = parse_hop(hop.trim()) else {
                break;
            };
            client = address.to_canonical();
        }
        ClientAddress(client)
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0
            .iter()
            .any(|(network, bits)| match (network, address) {
                (IpAddr::V4(n), IpAddr::V4(a)) => {
                    same_prefix(u32::from(*n).into(), u32::from(a).into(), 32, *bits)
                }
                (IpAddr::V6(n), IpAddr::V6(a)) => same_prefix((*n).into(), a.into(), 128, *bits),
                _ => false,
            })
    }
}

/// An entry of `X-Forwarded-For`; some proxies write the port with it.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let bracketed = || {
        hop.strip_prefix('[')?
            .strip_suffix(']')?
            .parse::<Ipv6Addr>()
            .ok()
    };
    let with_port = || hop.parse::<SocketAddr>().ok();
    hop.parse()
        .ok()
        .or_else(|| with_port().map(|socket| socket.ip()))
        .or_else(|| bracketed().map(IpAddr::V6))
}

fn same_prefix(network: u128, address: u128, width: u8, bits: u8) -> bool {
    (network ^ address)
        .checked_shr(u32::from(width - bits))
        .unwrap_or(0)
        == 0
}

fn parse_network(text: &str) -> Result<(IpAddr, u8), ParseError> {
    let broken = ParseError::new(
        "trusted proxies",
        "addresses or networks such as 10.0.0.0/8, separated by commas",
    );
    let (address, bits) = text
        .split_once('/')
        .map_or((text, None), |(address, bits)| (address, Some(bits)));
    let address: IpAddr = address.parse().map_err(|_| broken.clone())?;
    let width = if address.is_ipv4() { 32 } else { 128 };
    match bits.map_or(Ok(width), str::parse::<u8>) {
        Ok(bits) if bits <= width => Ok((address, bits)),
        _ => Err(broken),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn believes_only_trusted_proxies() {
        let proxies = TrustedProxies::parse("127.0.0.1, 10.0.0.0/8, fd00::/8").unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(
            "x-forwarded-for",
            "6.6.6.6, 203.0.113.9, 10.1.2.3".parse().unwrap(),
        );
        let address = |peer: &str| {
            proxies
                .client_address(peer.parse().unwrap(), &headers)
                .0
                .to_string()
        };
        assert_eq!(address("127.0.0.1:1"), "203.0.113.9");
        assert_eq!(address("198.51.100.1:1"), "198.51.100.1");
        assert!(TrustedProxies::parse("10.0.0.0/33").is_err());
        assert!(TrustedProxies::parse("proxy").is_err());
    }

    #[test]
    fn reads_entries_with_a_port() {
        let proxies = TrustedProxies::parse("127.0.0.1, 10.0.0.0/8").unwrap();
        for (line, client) in [
            ("203.0.113.9:5123", "203.0.113.9"),
            ("[2001:db8::9]:5123", "2001:db8::9"),
            ("[2001:db8::9]", "2001:db8::9"),
            ("2001:db8::9", "2001:db8::9"),
            ("203.0.113.9:1, 10.1.2.3:2", "203.0.113.9"),
            ("203.0.113.9:x", "127.0.0.1"),
            ("unknown", "127.0.0.1"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-for", line.parse().unwrap());
            let address = proxies.client_address("127.0.0.1:1".parse().unwrap(), &headers);
            assert_eq!(address.0.to_string(), client, "{line}");
        }
    }

    #[test]
    fn believes_nothing_before_a_line_that_is_no_text() {
        let proxies = TrustedProxies::parse("127.0.0.1").unwrap();
        let mut headers = HeaderMap::new();
        for line in [&b"6.6.6.6"[..], b"\xff"] {
            headers.append(
                "x-forwarded-for",
                http::HeaderValue::from_bytes(line).unwrap(),
            );
        }
        let address = proxies.client_address("127.0.0.1:1".parse().unwrap(), &headers);
        assert_eq!(address.0.to_string(), "127.0.0.1");
    }

    #[test]
    fn counts_ipv6_by_64() {
        let address = ClientAddress("2001:db8:1:2:3:4:5:6".parse().unwrap());
        assert_eq!(address.network().to_string(), "2001:db8:1:2::");
        let mapped = ClientAddress("::ffff:192.0.2.1".parse().unwrap());
        assert_eq!(mapped.network().to_string(), "192.0.2.1");
    }
}
