//! What a provider wants in a request beside OAuth's own parameters.

use crate::BuildError;

/// Parameters of one kind of request; none of them is one that we set ourselves, and none is there twice.
#[derive(Debug, Default)]
pub(super) struct ExtraParameters(Vec<(String, String)>);

impl ExtraParameters {
    /// # Errors
    ///
    /// When a name is empty, is there twice, or is one that we set ourselves.
    pub(super) fn checked(
        argument: &'static str,
        parameters: Vec<(String, String)>,
    ) -> Result<Self, BuildError> {
        for (at, (name, _)) in parameters.iter().enumerate() {
            if name.is_empty() {
                return Err(BuildError::argument(argument, "a name is empty"));
            }
            if OURS.contains(&name.as_str()) {
                let rule = format!("`{name}` is set here, and by nobody else");
                return Err(BuildError::argument(argument, rule));
            }
            if parameters.iter().take(at).any(|(other, _)| other == name) {
                return Err(BuildError::argument(
                    argument,
                    format!("`{name}` stands there twice"),
                ));
            }
        }
        Ok(Self(parameters))
    }

    /// With those of a preset that the operator did not choose otherwise.
    ///
    /// # Errors
    ///
    /// See [`ExtraParameters::checked`].
    pub(super) fn with_preset(
        self,
        argument: &'static str,
        preset: &[(&str, &str)],
    ) -> Result<Self, BuildError> {
        let mut all = self.0;
        for (name, value) in preset {
            if !all.iter().any(|(chosen, _)| chosen == name) {
                all.push(((*name).to_owned(), (*value).to_owned()));
            }
        }
        Self::checked(argument, all)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }
}

/// What we set, and what would send the answer elsewhere or replace the request.
const OURS: [&str; 20] = [
    "assertion",
    "client_assertion",
    "client_assertion_type",
    "client_id",
    "client_secret",
    "code",
    "code_challenge",
    "code_challenge_method",
    "code_verifier",
    "grant_type",
    "id_token_hint",
    "nonce",
    "redirect_uri",
    "refresh_token",
    "request",
    "request_uri",
    "response_mode",
    "response_type",
    "scope",
    "state",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(names: &[&str]) -> Result<ExtraParameters, String> {
        let parameters = names
            .iter()
            .map(|name| ((*name).to_owned(), "v".to_owned()));
        ExtraParameters::checked("parameters", parameters.collect())
            .map_err(|error| error.to_string())
    }

    /// PX-06.
    #[test]
    fn refuses_what_is_set_here_and_what_is_there_twice() {
        for ours in OURS {
            let said = checked(&["audience", ours]).unwrap_err();
            assert!(said.contains(ours), "{said}");
        }
        assert!(checked(&["audience", "audience"]).is_err());
        assert!(checked(&[""]).is_err());
        assert!(checked(&["audience", "resource", "access_type", "prompt"]).is_ok());
    }

    #[test]
    fn the_operators_choice_replaces_the_presets() {
        let chosen = checked(&["access_type"]).unwrap();
        let preset = [("access_type", "offline"), ("prompt", "consent")];
        let all = chosen.with_preset("parameters", &preset).unwrap();
        let all: Vec<_> = all.iter().collect();
        assert_eq!(all, [("access_type", "v"), ("prompt", "consent")]);
    }
}
