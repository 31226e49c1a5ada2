//! What must be true of the headers of a call, whatever is in them.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue, Uri, header::AUTHORIZATION};

use super::{Refusal, header::credential};
use crate::net::TrustedProxies;

/// The value of an `Authorization` header.
pub fn authorization_header(data: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(data) else {
        return;
    };
    let here = Uri::from_static("/mcp");
    let of = |value: HeaderValue| {
        let mut headers = HeaderMap::new();
        headers.append(AUTHORIZATION, value);
        credential(&headers, &here, None, false).map(|credential| credential.token)
    };
    match of(value.clone()) {
        Ok(token) => {
            let token = token.expose();
            assert!(!token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic()));
            let Ok(written) = HeaderValue::try_from(format!("Bearer {token}")) else {
                unreachable!("a token fits a header");
            };
            let again = of(written).map(|token| token.expose().to_owned());
            assert_eq!(again.as_deref(), Ok(token));
            let scheme = data
                .get(..6)
                .is_some_and(|b| b.eq_ignore_ascii_case(b"bearer"));
            assert!(scheme);
        }
        Err(refusal) => assert!(refusal != Refusal::TwoCredentials),
    }
    let mut twice = HeaderMap::new();
    twice.append(AUTHORIZATION, value.clone());
    twice.append(AUTHORIZATION, value);
    let refused = credential(&twice, &here, None, false);
    assert!(matches!(refused, Err(Refusal::TwoCredentials)));
}

/// The values of `X-Forwarded-For`, one a line, as a trusted proxy sends them.
pub fn forwarded_headers(data: &[u8]) {
    let Ok(proxies) = TrustedProxies::parse("127.0.0.1, 10.0.0.0/8") else {
        unreachable!("these are networks");
    };
    let lines: Result<Vec<_>, _> = data
        .split(|b| *b == b'\n')
        .map(HeaderValue::from_bytes)
        .collect();
    let Ok(lines) = lines else {
        return;
    };
    let ours = SocketAddr::from(([127, 0, 0, 1], 1));
    let theirs = SocketAddr::from(([203, 0, 113, 7], 1));
    for name in ["x-forwarded-for", "forwarded"] {
        let mut headers = HeaderMap::new();
        for line in &lines {
            headers.append(HeaderName::from_static(name), line.clone());
        }
        // Whoever is no proxy of ours says nothing about who calls.
        let said = proxies.client_address(theirs, &headers);
        let silent = proxies.client_address(theirs, &HeaderMap::new());
        assert_eq!(said, silent);
        let found = proxies.client_address(ours, &headers).0;
        if name == "forwarded" {
            assert_eq!(found, ours.ip(), "`Forwarded` is not read");
        } else {
            assert_eq!(found, last_that_is_not_ours(ours.ip(), &hops(&lines)));
        }
    }
}

/// Every entry of these headers in the order in which proxies wrote them; a line that is no text is one
/// that names no address.
fn hops(lines: &[HeaderValue]) -> Vec<&str> {
    let lines = lines.iter().map(|line| line.to_str().unwrap_or_default());
    lines.flat_map(|line| line.split(',')).collect()
}

/// Whoever called the first of our proxies: all hops to the right of it are ours, and what is left of
/// it anybody can have written. Past an entry that names no address nothing is known.
fn last_that_is_not_ours(peer: IpAddr, hops: &[&str]) -> IpAddr {
    let addresses: Vec<_> = hops.iter().map(|hop| address(hop)).collect();
    let unread = addresses.iter().rposition(Option::is_none);
    let first_read = unread.map_or(0, |at| at + 1);
    let read = addresses.iter().skip(first_read).flatten().copied();
    let chain: Vec<IpAddr> = read.chain([peer]).collect();
    let is_ours = |address: &IpAddr| match address {
        IpAddr::V4(v4) => v4.octets() == [127, 0, 0, 1] || v4.octets()[0] == 10,
        IpAddr::V6(_) => false,
    };
    let foreign = chain.iter().rfind(|address| !is_ours(address));
    foreign.or(chain.first()).copied().unwrap_or(peer)
}

/// An address, with or without a port.
fn address(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    let with_port = |text: &str| text.parse::<SocketAddr>().ok();
    let alone = hop.parse::<IpAddr>().ok();
    // Brackets without a port are read with one put to them; with a zone they are no address.
    let socket = with_port(hop).or_else(|| {
        let bracketed = hop.starts_with('[') && !hop.contains('%');
        with_port(&format!("{hop}:1")).filter(|_| bracketed)
    });
    let found = alone.or(socket.map(|socket| socket.ip()))?;
    Some(found.to_canonical())
}
