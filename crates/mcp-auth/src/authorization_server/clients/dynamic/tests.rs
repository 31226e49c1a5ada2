use proptest::{collection::vec, option, prelude::*};

use super::*;
use crate::oauth::{RedirectUri, Scopes, SystemRandom};

const A: &str = "a:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const B: &str = "b:HxECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

fn clients_of(ring: &str, issuer: &str) -> DynamicClients {
    let ring = KeyRing::parse(ring).unwrap();
    DynamicClients::new(
        &ring,
        &Issuer::parse(issuer).unwrap(),
        Arc::new(SystemRandom),
    )
}

fn clients(ring: &str) -> DynamicClients {
    clients_of(ring, "https://mcp.example")
}

fn metadata(method: ClientAuthenticationMethod) -> ClientMetadata {
    let uri = RedirectUri::parse("http://localhost:4711/callback").unwrap();
    let mut metadata = ClientMetadata::public(vec![uri]);
    metadata.client_name = Some("Claude Code (Grüße)".into());
    metadata.token_endpoint_auth_method = method;
    metadata
}

fn public() -> ClientMetadata {
    metadata(ClientAuthenticationMethod::None)
}

#[test]
fn an_id_brings_its_registration_back() {
    let clients = clients(A);
    let (id, secret) = clients.issue(&public(), NOW).unwrap();
    assert!(secret.is_none());
    assert!(id.as_str().starts_with("dcr."));
    let client = clients.open(&id).unwrap();
    assert_eq!(client.id(), &id);
    assert_eq!(client.kind(), ClientKind::Dynamic);
    assert_eq!(client.metadata(), &public());
    assert_ne!(clients.issue(&public(), NOW).unwrap().0, id);
}

// DCR-18
#[test]
fn a_changed_or_foreign_id_is_unknown() {
    let here = clients(A);
    let (id, _) = here.issue(&public(), NOW).unwrap();
    let other_issuer = clients_of(A, "https://other.example");
    assert!(matches!(other_issuer.open(&id), Err(ResolveError::Unknown)));
    let key_id = PREFIX.len()..PREFIX.len() + 6;
    for at in 0..id.as_str().len() {
        let mut changed = id.as_str().to_owned().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = ClientId::parse(std::str::from_utf8(&changed).unwrap()).unwrap();
        match here.open(&changed) {
            Err(ResolveError::Unknown) => {}
            Err(ResolveError::UnknownKey) if key_id.contains(&at) => {}
            other => panic!("character {at}: {other:?}"),
        }
    }
    for text in [
        "dcr.",
        "dcr.AAAA",
        "desk",
        "https://a.example/client",
        &id.as_str()[4..],
    ] {
        let error = here.open(&ClientId::parse(text).unwrap()).unwrap_err();
        assert!(matches!(error, ResolveError::Unknown), "{text}: {error}");
    }
    for longer in [format!("{id}A"), format!("{id}="), format!("{id}\u{20}")] {
        assert!(here.open(&ClientId::parse(&longer).unwrap()).is_err());
    }
}

#[test]
fn ids_outlive_a_rotation_and_end_with_their_key() {
    let (id, secret) = clients(A)
        .issue(
            &metadata(ClientAuthenticationMethod::ClientSecretBasic),
            NOW,
        )
        .unwrap();
    let rotated = clients(&format!("{B},{A}"));
    let client = rotated.open(&id).unwrap();
    assert_eq!(client.authenticate(secret.as_ref()), Ok(()));
    assert!(matches!(
        clients(B).open(&id),
        Err(ResolveError::UnknownKey)
    ));
}

#[test]
fn a_secret_belongs_to_one_id() {
    let clients = clients(A);
    let post = metadata(ClientAuthenticationMethod::ClientSecretPost);
    let (id, secret) = clients.issue(&post, NOW).unwrap();
    let (_, others) = clients.issue(&post, NOW).unwrap();
    let client = clients.open(&id).unwrap();
    assert_eq!(client.authenticate(secret.as_ref()), Ok(()));
    assert!(client.authenticate(others.as_ref()).is_err());
    assert!(client.authenticate(None).is_err());
    assert!(client.authenticate(Some(&ClientSecret::new(""))).is_err());
    assert!(
        client
            .authenticate(Some(&ClientSecret::new(id.as_str())))
            .is_err()
    );
    let shown = format!("{client:?} {clients:?}");
    assert!(!shown.contains(secret.unwrap().expose()), "{shown}");
}

