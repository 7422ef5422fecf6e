//! `delivr-api practice` as somebody starts it who has never seen Delivr: one command, one button, releases in every
//! stage, and nothing that could touch anything real.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::time::Duration;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end().to_owned()
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_delivr-api"));
    command
        .env_clear()
        .current_dir(folder)
        .arg("practice")
        .args(arguments);
    command
}

/// One that must not start.
fn refused(command: &mut Command) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    assert!(!status.success(), "{}", text(&stdout));
    assert_eq!(text(&stdout), "", "nothing is said to be open");
    text(&stderr)
}

/// A practice that runs, as a browser without scripts and with cookies sees it.
struct Practice {
    child: Child,
    root: String,
    cookies: Mutex<BTreeMap<String, String>>,
    browser: reqwest::Client,
}

impl Drop for Practice {
    fn drop(&mut self) {
        // It has ended already, unless a test failed.
        let _ended = self.child.kill();
        let _gone = self.child.wait();
    }
}

impl Practice {
    fn start(folder: &Path) -> Self {
        let mut child = command(folder, &["--bind", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let Some(root) = line.trim().strip_prefix("practice is open at ") else {
            let mut why = String::new();
            child.stderr.take().unwrap().read_to_string(&mut why).unwrap();
            panic!("{line}{why}");
        };
        let _already = rustls::crypto::ring::default_provider().install_default();
        Self {
            root: root.to_owned(),
            child,
            cookies: Mutex::default(),
            browser: reqwest::Client::builder()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .unwrap(),
        }
    }

    /// Sends, keeps what cookies come back, and goes where it is led.
    async fn ask(&self, path: &str, fields: Option<&[(&str, &str)]>) -> (u16, String) {
        let (mut path, mut fields) = (path.to_owned(), fields);
        for _ in 0..5 {
            let url = format!("{}{path}", self.root);
            let request = match fields.take() {
                None => self.browser.get(url),
                Some(fields) => self.browser.post(url).form(fields),
            };
            let cookies: Vec<String> = {
                let jar = self.cookies.lock().unwrap();
                jar.iter()
                    .map(|(name, value)| format!("{name}={value}"))
                    .collect()
            };
            let request = request
                .header("accept", "text/html")
                .header("cookie", cookies.join("; "));
            let response = request.send().await.unwrap();
            for set in response.headers().get_all("set-cookie") {
                let pair = set.to_str().unwrap().split(';').next().unwrap();
                let (name, value) = pair.split_once('=').unwrap();
                self.cookies
                    .lock()
                    .unwrap()
                    .insert(name.to_owned(), value.to_owned());
            }
            let status = response.status().as_u16();
            match response.headers().get("location") {
                Some(place) if status == 303 => place.to_str().unwrap().clone_into(&mut path),
                Some(_) | None => return (status, response.text().await.unwrap()),
            }
        }
        panic!("{path} leads round and round");
    }

    async fn page(&self, path: &str) -> (u16, String) {
        self.ask(path, None).await
    }

    async fn send(&self, path: &str, fields: &[(&str, &str)]) -> (u16, String) {
        self.ask(path, Some(fields)).await
    }

    /// Presses the button of the sign-in page.
    async fn open(&self) {
        let (status, page) = self.page("/").await;
        assert_eq!(status, 200, "{page}");
        assert!(page.contains("Open the practice organisation"), "{page}");
        let secret = value(&page, "csrf");
        let (status, page) = self.send("/sign-in/practice", &[("csrf", &secret)]).await;
        assert_eq!(status, 200, "{page}");
        assert!(page.contains("Practice: nothing leaves this machine"), "{page}");
    }

    /// The page of a release that is found by its title.
    async fn release(&self, title: &str) -> (String, String) {
        let words = title.replace(' ', "+");
        let (_, page) = self.page(&format!("/releases?q={words}")).await;
        let place = page
            .split("href=\"")
            .skip(1)
            .filter_map(|part| part.split('"').next())
            .find(|it| it.starts_with("/releases/REL-"))
            .unwrap_or_else(|| panic!("{title} is not in {page}"))
            .to_owned();
        let (status, page) = self.page(&place).await;
        assert_eq!(status, 200, "{page}");
        assert!(page.contains(title), "{page}");
        (place, page)
    }

    /// Whatever a page leads to at a made-up vendor says what that vendor holds.
    async fn links(&self) {
        let mut vendors = BTreeMap::new();
        for title in [
            "Gift cards",
            "Wish lists and faster checkout",
            "Search by photo",
            "Checkout stalls on slow networks",
        ] {
            let (_, page) = self.release(title).await;
            let links = page
                .split("href=\"")
                .skip(1)
                .filter_map(|part| part.split('"').next());
            for link in links.filter(|it| it.starts_with("http")) {
                let reply = self
                    .browser
                    .get(link)
                    .header("accept", "text/html")
                    .header("user-agent", "a browser")
                    .send()
                    .await
                    .unwrap();
                let status = reply.status().as_u16();
                let said = reply.text().await.unwrap();
                assert_eq!(status, 200, "{link}: {said}");
                let vendor = link.split('/').nth(3).unwrap().to_owned();
                *vendors.entry(vendor).or_insert(0) += 1;
            }
        }
        for vendor in ["jira", "checkmate", "jenkins", "github"] {
            assert!(vendors.contains_key(vendor), "no link to {vendor}: {vendors:?}");
        }
    }

    /// Asks it to end as a supervisor does; it must end by itself, and well.
    fn terminate(mut self) {
        let asked = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(asked.success());
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
    }
}

/// The value of a page's first field of the name.
fn value(page: &str, name: &str) -> String {
    let rest = page.split_once(&format!("name=\"{name}\" value=\"")).unwrap().1;
    rest.split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn one_command_and_one_button_open_releases_in_every_stage() {
    let folder = tempfile::tempdir().unwrap();
    let practice = Practice::start(folder.path());
    practice.open().await;
    for (title, phase) in [
        ("Gift cards", "Completed"),
        ("Wish lists and faster checkout", "Distribution"),
        ("Loyalty points", "Regression"),
        ("Gift wrapping", "Kickoff"),
    ] {
        let (_, page) = practice.release(title).await;
        assert!(page.contains(phase), "{title} is not in {phase}: {page}");
    }
    for title in ["Search by photo", "Live order tracking"] {
        practice.release(title).await;
    }
    practice.links().await;
    // All eight providers are connected, and each was verified.
    let (_, page) = practice.page("/integrations").await;
    for provider in [
        "acme/shop",
        "GitHub Actions",
        "Build farm",
        "Jira",
        "Slack",
        "Checkmate",
        "App Store",
        "Google Play",
    ] {
        assert!(page.contains(provider), "{provider} is not in {page}");
    }
    // The blocked one goes on once a person retries what failed.
    let (place, page) = practice.release("Checkout stalls on slow networks").await;
    let retry = page
        .split("href=\"")
        .skip(1)
        .filter_map(|part| part.split('"').next())
        .find(|it| it.contains("/do/retry?of="))
        .unwrap_or_else(|| panic!("nothing to retry on {page}"))
        .to_owned();
    let (status, form) = practice.page(&retry).await;
    assert_eq!(status, 200, "{form}");
    let mut fields = vec![("reason", "The runner was out of disk.".to_owned())];
    let inner = form.split("<main").nth(1).unwrap();
    for name in ["csrf", "of", "version", "once", "seen"] {
        if inner.contains(&format!("name=\"{name}\" value=\"")) {
            fields.push((name, value(inner, name)));
        }
    }
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let path = retry.split('?').next().unwrap();
    let (status, after) = practice.send(path, &fields).await;
    assert_eq!(status, 200, "{after}");
    let mut beat = tokio::time::interval(Duration::from_millis(250));
    for _ in 0..1_000 {
        beat.tick().await;
        let (_, page) = practice.page(&place).await;
        if !page.contains("/do/retry?of=") {
            practice.terminate();
            return;
        }
    }
    panic!("the retry did nothing: {}", practice.page(&place).await.1);
}

#[tokio::test]
async fn every_start_begins_anew_and_one_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let practice = Practice::start(folder.path());
    let ground = folder.path().join("delivr-practice");
    let key = std::fs::read_to_string(ground.join("master.key")).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&ground.join("master.key")), 0o600);
        assert_eq!(mode(&ground), 0o700);
    }
    let why = refused(&mut command(folder.path(), &["--bind", "127.0.0.1:0"]));
    assert!(why.contains("another practice"), "{why}");
    practice.terminate();
    let again = Practice::start(folder.path());
    assert_ne!(std::fs::read_to_string(ground.join("master.key")).unwrap(), key);
    again.open().await;
    // A real vendor is not even looked up.
    let (_, page) = again.page("/profile").await;
    assert!(page.contains("practice@shop.example"), "{page}");
    let secret = value(&page, "csrf");
    let (_, made) = again
        .send(
            "/profile/tokens",
            &[("csrf", &secret), ("name", "mine"), ("role", "ADMIN")],
        )
        .await;
    let token = made
        .split(|it: char| !it.is_ascii_alphanumeric() && it != '_')
        .find(|it| it.starts_with("dlv_") && it.len() > 20)
        .unwrap_or_else(|| panic!("no token on {made}"));
    let post = async |path: &str, body: serde_json::Value| -> serde_json::Value {
        let request = again
            .browser
            .post(format!("{}/api/v1{path}", again.root))
            .bearer_auth(token);
        request.json(&body).send().await.unwrap().json().await.unwrap()
    };
    let real = serde_json::json!({
        "provider": "github", "name": "the real one",
        "config": {"baseUrl": "https://api.github.com", "owner": "acme", "repository": "shop"},
        "credentials": {"token": "ghp_0123456789012345678901234567890123456"},
    });
    let made = post("/integrations/scm", real).await;
    let verified = match made["id"].as_str() {
        Some(id) => post(&format!("/integrations/scm/{id}/verify"), serde_json::json!({})).await,
        None => made,
    };
    assert!(
        verified.to_string().contains("nothing leaves this machine"),
        "{verified}"
    );
    again.terminate();
}

