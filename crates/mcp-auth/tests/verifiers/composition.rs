//! Several verifiers on one server.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use mcp_auth::{
    Principal,
    access_token::{JwtIssuer, JwtVerifier, StaticTokens, TokenVerifier, Verifiers, VerifyError},
    oauth::{AccessToken, ResourceIdentifier, Scopes},
};
use mcp_auth_testkit::MovingClock;

use crate::{
    issuer::Issuer,
    server::{RESOURCE, Server, invalid_token},
};

const KEY: &str = "correct-horse-battery-staple";

fn principal(issuer: &str, subject: &str) -> Principal {
    Principal::new(issuer, subject).with_scopes(Scopes::parse("mcp:tools").unwrap())
}

fn keys() -> Arc<dyn TokenVerifier> {
    let nightly = principal(StaticTokens::ISSUER, "nightly");
    let keys = StaticTokens::new().with_token(&AccessToken::new(KEY), nightly);
    Arc::new(keys.unwrap())
}

fn jwts(issuer: &Issuer, clock: &MovingClock) -> Arc<dyn TokenVerifier> {
    let trusted = JwtIssuer::with_jwks_uri(issuer.identifier(), issuer.jwks_uri());
    let verifier = JwtVerifier::builder(trusted).with_clock(Arc::new(clock.clone()));
    Arc::new(verifier.build().unwrap())
}

/// One that says what a test wants, after a wait or without one.
#[derive(Debug)]
struct Scripted {
    says: fn() -> Result<Principal, VerifyError>,
    waits: bool,
    named: Vec<&'static str>,
}

#[async_trait]
impl TokenVerifier for Scripted {
    fn issuers(&self) -> Vec<&str> {
        self.named.clone()
    }

    fn verify_now(
        &self,
        _: &AccessToken,
        _: &ResourceIdentifier,
    ) -> Option<Result<Principal, VerifyError>> {
        (!self.waits).then(self.says)
    }

    async fn verify(
        &self,
        _: &AccessToken,
        _: &ResourceIdentifier,
    ) -> Result<Principal, VerifyError> {
        tokio::task::yield_now().await;
        (self.says)()
    }
}

fn scripted(waits: bool, says: fn() -> Result<Principal, VerifyError>) -> Arc<dyn TokenVerifier> {
    let named = Vec::new();
    Arc::new(Scripted { says, waits, named })
}

fn server(verifiers: Vec<Arc<dyn TokenVerifier>>) -> Server {
    let verifiers = Verifiers::new(verifiers).unwrap();
    Server::new(&MovingClock::starting_now(), Arc::new(verifiers))
}

/// RS-13.
#[tokio::test]
async fn people_and_service_keys_come_in_side_by_side() {
    let issuer = Issuer::start().await;
    let clock = MovingClock::starting_now();
    let both = Verifiers::new(vec![jwts(&issuer, &clock), keys()]).unwrap();
    let server = Server::new(&clock, Arc::new(both));
    let token = issuer.token("k1", &issuer.claims(RESOURCE, server.now()));
    let user = server.principal(&token).await;
    assert_eq!(
        (user.issuer(), user.subject()),
        (issuer.url.as_str(), "user-1")
    );
    let program = server.principal(KEY).await;
    assert_eq!(
        (program.issuer(), program.subject()),
        ("static-key", "nightly")
    );
    assert_eq!(
        server.call("neither-of-the-two-kinds").await.0,
        invalid_token()
    );
}

/// RS-13.
#[tokio::test]
async fn an_outage_of_one_is_never_told_as_a_refusal() {
    let issuer = Issuer::start().await;
    issuer.set_down(true);
    let clock = MovingClock::starting_now();
    for order in [
        vec![jwts(&issuer, &clock), keys()],
        vec![keys(), jwts(&issuer, &clock)],
    ] {
        let both = Verifiers::new(order).unwrap();
        let server = Server::new(&clock, Arc::new(both));
        let token = issuer.token("k1", &issuer.claims(RESOURCE, server.now()));
        assert_eq!(server.status(&token).await, 503);
        assert_eq!(server.status(KEY).await, 200, "the other goes on");
    }
}

/// RS-13.
#[tokio::test]
async fn who_decides_does_not_depend_on_who_is_faster() {
    let first = || Ok(principal("first", "f"));
    let second = || Ok(principal("second", "s"));
    for (waits, also) in [(false, false), (true, false), (false, true), (true, true)] {
        let server = server(vec![scripted(waits, first), scripted(also, second)]);
        assert_eq!(server.principal("t").await.subject(), "f");
    }
    let invalid = || Err(VerifyError::Invalid("no"));
    for waits in [false, true] {
        let server = server(vec![scripted(waits, invalid), scripted(!waits, second)]);
        assert_eq!(server.principal("t").await.subject(), "s");
    }
}

/// RS-13.
#[tokio::test]
async fn refusals_together_say_the_one_that_matters_to_a_host() {
    let invalid = || Err(VerifyError::Invalid("no"));
    let expired = || Err(VerifyError::Expired);
    let away = || {
        Err(VerifyError::Unavailable {
            retry_after: Duration::from_secs(3),
            source: None,
        })
    };
    for (one, two, status) in [
        (scripted(false, invalid), scripted(true, invalid), 401),
        (scripted(false, expired), scripted(true, invalid), 401),
        (scripted(false, away), scripted(true, invalid), 503),
        (scripted(true, invalid), scripted(false, away), 503),
        (scripted(true, expired), scripted(false, away), 503),
    ] {
        assert_eq!(server(vec![one, two]).status("t").await, status);
    }
}

/// PX-20, RS-13.
#[tokio::test]
async fn nobody_vouches_under_the_name_of_another() {
    let issuer = Issuer::start().await;
    let clock = MovingClock::starting_now();
    let twice = Verifiers::new(vec![jwts(&issuer, &clock), jwts(&issuer, &clock)]);
    let said = twice.unwrap_err().to_string();
    assert!(
        said.contains("two verifiers vouch under the name"),
        "{said}"
    );
    assert!(Verifiers::new(vec![keys(), keys()]).is_err());
    assert!(Verifiers::new(Vec::new()).is_err());
    // One that does not say its names beforehand, or uses another than it said.
    let posing = || Ok(principal(StaticTokens::ISSUER, "nightly"));
    let quiet = server(vec![scripted(true, posing), keys()]);
    assert_eq!(quiet.call("t").await.0, invalid_token());
    assert_eq!(quiet.status(KEY).await, 401, "it came first, and lied");
    let named = Arc::new(Scripted {
        says: posing,
        waits: false,
        named: vec!["mine"],
    });
    assert_eq!(server(vec![named]).call("t").await.0, invalid_token());
}

/// RS-13.
#[test]
fn a_static_token_that_could_be_guessed_is_refused() {
    let nightly = || principal(StaticTokens::ISSUER, "nightly");
    let token = |text: &str| AccessToken::new(text);
    let short = StaticTokens::new().with_token(&token("fifteen-bytes-x"), nightly());
    assert!(
        short
            .unwrap_err()
            .to_string()
            .contains("shorter than 16 bytes")
    );
    let one = StaticTokens::new()
        .with_token(&token(KEY), nightly())
        .unwrap();
    let shown = format!("{one:?}");
    assert!(shown.contains("nightly") && !shown.contains(KEY), "{shown}");
    assert!(one.with_token(&token(KEY), nightly()).is_err());
}