#[test]
fn cuts_off_old_and_denied_registrations() {
    let clients = clients(A);
    let (id, _) = clients.issue(&public(), NOW).unwrap();
    let later = Timestamp::from_seconds(NOW.as_seconds() + 1);
    assert!(
        clients
            .clone()
            .refuse_registrations_before(NOW)
            .open(&id)
            .is_ok()
    );
    let cut_off = clients.clone().refuse_registrations_before(later);
    assert!(matches!(cut_off.open(&id), Err(ResolveError::Refused(_))));
    let (other, _) = clients.issue(&public(), NOW).unwrap();
    let denying = clients.deny([&id]);
    assert!(matches!(denying.open(&id), Err(ResolveError::Refused(_))));
    assert!(denying.open(&other).is_ok());
}

#[test]
fn a_scheme_that_is_not_allowed_any_more_takes_its_uris_along() {
    let clients = clients(A);
    let allowing = clients.clone().with_redirect_schemes(["zed"]);
    let zed = RedirectUri::parse_with_schemes("zed://cb", allowing.redirect_schemes()).unwrap();
    let only_zed = ClientMetadata::public(vec![zed.clone()]);
    let (id, _) = allowing.issue(&only_zed, NOW).unwrap();
    assert_eq!(
        allowing.open(&id).unwrap().redirect_uris(),
        std::slice::from_ref(&zed)
    );
    assert!(matches!(clients.open(&id), Err(ResolveError::Refused(_))));
    let mut both = public();
    both.redirect_uris.push(zed);
    let (id, _) = allowing.issue(&both, NOW).unwrap();
    assert_eq!(
        clients.open(&id).unwrap().redirect_uris(),
        public().redirect_uris
    );
}

#[test]
fn refuses_what_does_not_fit() {
    let mut long = public();
    long.client_name = Some("é".repeat(600));
    assert_eq!(clients(A).issue(&long, NOW).unwrap_err(), ClientIdTooLong);
}

/// An identifier that was given out must stay readable: these bytes never change.
#[test]
fn reads_what_version_1_wrote() {
    let bytes = [
        1,
        0b0000_1110, // version; client_secret_basic, refresh tokens, a name
        0x80,
        0xf7,
        0xc4,
        0xd5,
        0x06, // issued at
        2,
        0x9b,
        0,
        0x82,
        b':',
        b'1',
        0x86,
        0, // two redirection URIs
        0xb0,
        b'!',
        2,
        0xc3,
        0xa9,
        0, // the name
    ];
    let (metadata, issued_at) = codec::decode(&bytes, &[]).unwrap();
    assert_eq!(issued_at, NOW);
    let uris = metadata.redirect_uris.iter().map(RedirectUri::as_str);
    let expected = [
        "https://claude.ai/api/mcp/auth_callback",
        "http://localhost:1/callback",
    ];
    assert_eq!(uris.collect::<Vec<_>>(), expected);
    assert_eq!(metadata.client_name.as_deref(), Some("Claude!é"));
    assert!(metadata.refresh_tokens);
    let method = metadata.token_endpoint_auth_method;
    assert_eq!(method, ClientAuthenticationMethod::ClientSecretBasic);
    assert!(!metadata.identity_assertions);
    assert!(!metadata.require_pushed_authorization_requests);
}

/// The same, for identifiers with further flags.
#[test]
fn reads_what_version_1_wrote_with_further_flags() {
    let bytes = [1, 0b1000_0001, 0b11, 5, 1, 0x9b, 0];
    let (metadata, issued_at) = codec::decode(&bytes, &[]).unwrap();
    assert_eq!(issued_at, Timestamp::from_seconds(5));
    assert!(metadata.identity_assertions);
    assert!(metadata.require_pushed_authorization_requests);
    assert!(!metadata.refresh_tokens);
    assert_eq!(codec::encode(&metadata, issued_at), bytes);
}

