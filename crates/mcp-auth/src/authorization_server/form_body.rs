//! The parameters of a posted form.

use bytes::Bytes;
use http::{Request, header::CONTENT_TYPE};

use crate::oauth::Form;

/// Reads the body's parameters, each of them once; the query's do not count.
///
/// # Errors
///
/// The reason, in words for the log.
pub(super) fn read(request: &Request<Bytes>) -> Result<Form, &'static str> {
    let content_type = request.headers().get(CONTENT_TYPE);
    let content_type = content_type
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err("the body is not a form");
    }
    let form = Form::parse(request.body()).map_err(|_| "the form cannot be read")?;
    if form.repeats_any() {
        return Err("a parameter was sent twice");
    }
    Ok(form)
}
