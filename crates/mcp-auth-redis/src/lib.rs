//! The [`Store`](mcp_auth::store::Store) of mcp-auth on Redis or Valkey, 6.2 or newer: a single
//! server, a primary behind sentinels, or a cluster.
//!
//! ```no_run
//! # async fn start() -> Result<(), mcp_auth::BuildError> {
//! use mcp_auth_redis::RedisStore;
//!
//! let store = RedisStore::open("redis://user:password@localhost:6379/0").await?;
//! # Ok(()) }
//! ```
//!
//! A server that is away when the store is opened, or goes away later, is no error of its own: every
//! operation answers `Unavailable` within the deadline, and the store heals by itself.
//!
//! What goes wrong in deployment: a `maxmemory-policy` other than `noeviction` signs users out when
//! memory is short; without `appendonly yes` and `appendfsync always` a crash of the server loses what
//! it had acknowledged; a failover to a replica can lose the last writes, whatever is set.
//!
//! # How records lie there
//!
//! A record is one string, an index is one sorted set of keys by their expiry. Both expire by the
//! server's own clock an hour after the last moment they were written for, so there is nothing left
//! to purge. Keys are a prefix and a hash, values are sealed.

mod address;
mod asking;
mod away;
mod builder;
mod connection;
mod dial;
mod failure;
mod inspection;
mod link;
mod packed;
mod script;
mod store;

pub use builder::RedisStoreBuilder;
pub use store::RedisStore;

/// The README's program compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
