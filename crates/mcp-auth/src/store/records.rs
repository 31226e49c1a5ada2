//! Sealed records on top of a store.
