//! A `client_id` that is the URL of a document (draft-ietf-oauth-client-id-metadata-document-02 §3).

use http::Uri;

use crate::oauth::{ClientId, https_host};

/// Where the document of a client lies; its identifier, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DocumentUrl {
    id: ClientId,
    uri: Uri,
    host_end: usize,
}

/// What every such identifier begins with; none that we give out does.
const SCHEME: &str = "https://";

impl DocumentUrl {
    /// Whether an identifier claims to be one.
    pub(super) fn is_claimed_by(id: &ClientId) -> bool {
        id.as_str().starts_with(SCHEME)
    }

    /// Takes the identifier; the error is the broken rule.
    pub(super) fn parse(id: &ClientId) -> Result<Self, &'static str> {
        let host = https_host(id.as_str())?;
        let uri = id.as_str().parse().map_err(|_| "a URL")?;
        Ok(Self {
            id: id.clone(),
            uri,
            host_end: SCHEME.len() + host.len(),
        })
    }

    pub(super) const fn id(&self) -> &ClientId {
        &self.id
    }

    pub(super) const fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The host, as it stands in the identifier.
    pub(super) fn host(&self) -> &str {
        self.id
            .as_str()
            .get(SCHEME.len()..self.host_end)
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<DocumentUrl, &'static str> {
        DocumentUrl::parse(&ClientId::parse(text).unwrap())
    }

    /// CIM-02.
    #[test]
    fn refuses_urls_of_another_shape() {
        for bad in [
            "http://h.example/client",
            "HTTPS://h.example/client",
            "https:/h.example/client",
            "https:///client",
            "https://h.example",
            "https://h.example?x=/",
            "https://h.example/client#x",
            "https://h.example/#",
            "https://u@h.example/client",
            "https://u:p@h.example/client",
            "https://h.example/a/../client",
            "https://h.example/./client",
            "https://h.example/%2e%2E/client",
            "https://h.example/a/.%2e",
            "https://h.example\\@evil.example/client",
            "https://h.example:0/client",
            "https://h.example:99999/client",
            "https://0x7f000001/client",
            "https://127.1/client",
            "https://h%2eexample/client",
            "https://h..example/client",
            "https://h.example/a b",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        for (good, host) in [
            ("https://h.example/client", "h.example"),
            ("https://h.example/", "h.example"),
            ("https://h.example:8443/a/b.json?v=1", "h.example"),
            ("https://[2606:4700::1]/c", "[2606:4700::1]"),
        ] {
            assert_eq!(parse(good).unwrap().host(), host);
        }
    }
}
