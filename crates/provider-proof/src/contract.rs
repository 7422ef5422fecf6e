//! Contract tests: the adapter against the real vendor, where somebody gave the means, and named as skipped elsewhere.

use delivr_domain::ports::provider::{Connection, Descriptor};
use delivr_provider_kit::{AddressPolicy, Deps, HttpSettings, SystemClock};
use serde_json::Value;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

/// The values of `DELIVR_CONTRACT_<VENDOR>_<NAME>`, in order; none when one is missing, which is said.
#[must_use]
pub fn given<const N: usize>(vendor: &str, names: [&str; N]) -> Option<[String; N]> {
    let variable = |name: &str| format!("DELIVR_CONTRACT_{vendor}_{name}");
    let values = names.map(|name| std::env::var(variable(name)).ok().filter(|it| !it.is_empty()));
    if values.iter().any(Option::is_none) {
        let all = names.map(variable).join(", ");
        log(&format!(
            "SKIPPED: contract with {}: set {all}",
            vendor.to_lowercase()
        ));
        return None;
    }
    Some(values.map(Option::unwrap_or_default))
}

/// The value of one more variable, where it is set.
#[must_use]
pub fn also(vendor: &str, name: &str) -> Option<String> {
    std::env::var(format!("DELIVR_CONTRACT_{vendor}_{name}"))
        .ok()
        .filter(|it| !it.is_empty())
}

/// A connection as an installation makes it: real clock, guarded addresses.
#[must_use]
pub fn connect(
    descriptor: impl Fn(&Deps) -> Descriptor,
    folder: &Path,
    config: &Value,
    credentials: &Value,
) -> Connection {
    let deps = Deps::new(
        AddressPolicy::default(),
        &HttpSettings::default(),
        Arc::new(SystemClock),
        None,
        folder.join("cache"),
    );
    let connect = descriptor(&deps.unwrap()).connect;
    connect(config, &crate::bench::secrets(credentials)).unwrap()
}

/// Says that it ran.
pub fn ran(vendor: &str) {
    log(&format!("CHECKED: contract with {}", vendor.to_lowercase()));
}

/// One line for the test run's summary, written with one call: several processes write to the file.
pub fn log(line: &str) {
    eprintln!("{line}");
    if let Some(log) = std::env::var_os("DELIVR_SKIP_LOG") {
        let log = std::fs::OpenOptions::new().append(true).create(true).open(log);
        log.unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
    }
}
