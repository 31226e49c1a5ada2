//! The resource server's rules, table by table.

mod challenges;
mod credentials;
mod dpop;
mod hosts;
mod logs;
mod metadata;
mod operations;
mod scopes;
mod sessions;
mod streams;
