//! Event streams end with what opened them: a stream can outlive its token by far.

use std::time::Duration;

use http::{HeaderMap, header::CONTENT_TYPE};

use super::ResourceServer;
use crate::{access_token::VerifyError, net::Watch, oauth::AccessToken};

/// What ends an event stream: the token is looked at again and again, and no longer good.
///
/// A stream that was opened as one (`GET`) ends with the token. The answer to a request that came
/// with a good token may outlive its expiry for a while, since what the request did is done; a
/// revocation ends that too. A verifier that cannot tell ends nothing. Outside a tokio runtime there
/// is no watch.
pub(super) fn watch(server: ResourceServer, token: AccessToken, opened: bool) -> Option<Watch> {
    tokio::runtime::Handle::try_current().ok()?;
    Some(Box::pin(async move {
        let settings = &server.0;
        let mut expired_for = Duration::ZERO;
        let reason = loop {
            tokio::time::sleep(settings.stream_check).await;
            match server.verified(&token).await {
                Err(VerifyError::Invalid(reason)) => break reason,
                Err(VerifyError::Expired) if opened || expired_for >= LAST_WORDS => break "expired",
                Err(VerifyError::Expired) => expired_for += settings.stream_check,
                _ => {}
            }
        };
        tracing::info!(
            reason,
            resource = settings.resource.as_str(),
            "an event stream ends"
        );
    }))
}

/// For how long an answer may go on after its token expired.
const LAST_WORDS: Duration = Duration::from_secs(600);

pub(super) fn is_event_stream(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .map_or(&b""[..], |kind| kind.as_bytes());
    let event_stream = b"text/event-stream";
    kind.get(..event_stream.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(event_stream))
}
