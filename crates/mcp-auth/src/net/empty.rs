//! The shortest answer.

use bytes::Bytes;
use http::{Response, StatusCode};

/// Nothing but a status.
pub(crate) fn empty(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response
}
