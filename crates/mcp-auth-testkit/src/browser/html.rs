//! A tolerant reader of HTML: enough to find titles, links and forms.

/// One thing in a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Open {
        tag: String,
        attributes: Vec<(String, String)>,
    },
    Close {
        tag: String,
    },
    Text(String),
}

/// Reads a page into its pieces; what it does not understand it skips.
pub(super) fn pieces(html: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        let (text, after) = rest.split_at(at);
        push_text(&mut pieces, text);
        rest = match after.strip_prefix("<!--") {
            Some(comment) => comment.split_once("-->").map_or("", |(_, after)| after),
            None => read_tag(after, &mut pieces),
        };
    }
    push_text(&mut pieces, rest);
    pieces
}

/// The value of an attribute.
pub(super) fn attribute<'a>(attributes: &'a [(String, String)], name: &str) -> Option<&'a str> {
    attributes
        .iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.as_str())
}

/// Text with its white space as a browser shows it.
pub(super) fn collapsed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Reads from a `<` on and returns what follows.
fn read_tag<'a>(html: &'a str, pieces: &mut Vec<Piece>) -> &'a str {
    let inner = html.get(1..).unwrap_or_default();
    let (closing, inner) = match inner.strip_prefix('/') {
        Some(inner) => (true, inner),
        None => (false, inner),
    };
    if !inner.starts_with(|first: char| first.is_ascii_alphabetic()) {
        if closing || inner.starts_with(['!', '?']) {
            return inner.split_once('>').map_or("", |(_, after)| after);
        }
        push_text(pieces, "<");
        return inner;
    }
    let end = inner
        .find(|c: char| c.is_whitespace() || c == '>' || c == '/')
        .unwrap_or(inner.len());
    let (tag, rest) = inner.split_at(end);
    let tag = tag.to_ascii_lowercase();
    let (attributes, after) = read_attributes(rest);
    if closing {
        pieces.push(Piece::Close { tag });
        return after;
    }
    let raw = matches!(tag.as_str(), "script" | "style");
    let end_tag = format!("</{tag}");
    pieces.push(Piece::Open { tag, attributes });
    if raw {
        // ASCII lower case keeps byte positions.
        let at = after.to_ascii_lowercase().find(&end_tag);
        return at.and_then(|at| after.get(at..)).unwrap_or("");
    }
    after
}

fn read_attributes(html: &str) -> (Vec<(String, String)>, &str) {
    let mut attributes: Vec<(String, String)> = Vec::new();
    let mut rest = html;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
        if rest.is_empty() {
            return (attributes, rest);
        }
        if let Some(after) = rest.strip_prefix('>') {
            return (attributes, after);
        }
        let end = rest
            .char_indices()
            .skip(1)
            .find(|(_, c)| c.is_whitespace() || matches!(c, '=' | '>' | '/'))
            .map_or(rest.len(), |(at, _)| at);
        let (name, after) = rest.split_at(end);
        let (value, after) = match after.trim_start().strip_prefix('=') {
            Some(value) => read_value(value.trim_start()),
            None => ("", after),
        };
        let name = name.to_ascii_lowercase();
        // Of repeats the first counts.
        if attribute(&attributes, &name).is_none() {
            attributes.push((name, unescaped(value)));
        }
        rest = after;
    }
}

fn read_value(html: &str) -> (&str, &str) {
    for quote in ['"', '\''] {
        if let Some(inner) = html.strip_prefix(quote) {
            return inner.split_once(quote).unwrap_or((inner, ""));
        }
    }
    let end = html
        .find(|c: char| c.is_whitespace() || c == '>')
        .unwrap_or(html.len());
    html.split_at(end)
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(unescaped(text)));
    }
}

/// Undoes numeric references and the named ones that templates write.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let end = from.find(';').filter(|end| *end <= LONGEST_REFERENCE);
        let named = end.and_then(|end| from.get(1..end)).and_then(character);
        match (named, end) {
            (Some(character), Some(end)) => {
                out.push(character);
                rest = from.get(end + 1..).unwrap_or_default();
            }
            _ => {
                out.push('&');
                rest = from.get(1..).unwrap_or_default();
            }
        }
    }
    out.push_str(rest);
    out
}

fn character(reference: &str) -> Option<char> {
    if let Some(number) = reference.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(code);
    }
    NAMED
        .iter()
        .find(|(name, _)| *name == reference)
        .map(|(_, character)| *character)
}

const LONGEST_REFERENCE: usize = 10;
const NAMED: [(&str, char); 10] = [
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("nbsp", '\u{a0}'),
    ("middot", '·'),
    ("hellip", '…'),
    ("ndash", '–'),
    ("mdash", '—'),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_come_quoted_unquoted_and_bare() {
        let pieces = pieces("<INPUT name='a b' value=\"x&amp;y&#x3c;\" type=text required/>");
        let [Piece::Open { tag, attributes }] = pieces.as_slice() else {
            panic!("{pieces:?}");
        };
        assert_eq!(tag, "input");
        assert_eq!(attribute(attributes, "name"), Some("a b"));
        assert_eq!(attribute(attributes, "value"), Some("x&y<"));
        assert_eq!(attribute(attributes, "type"), Some("text"));
        assert_eq!(attribute(attributes, "required"), Some(""));
    }

    #[test]
    fn scripts_and_comments_are_no_markup() {
        let pieces = pieces("<script>if (a<b) '<form>'</script><!-- <form> -->x");
        assert!(pieces.contains(&Piece::Text("x".to_owned())));
        let opened = |piece: &&Piece| matches!(piece, Piece::Open { .. });
        assert_eq!(pieces.iter().filter(opened).count(), 1);
    }

    #[test]
    fn broken_markup_ends() {
        for html in [
            "<",
            "</",
            "<a",
            "<a href",
            "<a href='x",
            "<!--",
            "a < b",
            "&#xffffffff;&",
            "<é",
            "< é=>",
        ] {
            let _ = pieces(html);
        }
        assert_eq!(pieces("a & b"), [Piece::Text("a & b".to_owned())]);
    }
}
