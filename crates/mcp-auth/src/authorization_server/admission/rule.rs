//! Ready-made rules, and how they go together.

use async_trait::async_trait;

use super::{Admission, Admitted, NotAdmitted, email_domain::EmailDomain};
use crate::{
    oauth::{ClientId, ParseError, Scopes},
    upstream::UpstreamIdentity,
};

/// Who may come in: by subject, by e-mail domain or by group, and any of these together.
///
/// ```
/// use mcp_auth::{authorization_server::AdmissionRule, oauth::{ParseError, Scopes}};
///
/// # fn main() -> Result<(), ParseError> {
/// // Staff may do everything, everybody else with an address of the house may read.
/// let rule = AdmissionRule::groups("groups", ["staff"])
///     .or(AdmissionRule::email_domains(["example.com"])?
///         .limited_to(Scopes::parse("notes:read")?))
///     .with_words("Ask it-help@example.com for access.");
/// # let _ = rule; Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct AdmissionRule {
    condition: Condition,
    words: Option<String>,
}

#[derive(Debug, Clone)]
enum Condition {
    Subjects(Vec<String>),
    Namespace(String),
    EmailDomains(Vec<EmailDomain>),
    Groups { claim: String, names: Vec<String> },
    LimitedTo(Box<Self>, Scopes),
    Both(Box<Self>, Box<Self>),
    Either(Box<Self>, Box<Self>),
}

impl AdmissionRule {
    /// Users with one of these subjects, byte for byte, as [`Principal::subject`](crate::Principal::subject)
    /// says them: the upstream's namespace, `|`, the user there.
    #[must_use]
    pub fn subjects<S: Into<String>>(subjects: impl IntoIterator<Item = S>) -> Self {
        Self::of(Condition::Subjects(
            subjects.into_iter().map(Into::into).collect(),
        ))
    }

    /// Users of this upstream, or of this enterprise issuer, by its namespace: for rules about what only
    /// one of them says.
    #[must_use]
    pub fn namespace(namespace: impl Into<String>) -> Self {
        Self::of(Condition::Namespace(namespace.into()))
    }

    /// Users whose e-mail address is at one of these domains and verified by the upstream. A domain
    /// stands for itself alone, not for what lies below it.
    ///
    /// # Errors
    ///
    /// When one of them is no domain.
    ///
    /// # Security
    ///
    /// The upstream decides what it calls verified. Where anybody can make an account there, be sure
    /// that it sets `email_verified` for addresses it has proved, and for no others.
    pub fn email_domains<S: AsRef<str>>(
        domains: impl IntoIterator<Item = S>,
    ) -> Result<Self, ParseError> {
        let domains = domains.into_iter();
        let domains: Result<_, _> = domains
            .map(|domain| EmailDomain::parse(domain.as_ref()))
            .collect();
        Ok(Self::of(Condition::EmailDomains(domains?)))
    }

    /// Users in one of these groups, byte for byte; the claim, often `groups`, is an array of texts or
    /// one text with spaces between them.
    #[must_use]
    pub fn groups<S: Into<String>>(
        claim: impl Into<String>,
        names: impl IntoIterator<Item = S>,
    ) -> Self {
        Self::of(Condition::Groups {
            claim: claim.into(),
            names: names.into_iter().map(Into::into).collect(),
        })
    }

    /// The same users, with these scopes at most.
    #[must_use]
    pub fn limited_to(mut self, scopes: Scopes) -> Self {
        self.condition = Condition::LimitedTo(Box::new(self.condition), scopes);
        self
    }

    /// Users that both rules let in, with the scopes that both give.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.condition = Condition::Both(Box::new(self.condition), Box::new(other.condition));
        self.words = self.words.or(other.words);
        self
    }

    /// Users that either rule lets in, with the scopes that any of them gives.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        self.condition = Condition::Either(Box::new(self.condition), Box::new(other.condition));
        self.words = self.words.or(other.words);
        self
    }

    /// With words for those who are not let in, such as whom to ask.
    #[must_use]
    pub fn with_words(mut self, words: impl Into<String>) -> Self {
        self.words = Some(words.into());
        self
    }

    const fn of(condition: Condition) -> Self {
        Self {
            condition,
            words: None,
        }
    }
}

#[async_trait]
impl Admission for AdmissionRule {
    async fn admit(
        &self,
        identity: &UpstreamIdentity,
        _: &ClientId,
        scopes: &Scopes,
    ) -> Result<Admitted, NotAdmitted> {
        let given = self.condition.given(identity, scopes);
        let given = given.filter(|given| !given.is_empty());
        given.map(Admitted::with_scopes).ok_or_else(|| NotAdmitted {
            words: self.words.clone(),
            ..NotAdmitted::because("no rule lets this user in")
        })
    }
}

impl Condition {
    /// What of these scopes the user is given; `None` for a user who is not let in.
    fn given(&self, identity: &UpstreamIdentity, asked: &Scopes) -> Option<Scopes> {
        let all_if = |admitted: bool| admitted.then(|| asked.clone());
        match self {
            Self::Subjects(subjects) => {
                let name = identity.full_subject();
                all_if(subjects.contains(&name))
            }
            Self::Namespace(namespace) => all_if(namespace == identity.namespace()),
            Self::EmailDomains(domains) => all_if(
                identity
                    .verified_email()
                    .is_some_and(|email| domains.iter().any(|domain| domain.has(email))),
            ),
            Self::Groups { claim, names } => all_if(
                identity
                    .list(claim)
                    .any(|group| names.iter().any(|name| name == group)),
            ),
            Self::LimitedTo(inner, most) => Some(inner.given(identity, asked)?.intersection(most)),
            Self::Both(one, other) => {
                let one = one.given(identity, asked)?;
                Some(one.intersection(&other.given(identity, asked)?))
            }
            Self::Either(one, other) => {
                match (one.given(identity, asked), other.given(identity, asked)) {
                    (Some(one), Some(other)) => {
                        let given = |scope: &&_| one.contains(scope) || other.contains(scope);
                        Some(asked.iter().filter(given).cloned().collect())
                    }
                    (one, other) => one.or(other),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(rule: &AdmissionRule, namespace: &str, subject: &str) -> bool {
        let identity = UpstreamIdentity::new(subject.to_owned(), serde_json::Map::new());
        let identity = identity.with_namespace(namespace);
        let asked = Scopes::parse("a b").unwrap();
        rule.condition.given(&identity, &asked).is_some()
    }

    /// Two issuers may give two people the same name.
    #[test]
    fn a_subject_of_one_issuer_is_nobody_at_another() {
        let rule = AdmissionRule::subjects(["id.example|42"]);
        assert!(admits(&rule, "id.example", "42"));
        for (namespace, subject) in [
            ("evil.example", "42"),
            ("", "42"),
            ("", "id.example|42"),
            ("id.example", "421"),
            ("id.example", ""),
        ] {
            assert!(!admits(&rule, namespace, subject), "{namespace} {subject}");
        }
        let here = AdmissionRule::namespace("id.example");
        assert!(admits(&here, "id.example", "anybody"));
        assert!(!admits(&here, "id.example.org", "anybody"));
    }
}
