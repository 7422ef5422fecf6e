//! The program as an operator runs it: a process of its own, with nothing but settings and signals.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

/// An installation in a folder of its own.
struct Installation {
    folder: tempfile::TempDir,
    key: String,
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end().to_owned()
}

fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_delivr-api"));
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .current_dir(folder);
    command
}

fn generate(folder: &Path) -> String {
    let made = program(folder).args(["keys", "generate"]).output().unwrap();
    assert!(made.status.success());
    text(&made.stdout)
}

impl Installation {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = generate(folder.path());
        Self { folder, key }
    }
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program(self.folder.path());
        command
            .args(arguments)
            .env("DELIVR_MASTER_KEY", &self.key)
            .env("DELIVR_DATABASE_URL", "sqlite://delivr.db?mode=rwc")
            .env("DELIVR_LISTEN", "127.0.0.1:0")
            .env("DELIVR_METRICS_LISTEN", "127.0.0.1:0")
            .env("DELIVR_LOG", "warn");
        command
    }
    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }
    fn good(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }
    fn serve(&self, more: &[(&str, &str)]) -> Served {
        let mut child = self
            .command(&[])
            .envs(more.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let Some(address) = line.trim().strip_prefix("listening on ") else {
            let _ended = child.kill();
            let mut why = String::new();
            child.stderr.take().unwrap().read_to_string(&mut why).unwrap();
            panic!("{line}{why}");
        };
        Served {
            address: address.to_owned(),
            child,
            _out: out,
        }
    }
}

struct Served {
    address: String,
    child: Child,
    _out: BufReader<ChildStdout>,
}

