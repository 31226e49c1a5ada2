//! Calling a tool, on both wires.

use mcp_auth::oauth::AccessToken;
use serde_json::{Value, json};

use super::{HostError, ScriptedHost};

/// A revision of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// 2025-11-25: a handshake, then a session.
    Legacy,
    /// 2026-07-28: each request by itself.
    Modern,
}

const LEGACY: &str = "2025-11-25";
const MODERN: &str = "2026-07-28";

impl ScriptedHost {
    /// Calls a tool without arguments and gives its text.
    ///
    /// # Errors
    ///
    /// When the server or the tool refuses.
    pub async fn call_tool(&self, token: &AccessToken, tool: &str) -> Result<String, HostError> {
        let result = match self.wire {
            Wire::Modern => self.call_modern(token, tool).await?,
            Wire::Legacy => {
                let session = self.open_session(token).await?;
                self.call_in_session(token, &session, tool).await?
            }
        };
        let text = result
            .pointer("/result/content/0/text")
            .and_then(Value::as_str);
        let failed = result.pointer("/result/isError").and_then(Value::as_bool) == Some(true);
        match text {
            Some(text) if !failed => Ok(text.to_owned()),
            Some(_) => Err(HostError::Broken("call", "the tool answered with an error")),
            None => Err(HostError::Broken("call", "the answer has no text")),
        }
    }

    /// A request of 2026-07-28.
    ///
    /// # Errors
    ///
    /// When there is no answer.
    pub async fn send_modern(
        &self,
        token: Option<&AccessToken>,
        tool: &str,
    ) -> Result<reqwest::Response, HostError> {
        let body = json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {
                "name": tool, "arguments": {},
                "_meta": {
                    "io.modelcontextprotocol/protocolVersion": MODERN,
                    "io.modelcontextprotocol/clientInfo": { "name": "scripted-host", "version": "1" },
                    "io.modelcontextprotocol/clientCapabilities": {},
                },
            },
        });
        let request = self
            .mcp_post(token, &body)
            .header("mcp-protocol-version", MODERN);
        Ok(request
            .header("mcp-method", "tools/call")
            .header("mcp-name", tool)
            .send()
            .await?)
    }

    /// Opens a session of 2025-11-25 and gives its id.
    ///
    /// # Errors
    ///
    /// When the server refuses or gives no id.
    pub async fn open_session(&self, token: &AccessToken) -> Result<String, HostError> {
        let body = json!({
            "jsonrpc": "2.0", "id": 1, "method": "initialize",
            "params": { "protocolVersion": LEGACY, "capabilities": {}, "clientInfo": { "name": "scripted-host", "version": "1" } },
        });
        let answer = self.mcp_post(Some(token), &body).send().await?;
        if answer.status() != 200 {
            return Err(HostError::status("initialize", answer).await);
        }
        let session = answer
            .headers()
            .get("mcp-session-id")
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let session = session.ok_or(HostError::Broken("initialize", "no session id"))?;
        json_of(answer).await?;
        let body = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        let answer = self.in_session(Some(token), &session, &body).send().await?;
        if !answer.status().is_success() {
            return Err(HostError::status("initialized", answer).await);
        }
        Ok(session)
    }

    /// A request inside a session of 2025-11-25.
    pub fn in_session(
        &self,
        token: Option<&AccessToken>,
        session: &str,
        body: &Value,
    ) -> reqwest::RequestBuilder {
        let request = self.mcp_post(token, body).header("mcp-session-id", session);
        request.header("mcp-protocol-version", LEGACY)
    }

    /// Calls a tool inside a session of 2025-11-25.
    ///
    /// # Errors
    ///
    /// When the server refuses, or does not answer with JSON-RPC.
    pub async fn call_in_session(
        &self,
        token: &AccessToken,
        session: &str,
        tool: &str,
    ) -> Result<Value, HostError> {
        let body = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": { "name": tool, "arguments": {} } });
        json_of(self.in_session(Some(token), session, &body).send().await?).await
    }

    async fn call_modern(&self, token: &AccessToken, tool: &str) -> Result<Value, HostError> {
        json_of(self.send_modern(Some(token), tool).await?).await
    }

    fn mcp_post(&self, token: Option<&AccessToken>, body: &Value) -> reqwest::RequestBuilder {
        let request = self
            .http
            .post(&self.mcp_url)
            .header("accept", "application/json, text/event-stream")
            .json(body);
        match token {
            Some(token) => request.bearer_auth(token.expose()),
            None => request,
        }
    }
}

/// The JSON-RPC message of an answer that is JSON, or an event stream with one.
async fn json_of(answer: reqwest::Response) -> Result<Value, HostError> {
    if answer.status() != 200 {
        return Err(HostError::status("call", answer).await);
    }
    let text = answer.text().await?;
    let messages = text.lines().filter_map(|line| {
        serde_json::from_str::<Value>(line.strip_prefix("data:").unwrap_or(line).trim()).ok()
    });
    messages
        .into_iter()
        .find(|message| message.get("id").is_some())
        .ok_or(HostError::Broken("call", "no JSON-RPC answer"))
}
