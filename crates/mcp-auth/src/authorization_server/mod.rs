//! Our own authorization server: one file per endpoint, in the order a login meets them.

pub mod clients;
mod register;
