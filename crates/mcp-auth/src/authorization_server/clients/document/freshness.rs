//! How long a fetched document may be used (RFC 9111), within our own bounds.

use std::time::Duration;

use http::{
    HeaderMap, HeaderName,
    header::{AGE, CACHE_CONTROL, EXPIRES},
};

use crate::oauth::Timestamp;

/// However short the server wants it, one document is not asked for more often than this.
const SHORTEST: Duration = Duration::from_secs(60);
/// However long, a change is seen within a day (draft -02 §5.2).
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// Where the server says nothing.
const UNSAID: Duration = Duration::from_secs(3600);

/// How long from now this answer is fresh.
pub(super) fn lifetime(headers: &HeaderMap, now: Timestamp) -> Duration {
    let directives: Vec<String> = headers
        .get_all(CACHE_CONTROL)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(|directive| directive.trim().to_ascii_lowercase())
        .collect();
    let is = |name: &str| directives.iter().any(|directive| directive == name);
    if is("no-store") || is("no-cache") {
        return SHORTEST;
    }
    let seconds = |name: &str| {
        let named = directives
            .iter()
            .find_map(|directive| directive.strip_prefix(name)?.strip_prefix('='));
        // What cannot be read is stale (RFC 9111 §4.2.1).
        named.map(|value| value.trim_matches('"').parse().unwrap_or(0))
    };
    let said = match seconds("s-maxage").or_else(|| seconds("max-age")) {
        Some(seconds) => Duration::from_secs(seconds),
        None => match header(headers, &EXPIRES) {
            Some(date) => moment(date).map_or(Duration::ZERO, |end| end.since(now)),
            None => UNSAID,
        },
    };
    let age = header(headers, &AGE).and_then(|age| age.parse().ok());
    said.saturating_sub(Duration::from_secs(age.unwrap_or(0)))
        .clamp(SHORTEST, LONGEST)
}

fn header<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

fn moment(date: &str) -> Option<Timestamp> {
    let time = httpdate::parse_http_date(date).ok()?;
    let since = time.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(Timestamp::from_seconds(since.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CIM-14.
    #[test]
    fn cache_headers_count_within_bounds() {
        let now = Timestamp::from_seconds(784_111_777); // Sun, 06 Nov 1994 08:49:37 GMT
        for (headers, seconds) in [
            (&[] as &[(&str, &str)], 3600),
            (&[("cache-control", "max-age=60")], 60),
            (&[("cache-control", "Public, Max-Age=\"90\"")], 90),
            (&[("cache-control", "max-age=600, s-maxage=120")], 120),
            (&[("cache-control", "max-age=600"), ("age", "100")], 500),
            (&[("cache-control", "max-age=60"), ("age", "9999")], 60),
            (&[("cache-control", "max-age=1")], 60),
            (&[("cache-control", "max-age=soon")], 60),
            (&[("cache-control", "no-store")], 60),
            (&[("cache-control", "public, no-cache, max-age=600")], 60),
            (&[("cache-control", "max-age=31536000")], 86400),
            (&[("cache-control", "max-age=99999999999999999999999")], 60),
            (&[("expires", "Sun, 06 Nov 1994 08:59:37 GMT")], 600),
            (&[("expires", "Sun, 06 Nov 1994 08:39:37 GMT")], 60),
            (&[("expires", "0")], 60),
            (
                &[
                    ("expires", "Sun, 06 Nov 1994 08:39:37 GMT"),
                    ("cache-control", "max-age=90"),
                ],
                90,
            ),
        ] {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(
                    HeaderName::from_bytes(name.as_bytes()).unwrap(),
                    value.parse().unwrap(),
                );
            }
            assert_eq!(lifetime(&map, now).as_secs(), seconds, "{headers:?}");
        }
    }
}
