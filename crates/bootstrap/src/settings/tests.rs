//! What settings may look like, and what is said of those that may not.

use super::*;

fn load(files: &[&str], variables: &[(&str, &str)]) -> Result<Settings, String> {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = files
        .iter()
        .zip(1..)
        .map(|(text, number)| {
            let path = folder.path().join(format!("{number}.toml"));
            std::fs::write(&path, text).unwrap();
            path
        })
        .collect();
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Settings::from_sources(Program::Api, &paths, variables).map_err(|error| error.to_string())
}

#[test]
fn later_sources_win() {
    let settings = load(
        &[
            "listen = '127.0.0.1:1'\nlog = 'a'\nlog_format = 'json'",
            "log = 'b'",
        ],
        &[("DELIVR_LISTEN", "127.0.0.1:3"), ("PATH", "/bin")],
    )
    .unwrap();
    assert_eq!(settings.listen.port(), 3);
    assert_eq!(settings.log, "b");
    assert_eq!(settings.log_format, LogFormat::Json);
    assert_eq!(settings.worker_concurrency, 16);
    assert_eq!(settings.metrics_listen.unwrap().port(), 9091);
}

#[test]
fn the_worker_serves_no_metrics_unless_told() {
    let none: [(String, String); 0] = [];
    let settings = Settings::from_sources(Program::Worker, &[], none).unwrap();
    assert!(settings.metrics_listen.is_none());
}

#[test]
fn unknown_settings_are_refused_by_name() {
    let error = load(&["lissten = 'x'"], &[]).unwrap_err();
    assert!(error.contains("`lissten`") && error.contains("1.toml"), "{error}");
    let error = load(&[], &[("DELIVR_LISSTEN", "x")]).unwrap_err();
    assert!(error.contains("DELIVR_LISSTEN"), "{error}");
    assert!(load(&[], &[("DELIVR_SANDBOX_SEED", "1")]).is_ok());
}

#[test]
fn bad_values_name_their_place() {
    for (name, value) in [
        ("DELIVR_LISTEN", "nowhere"),
        ("DELIVR_WORKER", "maybe"),
        ("DELIVR_MIGRATE", "yes"),
        ("DELIVR_WORKER_CONCURRENCY", "0"),
        ("DELIVR_LEASE_SECONDS", "1e3"),
        ("DELIVR_PUBLIC_URL", "ftp://x"),
        ("DELIVR_LOG_FORMAT", "xml"),
        ("DELIVR_MASTER_KEY_FILE", "/nonexistent/key"),
        ("DELIVR_TRUSTED_PROXIES", "10.0.0.0/33"),
        ("DELIVR_RATE_LIMIT_PER_TOKEN", "-1"),
        ("DELIVR_RETENTION_DAYS", "for ever"),
        ("DELIVR_TLS_CERT", "cert.pem"),
        ("DELIVR_TLS_KEY", "key.pem"),
        ("DELIVR_OUTBOUND_PROXY", "socks5://proxy:1080"),
        ("DELIVR_DATABASE_URL", "mysql://x"),
        ("DELIVR_DATABASE_URL", "delivr.db"),
        ("DELIVR_DATABASE_URL", "postgres://host:port/db"),
    ] {
        let error = load(&[], &[(name, value)]).unwrap_err();
        assert!(error.contains(name), "{error}");
    }
    assert!(load(&["listen = {a = 1}"], &[]).is_err());
}

#[test]
fn no_secret_is_shown() {
    let settings = load(
        &[],
        &[
            ("DELIVR_MASTER_KEY", "s3cret-key"),
            ("DELIVR_DATABASE_URL", "postgres://u:s3cret-pw@h/db"),
        ],
    )
    .unwrap();
    let all = format!("{settings:?} {:?}", settings.shown());
    assert!(!all.contains("s3cret"), "{all}");
    let both = load(
        &[],
        &[("DELIVR_MASTER_KEY", "s3cret"), ("DELIVR_MASTER_KEY_FILE", "x")],
    )
    .unwrap_err();
    assert!(!both.contains("s3cret"), "{both}");
    let broken = load(&["master_key = s3cret"], &[]).unwrap_err();
    assert!(!broken.contains("s3cret"), "{broken}");
}

#[test]
fn passwords_among_the_parameters_are_hidden_too() {
    for address in [
        "postgres://h/db?user=u&password=s3cret",
        "postgres://h/db?sslpassword=s3cret&sslmode=require",
        "postgres://u@h/db?PassWord=s3cret",
        "postgres://u:s3cret@h/db?pass%77ord=s3cret",
    ] {
        let shown = without_password(address);
        assert!(
            !shown.contains("s3cret") && shown.contains("***") && shown.contains("h/db"),
            "{shown}"
        );
    }
    let plain = "sqlite://delivr.db?mode=rwc";
    assert_eq!(without_password(plain), plain);
}

#[cfg(unix)]
#[test]
fn variables_that_are_no_text_are_refused_only_where_they_are_ours() {
    use std::os::unix::ffi::OsStringExt as _;
    let odd = || OsString::from_vec(vec![b's', b'3', 0xff]);
    let read = ours([
        (OsString::from("OTHER"), odd()),
        (odd(), OsString::from("x")),
        (OsString::from("DELIVR_LOG"), OsString::from("info")),
    ])
    .unwrap();
    assert_eq!(read, [("DELIVR_LOG".to_owned(), "info".to_owned())]);
    let error = ours([(OsString::from("DELIVR_MASTER_KEY"), odd())])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("DELIVR_MASTER_KEY") && !error.contains("s3"),
        "{error}"
    );
    let name = OsString::from_vec(b"DELIVR_\xff".to_vec());
    assert!(ours([(name, OsString::from("x"))]).is_err());
}

#[test]
fn the_key_may_come_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    std::fs::write(&path, "abc\n").unwrap();
    let settings = load(&[&format!("master_key_file = '{}'", path.display())], &[]).unwrap();
    assert_eq!(settings.master_key.unwrap().expose_secret(), "abc");
}

#[test]
fn a_proxy_may_have_a_password_that_is_not_shown() {
    let settings = load(&[], &[("DELIVR_OUTBOUND_PROXY", "http://u:s3cret@proxy:3128")]).unwrap();
    let all = format!("{settings:?} {:?}", settings.shown());
    assert!(!all.contains("s3cret") && all.contains("proxy:3128"), "{all}");
}

#[test]
fn proxies_are_addresses_and_networks() {
    let settings = load(&["trusted_proxies = ['10.0.0.0/8', '::1', ' 192.0.2.1 ']"], &[]).unwrap();
    let shown: Vec<String> = settings.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["10.0.0.0/8", "::1/128", "192.0.2.1/32"]);
    assert!(load(&[], &[]).unwrap().trusted_proxies.is_empty());
}

#[cfg(unix)]
#[test]
fn a_key_that_everybody_may_read_is_noticed() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, "AAAA\n").unwrap();
    let named = [("DELIVR_MASTER_KEY_FILE", file.to_str().unwrap())];
    for (mode, open) in [(0o600, false), (0o640, false), (0o644, true)] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        let settings = load(&[], &named).unwrap();
        assert_eq!(settings.open_key_file, open.then(|| file.clone()), "{mode:o}");
    }
}
