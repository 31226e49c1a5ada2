//! As much of WebDriver (W3C) as these tests speak, and Chromium's own protocol through it.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{Client, Method};
use serde_json::{Value, json};

/// A browser that is being driven.
pub(crate) struct Session {
    http: Client,
    address: SocketAddr,
    id: String,
}

/// An element of the page that is shown.
#[derive(Debug, Clone)]
pub(crate) struct Element(String);

/// The keys a person has, as WebDriver writes them (§17.4.2).
pub(crate) const TAB: &str = "\u{e004}";
pub(crate) const ENTER: &str = "\u{e007}";

impl Session {
    pub(crate) async fn start(address: SocketAddr, capabilities: &Value) -> Self {
        let http = Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(60))
            .build()
            .unwrap();
        let mut session = Self {
            http,
            address,
            id: String::new(),
        };
        let started = session
            .send(Method::POST, "/session".into(), capabilities)
            .await
            .expect("a browser starts");
        session.id = text(&started["sessionId"]);
        session
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) async fn go(&self, url: &str) {
        self.post("url", json!({ "url": url })).await;
    }

    pub(crate) async fn back(&self) {
        self.post("back", json!({})).await;
    }

    pub(crate) async fn reload(&self) {
        self.post("refresh", json!({})).await;
    }

    pub(crate) async fn url(&self) -> String {
        text(&self.get("url").await)
    }

    pub(crate) async fn title(&self) -> String {
        text(&self.get("title").await)
    }

    pub(crate) async fn source(&self) -> String {
        text(&self.get("source").await)
    }

    /// Waits until the address begins like this: a click does not wait for where it leads.
    pub(crate) async fn arrives_at(&self, prefix: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let url = self.url().await;
            if url.starts_with(prefix) {
                return url;
            }
            if Instant::now() > deadline {
                let page = self.source().await;
                panic!("the browser stays at {url} instead of {prefix}: {page}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits for the one element that this selector names.
    pub(crate) async fn find(&self, selector: &str) -> Element {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let wanted = json!({ "using": "css selector", "value": selector });
            let path = self.path("element");
            match self.send(Method::POST, path, &wanted).await {
                Ok(found) => return Element(text(&found[ELEMENT])),
                Err(error) if Instant::now() > deadline => {
                    let (url, page) = (self.url().await, self.source().await);
                    panic!("no {selector} at {url}: {error}: {page}");
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    pub(crate) async fn click(&self, selector: &str) {
        let element = self.find(selector).await;
        self.post(&format!("element/{}/click", element.0), json!({}))
            .await;
    }

    pub(crate) async fn type_into(&self, selector: &str, typed: &str) {
        let element = self.find(selector).await;
        let path = format!("element/{}/value", element.0);
        self.post(&path, json!({ "text": typed })).await;
    }

    pub(crate) async fn text_of(&self, selector: &str) -> String {
        let element = self.find(selector).await;
        text(&self.get(&format!("element/{}/text", element.0)).await)
    }

    /// The name that assistive technology is told.
    pub(crate) async fn accessible_name(&self, selector: &str) -> String {
        let element = self.find(selector).await;
        let path = format!("element/{}/computedlabel", element.0);
        text(&self.get(&path).await)
    }

    /// Presses keys wherever the focus is.
    pub(crate) async fn press(&self, keys: &str) {
        let strokes: Vec<Value> = keys
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key })))
            .collect();
        let actions =
            json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": strokes }] });
        self.post("actions", actions).await;
    }

    /// Runs the body of a function in the page, as its developer tools would.
    pub(crate) async fn run(&self, script: &str) -> Value {
        self.post("execute/sync", json!({ "script": script, "args": [] }))
            .await
    }

    /// Waits until the page that is shown by then makes this expression true.
    pub(crate) async fn waits_for(&self, expression: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        let script = json!({ "script": format!("return {expression}"), "args": [] });
        loop {
            let path = self.path("execute/sync");
            let value = self.send(Method::POST, path, &script).await;
            if value == Ok(Value::Bool(true)) {
                return;
            }
            assert!(Instant::now() < deadline, "{expression}: {value:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) async fn enter_frame(&self, selector: &str) {
        let element = self.find(selector).await;
        self.post("frame", json!({ "id": { ELEMENT: element.0 } }))
            .await;
    }

    pub(crate) async fn leave_frame(&self) {
        self.post("frame", json!({ "id": null })).await;
    }

    pub(crate) async fn tab(&self) -> String {
        text(&self.get("window").await)
    }

    /// Opens a tab and stays in the one before.
    pub(crate) async fn open_tab(&self) -> String {
        text(&self.post("window/new", json!({ "type": "tab" })).await["handle"])
    }

    pub(crate) async fn switch_to(&self, tab: &str) {
        self.post("window", json!({ "handle": tab })).await;
    }

    /// What the console said since it was last asked, as `LEVEL message`.
    pub(crate) async fn console(&self) -> Vec<String> {
        let entries = self.post("se/log", json!({ "type": "browser" })).await;
        let line = |entry: &Value| format!("{} {}", text(&entry["level"]), text(&entry["message"]));
        entries.as_array().unwrap().iter().map(line).collect()
    }

    /// Every cookie of the profile, `HttpOnly` ones included.
    pub(crate) async fn cookies(&self) -> Vec<Value> {
        let all = self.cdp("Network.getAllCookies", json!({})).await;
        all["cookies"].as_array().unwrap().clone()
    }

    pub(crate) async fn forget_cookies(&self) {
        self.cdp("Network.clearBrowserCookies", json!({})).await;
    }

    /// A viewport of this many CSS pixels, as a phone has one below 600.
    pub(crate) async fn set_viewport(&self, width: u32, height: u32) {
        let metrics = json!({
            "width": width,
            "height": height,
            "deviceScaleFactor": 1,
            "mobile": width < 600,
        });
        self.cdp("Emulation.setDeviceMetricsOverride", metrics)
            .await;
    }

    /// What the person prefers: `light` or `dark`.
    pub(crate) async fn set_color_scheme(&self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.cdp(
            "Emulation.setEmulatedMedia",
            json!({ "features": features }),
        )
        .await;
    }

    /// A picture (PNG) of what the viewport shows.
    pub(crate) async fn screenshot(&self) -> Vec<u8> {
        STANDARD
            .decode(text(&self.get("screenshot").await))
            .unwrap()
    }

    /// A command of the Chrome DevTools Protocol.
    pub(crate) async fn cdp(&self, command: &str, params: Value) -> Value {
        let body = json!({ "cmd": command, "params": params });
        self.post("goog/cdp/execute", body).await
    }

    async fn get(&self, command: &str) -> Value {
        let answer = self
            .send(Method::GET, self.path(command), &Value::Null)
            .await;
        answer.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    async fn post(&self, command: &str, body: Value) -> Value {
        let answer = self.send(Method::POST, self.path(command), &body).await;
        answer.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    fn path(&self, command: &str) -> String {
        format!("/session/{}/{command}", self.id)
    }

    async fn send(&self, method: Method, path: String, body: &Value) -> Result<Value, String> {
        let mut request = self
            .http
            .request(method, format!("http://{}{path}", self.address));
        if !body.is_null() {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        let response = request.send().await.map_err(|error| error.to_string())?;
        let done = response.status().is_success();
        let answer = response.bytes().await.map_err(|error| error.to_string())?;
        let answer: Value = serde_json::from_slice(&answer).map_err(|error| error.to_string())?;
        if done {
            Ok(answer["value"].clone())
        } else {
            let value = &answer["value"];
            Err(format!("{}: {}", value["error"], value["message"]))
        }
    }
}

fn text(value: &Value) -> String {
    match value.as_str() {
        Some(text) => text.to_owned(),
        None => panic!("not a text: {value}"),
    }
}

/// How WebDriver marks an element (§12.2).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
