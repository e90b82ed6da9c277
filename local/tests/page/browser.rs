//! A headless Chromium, driven over `WebDriver`.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::api;

/// A browser with one tab. [`Browser::quit`] ends it in order; if a test panics, it is killed.
pub(crate) struct Browser {
    driver: Child,
    process: Option<Pid>,
    session: String,
    _profile: TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(process) = self.process.take() {
            // It may have ended by itself.
            let _ = kill_process(process, Signal::KILL);
        }
    }
}

const ARGUMENTS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
];

impl Browser {
    /// Starts a driver on a port that it picks, and a browser with a fresh profile.
    pub(crate) async fn start() -> Self {
        let mut driver = Command::new("chromedriver")
            .args(["--port=0", "--allowed-ips=127.0.0.1"])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("chromedriver must be on the PATH; `make setup` installs it (Debian: chromium-driver)");
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = loop {
            let line = lines.next_line().await.unwrap().expect("chromedriver ended before it told its port");
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                break port.trim_end_matches('.').to_owned();
            }
        };
        let profile = tempfile::tempdir().unwrap();
        let arguments: Vec<_> =
            ARGUMENTS.map(str::to_owned).into_iter().chain([format!("--user-data-dir={}", profile.path().display())]).collect();
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {"args": arguments},
        }}});
        let origin = format!("http://127.0.0.1:{port}/session");
        let made = command("POST", &origin, &wanted).await;
        let process = made["capabilities"]["goog:processID"].as_i64().and_then(|id| Pid::from_raw(id.try_into().unwrap()));
        assert!(process.is_some(), "the driver must tell the browser's process: {made}");
        Self { driver, process, session: format!("{origin}/{}", made["sessionId"].as_str().unwrap()), _profile: profile }
    }

    /// Ends the browser and its driver.
    pub(crate) async fn quit(mut self) {
        command("DELETE", &self.session, &Value::Null).await;
        self.process = None;
        self.driver.kill().await.unwrap();
    }

    /// Opens a page.
    pub(crate) async fn open(&self, url: &str) {
        self.post("url", json!({"url": url})).await;
    }

    /// Sets the size of the window and the colour scheme.
    pub(crate) async fn emulate(&self, width: u32, height: u32, scheme: &str) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
        self.devtools("Emulation.setEmulatedMedia", json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]})).await;
    }

    /// What a JavaScript expression gives.
    pub(crate) async fn eval(&self, expression: &str) -> Value {
        self.post("execute/sync", json!({"script": format!("return {expression}"), "args": []})).await
    }

    /// Waits up to 20 s until a JavaScript expression gives `wanted`.
    pub(crate) async fn wait(&self, expression: &str, wanted: impl Into<Value>) {
        let (wanted, deadline) = (wanted.into(), Instant::now() + Duration::from_secs(20));
        loop {
            let seen = self.eval(expression).await;
            if seen == wanted {
                return;
            }
            if Instant::now() > deadline {
                panic!("{expression} is {seen}, not {wanted}; the console said {:#?}", self.console().await);
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Presses keys, as a person does; special keys are the code points of the `WebDriver` standard.
    pub(crate) async fn press(&self, keys: &str) {
        let strokes: Vec<_> =
            keys.chars().flat_map(|key| [json!({"type": "keyDown", "value": key}), json!({"type": "keyUp", "value": key})]).collect();
        self.post("actions", json!({"actions": [{"type": "key", "id": "keyboard", "actions": strokes}]})).await;
    }

    /// What the console said since the last call.
    pub(crate) async fn console(&self) -> Vec<String> {
        let entries = self.post("se/log", json!({"type": "browser"})).await;
        entries.as_array().unwrap().iter().map(|entry| entry["message"].as_str().unwrap().to_owned()).collect()
    }

    /// Leaves a picture of the whole page as `page-<name>.png` in cargo's directory for test output.
    pub(crate) async fn screenshot(&self, name: &str) {
        let picture = self.devtools("Page.captureScreenshot", json!({"format": "png", "captureBeyondViewport": true})).await;
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("page-{name}.png"));
        std::fs::write(path, base64(picture["data"].as_str().unwrap())).unwrap();
    }

    async fn devtools(&self, name: &str, parameters: Value) -> Value {
        self.post("goog/cdp/execute", json!({"cmd": name, "params": parameters})).await
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        command("POST", &format!("{}/{path}", self.session), &body).await
    }
}

async fn command(method: &str, url: &str, body: &Value) -> Value {
    let body = (!body.is_null()).then_some(body);
    let reply = api::send(method, url, &[("content-type", "application/json")], body).await;
    let status = reply.status();
    let value = api::json(reply).await["value"].take();
    assert!(status.is_success(), "{method} {url}: {}", value["message"]);
    value
}

/// Decodes base64 (RFC 4648, section 4).
fn base64(text: &str) -> Vec<u8> {
    let digit = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u8> = text.bytes().filter(|c| *c != b'=').map(digit).collect();
    let group = |four: &[u8]| {
        let bits = four.iter().fold(0_u32, |bits, d| bits << 6 | u32::from(*d)) << (6 * (4 - four.len()));
        bits.to_be_bytes()[1..four.len()].to_vec()
    };
    digits.chunks(4).flat_map(group).collect()
}
