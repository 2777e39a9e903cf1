//! Headless Chromium, driven over the Chrome DevTools Protocol.

use std::ffi::OsString;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::Message;

use crate::clients::frames::{Frames, Peer};
use crate::process::Process;
use crate::wait::{LATER, eventually};

/// The visible text of a page.
const TEXT: &str = "document.body?.innerText ?? ''";

/// A browser. Ended with its profile on drop.
pub struct Browser {
    frames: Frames,
    next_id: AtomicU64,
    // Before the directory: the browser writes to it until it ends.
    _process: Process,
    _profile: TempDir,
}

/// A page of a browser.
pub struct Page<'a> {
    browser: &'a Browser,
    target: Value,
    session: String,
}

impl Browser {
    /// Starts Chromium.
    ///
    /// # Panics
    /// If it is not installed.
    pub fn start() -> Browser {
        let program = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(|name| {
            let path = std::env::var_os("PATH").unwrap_or_default();
            std::env::split_paths(&path).any(|dir| dir.join(name).is_file())
        });
        let program = program.expect("Chromium is missing: run `make setup` (or install chromium)");
        let profile =
            tempfile::Builder::new().prefix("chat-browser-").tempdir().expect("a directory");
        let mut data = OsString::from("--user-data-dir=");
        data.push(profile.path());
        let mut args: Vec<OsString> = [
            "--headless",
            "--remote-debugging-port=0",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            // Two pages share the screen: the hidden one must not be throttled.
            "--disable-background-timer-throttling",
            "--disable-renderer-backgrounding",
            "--disable-backgrounding-occluded-windows",
        ]
        .map(OsString::from)
        .into();
        args.push(data);
        args.push("about:blank".into());
        let mut process = Process::spawn("chromium", Path::new(program), &args, profile.path());
        let url = eventually("Chromium's DevTools address", LATER, || {
            assert!(process.ended().is_none(), "Chromium ended: {}", process.errors());
            let errors = process.errors();
            let url = errors.lines().find_map(|line| line.strip_prefix("DevTools listening on "));
            url.map(|url| url.trim().to_owned()).ok_or(errors)
        });
        let host = url.trim_start_matches("ws://").split('/').next().unwrap_or_default();
        let address = host.parse().expect("an address");
        let frames = Frames::open(address, url, Peer::Browser).expect("DevTools answers");
        Browser { frames, next_id: AtomicU64::new(1), _process: process, _profile: profile }
    }

