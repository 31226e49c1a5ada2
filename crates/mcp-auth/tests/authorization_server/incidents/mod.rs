//! What happened to others, each as a test that is named after the advisory or the issue: the request
//! that did the harm there is sent here.

mod browsers;
mod clients;
mod tokens;
