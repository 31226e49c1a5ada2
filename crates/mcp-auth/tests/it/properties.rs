//! What must hold for every redirection URI, every set of scopes and every name, not only for the
//! examples that somebody thought of.

use mcp_auth::oauth::{CodeVerifier, RedirectUri, ResourceIdentifier, Scope, Scopes};
use proptest::{collection::vec, prelude::*, sample::select};

/// A redirection URI in its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Parts {
    scheme: &'static str,
    host: String,
    port: Option<u16>,
    path: String,
    query: Option<String>,
}

impl Parts {
    fn uri(&self) -> RedirectUri {
        let port = self.port.map_or(String::new(), |port| format!(":{port}"));
        let query = self
            .query
            .as_ref()
            .map_or(String::new(), |q| format!("?{q}"));
        let Self {
            scheme, host, path, ..
        } = self;
        let text = format!("{scheme}://{host}{port}{path}{query}");
        RedirectUri::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }
}

fn path() -> impl Strategy<Value = String> {
    "(/[a-z0-9_~-]{1,6}){0,3}/?"
}

fn query() -> impl Strategy<Value = Option<String>> {
    proptest::option::of("[a-z]{1,3}x=[a-z0-9]{0,5}")
}

fn port() -> impl Strategy<Value = Option<u16>> {
    proptest::option::of(1..=u16::MAX)
}

fn loopback() -> impl Strategy<Value = Parts> {
    let host = select(vec!["127.0.0.1", "localhost", "[::1]"]);
    (host, port(), path(), query()).prop_map(|(host, port, path, query)| Parts {
        scheme: "http",
        host: host.to_owned(),
        port,
        path,
        query,
    })
}

fn web() -> impl Strategy<Value = Parts> {
    ("[a-z]{1,8}\\.example", port(), path(), query()).prop_map(|(host, port, path, query)| Parts {
        scheme: "https",
        host,
        port,
        path,
        query,
    })
}

/// The parts with one of them changed, and whether that was the port alone.
fn changed() -> impl Strategy<Value = (Parts, Parts, bool)> {
    let any = prop_oneof![loopback(), web()];
    (any, prop_oneof![loopback(), web()], 0..5_u8).prop_map(|(one, other, which)| {
        let mut two = one.clone();
        match which {
            0 => two.port = other.port,
            1 => (two.scheme, two.host) = (other.scheme, other.host),
            2 => two.path = other.path,
            3 => two.query = other.query,
            _ => two.path.push_str("/more"),
        }
        (one, two, which == 0)
    })
}

fn scope() -> impl Strategy<Value = Scope> {
    // Few of them, so that sets have something in common.
    "[!#-\\[\\]-~]{1,2}|[a-c]".prop_map(|text| Scope::parse(&text).unwrap())
}

fn scopes() -> impl Strategy<Value = Scopes> {
    vec(scope(), 0..8).prop_map(|scopes| scopes.into_iter().collect())
}

/// The same members, whatever their order.
fn equal(one: &Scopes, other: &Scopes) -> bool {
    one.contains_all(other) && other.contains_all(one)
}

