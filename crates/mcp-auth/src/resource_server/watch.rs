//! Event streams end with what opened them: a stream can outlive its token by far.

use http::{HeaderMap, header::CONTENT_TYPE};

use super::ResourceServer;
use crate::{access_token::VerifyError, net::Watch, oauth::AccessToken};

/// What ends an event stream: the token is looked at again and again, and no longer good.
///
/// A verifier that cannot tell ends nothing. Outside a tokio runtime there is no watch.
pub(super) fn watch(server: ResourceServer, token: AccessToken) -> Option<Watch> {
    tokio::runtime::Handle::try_current().ok()?;
    Some(Box::pin(async move {
        let settings = &server.0;
        loop {
            tokio::time::sleep(settings.stream_check).await;
            let verified = match settings.verifier.verify_now(&token, &settings.resource) {
                Some(verified) => verified,
                None => settings.verifier.verify(&token, &settings.resource).await,
            };
            if let Err(VerifyError::Invalid(reason)) = verified {
                tracing::info!(
                    reason,
                    resource = settings.resource.as_str(),
                    "an event stream ends"
                );
                return;
            }
        }
    }))
}

pub(super) fn is_event_stream(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .map_or(&b""[..], |kind| kind.as_bytes());
    let event_stream = b"text/event-stream";
    kind.get(..event_stream.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(event_stream))
}
