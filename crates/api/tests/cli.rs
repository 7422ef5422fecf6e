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
        listed.contains("OWNER\tvalid\tcommand line\tservice") && !listed.contains(&token),
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
    // A personal token says whose it is, and the tenant gets another name without losing anything.
    let personal = installation.good(&[
        "token",
        "create",
        "--tenant",
        "acme",
        "--role",
        "MEMBER",
        "--person",
        "Ada@Example.org",
    ]);
    installation.good(&["tenant", "rename", "--tenant", "acme", "--to", "acme-corp"]);
    let (status, me) = get(&served.address, "/api/v1/me", &personal).await;
    assert_eq!(
        (status, me["tenantSlug"].as_str(), me["person"].as_str()),
        (200, Some("acme-corp"), Some("ada@example.org"))
    );
    let listed = installation.good(&["token", "list", "--tenant", "acme-corp"]);
    assert!(listed.contains("\tada@example.org"), "{listed}");
    installation.good(&["token", "create", "--tenant", "other", "--role", "OWNER"]);
    for (from, to, word) in [
        ("acme", "third", "acme"),
        ("acme-corp", "other", "already"),
        ("acme-corp", "No Slug", "--to"),
    ] {
        let refused = installation.run(&["tenant", "rename", "--tenant", from, "--to", to]);
        assert!(!refused.status.success() && text(&refused.stderr).contains(word));
    }
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

/// How many migrations are on record, after this statement.
async fn migrations(installation: &Installation, statement: &str) -> i64 {
    let file = installation.folder.path().join("delivr.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    sqlx::query(sqlx::AssertSqlSafe(statement.to_owned()))
        .execute(&pool)
        .await
        .unwrap();
    let count = sqlx::query_scalar("select count(*) from seaql_migrations");
    let count = count.fetch_one(&pool).await.unwrap();
    pool.close().await;
    count
}

#[tokio::test]
async fn another_master_key_changes_nothing_not_even_the_schema() {
    let installation = Installation::new();
    installation.good(&["tenant", "list"]);
    // As an older version leaves it. The migration itself would be refused, as what it makes is there.
    let older = "delete from seaql_migrations where version = (select max(version) from seaql_migrations)";
    let before = migrations(&installation, older).await;
    let other = generate(installation.folder.path());
    let mut command = installation.command(&[]);
    let refused = command.env("DELIVR_MASTER_KEY", &other).output().unwrap();
    assert!(!refused.status.success());
    let said = text(&refused.stderr);
    assert!(
        said.contains("the master key does not belong to this database"),
        "{said}"
    );
    assert_eq!(migrations(&installation, "select 1").await, before);
}

#[tokio::test]
async fn an_address_that_is_taken_is_noticed_before_the_database_is_touched() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = (taken.local_addr().unwrap().to_string(), taken);
    for name in ["DELIVR_LISTEN", "DELIVR_METRICS_LISTEN"] {
        let installation = Installation::new();
        let refused = installation.command(&[]).env(name, &taken.0).output().unwrap();
        assert!(!refused.status.success(), "{name}");
        let said = text(&refused.stderr);
        assert!(said.contains(&taken.0), "{said}");
        assert!(!installation.folder.path().join("delivr.db").exists(), "{name}");
    }
    // Nobody has asked for metrics at the usual address: one that is another process's keeps nobody from serving.
    let _usual = std::net::TcpListener::bind("127.0.0.1:9091");
    let installation = Installation::new();
    let served = installation.serve(&[("DELIVR_METRICS_LISTEN", "")]);
    let (status, _) = get(&served.address, "/health", "").await;
    assert_eq!(status, 200);
    served.terminate();
}

#[cfg(unix)]
#[test]
fn what_is_stored_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let installation = Installation::new();
    let served = installation.serve(&[]);
    for (name, mode) in [
        ("delivr.db", 0o600),
        ("delivr.db-wal", 0o600),
        ("delivr.db-shm", 0o600),
        ("delivr-artifacts", 0o700),
    ] {
        let found = std::fs::metadata(installation.folder.path().join(name)).unwrap();
        assert_eq!(found.permissions().mode() & 0o777, mode, "{name}");
    }
    served.terminate();
}