#[test]
fn it_ends_when_it_is_asked_to_even_before_it_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = command(folder.path(), &["--bind", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert!(line.contains("making the practice organisation"), "{line}");
    let asked = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(asked.success());
    let Output { status, stdout, .. } = child.wait_with_output().unwrap();
    assert!(status.success(), "{status}");
    assert_eq!(text(&stdout), "");
}

#[test]
fn nothing_real_can_be_reached_by_it_or_reach_it() {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "DELIVR_DATABASE_URL",
        "DELIVR_ALLOWED_HOSTS",
        "DELIVR_MASTER_KEY",
        "DELIVR_LISTEN",
    ] {
        let why = refused(command(folder.path(), &[]).env(name, "s3cret"));
        assert!(why.contains(name) && why.contains("practice"), "{why}");
        assert!(!why.contains("s3cret"), "{why}");
    }
    std::fs::write(folder.path().join("real.toml"), "log = 'info'").unwrap();
    let why = refused(&mut command(folder.path(), &["--config", "real.toml"]));
    assert!(why.contains("real.toml"), "{why}");
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let why = refused(&mut command(folder.path(), &["--bind", address]));
        assert!(why.contains("loopback"), "{address}: {why}");
    }
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let why = refused(&mut command(folder.path(), &["--bind", &address]));
    assert!(
        why.contains(&address) && why.contains("in use") && why.contains("--bind"),
        "{why}"
    );
    // A folder with something in it stays as it is.
    let full = folder.path().join("full");
    std::fs::create_dir(&full).unwrap();
    std::fs::write(full.join("thesis.tex"), "years of work").unwrap();
    let why = refused(&mut command(
        folder.path(),
        &["--directory", "full", "--bind", "127.0.0.1:0"],
    ));
    assert!(why.contains("--directory"), "{why}");
    assert_eq!(std::fs::read_dir(&full).unwrap().count(), 1);
    assert!(
        !folder.path().join("delivr-practice").exists(),
        "nothing was begun"
    );
}
