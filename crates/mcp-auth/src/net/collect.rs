//! Reading a whole body, within limits.

use std::{future::Future, pin::pin, time::Duration};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::StatusCode;
use http_body::Body;
use http_body_util::BodyExt;

/// Reads a whole body of at most `most` bytes; outside a tokio runtime it may take any time.
///
/// The error is the status that says what was wrong: 400, 408 or 413.
pub(crate) async fn collect<B: Body>(
    body: B,
    most: usize,
    deadline: Duration,
) -> Result<Bytes, StatusCode> {
    in_time(deadline, within(body, most)).await
}

/// Gives whoever sends a body a limited time for it.
async fn in_time(
    deadline: Duration,
    collecting: impl Future<Output = Result<Bytes, StatusCode>>,
) -> Result<Bytes, StatusCode> {
    if tokio::runtime::Handle::try_current().is_err() {
        return collecting.await;
    }
    match tokio::time::timeout(deadline, collecting).await {
        Ok(collected) => collected,
        Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
    }
}

async fn within<B: Body>(body: B, most: usize) -> Result<Bytes, StatusCode> {
    if body.size_hint().lower() > most as u64 {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let mut body = pin!(body);
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| StatusCode::BAD_REQUEST)?;
        if let Ok(data) = frame.into_data() {
            if data.remaining() > most - whole.len() {
                return Err(StatusCode::PAYLOAD_TOO_LARGE);
            }
            whole.put(data);
        }
    }
    Ok(whole.freeze())
}
