//! A real browser, moved over the WebDriver protocol: `chromedriver` and Chromium, found by `PATH`.
//!
//! The protocol is a handful of JSON requests; what the tests need of it is here.

use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Whether pages may run scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Script {
    On,
    Off,
}

/// A screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Screen {
    pub(crate) width: u32,
    pub(crate) height: u32,
}

pub(crate) const DESK: Screen = Screen {
    width: 1280,
    height: 900,
};
pub(crate) const PHONE: Screen = Screen {
    width: 360,
    height: 780,
};

/// Runs the program that moves browsers until nobody holds the other end of its input, however that came, and leaves
/// neither behind: a browser is in a process group of its own, and outlives the program that started it.
const KEEPER: &str = r#"
"$1" --port=0 &
cat > /dev/null
kill -9 $! 2> /dev/null
for it in /proc/[0-9]*; do
    if tr '\0' '\n' < "$it/cmdline" 2> /dev/null | grep -qxF -- "--user-data-dir=$2"; then
        kill -9 "${it#/proc/}" 2> /dev/null
    fi
done
"#;

/// The program that moves browsers; it ends with this, and everything that it started.
struct Chromedriver {
    keeper: Child,
    address: String,
}

impl Drop for Chromedriver {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _reaped = self.keeper.wait();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser ends when its session does, and not with the program that moves it. Said without waiting for
        // anything but the answer: a test that fails is being unwound here.
        let place = self.driver.address.trim_start_matches("http://");
        let Ok(mut line) = std::net::TcpStream::connect(place) else {
            return;
        };
        let _bounded = line.set_read_timeout(Some(Duration::from_secs(5)));
        let request = format!(
            "DELETE /session/{} HTTP/1.1\r\nhost: {place}\r\nconnection: close\r\n\r\n",
            self.session
        );
        let _sent = line.write_all(request.as_bytes());
        let _answered = line.read(&mut [0; 512]);
    }
}

/// A browser with a profile of its own.
pub(crate) struct Browser {
    http: reqwest::Client,
    session: String,
    // In this order: the browser ends before its folder goes.
    driver: Chromedriver,
    _profile: tempfile::TempDir,
}

/// Names what a test does without.
pub(crate) fn skip(what: &str) {
    if let Some(log) = std::env::var_os("DELIVR_SKIP_LOG") {
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .unwrap();
        file.write_all(format!("SKIPPED: {what}\n").as_bytes()).unwrap();
    } else {
        eprintln!("SKIPPED: {what}");
    }
}

fn found(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .flat_map(|folder| names.iter().map(move |name| folder.join(name)))
        .find(|file| file.is_file())
}

/// Starts `chromedriver` on a free port, for browsers with that profile.
fn start(program: &Path, profile: &Path) -> Chromedriver {
    use std::os::unix::process::CommandExt as _;
    let mut keeper = Command::new("sh")
        .args(["-c", KEEPER, "keeper"])
        .args([program, profile])
        // Whoever ends the test with its whole group does not end what cleans up after it.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(keeper.stdout.take().unwrap()).lines();
    let port = loop {
        let line = lines.next().expect("chromedriver says its port").unwrap();
        if let Some((_, rest)) = line.split_once("started successfully on port ") {
            break rest.trim_end_matches('.').trim().to_owned();
        }
    };
    // Its pipe is read to the end, or it would stop when that is full.
    std::thread::spawn(move || lines.for_each(drop));
    Chromedriver {
        keeper,
        address: format!("http://127.0.0.1:{port}"),
    }
}