#[test]
fn refuses_bytes_that_were_never_written() {
    let good = codec::encode(&public(), NOW);
    assert!(codec::decode(&good, &[]).is_some());
    for length in 0..good.len() {
        assert!(
            codec::decode(&good[..length], &[]).is_none(),
            "{length} bytes"
        );
    }
    let mut longer = good.clone();
    longer.push(0);
    assert!(codec::decode(&longer, &[]).is_none());
    for (at, byte) in [(0, 0), (0, 2), (1, good[1] | 0x80), (1, good[1] | 3)] {
        let mut changed = good.clone();
        changed[at] = byte;
        assert!(codec::decode(&changed, &[]).is_none(), "byte {at} = {byte}");
    }
    // Further flags are there only if one of those that are known is set.
    let mut further = good.clone();
    further[1] |= 0x80;
    further.insert(2, 1);
    assert!(codec::decode(&further, &[]).is_some());
    for byte in [0, 4, 5, 0x81] {
        further[2] = byte;
        assert!(codec::decode(&further, &[]).is_none(), "{byte}");
    }
    // A number that does not fit, an unused code, and a count without texts.
    assert!(codec::decode(&[&[1, 0][..], &[0xff; 11]].concat(), &[]).is_none());
    assert!(codec::decode(&[1, 0, 0, 1, 0x7f, 0], &[]).is_none());
    assert!(codec::decode(&[1, 0, 0, 1, 0xff, 0], &[]).is_none());
    assert!(codec::decode(&[1, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f], &[]).is_none());
}

#[test]
fn the_dictionary_fits_its_codes() {
    let entries: Vec<&str> = (0x80..=0xff).map_while(dictionary::entry).collect();
    assert!(entries.len() > 60);
    for (at, entry) in entries.iter().enumerate() {
        assert!(
            entry.len() > 1 && entry.bytes().all(|b| (0x20..=0x7e).contains(&b)),
            "{entry}"
        );
        assert!(!entries[..at].contains(entry), "{entry} is there twice");
    }
    assert!(entries.len() <= 128);
}

fn any_metadata() -> impl Strategy<Value = ClientMetadata> {
    let uri = prop_oneof![
        "https://[a-z]{1,20}\\.(com|example)(:[1-9][0-9]{0,3})?/[a-zA-Z0-9/_?=-]{0,40}",
        "http://(127\\.0\\.0\\.1|localhost|\\[::1\\])(:[1-9][0-9]{0,3})?/[a-z/]{0,20}",
        "[a-z]{1,8}\\.[a-z]{1,8}:/[a-z]{0,10}",
        Just("cursor://anysphere.cursor-mcp/oauth/callback".to_owned()),
        Just("https://vscode.dev/redirect".to_owned()),
    ];
    let uri = uri.prop_filter_map("a redirection URI", |text| RedirectUri::parse(&text).ok());
    let method = prop_oneof![
        Just(ClientAuthenticationMethod::None),
        Just(ClientAuthenticationMethod::ClientSecretPost),
        Just(ClientAuthenticationMethod::ClientSecretBasic),
    ];
    let scope = vec("[!#-\\[\\]-~]{1,12}", 1..5);
    let parts = (
        vec(uri, 1..5),
        method,
        any::<(bool, bool, bool, bool)>(),
        option::of("\\PC{0,40}"),
        option::of(scope),
        option::of("https://[a-z.]{1,30}"),
    );
    parts.prop_map(
        |(
            uris,
            method,
            (refresh_tokens, dpop, assertions, pushes),
            client_name,
            scope,
            client_uri,
        )| {
            let mut metadata = ClientMetadata::public(uris);
            metadata.token_endpoint_auth_method = method;
            metadata.refresh_tokens = refresh_tokens;
            metadata.dpop_bound_access_tokens = dpop;
            metadata.identity_assertions = assertions;
            metadata.require_pushed_authorization_requests = pushes;
            metadata.client_name = client_name;
            metadata.scope = scope.map(|scopes| Scopes::parse(&scopes.join(" ")).unwrap());
            metadata.client_uri = client_uri;
            metadata
        },
    )
}

proptest! {
    #[test]
    fn whatever_is_written_is_read(metadata in any_metadata(), seconds in any::<u64>()) {
        let issued_at = Timestamp::from_seconds(seconds);
        let bytes = codec::encode(&metadata, issued_at);
        prop_assert_eq!(codec::decode(&bytes, &[]), Some((metadata, issued_at)));
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(mut bytes in vec(any::<u8>(), 0..200)) {
        let _ = codec::decode(&bytes, &[]);
        bytes.splice(0..0, [1, 0x3c]);
        let _ = codec::decode(&bytes, &[]);
    }

    #[test]
    fn no_text_makes_the_resolver_panic(text in "dcr\\.[A-Za-z0-9_-]{0,300}") {
        let id = ClientId::parse(&text).unwrap();
        prop_assert!(clients(A).open(&id).is_err());
    }
}
