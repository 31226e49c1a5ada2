//! Dynamic client registration.
