//! A preset chosen by name, with what stands for its placeholders.

use super::{ARGUMENT, Placeholder, PlaceholderKind, Preset, PresetPlace};
use crate::BuildError;

/// `NAME`, or `NAME:PLACEHOLDER=VALUE,…`.
#[derive(Debug)]
pub(in super::super) struct Chosen<'a> {
    pub(in super::super) preset: &'static Preset,
    values: Vec<(&'static str, &'a str)>,
}

/// Where the chosen provider is.
#[derive(Debug)]
pub(in super::super) enum FilledPlace {
    Issuer(String),
    Endpoints {
        endpoints: [String; 3],
        revocation: Option<String>,
    },
}

impl<'a> Chosen<'a> {
    /// # Errors
    ///
    /// When there is no such preset or placeholder, or a value is missing, given twice, or could mean
    /// another place than the one it stands in.
    pub(in super::super) fn parse(choice: &'a str) -> Result<Self, BuildError> {
        let (name, told) = choice.split_once(':').unwrap_or((choice, ""));
        let preset = Preset::named(name)?;
        let mut values: Vec<(&'static str, &'a str)> = Vec::new();
        for pair in told.split(',').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let placeholder = preset.placeholders.iter().find(|p| p.name == name);
            let Some(placeholder) = placeholder else {
                return Err(refusal(
                    preset,
                    "one of its values has a name that it does not know",
                ));
            };
            if values.iter().any(|(known, _)| *known == placeholder.name) {
                return Err(refusal(
                    preset,
                    &format!("`{}` stands there twice", placeholder.name),
                ));
            }
            if !placeholder.kind.accepts(value) {
                let Placeholder { name, meaning, .. } = placeholder;
                return Err(refusal(preset, &format!("`{name}` must be {meaning}")));
            }
            values.push((placeholder.name, value));
        }
        let missing = |p: &&Placeholder| !values.iter().any(|(name, _)| *name == p.name);
        if let Some(Placeholder { name, meaning, .. }) = preset.placeholders.iter().find(missing) {
            return Err(refusal(preset, &format!("`{name}` is missing: {meaning}")));
        }
        Ok(Self { preset, values })
    }

    /// # Errors
    ///
    /// When the provider needs an upstream of its own.
    pub(in super::super) fn place(&self) -> Result<FilledPlace, BuildError> {
        match self.preset.place {
            PresetPlace::Issuer(issuer) => Ok(FilledPlace::Issuer(self.filled(issuer))),
            PresetPlace::Endpoints {
                authorization,
                token,
                userinfo,
                revocation,
            } => Ok(FilledPlace::Endpoints {
                endpoints: [authorization, token, userinfo].map(|url| self.filled(url)),
                revocation: revocation.map(|url| self.filled(url)),
            }),
            PresetPlace::Apart(why) => Err(refusal(self.preset, why)),
        }
    }

    fn filled(&self, template: &str) -> String {
        let fill =
            |url: String, (name, value): &(&str, &str)| url.replace(&format!("{{{name}}}"), value);
        self.values.iter().fold(template.to_owned(), fill)
    }
}

/// Names the preset and says how one writes it.
fn refusal(preset: &Preset, why: &str) -> BuildError {
    let pairs: Vec<_> = preset
        .placeholders
        .iter()
        .map(|p| format!("{}=…", p.name))
        .collect();
    let written = match pairs.as_slice() {
        [] => preset.name.to_owned(),
        pairs => format!("{}:{}", preset.name, pairs.join(",")),
    };
    BuildError::argument(ARGUMENT, format!("`{written}`: {why}"))
}

impl PlaceholderKind {
    /// Whether a value can stand in its place and nowhere else: it holds nothing that ends a host name
    /// or a path segment, and no percent-encoding of it.
    fn accepts(self, value: &str) -> bool {
        let segment = |part: &str| {
            !part.is_empty()
                && !part.starts_with(['.', '-'])
                && !part.ends_with(['.', '-'])
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
        };
        match self {
            Self::Segment => segment(value),
            Self::Host => {
                let (host, port) = value.split_once(':').unwrap_or((value, "443"));
                let label = |label: &str| segment(label) && !label.contains('_');
                host.split('.').all(label) && port.parse::<u16>().is_ok_and(|port| port != 0)
            }
            // `build` parses it.
            Self::Url => !value.is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(choice: &str) -> Result<String, String> {
        let place = Chosen::parse(choice).and_then(|chosen| chosen.place());
        match place.map_err(|error| error.to_string())? {
            FilledPlace::Issuer(issuer) => Ok(issuer),
            FilledPlace::Endpoints { endpoints, .. } => Ok(endpoints.join(" ")),
        }
    }

    #[test]
    fn fills_the_placeholders_by_name() {
        let okta = "https://dev-1.okta.com/oauth2/default";
        assert_eq!(
            place("okta:domain=dev-1.okta.com,server=default").unwrap(),
            okta
        );
        assert_eq!(
            place("okta:server=default,domain=dev-1.okta.com").unwrap(),
            okta
        );
        let keycloak = "https://id.example:8443/realms/mcp";
        assert_eq!(
            place("keycloak:host=id.example:8443,realm=mcp").unwrap(),
            keycloak
        );
        assert!(
            place("github")
                .unwrap()
                .contains("github.com/login/oauth/authorize")
        );
    }

    #[test]
    fn refuses_values_that_leave_their_place() {
        for hostile in [
            "evil.example/x",
            "evil.example#",
            "evil.example?",
            "a@evil.example",
            "evil.example\\x",
            "a b",
            "",
            "..",
            ".a",
            "a.",
            "a..b",
            "-a",
            "%2e",
            "a:0",
            "a:b",
            "a:1:2",
            "[::1]",
            "a_b",
            "{realm}",
            "ä.example",
        ] {
            let said = place(&format!("auth0:domain={hostile}")).unwrap_err();
            assert!(said.contains("`domain`"), "{hostile}: {said}");
            assert!(hostile.len() < 3 || !said.contains(hostile), "{said}");
        }
        for hostile in ["a/b", "..", ".", "%2f", "a?b", "a#b", "", "a:b", "a\nb"] {
            let said = place(&format!("entra:tenant={hostile}")).unwrap_err();
            assert!(said.contains("`tenant`"), "{hostile}: {said}");
        }
    }

    #[test]
    fn names_what_is_wrong_with_the_choice() {
        for (choice, says) in [
            ("gitbub", "github, google"),
            ("okta:domain=dev-1.okta.com", "`server` is missing"),
            ("okta", "`domain` is missing"),
            (
                "okta:domain=a.example,domain=b.example",
                "`domain` stands there twice",
            ),
            ("github:tenant=x", "a name that it does not know"),
            ("linear", "GraphQL"),
        ] {
            let said = place(choice).unwrap_err();
            assert!(
                said.contains(says) && said.starts_with("upstream preset"),
                "{said}"
            );
        }
    }
}