impl Browser {
    /// A browser; none where the machine has none, which is said.
    pub(crate) async fn open(script: Script, screen: Screen) -> Option<Self> {
        let driver = found(&["chromedriver"]);
        let chromium = found(&["chromium", "chromium-browser", "google-chrome"]);
        let (Some(driver), Some(chromium)) = (driver, chromium) else {
            skip("the pages in a browser: no chromium and chromedriver on PATH");
            return None;
        };
        let _already = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(60))
            .build()
            .unwrap();
        let profile = tempfile::tempdir().unwrap();
        let driver = start(&driver, profile.path());
        let mut arguments: Vec<String> = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            "--force-color-profile=srgb",
            "--lang=en-GB",
        ]
        .map(str::to_owned)
        .into();
        arguments.push(format!("--user-data-dir={}", profile.path().display()));
        arguments.push(format!(
            "--window-size={},{}",
            screen.width.max(500),
            screen.height
        ));
        let mut options = json!({"binary": chromium, "args": arguments});
        if script == Script::Off {
            options["prefs"] = json!({"profile.managed_default_content_settings.javascript": 2});
        }
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": options,
        }}});
        let made: Value = http
            .post(format!("{}/session", driver.address))
            .json(&wanted)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let session = made["value"]["sessionId"]
            .as_str()
            .unwrap_or_else(|| panic!("no browser: {made}"))
            .to_owned();
        let browser = Self {
            http,
            session,
            driver,
            _profile: profile,
        };
        browser.resize(screen).await;
        // What moves by itself is somewhere else when it is clicked.
        browser.prefer("light").await;
        Some(browser)
    }

    async fn send(&self, method: &str, path: &str, body: Option<Value>) -> Result<Value, Value> {
        let address = format!("{}/session/{}{path}", self.driver.address, self.session);
        let mut request = self.http.request(method.parse().unwrap(), address);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let good = response.status().is_success();
        let mut answer: Value = response.json().await.unwrap();
        let value = answer["value"].take();
        if good { Ok(value) } else { Err(value) }
    }

    #[track_caller]
    fn or_fail(done: Result<Value, Value>, what: &str) -> Value {
        done.unwrap_or_else(|error| panic!("{what}: {}: {}", error["error"], error["message"]))
    }

    /// A command of the developer tools.
    async fn tools(&self, command: &str, parameters: Value) -> Value {
        let body = json!({"cmd": command, "params": parameters});
        Self::or_fail(self.send("POST", "/goog/cdp/execute", Some(body)).await, command)
    }

    pub(crate) async fn resize(&self, screen: Screen) {
        let size = json!({
            "width": screen.width, "height": screen.height, "deviceScaleFactor": 1, "mobile": false,
        });
        self.tools("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// What the system prefers: `light` or `dark`.
    pub(crate) async fn prefer(&self, theme: &str) {
        let features = json!({"features": [
            {"name": "prefers-color-scheme", "value": theme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]});
        self.tools("Emulation.setEmulatedMedia", features).await;
    }

    pub(crate) async fn go(&self, address: &str) {
        Self::or_fail(
            self.send("POST", "/url", Some(json!({"url": address}))).await,
            address,
        );
    }

    pub(crate) async fn address(&self) -> String {
        let value = Self::or_fail(self.send("GET", "/url", None).await, "the address");
        value.as_str().unwrap().to_owned()
    }

    /// The first element that fits, as the protocol names it.
    async fn find(&self, css: &str) -> Result<String, Value> {
        let body = json!({"using": "css selector", "value": css});
        let found = self.send("POST", "/element", Some(body)).await?;
        let id = found
            .as_object()
            .and_then(|it| it.values().next())
            .and_then(Value::as_str);
        Ok(id.unwrap().to_owned())
    }

    /// The element that fits, as soon as it is there: a click answers before the page it leads to is loaded.
    async fn element(&self, css: &str) -> String {
        self.located("css selector", css, css).await
    }

    async fn located(&self, using: &str, value: &str, what: &str) -> String {
        let body = json!({"using": using, "value": value});
        let mut beat = tokio::time::interval(BEAT);
        for _ in 0..BEATS {
            beat.tick().await;
            if let Ok(found) = self.send("POST", "/element", Some(body.clone())).await {
                let id = found.as_object().and_then(|it| it.values().next());
                return id.and_then(Value::as_str).unwrap().to_owned();
            }
        }
        panic!(
            "no `{what}` within half a minute on {}: {}",
            self.address().await,
            self.body().await
        )
    }

    pub(crate) async fn has(&self, css: &str) -> bool {
        self.find(css).await.is_ok()
    }

    /// What a visitor reads on the page, for somebody who wants to know why something is not there.
    async fn body(&self) -> String {
        self.read_now("body").await.unwrap_or_default()
    }

    async fn read_now(&self, css: &str) -> Option<String> {
        let id = self.find(css).await.ok()?;
        // It may have been put in place anew between the two questions.
        let text = self
            .send("GET", &format!("/element/{id}/text"), None)
            .await
            .ok()?;
        text.as_str().map(str::to_owned)
    }

    /// What a visitor reads in an element.
    pub(crate) async fn text(&self, css: &str) -> String {
        let mut beat = tokio::time::interval(BEAT);
        for _ in 0..BEATS {
            beat.tick().await;
            if let Some(text) = self.read_now(css).await {
                return text;
            }
        }
        panic!("no {css} within half a minute on {}", self.address().await)
    }

    pub(crate) async fn attribute(&self, css: &str, name: &str) -> Option<String> {
        let id = self.element(css).await;
        let value = self
            .send("GET", &format!("/element/{id}/attribute/{name}"), None)
            .await;
        Self::or_fail(value, css).as_str().map(str::to_owned)
    }

    /// Presses what a visitor reads and stays on the page.
    pub(crate) async fn press(&self, label: &str) {
        self.hit("xpath", &labelled(label), label).await;
    }

    /// Follows the link or sends the form with what a visitor reads on it, until the page has gone for another one.
    pub(crate) async fn follow(&self, label: &str) {
        self.leave("xpath", &labelled(label), label).await;
    }

    /// The same for the link or button at a place.
    pub(crate) async fn follow_at(&self, css: &str) {
        self.leave("css selector", css, css).await;
    }

    async fn leave(&self, using: &str, value: &str, what: &str) {
        let document = self.element("html").await;
        self.hit(using, value, what).await;
        let path = format!("/element/{document}/name");
        self.until(&format!("`{what}` leads somewhere"), async || {
            self.send("GET", &path, None).await.is_err()
        })
        .await;
    }

    async fn hit(&self, using: &str, value: &str, what: &str) {
        let mut beat = tokio::time::interval(BEAT);
        for _ in 0..BEATS {
            beat.tick().await;
            let id = self.located(using, value, what).await;
            let path = format!("/element/{id}/click");
            match self.send("POST", &path, Some(json!({}))).await {
                Ok(_) => return,
                // A part that is live may be put in place anew between finding and clicking: nothing was clicked.
                Err(error) if error["error"] == "stale element reference" => (),
                failed => {
                    Self::or_fail(failed, what);
                }
            }
        }
        panic!("`{what}` never stood still on {}", self.address().await)
    }

    pub(crate) async fn fill(&self, css: &str, text: &str) {
        let id = self.element(css).await;
        let path = format!("/element/{id}/value");
        Self::or_fail(self.send("POST", &path, Some(json!({"text": text}))).await, css);
    }

    /// Empties a field.
    pub(crate) async fn clear(&self, css: &str) {
        let id = self.element(css).await;
        let path = format!("/element/{id}/clear");
        Self::or_fail(self.send("POST", &path, Some(json!({}))).await, css);
    }

    /// Chooses what stands at a place: a box, or an option.
    pub(crate) async fn pick(&self, css: &str) {
        self.hit("css selector", css, css).await;
    }

    /// Presses keys one after the other, wherever the focus is.
    pub(crate) async fn keys(&self, keys: &[&str]) {
        let actions: Vec<Value> = keys
            .iter()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({"type": kind, "value": key})))
            .collect();
        let body = json!({"actions": [{"type": "key", "id": "keyboard", "actions": actions}]});
        Self::or_fail(self.send("POST", "/actions", Some(body)).await, "keys");
    }

    /// What a function says on the page.
    pub(crate) async fn run(&self, script: &str) -> Value {
        let body = json!({"script": script, "args": []});
        Self::or_fail(self.send("POST", "/execute/sync", Some(body)).await, script)
    }

    /// The same for a function that answers by its last argument.
    pub(crate) async fn run_later(&self, script: &str) -> Value {
        let body = json!({"script": script, "args": []});
        Self::or_fail(self.send("POST", "/execute/async", Some(body)).await, "a script")
    }

    /// A picture of the whole page, at most so high.
    pub(crate) async fn picture(&self, screen: Screen, highest: u32) -> Vec<u8> {
        let height = self
            .run("return Math.ceil(document.documentElement.scrollHeight)")
            .await
            .as_u64()
            .unwrap();
        let height = u32::try_from(height).unwrap().clamp(screen.height, highest);
        let clip = json!({
            "format": "png", "captureBeyondViewport": true, "optimizeForSpeed": false,
            "clip": {"x": 0, "y": 0, "width": screen.width, "height": height, "scale": 1},
        });
        let taken = self.tools("Page.captureScreenshot", clip).await;
        let text = taken["data"].as_str().unwrap();
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.decode(text).unwrap()
    }

    /// Looks again and again until something is so, for half a minute at most: machines may be busy.
    pub(crate) async fn until(&self, what: &str, mut is_so: impl AsyncFnMut() -> bool) {
        let mut beat = tokio::time::interval(BEAT);
        for _ in 0..BEATS {
            beat.tick().await;
            if is_so().await {
                return;
            }
        }
        panic!(
            "{what}, not within half a minute on {}: {}",
            self.address().await,
            self.body().await
        );
    }

    /// Waits until the page says so: a click answers before the page it leads to is there.
    pub(crate) async fn reads(&self, said: &str) {
        self.until(said, async || self.body().await.contains(said)).await;
    }

    /// Signs in by the form.
    pub(crate) async fn sign_in(&self, root: &str, token: &str) {
        self.go(&format!("{root}/sign-in")).await;
        self.fill("#token", token).await;
        self.follow_at("main button").await;
        self.arrives(&format!("{root}/")).await;
    }

    /// Waits until the browser is somewhere.
    pub(crate) async fn arrives(&self, address: &str) {
        self.until(address, async || self.address().await == address)
            .await;
    }
}

/// How often, and how many times, something that is on its way is looked for: half a minute, as machines may be busy.
const BEAT: Duration = Duration::from_millis(50);
const BEATS: usize = 600;

/// The path to the control that reads so.
fn labelled(label: &str) -> String {
    format!("//main//*[self::a or self::button or self::summary][normalize-space(.)=\"{label}\"][1]")
}