    /// Opens a page of HTTP. Returns when it has taken the place of the empty page with which a tab
    /// begins.
    #[track_caller]
    pub fn open(&self, url: &str) -> Page<'_> {
        let target = self.call(None, "Target.createTarget", json!({ "url": url }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = self.call(None, "Target.attachToTarget", attach);
        let session = session["sessionId"].as_str().expect("a session").to_owned();
        let page = Page { browser: self, target: target["targetId"].clone(), session };
        let is_there = "location.protocol === 'http:' && document.readyState !== 'loading'";
        page.wait(is_there, &json!(true), LATER);
        page
    }

    #[track_caller]
    fn call(&self, session: Option<&str>, method: &str, params: Value) -> Value {
        let answer = self.ask(session, method, params);
        answer.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// The result, or the error.
    #[track_caller]
    fn ask(&self, session: Option<&str>, method: &str, params: Value) -> Result<Value, Value> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let mut question = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = session {
            question["sessionId"] = session.into();
        }
        self.frames.send(Message::text(question.to_string()));
        eventually(method, LATER, || {
            let inbox = self.frames.inbox();
            let place = *inbox.answers.get(&id).ok_or("no answer")?;
            let answer = &inbox.frames[place].json;
            let error = &answer["error"];
            Ok(if error.is_null() { Ok(answer["result"].clone()) } else { Err(error.clone()) })
        })
    }
}

impl Page<'_> {
    /// The value of a JavaScript expression.
    #[track_caller]
    pub fn evaluate(&self, expression: &str) -> Value {
        self.look_at(expression).unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    /// The value, or why there is no page now that could say it.
    #[track_caller]
    fn look_at(&self, expression: &str) -> Result<Value, Value> {
        let params =
            json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.browser.ask(Some(&self.session), "Runtime.evaluate", params)?;
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        Ok(answer["result"]["value"].clone())
    }

    /// Loads the page again, as a person does.
    #[track_caller]
    pub fn reload(&self) {
        self.evaluate("window.isOld = true");
        self.input("Page.reload", json!({}));
        self.wait("document.readyState !== 'loading' && !window.isOld", &json!(true), LATER);
    }

    /// Waits until `expression` equals `wanted`, also while one page takes the place of another.
    #[track_caller]
    pub fn wait(&self, expression: &str, wanted: &Value, deadline: Duration) {
        eventually(&format!("{expression} to be {wanted}"), deadline, || {
            let found = self.look_at(expression).map_err(|error| error.to_string())?;
            if found == *wanted {
                Ok(())
            } else {
                let text = self.look_at(TEXT).unwrap_or_else(|error| error);
                Err(format!("{found}; the page: {}", text.as_str().unwrap_or_default()))
            }
        });
    }

    /// Types a text into the field `selector`, replacing its content, and presses Enter, as a
    /// person would.
    #[track_caller]
    pub fn type_line(&self, selector: &str, text: &str) {
        let selector = Value::from(selector);
        self.evaluate(&format!(
            "(field => {{ field.focus(); field.select(); }})(document.querySelector({selector}))"
        ));
        self.type_here(text);
        self.press("Enter");
    }

    /// Presses a key (`Enter`, `Delete`, `Shift+Tab`, `r`, …) on the focused element.
    #[track_caller]
    pub fn press(&self, key: &str) {
        let (modifiers, key) = match key.strip_prefix("Shift+") {
            Some(key) => (8, key),
            None => (0, key),
        };
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            "Escape" => (27, ""),
            "ArrowUp" => (38, ""),
            "ArrowRight" => (39, ""),
            "ArrowDown" => (40, ""),
            "Delete" => (46, ""),
            key => (0, key),
        };
        for kind in ["keyDown", "keyUp"] {
            let mut event = json!({ "type": kind, "key": key, "windowsVirtualKeyCode": code });
            event["modifiers"] = modifiers.into();
            if kind == "keyDown" && !text.is_empty() {
                event["text"] = text.into();
            }
            self.input("Input.dispatchKeyEvent", event);
        }
    }

    /// Types a text where the focus is.
    #[track_caller]
    pub fn type_here(&self, text: &str) {
        self.input("Input.insertText", json!({ "text": text }));
    }

    /// Files are asked for without a dialogue, which nobody would answer here.
    #[track_caller]
    pub fn show_no_file_dialogues(&self) {
        self.input("Page.enable", json!({}));
        self.input("Page.setInterceptFileChooserDialog", json!({ "enabled": true }));
    }

    /// Gives the page a view of this size, in CSS pixels.
    #[track_caller]
    pub fn resize(&self, width: u32, height: u32) {
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false,
        });
        self.input("Emulation.setDeviceMetricsOverride", size);
        self.wait("innerWidth", &json!(width), LATER);
    }

    /// Clicks the element `selector` once it exists.
    #[track_caller]
    pub fn click(&self, selector: &str) {
        let selector = Value::from(selector);
        let click = format!(
            "(found => {{ found?.click(); return Boolean(found); }})\
             (document.querySelector({selector}))"
        );
        self.wait(&click, &json!(true), LATER);
    }

    #[track_caller]
    fn input(&self, method: &str, params: Value) {
        self.browser.call(Some(&self.session), method, params);
    }

    /// Brings the page to the front: the browser's other pages are hidden behind it.
    #[track_caller]
    pub fn look(&self) {
        self.input("Page.bringToFront", json!({}));
        self.wait(
            "document.visibilityState === 'visible' && document.hasFocus()",
            &json!(true),
            LATER,
        );
    }

    /// Closes the page, as a person closes a tab.
    #[track_caller]
    pub fn close(self) {
        self.browser.call(None, "Target.closeTarget", json!({ "targetId": self.target }));
    }

    /// The visible text of the page.
    pub fn text(&self) -> String {
        self.evaluate(TEXT).as_str().unwrap_or_default().to_owned()
    }
}
