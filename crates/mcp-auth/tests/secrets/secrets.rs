//! The secrets that were issued, and whether any of them is in a dump.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{rig::Rig, search::Needles};

/// Secrets with what they are.
#[derive(Default)]
pub struct Secrets(Vec<(&'static str, String)>);

const KINDS: [&str; 28] = [
    "access token",
    "signed access token",
    "refresh token",
    "code",
    "verifier",
    "state",
    "client secret",
    "cookie",
    "consent form",
    "visitor cookie",
    "visitor form",
    "form of our own page",
    "pushed request",
    "registration access token",
    "initial access token",
    "client assertion",
    "identity assertion",
    "proof of possession",
    "nonce of a proof",
    "root key",
    "signing key",
    "upstream access token",
    "upstream refresh token",
    "upstream id token",
    "upstream code",
    "upstream verifier",
    "upstream state",
    "upstream client secret",
];

impl Secrets {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(kind, secret)| (*kind, secret.as_str()))
    }

    /// The kinds of those that are there.
    pub fn found_in(&self, haystack: &[u8]) -> Vec<&'static str> {
        let needles = Needles::new(self.iter().map(|(_, secret)| secret));
        let numbers = needles.found_in(haystack);
        let kinds: BTreeSet<_> = numbers.iter().map(|number| self.0[*number].0).collect();
        kinds.into_iter().collect()
    }

    /// How many of them are there.
    pub fn count_in(&self, haystack: &[u8]) -> usize {
        let needles = Needles::new(self.iter().map(|(_, secret)| secret));
        needles.found_in(haystack).len()
    }

    pub fn assert_every_kind_is_there(&self) {
        for kind in KINDS {
            assert!(self.iter().any(|(known, _)| known == kind), "no {kind}");
        }
    }

    pub fn add(&mut self, kind: &'static str, secret: impl Into<String>) {
        let secret = secret.into();
        assert!(KINDS.contains(&kind) && secret.len() >= 12, "{kind}");
        if !self.0.iter().any(|(_, known)| *known == secret) {
            self.0.push((kind, secret));
        }
    }

    pub fn add_token_answer(&mut self, answer: &Value) {
        for (name, kind) in [
            ("access_token", "access token"),
            ("refresh_token", "refresh token"),
        ] {
            let signed = |token: &str| kind == "access token" && token.contains('.');
            match answer[name].as_str() {
                Some(token) if signed(token) => self.add("signed access token", token),
                Some(token) => self.add(kind, token),
                None => {}
            }
        }
    }

    /// What the upstream gave and got.
    pub fn add_upstream(&mut self, rig: &Rig) {
        self.add("upstream client secret", rig.upstream.client_secret());
        for exchange in rig.wire.seen() {
            let answer: Value = serde_json::from_str(&exchange.answered).unwrap_or(Value::Null);
            for (name, kind) in [
                ("access_token", "upstream access token"),
                ("refresh_token", "upstream refresh token"),
                ("id_token", "upstream id token"),
            ] {
                if let Some(token) = answer[name].as_str() {
                    self.add(kind, token);
                }
            }
            for (name, value) in url::form_urlencoded::parse(exchange.sent.as_bytes()) {
                match &*name {
                    "code" => self.add("upstream code", value),
                    "code_verifier" => self.add("upstream verifier", value),
                    "refresh_token" => self.add("upstream refresh token", value),
                    _ => {}
                }
            }
            if let Some(basic) = exchange
                .authorization
                .as_deref()
                .and_then(|a| a.strip_prefix("Basic "))
            {
                self.add("upstream client secret", basic);
            }
        }
        for request in rig.upstream.authorize_requests() {
            self.add("upstream state", request.parameter("state").unwrap());
        }
    }
}
