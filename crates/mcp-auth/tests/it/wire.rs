//! HTTP/1.1 by hand, so that a test can send what no client library would.

use std::{net::SocketAddr, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// A request, written line by line.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: String,
}

/// A response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Ask {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: vec![("host".to_owned(), "127.0.0.1:8000".to_owned())],
            body: String::new(),
        }
    }

    /// A tool call as revision 2026-07-28 sends it: no session, everything in one request.
    pub(crate) fn call(tool: &str) -> Self {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        Self::message(&json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": tool, "arguments": {}, "_meta": meta},
        }))
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", tool)
    }

    /// A JSON-RPC message.
    pub(crate) fn message(message: &Value) -> Self {
        let mut ask = Self::new("POST", "/mcp")
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream");
        ask.body = message.to_string();
        ask
    }

    pub(crate) fn to(mut self, target: &str) -> Self {
        self.target = target.to_owned();
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// Without any header of this name, the host that every request has included.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self
    }

    pub(crate) fn host(self, host: &str) -> Self {
        self.without("host").header("host", host)
    }

    pub(crate) fn body(mut self, body: &str) -> Self {
        self.body = body.to_owned();
        self
    }

    /// Sends it on a connection of its own and reads the whole answer.
    pub(crate) async fn send(&self, address: SocketAddr) -> Answer {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let closing = self.clone().header("connection", "close");
        stream.write_all(&closing.bytes()).await.unwrap();
        let mut raw = Vec::new();
        let read = timeout(LIMIT, stream.read_to_end(&mut raw)).await;
        read.expect("the answer ends").unwrap();
        Answer::parse(&raw)
    }

    /// Sends it and reads the head only, as for a stream that stays open.
    pub(crate) async fn send_for_head(&self, address: SocketAddr) -> Answer {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&self.bytes()).await.unwrap();
        let mut raw = Vec::new();
        while !raw.windows(4).any(|end| end == b"\r\n\r\n") {
            let mut part = [0; 1024];
            let read = timeout(LIMIT, stream.read(&mut part)).await;
            let read = read.expect("there is an answer").unwrap();
            assert_ne!(read, 0, "the connection ended before the head");
            raw.extend_from_slice(&part[..read]);
        }
        let end = raw.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
        Answer::parse(&raw[..end])
    }

    /// Sends it on a connection that goes on, and reads the answer to its end and no further.
    pub(crate) async fn send_over(&self, stream: &mut TcpStream) -> Answer {
        stream.write_all(&self.bytes()).await.unwrap();
        let mut raw = Vec::new();
        while !is_whole(&raw) {
            let mut part = [0; 1024];
            let read = timeout(LIMIT, stream.read(&mut part)).await;
            let read = read.expect("the answer ends").unwrap();
            assert_ne!(read, 0, "the connection ended before the answer");
            raw.extend_from_slice(&part[..read]);
        }
        Answer::parse(&raw)
    }

    /// The bytes on the wire.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("content-length: {}\r\n\r\n", self.body.len()));
        head.push_str(&self.body);
        head.into_bytes()
    }
}

impl Answer {
    pub(crate) fn parse(raw: &[u8]) -> Self {
        let text = String::from_utf8(raw.to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").expect("a whole head");
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_owned())
        });
        let mut answer = Self {
            status: status.parse().unwrap(),
            headers: headers.collect(),
            body: body.to_owned(),
        };
        if answer.header("transfer-encoding") == Some("chunked") {
            answer.body = without_chunks(body);
        }
        answer
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.all(name);
        let first = values.next();
        assert_eq!(values.next(), None, "{name} is there twice");
        first
    }

    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let found = self.headers.iter().filter(move |(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }

    /// The text that a tool answered, from a body or an event stream.
    pub(crate) fn tool_text(&self) -> String {
        let message = self.body.lines().find_map(|line| {
            let line = line.strip_prefix("data:").unwrap_or(line).trim();
            serde_json::from_str::<Value>(line).ok()
        });
        let message = message.unwrap_or_else(|| panic!("no message: {self:?}"));
        let text = message["result"]["content"][0]["text"].as_str();
        text.unwrap_or_else(|| panic!("no text: {message}"))
            .to_owned()
    }

    /// The challenge; every 401 has one.
    pub(crate) fn challenge(&self) -> &str {
        self.header("www-authenticate").expect("a challenge")
    }
}

/// Whether a head has arrived, and all of the body that it speaks of.
fn is_whole(raw: &[u8]) -> bool {
    let Some(end) = raw.windows(4).position(|end| end == b"\r\n\r\n") else {
        return false;
    };
    let head = Answer::parse(&raw[..end + 4]);
    match head.header("content-length") {
        Some(length) => raw.len() - end - 4 >= length.parse::<usize>().unwrap(),
        None => raw.ends_with(b"\r\n0\r\n\r\n"),
    }
}

fn without_chunks(body: &str) -> String {
    let mut whole = String::new();
    let mut rest = body;
    while let Some((size, after)) = rest.split_once("\r\n") {
        let Ok(size) = usize::from_str_radix(size.trim(), 16) else {
            break;
        };
        let Some(chunk) = after.get(..size) else {
            break;
        };
        whole.push_str(chunk);
        rest = after.get(size + 2..).unwrap_or_default();
    }
    whole
}

const LIMIT: Duration = Duration::from_secs(5);