proptest! {
    // ASZ-05
    #[test]
    fn a_redirect_allows_itself_and_prints_as_it_was(parts in prop_oneof![loopback(), web()]) {
        let uri = parts.uri();
        prop_assert!(uri.allows(&uri));
        prop_assert_eq!(RedirectUri::parse(uri.as_str()), Ok(uri.clone()));
        prop_assert_eq!(uri.is_loopback(), parts.scheme == "http");
    }

    // ASZ-05, ASZ-06
    #[test]
    fn nothing_but_the_port_of_loopback_may_differ((registered, asked, port_alone) in changed()) {
        let allowed = registered.uri().allows(&asked.uri());
        let same = registered == asked;
        let loopback = registered.scheme == "http" && asked.scheme == "http";
        prop_assert_eq!(allowed, same || (loopback && port_alone));
    }

    #[test]
    fn allowing_is_an_equivalence(a in loopback(), ports in [port(), port(), port()]) {
        let uris = ports.map(|port| Parts { port, ..a.clone() }.uri());
        for one in &uris {
            for other in &uris {
                prop_assert!(one.allows(other) && other.allows(one));
            }
        }
    }

    // ASZ-05
    #[test]
    fn no_other_byte_of_a_redirect_passes(
        parts in prop_oneof![loopback(), web()], at in any::<prop::sample::Index>(), byte in 0x20..0x7f_u8,
    ) {
        let registered = parts.uri();
        let mut text = registered.as_str().as_bytes().to_vec();
        let at = at.index(text.len());
        let before = text[at];
        text[at] = byte;
        let text = String::from_utf8(text).unwrap();
        if let Ok(asked) = RedirectUri::parse(&text) {
            let digit = before.is_ascii_digit() && byte.is_ascii_digit();
            if registered.allows(&asked) && before != byte {
                prop_assert!(digit && registered.is_loopback(), "{} {}", registered, asked);
                prop_assert_eq!(asked.is_loopback(), true);
            }
        }
    }

    #[test]
    fn an_answer_keeps_the_uri_and_says_each_thing_once(
        parts in prop_oneof![loopback(), web()], value in "\\PC{0,20}",
    ) {
        let uri = parts.uri();
        let answer = uri.with_parameters(&[("code", &value), ("state", "s&iss=x")]);
        prop_assert!(answer.starts_with(uri.as_str()));
        let answer = url::Url::parse(&answer).unwrap();
        let given: Vec<_> = answer.query_pairs().filter(|(name, _)| name == "code").collect();
        prop_assert_eq!(given.len(), 1);
        prop_assert_eq!(&given[0].1, &value);
        prop_assert_eq!(answer.query_pairs().filter(|(name, _)| name == "iss").count(), 0);
        prop_assert_eq!(answer.host_str().map(str::to_owned), url::Url::parse(uri.as_str()).unwrap().host_str().map(str::to_owned));
    }

    #[test]
    fn scopes_print_and_parse_as_themselves(set in scopes()) {
        prop_assert_eq!(Scopes::parse(&set.to_string()), Ok(set.clone()));
        let twice = format!("{set} {set}");
        prop_assert_eq!(Scopes::parse(&twice), Ok(set));
    }

    /// Inclusion is an order, and the intersection is the greatest set below both.
    #[test]
    fn scopes_are_a_lattice(a in scopes(), b in scopes(), c in scopes()) {
        let ab = a.intersection(&b);
        prop_assert!(equal(&ab, &b.intersection(&a)));
        prop_assert!(equal(&ab.intersection(&c), &a.intersection(&b.intersection(&c))));
        prop_assert_eq!(&a.intersection(&a), &a);
        prop_assert!(a.intersection(&Scopes::empty()).is_empty());
        prop_assert!(a.contains_all(&ab) && b.contains_all(&ab));
        prop_assert_eq!(a.contains_all(&b), equal(&ab, &b));
        if a.contains_all(&c) && b.contains_all(&c) {
            prop_assert!(ab.contains_all(&c));
        }
        for scope in a.iter() {
            prop_assert_eq!(ab.contains(scope), b.contains(scope));
        }
        if a.contains_all(&b) && b.contains_all(&c) {
            prop_assert!(a.contains_all(&c));
        }
        prop_assert!(a.contains_all(&Scopes::empty()));
    }

    // RS-19
    #[test]
    fn a_resource_parses_to_the_same_however_it_is_spelled(host in "[a-z]{1,8}\\.example", path in "(/[a-z]{1,5}){1,2}") {
        let plain = ResourceIdentifier::parse(&format!("https://{host}{path}")).unwrap();
        prop_assert_eq!(ResourceIdentifier::parse(plain.as_str()), Ok(plain.clone()));
        let upper = host.to_ascii_uppercase();
        let spelled = ResourceIdentifier::parse(&format!("HTTPS://{upper}{path}"));
        prop_assert_eq!(spelled, Ok(plain.clone()));
        let longer = ResourceIdentifier::parse(&format!("https://{host}{path}2")).unwrap();
        prop_assert_ne!(longer, plain);
    }

    #[test]
    fn a_challenge_is_answered_by_its_verifier_alone(one in "[A-Za-z0-9._~-]{43,128}", other in "[A-Za-z0-9._~-]{43,128}") {
        let (one, other) = (CodeVerifier::parse(&one).unwrap(), CodeVerifier::parse(&other).unwrap());
        prop_assert!(one.answers(&one.challenge()));
        prop_assert_eq!(other.answers(&one.challenge()), one.expose() == other.expose());
    }
}
