//! Pages are served under our own name only.

use bytes::Bytes;
use http::{Method, Request, Response};

use super::{AuthorizationServer, pages::ErrorPageKind, response};
use crate::{
    net::{named_authority, names},
    oauth::is_loopback_authority,
};

impl AuthorizationServer {
    /// The answer to a request for a page under another name than ours: that page would have other
    /// cookies, and could be a rebinding attacker's.
    ///
    /// On loopback another spelling of it is sent to the public one.
    pub(super) fn at_own_host(&self, request: &Request<Bytes>) -> Option<Response<Bytes>> {
        match named_authority(request.uri(), request.headers()) {
            Some(named) if names(&named, &self.public_url) => None,
            Some(named)
                if self.public_url.is_loopback()
                    && is_loopback_authority(named.as_str())
                    && request.method() == Method::GET =>
            {
                let target = request
                    .uri()
                    .path_and_query()
                    .map_or("/", |target| target.as_str());
                Some(response::see_other(&self.public_url.join(target)))
            }
            _ => Some(self.page(
                request,
                ErrorPageKind::WrongHost,
                "a host name that is not ours",
            )),
        }
    }
}
