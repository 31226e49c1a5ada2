//! The upstreams of one server: where there are several, people choose where to sign in.

use std::sync::Arc;

use super::Upstream;
use crate::BuildError;

/// The upstreams of one server, at least one, each with a name that its callback has.
///
/// A subject is `namespace|user`, so whose tokens lie in a grant is told by its subject alone.
#[derive(Debug, Clone)]
pub(crate) struct Upstreams(Arc<[NamedUpstream]>);

/// An upstream and its name: none for the main one.
#[derive(Debug)]
pub(crate) struct NamedUpstream {
    pub(crate) name: Box<str>,
    pub(crate) upstream: Arc<dyn Upstream>,
}

/// What a form says for the main one: a parameter without a value counts as missing.
const MAIN: &str = "main";
/// Of a name.
const MAX_NAME: usize = 32;

impl Upstreams {
    pub(crate) fn new(
        main: Arc<dyn Upstream>,
        further: impl IntoIterator<Item = (String, Arc<dyn Upstream>)>,
    ) -> Result<Self, BuildError> {
        let mut all = vec![NamedUpstream {
            name: "".into(),
            upstream: main,
        }];
        for (name, upstream) in further {
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(plain) {
                return Err(BuildError::argument(
                    "upstream name",
                    "has 1 to 32 lower-case letters, digits and hyphens, as in `github`: it stands in the callback's path",
                ));
            }
            if name == MAIN || all.iter().any(|known| *known.name == *name) {
                return Err(BuildError::argument(
                    "upstream name",
                    format!("two upstreams are called {name}"),
                ));
            }
            let name = name.into();
            all.push(NamedUpstream { name, upstream });
        }
        for (at, one) in all.iter().enumerate() {
            let namespace = one.upstream.namespace();
            if namespace.is_empty() || namespace.contains('|') {
                return Err(BuildError::argument(
                    "upstream namespace",
                    "must not be empty and has no `|`: subjects are `namespace|user`",
                ));
            }
            let mut others = all.iter().skip(at + 1);
            if others.any(|other| other.upstream.namespace() == namespace) {
                return Err(BuildError::Unsafe(
                    format!("two upstreams have the namespace {namespace}, so their users could not be told apart: give one another (with_namespace)").into(),
                ));
            }
        }
        Ok(Self(all.into()))
    }

    /// All of them, the main one first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &NamedUpstream> {
        self.0.iter()
    }

    /// The one that is there without a choice.
    pub(crate) fn only(&self) -> Option<&NamedUpstream> {
        match &*self.0 {
            [only] => Some(only),
            _ => None,
        }
    }

    /// The one of this name; the main one has none.
    pub(crate) fn named(&self, name: &str) -> Option<&Arc<dyn Upstream>> {
        let found = self.iter().find(|known| *known.name == *name);
        found.map(|found| &found.upstream)
    }

    /// The name of the one that a form chose, if it was shown.
    pub(crate) fn chosen(&self, said: &str) -> Option<Box<str>> {
        let mut all = self.iter();
        let found = all.find(|known| known.form_value() == said);
        found.map(|found| found.name.clone())
    }

    /// Where this subject signed in.
    pub(crate) fn of_subject(&self, subject: &str) -> Option<&Arc<dyn Upstream>> {
        let (namespace, _) = subject.split_once('|')?;
        let found = self
            .iter()
            .find(|known| known.upstream.namespace() == namespace);
        found.map(|found| &found.upstream)
    }
}

impl NamedUpstream {
    /// What stands for it in a form.
    pub(crate) fn form_value(&self) -> &str {
        match &*self.name {
            "" => MAIN,
            name => name,
        }
    }
}
