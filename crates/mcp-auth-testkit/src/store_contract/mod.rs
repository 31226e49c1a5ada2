//! The contract of [`Store`], as a suite that any backend can run.
//!
//! A backend of your own proves itself in five lines of `tests/store.rs`:
//!
//! ```
//! use mcp_auth::store::MemoryStore;
//!
//! async fn fresh() -> MemoryStore {
//!     MemoryStore::new()
//! }
//!
//! mcp_auth_testkit::store_contract!(fresh);
//! ```
//!
//! That is one `#[test]` for each rule, on a runtime of its own with several threads; the function
//! is called once for each. It may hand out the same database every time: no rule touches a record
//! that another one made, and all records are made in names drawn at random. A store whose
//! connections are shared between processes should also prove [`two_handles`].
//!
//! What goes wrong in practice: a `replace` that reads, compares and then writes loses the races; a
//! version that counts from 1 for each new record lets a swap win that was prepared before a
//! removal; an index that is written after its record misses live ones.

mod index;
mod lifetime;
mod races;
mod records;
mod sample;
mod swaps;

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use mcp_auth::store::{Store, StoreError};

pub use races::two_handles;

/// Expands to one test for each rule of the store contract.
///
/// The argument is the path of an `async fn() -> impl Store`. See [the module](mod@crate::store_contract).
#[macro_export]
macro_rules! store_contract {
    (@rules $then:ident $($fresh:path)?) => {
        $crate::store_contract! { @$then [$($fresh)?]
            inserts_a_record_and_loads_it_as_it_was,
            loads_nothing_where_nothing_is,
            refuses_to_insert_over_a_record_and_changes_nothing,
            keeps_records_under_neighbouring_keys_apart,
            keeps_every_byte_of_binary_content,
            keeps_a_large_record,
            removes_a_record_and_forgives_removing_none,
            inserts_again_after_a_removal,
            replaces_the_record_of_this_version,
            refuses_to_replace_at_another_version,
            refuses_to_replace_where_nothing_is,
            changes_the_version_even_when_the_content_is_the_same,
            never_gives_a_version_twice,
            lets_a_swap_prepared_before_a_removal_lose,
            carries_the_expiry_exactly,
            purges_only_what_expired_more_than_an_hour_ago,
            purges_no_more_than_its_limit,
            spares_a_record_whose_life_was_extended,
            states_its_capabilities_the_same_every_time,
            lists_the_keys_of_live_records,
            lists_a_record_under_each_of_its_names,
            lists_a_record_under_the_names_it_was_replaced_with,
            keeps_a_record_listed_when_its_life_is_extended,
            lists_nothing_that_loads_once_it_is_removed,
            pages_through_a_listing_without_gaps_or_repeats,
            pages_right_while_keys_come_and_go,
            never_misses_a_live_key_while_others_change,
            lists_a_record_as_soon_as_it_loads,
            lets_one_of_many_insertions_win,
            lets_one_of_many_swaps_win,
            loses_no_update_of_a_swap_loop,
            orders_insertions_and_removals,
            lets_a_removal_or_a_swap_win_but_never_half_of_each,
        }
    };
    (@tests [$fresh:path] $($rule:ident),* $(,)?) => {
        $(
            #[test]
            fn $rule() -> ::core::result::Result<(), $crate::store_contract::Broken> {
                $crate::store_contract::run(stringify!($rule), $fresh)
            }
        )*
    };
    (@suite [] $($rule:ident),* $(,)?) => {
        &[$(Rule {
            name: stringify!($rule),
            check: |store| Box::pin(check::$rule(store)),
        }),*]
    };
    ($fresh:path) => {
        $crate::store_contract! { @rules tests $fresh }
    };
}

/// Every rule of the contract.
pub const RULES: &[Rule] = store_contract! { @rules suite };

/// One rule of the contract.
#[derive(Clone, Copy)]
pub struct Rule {
    name: &'static str,
    check: fn(Arc<dyn Store>) -> Check,
}

impl Rule {
    /// What the rule says, as the name of a test.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Holds the store to the rule; wants a tokio runtime with several threads for the races.
    ///
    /// # Errors
    ///
    /// When the store breaks the rule, fails, or does not come to an end within a minute.
    pub async fn check(&self, store: Arc<dyn Store>) -> Result<(), Broken> {
        match tokio::time::timeout(PATIENCE, (self.check)(store)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(why)) => Err(Broken::new(self.name, why)),
            Err(_) => Err(Broken::new(self.name, "it did not come to an end".into())),
        }
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Holds one store to every rule, and tells which it breaks.
pub async fn broken_rules(store: Arc<dyn Store>) -> Vec<Broken> {
    let mut broken = Vec::new();
    for rule in RULES {
        broken.extend(rule.check(store.clone()).await.err());
    }
    broken
}

/// Runs one rule on a runtime of its own; what `store_contract!` calls.
///
/// # Errors
///
/// When the store breaks the rule, or there is no rule of this name.
pub fn run<S, F>(rule: &'static str, fresh: impl FnOnce() -> F) -> Result<(), Broken>
where
    S: Store + 'static,
    F: Future<Output = S>,
{
    let found = RULES.iter().find(|found| found.name == rule);
    let found = found.ok_or_else(|| Broken::new(rule, "there is no such rule".into()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| Broken::new(rule, error.to_string().into()))?;
    runtime.block_on(async { found.check(Arc::new(fresh().await)).await })
}

/// A rule that a store breaks, and what it did instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{rule}: {why}")]
pub struct Broken {
    rule: &'static str,
    why: String,
}

impl Broken {
    fn new(rule: &'static str, why: Why) -> Self {
        Self { rule, why: why.0 }
    }

    /// The name of the rule.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        self.rule
    }

    /// What the store did.
    #[must_use]
    pub fn why(&self) -> &str {
        &self.why
    }
}

/// All rules in one place for the list above.
mod check {
    pub(super) use super::{index::*, lifetime::*, races::*, records::*, swaps::*};
}

type Check = Pin<Box<dyn Future<Output = Outcome> + Send>>;
type Outcome = Result<(), Why>;

/// What a store did against a rule.
#[derive(Debug)]
struct Why(String);

impl From<&str> for Why {
    fn from(why: &str) -> Self {
        Self(why.to_owned())
    }
}

impl From<String> for Why {
    fn from(why: String) -> Self {
        Self(why)
    }
}

impl From<StoreError> for Why {
    fn from(error: StoreError) -> Self {
        Self(format!("an operation failed: {error:?}"))
    }
}

impl From<tokio::task::JoinError> for Why {
    fn from(error: tokio::task::JoinError) -> Self {
        Self(format!("a task of the store broke off: {error}"))
    }
}

/// Goes on if what a rule says holds.
fn ensure(holds: bool, why: impl Into<Why>) -> Outcome {
    if holds { Ok(()) } else { Err(why.into()) }
}

const PATIENCE: Duration = Duration::from_secs(60);