#[test]
fn a_database_that_is_none_is_named_by_the_check() {
    let installation = Installation::new();
    let mut command = installation.command(&["config", "check"]);
    let refused = command.env("DELIVR_DATABASE_URL", "mysql://x").output().unwrap();
    assert!(!refused.status.success());
    let said = text(&refused.stderr);
    assert!(
        said.contains("DELIVR_DATABASE_URL") && said.contains("postgres://"),
        "{said}"
    );
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
        (
            &[
                "token",
                "create",
                "--tenant",
                "acme",
                "--role",
                "OWNER",
                "--name",
                "ada@example.org",
            ],
            "--name",
        ),
        (
            &[
                "token", "create", "--tenant", "acme", "--role", "OWNER", "--person", "Ada",
            ],
            "e-mail",
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

#[tokio::test]
async fn a_backup_is_taken_checked_and_restored() {
    let installation = Installation::new();
    let create = ["token", "create", "--tenant", "acme", "--role", "OWNER"];
    let token = installation.good(&create);
    let served = installation.serve(&[]);
    assert!(
        installation
            .good(&["backup", "night.backup"])
            .contains("night.backup")
    );
    let again = installation.run(&["backup", "night.backup"]);
    assert!(!again.status.success() && text(&again.stderr).contains("not written over"));
    served.terminate();
    let bytes = std::fs::read(installation.folder.path().join("night.backup")).unwrap();
    for secret in [&installation.key, &token] {
        let found = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
        assert!(!found, "neither the master key nor a token is in it");
    }
    assert!(
        installation
            .good(&["restore", "night.backup", "--check"])
            .contains("whole")
    );
    // Into what is not empty, or with another key: nothing.
    let refused = installation.run(&["restore", "night.backup"]);
    assert!(!refused.status.success() && text(&refused.stderr).contains("not empty"));
    let other = generate(installation.folder.path());
    for arguments in [
        &["restore", "night.backup", "--check"][..],
        &["restore", "night.backup"],
    ] {
        let mut command = installation.command(arguments);
        command
            .env("DELIVR_MASTER_KEY", &other)
            .env("DELIVR_DATABASE_URL", "sqlite://new.db?mode=rwc");
        let refused = command.output().unwrap();
        assert!(!refused.status.success());
        assert!(
            text(&refused.stderr).contains("master key does not belong"),
            "{}",
            text(&refused.stderr)
        );
    }
    assert!(!installation.folder.path().join("new.db").exists());
    let mut restore = installation.command(&["restore", "night.backup"]);
    let restored = restore
        .env("DELIVR_DATABASE_URL", "sqlite://new.db?mode=rwc")
        .output()
        .unwrap();
    assert!(restored.status.success(), "{}", text(&restored.stderr));
    let served = installation.serve(&[("DELIVR_DATABASE_URL", "sqlite://new.db?mode=rwc")]);
    assert_eq!(get(&served.address, "/api/v1/me", &token).await.0, 200);
    served.terminate();
}

/// Writes a certificate for `localhost` with its key, and the authority that signed it.
fn certificates(folder: &Path) -> reqwest::Certificate {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let leaf = CertificateParams::new(names).unwrap();
    let leaf = leaf.signed_by(&key, &authority).unwrap();
    std::fs::write(folder.join("cert.pem"), leaf.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    std::fs::write(folder.join("ca.pem"), authority.as_ref().pem()).unwrap();
    reqwest::Certificate::from_pem(authority.as_ref().pem().as_bytes()).unwrap()
}

#[tokio::test]
async fn the_api_is_served_over_tls() {
    let installation = Installation::new();
    let authority = certificates(installation.folder.path());
    let tls = [("DELIVR_TLS_CERT", "cert.pem"), ("DELIVR_TLS_KEY", "key.pem")];
    let served = installation.serve(&tls);
    assert!(
        served.address.starts_with("https://127.0.0.1:"),
        "{}",
        served.address
    );
    let _already = rustls::crypto::ring::default_provider().install_default();
    let trusting = reqwest::Client::builder()
        .tls_certs_only([authority])
        .build()
        .unwrap();
    let url = format!("{}/health", served.address);
    let alive = trusting.get(&url).send().await.unwrap();
    assert_eq!(
        (alive.status().as_u16(), alive.version()),
        (200, reqwest::Version::HTTP_2)
    );
    assert!(
        reqwest::Client::new().get(&url).send().await.is_err(),
        "nobody else vouches for it"
    );
    let plain = url.replace("https://", "http://");
    assert!(reqwest::get(&plain).await.is_err());
    served.terminate();

    // Mistakes are told at the start, and by the check, and no key is shown.
    let folder = installation.folder.path();
    let key = std::fs::read_to_string(folder.join("key.pem")).unwrap();
    std::fs::write(folder.join("empty.pem"), "").unwrap();
    for (certificate, secret, word) in [
        ("none.pem", "key.pem", "none.pem"),
        ("empty.pem", "key.pem", "empty.pem"),
        ("cert.pem", "none.pem", "none.pem"),
        ("cert.pem", "cert.pem", "cert.pem"),
        ("ca.pem", "key.pem", "ca.pem"),
    ] {
        for arguments in [&["config", "check"][..], &[]] {
            let mut command = installation.command(arguments);
            command
                .env("DELIVR_TLS_CERT", certificate)
                .env("DELIVR_TLS_KEY", secret);
            let refused = command.output().unwrap();
            let said = text(&refused.stderr);
            assert!(!refused.status.success(), "{certificate} {secret}");
            assert!(
                said.contains(word) && !said.contains(key.lines().nth(1).unwrap()),
                "{said}"
            );
        }
    }
}

/// What a scrape must look like: every metric with help and type, counters called so, labels of closed sets.
fn assert_well_formed(scrape: &str) {
    let field = |line: &str, place: usize| line.split_whitespace().nth(place).unwrap_or_default().to_owned();
    let helped: std::collections::BTreeSet<String> = scrape
        .lines()
        .filter(|line| line.starts_with("# HELP "))
        .map(|line| field(line, 2))
        .collect();
    for line in scrape.lines().filter(|line| line.starts_with("# TYPE ")) {
        let (name, kind) = (field(line, 2), field(line, 3));
        assert!(helped.contains(&name), "{name} has no help");
        assert!(name.starts_with("delivr_"), "{name}");
        assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
        assert!(
            ["counter", "gauge", "histogram"].contains(&kind.as_str()),
            "{line}"
        );
    }
    for line in scrape.lines().filter(|line| !line.starts_with('#')) {
        let labels = line
            .split('{')
            .nth(1)
            .and_then(|rest| rest.split('}').next())
            .unwrap_or_default();
        for label in labels.split(',') {
            let value = label.split('"').nth(1).unwrap_or_default();
            let id = value.len() >= 32 && value.bytes().filter(u8::is_ascii_hexdigit).count() >= 32;
            assert!(!id, "{line}");
        }
    }
}

#[tokio::test]
async fn the_metrics_are_well_formed_and_tell_what_waits() {
    let installation = Installation::new();
    let token = installation.good(&["token", "create", "--tenant", "acme", "--role", "OWNER"]);
    let mut served = installation.serve(&[("DELIVR_LOG", "info")]);
    let mut said = BufReader::new(served.child.stderr.take().unwrap()).lines();
    let address = said
        .find_map(|line| {
            let line = line.unwrap();
            let rest = line.split("metrics address=").nth(1)?;
            Some(rest.split_whitespace().next().unwrap().to_owned())
        })
        .unwrap();
    // Nobody else reads it, and a full pipe would stop the program.
    std::thread::spawn(move || said.for_each(drop));
    get(&served.address, "/api/v1/me", &token).await;
    get(
        &served.address,
        "/api/v1/services/00000000-0000-4000-8000-000000000001",
        &token,
    )
    .await;
    let client = reqwest::Client::new();
    let hook = format!("{}/api/v1/webhooks/jenkins", served.address);
    assert_eq!(client.post(hook).body("{}").send().await.unwrap().status(), 401);
    let scrape = async || {
        let text = client
            .get(format!("http://{address}/metrics"))
            .send()
            .await
            .unwrap();
        text.text().await.unwrap()
    };
    // The first look at what waits comes with the first second.
    let mut text = scrape().await;
    let mut beat = tokio::time::interval(std::time::Duration::from_millis(50));
    for _ in 0..400 {
        if text.contains("delivr_effects_due{") {
            break;
        }
        beat.tick().await;
        text = scrape().await;
    }
    assert_well_formed(&text);
    for wanted in [
        "delivr_build_info{version=",
        "delivr_effects_due{kind=\"PERFORM\"} 0",
        "delivr_effect_oldest_due_age_seconds{kind=\"PERFORM\"} 0",
        "delivr_inbox_pending 0",
        "delivr_outbox_pending 0",
        "delivr_db_pool_connections{state=\"idle\"}",
        "delivr_http_requests_in_flight",
        "delivr_http_requests_total{method=\"GET\",route=\"/api/v1/services/{serviceId}\",status=\"404\"} 1",
        "delivr_webhook_rejections_total{provider=\"jenkins\",reason=\"signature\"} 1",
        "delivr_worker_last_tick_timestamp_seconds",
    ] {
        assert!(text.contains(wanted), "{wanted} is not in\n{text}");
    }
    served.terminate();
}

#[tokio::test]
async fn the_old_master_key_is_not_given_up_while_a_row_cannot_be_read() {
    let installation = Installation::new();
    let token = installation.good(&["token", "create", "--tenant", "acme", "--role", "OWNER"]);
    let served = installation.serve(&[("DELIVR_ALLOWED_HOSTS", "127.0.0.1")]);
    let _already = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::new();
    let mut ids = Vec::new();
    for name in ["good", "bad"] {
        let body = serde_json::json!({
            "provider": "jenkins", "name": name, "config": {"baseUrl": "http://127.0.0.1:9/jenkins"},
            "credentials": {"username": "bot", "apiToken": "s3cret-api-token-0123456789", "webhookSecret": "s3cret-hook-0123456789"},
        });
        let made = client
            .post(format!("{}/api/v1/integrations/ci-cd", served.address))
            .bearer_auth(&token)
            .json(&body)
            .send()
            .await
            .unwrap();
        assert_eq!(made.status(), 201);
        let made: serde_json::Value = made.json().await.unwrap();
        ids.push(made["id"].as_str().unwrap().to_owned());
    }
    served.terminate();
    // As a newer build, or a broken disk, would leave it.
    let file = installation.folder.path().join("delivr.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    let damage = "update integrations set hints = '[1]' where name = 'bad'";
    assert_eq!(
        sqlx::query(damage).execute(&pool).await.unwrap().rows_affected(),
        1
    );
    pool.close().await;
    let new = generate(installation.folder.path());
    let ring = format!("new:{new},{}", installation.key);
    let rotate = || {
        let mut command = installation.command(&["rotate-keys"]);
        command.env("DELIVR_MASTER_KEY", &ring).output().unwrap()
    };
    for _ in 0..2 {
        let refused = rotate();
        assert!(!refused.status.success(), "{}", text(&refused.stdout));
        let said = text(&refused.stderr);
        assert!(
            said.contains("1 integration(s) cannot be read") && said.contains("keep the old master key"),
            "{said}"
        );
        assert_eq!(text(&refused.stdout), "", "nothing is called done");
    }
    let pool = {
        let file = installation.folder.path().join("delivr.db");
        sqlx::SqlitePool::connect_with(sqlx::sqlite::SqliteConnectOptions::new().filename(file))
            .await
            .unwrap()
    };
    sqlx::query("update integrations set hints = '{}' where name = 'bad'")
        .execute(&pool)
        .await
        .unwrap();
    pool.close().await;
    let rotated = rotate();
    assert!(rotated.status.success(), "{}", text(&rotated.stderr));
    assert!(
        text(&rotated.stdout).contains("1 sealed anew"),
        "{}",
        text(&rotated.stdout)
    );
    assert_eq!(ids.len(), 2);
}