impl Served {
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

impl Drop for Served {
    fn drop(&mut self) {
        // It has ended already, unless a test failed.
        let _ended = self.child.kill();
    }
}

async fn get(address: &str, path: &str, token: &str) -> (u16, serde_json::Value) {
    let _already = rustls::crypto::ring::default_provider().install_default();
    let response = reqwest::Client::new()
        .get(format!("{address}{path}"))
        .bearer_auth(token)
        .send()
        .await
        .unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

#[tokio::test]
async fn an_installation_is_set_up_served_and_ended() {
    let installation = Installation::new();
    let create = ["token", "create", "--tenant", "acme", "--role", "OWNER"];
    let token = installation.good(&create);
    assert!(
        token.starts_with("dlv_") && !token.contains(char::is_whitespace),
        "nothing but the token"
    );
    assert!(installation.good(&["tenant", "list"]).contains("acme"));
    let served = installation.serve(&[]);
    let (status, me) = get(&served.address, "/api/v1/me", &token).await;
    assert_eq!((status, me["tenantSlug"].as_str()), (200, Some("acme")));
    // The embedded worker has said that it is alive before anybody asks.
    let (status, ready) = get(&served.address, "/ready", "").await;
    assert_eq!(
        (status, ready["status"].as_str()),
        (200, Some("READY")),
        "{ready}"
    );
    served.terminate();
    assert!(installation.good(&["rotate-keys"]).contains("0 sealed anew"));
    assert!(
        installation
            .good(&["restore-epoch"])
            .contains("writes wait until")
    );
    // What was made is still there.
    let served = installation.serve(&[("DELIVR_WORKER", "none")]);
    assert_eq!(get(&served.address, "/api/v1/me", &token).await.0, 200);
    let listed = installation.good(&["token", "list", "--tenant", "acme"]);
    assert!(
        listed.contains("OWNER\tvalid\tcommand line") && !listed.contains(&token),
        "{listed}"
    );
    let id = listed.split('\t').next().unwrap();
    installation.good(&["token", "revoke", "--tenant", "acme", "--id", id]);
    assert_eq!(
        get(&served.address, "/api/v1/me", &token).await.0,
        401,
        "at once, in a process that runs"
    );
    assert!(
        installation
            .good(&["token", "list", "--tenant", "acme"])
            .contains("revoked")
    );
    served.terminate();
}

#[tokio::test]
async fn without_migrating_it_says_what_to_do() {
    let installation = Installation::new();
    let off = [("DELIVR_MIGRATE", "off"), ("DELIVR_WORKER", "none")];
    let served = installation.serve(&off);
    let (status, ready) = get(&served.address, "/ready", "").await;
    assert_eq!((status, ready["code"].as_str()), (503, Some("not_ready")));
    assert!(ready["detail"].as_str().unwrap().contains("delivr-api migrate"));
    let (status, refused) = get(&served.address, "/api/v1/me", "dlv_x").await;
    assert_eq!(
        (status, refused["code"].as_str()),
        (503, Some("database_unavailable"))
    );
    installation.good(&["migrate"]);
    let (status, _) = get(&served.address, "/ready", "").await;
    assert_eq!(status, 200);
    served.terminate();
}

#[test]
fn another_master_key_is_noticed_before_anything_is_served() {
    let installation = Installation::new();
    installation.good(&["tenant", "list"]);
    let other = generate(installation.folder.path());
    assert_ne!(other, installation.key);
    let refused = installation
        .command(&[])
        .env("DELIVR_MASTER_KEY", &other)
        .output()
        .unwrap();
    assert!(!refused.status.success());
    let said = text(&refused.stderr);
    assert!(said.contains("master key"), "{said}");
    assert!(
        !said.contains(&other) && !said.contains(&installation.key),
        "{said}"
    );
    // A ring of both opens what the old one sealed, and goes on with the new one.
    let ring = format!("new:{other},{}", installation.key);
    let rotated = installation
        .command(&["rotate-keys"])
        .env("DELIVR_MASTER_KEY", &ring)
        .output()
        .unwrap();
    assert!(rotated.status.success(), "{}", text(&rotated.stderr));
    let alone = installation
        .command(&["tenant", "list"])
        .env("DELIVR_MASTER_KEY", format!("new:{other}"))
        .output()
        .unwrap();
    assert!(alone.status.success(), "{}", text(&alone.stderr));
}

#[test]
fn mistakes_are_named_and_secrets_are_not() {
    let installation = Installation::new();
    let folder = installation.folder.path();
    let checked = installation.good(&["config", "check"]);
    assert!(checked.contains("database_url = sqlite://delivr.db"), "{checked}");
    assert!(!checked.contains(&installation.key));
    let first = folder.join("first.toml");
    let second = folder.join("second.toml");
    std::fs::write(&first, "worker_concurrency = 3\nlease_seconds = 9\n").unwrap();
    std::fs::write(&second, "worker_concurrency = 5\n").unwrap();
    let (first, second) = (first.to_str().unwrap(), second.to_str().unwrap());
    let layered = installation.good(&["config", "check", "--config", first, "--config", second]);
    assert!(
        layered.contains("worker_concurrency = 5") && layered.contains("lease_seconds = 9"),
        "{layered}"
    );

    std::fs::write(folder.join("wrong.toml"), "lissten = 'x'\n").unwrap();
    for (arguments, word) in [
        (&["config", "check", "--config", "wrong.toml"][..], "lissten"),
        (&["config", "check", "--config", "absent.toml"], "absent.toml"),
        (
            &["token", "create", "--tenant", "No Slug", "--role", "OWNER"],
            "--tenant",
        ),
        (&["token", "create", "--tenant", "acme", "--role", "KING"], "role"),
        (
            &[
                "token", "create", "--tenant", "acme", "--role", "OWNER", "--name", "",
            ],
            "--name",
        ),
        (
            &[
                "token", "create", "--tenant", "acme", "--role", "OWNER", "--name", "system",
            ],
            "--name",
        ),
        (&["token", "list", "--tenant", "nobody"], "nobody"),
        (&["token", "revoke", "--tenant", "acme", "--id", "x"], "--id"),
        (&["fly"], "fly"),
    ] {
        let refused = installation.run(arguments);
        assert!(!refused.status.success(), "{arguments:?}");
        let said = text(&refused.stderr);
        assert!(said.contains(word), "{arguments:?}: {said}");
        assert!(
            text(&refused.stdout).is_empty() || arguments[0] == "config",
            "{arguments:?}"
        );
    }
    let mut without = installation.command(&["config", "check"]);
    let refused = without.env_remove("DELIVR_MASTER_KEY").output().unwrap();
    assert!(text(&refused.stderr).contains("keys generate"));
    assert!(
        installation
            .good(&["--version"])
            .contains(env!("CARGO_PKG_VERSION"))
    );
}
