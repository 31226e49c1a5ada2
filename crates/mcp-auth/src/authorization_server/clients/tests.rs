use std::sync::Arc;

use super::*;
use crate::oauth::{
    ClientAuthenticationMethod as Method, ClientMetadata, ClientSecret, Issuer, RedirectUri,
    SystemRandom, Timestamp,
};
use crate::store::KeyRing;

fn metadata(method: Method) -> ClientMetadata {
    let uri = RedirectUri::parse("https://a.example/cb").unwrap();
    let mut metadata = ClientMetadata::public(vec![uri]);
    metadata.token_endpoint_auth_method = method;
    metadata
}

fn client(method: Method) -> Client {
    let id = ClientId::parse("desk").unwrap();
    Client::new(id, ClientKind::Preregistered, metadata(method))
}

// AST-08
#[test]
fn a_confidential_client_needs_its_own_secret() {
    for method in [Method::ClientSecretBasic, Method::ClientSecretPost] {
        let client = client(method).with_secret(&ClientSecret::new("right"));
        assert!(client.is_confidential());
        assert_eq!(
            client.authenticate(None),
            Err(ClientAuthenticationError::Missing)
        );
        for wrong in ["", "Right", "right ", "wrong"] {
            let wrong = ClientSecret::new(wrong);
            assert_eq!(
                client.authenticate(Some(&wrong)),
                Err(ClientAuthenticationError::Wrong)
            );
        }
        let right = ClientSecret::new("right");
        assert_eq!(client.authenticate(Some(&right)), Ok(()));
    }
}

#[test]
fn a_public_client_has_nothing_to_prove() {
    let client = client(Method::None);
    assert!(!client.is_confidential());
    assert_eq!(client.authenticate(None), Ok(()));
    let any = ClientSecret::new("x");
    assert_eq!(client.authenticate(Some(&any)), Ok(()));
}

// AST-12
#[test]
fn a_confidential_client_without_a_secret_never_authenticates() {
    let any = ClientSecret::new("");
    assert_eq!(
        client(Method::ClientSecretPost).authenticate(Some(&any)),
        Err(ClientAuthenticationError::Wrong)
    );
}

#[test]
fn debug_shows_no_secret_and_no_hash_of_one() {
    let client = client(Method::ClientSecretPost).with_secret(&ClientSecret::new("canary"));
    let shown = format!("{client:?}");
    assert!(shown.contains("credential: [redacted]"), "{shown}");
}

// DCR-19
#[tokio::test]
async fn the_first_resolver_that_knows_the_client_answers() {
    let issuer = Issuer::parse("https://mcp.example").unwrap();
    let random = Arc::new(SystemRandom);
    let ring = KeyRing::ephemeral(&SystemRandom);
    let dynamic = DynamicClients::new(&ring, &issuer, random);
    let now = Timestamp::from_seconds(1);
    let (registered, _) = dynamic.issue(&metadata(Method::None), now).unwrap();
    // The operator may write down an identifier that was once given out; theirs comes first.
    let json =
        format!(r#"[{{"client_id":"{registered}","redirect_uris":["https://b.example/cb"]}}]"#);
    let preregistered = PreregisteredClients::parse_json(&json).unwrap();
    let resolvers = ClientResolvers::new()
        .then(Arc::new(preregistered))
        .then(Arc::new(dynamic.clone()));
    let client = resolvers.resolve(&registered).await.unwrap();
    assert_eq!(client.kind(), ClientKind::Preregistered);
    assert_eq!(client.redirect_uris()[0].as_str(), "https://b.example/cb");

    let (other, _) = dynamic.issue(&metadata(Method::None), now).unwrap();
    let client = resolvers.resolve(&other).await.unwrap();
    assert_eq!(client.kind(), ClientKind::Dynamic);
    assert_eq!(client.id(), &other);

    let nobody = ClientId::parse("nobody").unwrap();
    let error = resolvers.resolve(&nobody).await.unwrap_err();
    assert!(matches!(error, ResolveError::Unknown));
    let error = ClientResolvers::new().resolve(&nobody).await.unwrap_err();
    assert!(matches!(error, ResolveError::Unknown));
}

#[tokio::test]
async fn a_refusal_is_not_passed_over() {
    #[derive(Debug)]
    struct Answers(fn() -> ResolveError);
    #[async_trait]
    impl ClientResolver for Answers {
        async fn resolve(&self, _: &ClientId) -> Result<Client, ResolveError> {
            Err((self.0)())
        }
    }
    let id = ClientId::parse("x").unwrap();
    for refusal in [
        || ResolveError::UnknownKey,
        || ResolveError::Refused("denied"),
        || ResolveError::Unavailable("away".into()),
    ] {
        let resolvers = ClientResolvers::new()
            .then(Arc::new(Answers(refusal)))
            .then(Arc::new(Answers(|| ResolveError::Unknown)));
        let error = resolvers.resolve(&id).await.unwrap_err();
        assert_eq!(error.to_string(), refusal().to_string());
    }
}
