//! What can be wrong at start-up.

use std::borrow::Cow;

/// A mistake in how a server was set up: it says which argument is wrong and what would mend it.
///
/// Never carries a secret: the value of an argument is repeated only where it is an address or a
/// name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// An argument has a value that cannot be used.
    #[error("{argument}: {reason}")]
    Argument {
        /// The builder's argument, or the environment variable.
        argument: Cow<'static, str>,
        /// What is wrong and what to do.
        reason: Cow<'static, str>,
    },
    /// An argument that is needed was not given.
    #[error("{argument} is missing: {cure}")]
    Missing {
        /// The builder's argument, or the environment variable.
        argument: Cow<'static, str>,
        /// What to give.
        cure: Cow<'static, str>,
    },
    /// Two arguments that are fine by themselves would be unsafe together.
    #[error("{0}")]
    Unsafe(Cow<'static, str>),
}

impl BuildError {
    /// An argument with an unusable value.
    pub fn argument(
        argument: impl Into<Cow<'static, str>>,
        reason: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::Argument {
            argument: argument.into(),
            reason: reason.into(),
        }
    }

    /// The same mistake under the name that the operator knows, such as an environment variable.
    #[must_use]
    pub fn named(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        if let Self::Argument { argument, .. } | Self::Missing { argument, .. } = &mut self {
            *argument = name.into();
        }
        self
    }

    /// A needed argument that was not given.
    pub fn missing(
        argument: impl Into<Cow<'static, str>>,
        cure: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::Missing {
            argument: argument.into(),
            cure: cure.into(),
        }
    }
}
