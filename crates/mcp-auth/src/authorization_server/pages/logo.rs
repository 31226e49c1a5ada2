//! The operator's logo.

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::oauth::ParseError;

/// A picture that travels inside the page: nothing is fetched for it, from nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct Logo {
    kind: LogoKind,
    bytes: Vec<u8>,
}

/// The form of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LogoKind {
    /// `image/png`
    Png,
    /// `image/jpeg`
    Jpeg,
    /// `image/webp`
    Webp,
    /// `image/svg+xml`; shown as a picture, where browsers run no script in it.
    Svg,
}

/// It goes with every page.
const MAX_BYTES: usize = 32 * 1024;

impl Logo {
    /// A picture of this kind, of at most 32 KiB. It is shown 40 CSS pixels high at most, beside the
    /// name of the server.
    ///
    /// # Errors
    ///
    /// When it is larger, or begins as no picture of this kind does.
    pub fn new(kind: LogoKind, bytes: impl Into<Vec<u8>>) -> Result<Self, ParseError> {
        let bytes = bytes.into();
        if bytes.len() > MAX_BYTES {
            return Err(ParseError::new("logo", "at most 32 KiB"));
        }
        if !kind.begins(&bytes) {
            return Err(ParseError::new(
                "logo",
                "the bytes of a picture of its kind",
            ));
        }
        Ok(Self { kind, bytes })
    }

    /// The picture as a URL of its own.
    pub(super) fn data_url(&self) -> String {
        let kind = self.kind.media_type();
        format!("data:{kind};base64,{}", STANDARD.encode(&self.bytes))
    }
}

impl LogoKind {
    const fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Webp => "image/webp",
            Self::Svg => "image/svg+xml",
        }
    }

    fn begins(self, bytes: &[u8]) -> bool {
        match self {
            Self::Png => bytes.starts_with(b"\x89PNG\r\n\x1a\n"),
            Self::Jpeg => bytes.starts_with(b"\xff\xd8\xff"),
            Self::Webp => bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP"),
            Self::Svg => bytes.starts_with(b"<svg") || bytes.starts_with(b"<?xml"),
        }
    }
}

impl std::fmt::Debug for Logo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Logo")
            .field("kind", &self.kind)
            .field("bytes", &self.bytes.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_pictures_alone_and_small_ones() {
        for (kind, bytes) in [
            (LogoKind::Png, b"\x89PNG\r\n\x1a\n..".as_slice()),
            (LogoKind::Jpeg, b"\xff\xd8\xff\xe0"),
            (LogoKind::Webp, b"RIFF\0\0\0\0WEBPVP8 "),
            (LogoKind::Svg, b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ] {
            let logo = Logo::new(kind, bytes).unwrap();
            assert!(logo.data_url().starts_with("data:image/"));
            for other in [LogoKind::Png, LogoKind::Jpeg, LogoKind::Webp, LogoKind::Svg] {
                assert_eq!(Logo::new(other, bytes).is_ok(), other == kind);
            }
            let mut large = bytes.to_vec();
            large.resize(MAX_BYTES, b' ');
            assert!(Logo::new(kind, large.clone()).is_ok());
            large.push(b' ');
            assert!(Logo::new(kind, large).is_err());
        }
        assert!(Logo::new(LogoKind::Svg, "<html>").is_err());
        assert!(Logo::new(LogoKind::Png, "").is_err());
    }
}
