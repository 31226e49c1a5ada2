//! What a client does whose tokens are bound to a key (RFC 9449).

use reqwest::Response;
use serde_json::Value;

use crate::{
    further_days::{by_desk, form_with},
    proofs::{Proof, ProofKey},
    rig::Rig,
    secrets::Secrets,
};

/// A client with a key of its own.
pub struct Wallet<'a> {
    rig: &'a Rig,
    key: &'a ProofKey,
    nonce: Option<String>,
}

impl<'a> Wallet<'a> {
    pub const fn new(rig: &'a Rig, key: &'a ProofKey) -> Self {
        Self {
            rig,
            key,
            nonce: None,
        }
    }

    fn proof(&self, path: &str) -> Proof {
        let url = format!("{}{path}", self.rig.url);
        let proof = self.key.proof(&self.rig.clock, "POST", &url);
        match &self.nonce {
            Some(nonce) => proof.claim("nonce", nonce.as_str()),
            None => proof,
        }
    }

    fn signed(&self, secrets: &mut Secrets, proof: &Proof) -> String {
        let signed = self.key.sign(proof);
        secrets.add("proof of possession", signed.as_str());
        signed
    }

    fn note_nonce(&mut self, secrets: &mut Secrets, answer: &Response) {
        if let Some(nonce) = answer.headers().get("dpop-nonce") {
            let nonce = nonce.to_str().unwrap();
            secrets.add("nonce of a proof", nonce);
            self.nonce = Some(nonce.to_owned());
        }
    }

    /// Asks the token endpoint as the client `desk`.
    pub async fn token(&mut self, secrets: &mut Secrets, form: &[(&str, &str)]) -> (u16, Value) {
        let proof = self.signed(secrets, &self.proof("/token"));
        let answer = form_with(self.rig, "/token", form, |request| {
            by_desk(request).header("dpop", proof)
        });
        let answer = answer.await;
        self.note_nonce(secrets, &answer);
        let status = answer.status().as_u16();
        let body: Value = answer.json().await.unwrap();
        secrets.add_token_answer(&body);
        (status, body)
    }

    /// Calls the MCP endpoint well, with the same proof again, with a wrong one and as a bearer.
    pub async fn call(&mut self, secrets: &mut Secrets, access: &str) {
        let rig = self.rig;
        let sent = |scheme: &str, proof: &str| {
            let request = rig.http.post(format!("{}/mcp", rig.url));
            let request = request.header("authorization", format!("{scheme} {access}"));
            let request = request.header("dpop", proof);
            async { request.send().await.unwrap() }
        };
        // The nonce of the token endpoint is none here.
        let proof = self.proof("/mcp").of_token(access);
        let told = sent("DPoP", &self.signed(secrets, &proof)).await;
        assert_eq!(told.status(), 401);
        self.note_nonce(secrets, &told);
        let proof = self.proof("/mcp").of_token(access);
        let proof = self.signed(secrets, &proof);
        assert_eq!(sent("DPoP", &proof).await.status(), 200);
        assert_eq!(sent("DPoP", &proof).await.status(), 401, "a replay");
        let elsewhere = self.proof("/token").of_token(access);
        let proof = self.signed(secrets, &elsewhere);
        assert_eq!(sent("DPoP", &proof).await.status(), 401);
        assert_eq!(sent("Bearer", &proof).await.status(), 401);
    }
}
