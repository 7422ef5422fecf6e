//! Which crate may know which: the direction of dependencies, read from `cargo metadata` and `cargo tree`.
//!
//! The table below is the architecture. A new edge between crates is a change of this file, to be argued for.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Stands for every crate below `crates/providers`.
const PROVIDERS: &str = "providers/*";

/// Crate, what it may depend on, what its tests may depend on besides.
const MAY: &[(&str, &[&str], &[&str])] = &[
    ("domain", &[], &["testkit"]),
    ("app", &["domain"], &["testkit", "persistence", "migrations"]),
    ("migrations", &[], &[]),
    ("persistence", &["domain", "migrations"], &["testkit"]),
    ("provider-kit", &["domain"], &["testkit"]),
    // What several adapters of one vendor share.
    ("github-kit", &["domain", "provider-kit"], &[]),
    (
        PROVIDERS,
        &["domain", "provider-kit", "github-kit"],
        &["testkit", "sandbox", "provider-proof"],
    ),
    // What every provider must prove; a dependency of tests alone.
    (
        "provider-proof",
        &["domain", "app", "provider-kit", "sandbox", "testkit"],
        &[],
    ),
    (
        "providers-all",
        &["domain", "provider-kit", PROVIDERS],
        &["testkit", "sandbox"],
    ),
    ("testkit", &["domain", "app"], &[]),
    // Depends on nothing of ours, so that it cannot agree with a mistake of ours.
    ("sandbox", &["provider-kit"], &[]),
    ("web", &["domain", "app"], &["testkit"]),
    (
        "bootstrap",
        &[
            "domain",
            "app",
            "persistence",
            "migrations",
            "provider-kit",
            "providers-all",
        ],
        &["testkit", "sandbox"],
    ),
    (
        "worker",
        &["domain", "app", "bootstrap"],
        &["testkit", "persistence", "migrations", "providers-all", "sandbox"],
    ),
    (
        "api",
        // The sandbox for `delivr-api practice`: simulated vendors inside the process, known to the program alone.
        &["domain", "app", "bootstrap", "web", "worker", "sandbox"],
        &[
            "testkit",
            "persistence",
            "migrations",
            "provider-kit",
            "providers-all",
        ],
    ),
    // Measures the product as it is put together; nothing depends on it.
    (
        "bench",
        &[
            "domain",
            "app",
            "persistence",
            "bootstrap",
            "provider-kit",
            "worker",
            "api",
        ],
        &[],
    ),
    // Drives the product from outside; its tests compile what `new-provider` writes against the ports.
    ("xtask", &["sandbox"], &["domain", "provider-kit"]),
];

/// Third parties that have a place, and the crates that may name them outside their tests.
/// `deny.toml` says the same of the whole tree; this says it where cargo-deny is not installed, and apart from tests.
const PLACES: &[(&str, &[&str])] = &[
    ("sea-orm", &["persistence", "migrations"]),
    ("sea-orm-migration", &["persistence", "migrations"]),
    // xtask's chaos reads the database behind the product's back: what it checks must not tell it what is there.
    // The bench's raw rate is the product's statements without the product.
    ("sqlx", &["persistence", "xtask", "bench"]),
    (
        "actix-web",
        &["api", "web", "bootstrap", "sandbox", "testkit", "xtask"],
    ),
    // github-kit hands provider-kit's client to it; scm-github reads refs and tags by its models.
    ("octocrab", &["github-kit", "scm-github"]),
    (
        "reqwest",
        &[
            "provider-kit",
            "provider-proof",
            "bootstrap",
            "sandbox",
            "testkit",
            "xtask",
        ],
    ),
    (
        "anyhow",
        &["api", "worker", "bootstrap", "sandbox", "xtask", "bench"],
    ),
];

/// The pure domain's whole diet.
const DOMAIN_DIET: &[&str] = &[
    "async-trait",
    "chrono",
    "mockall",
    "secrecy",
    "semver",
    "serde",
    "serde_json",
    "sha2",
    "thiserror",
    "uuid",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_path_buf()
}

fn cargo(args: &[&str]) -> String {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(program)
        .args(args)
        .current_dir(root())
        .output()
        .expect("cargo starts");
    assert!(
        output.status.success(),
        "cargo {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

struct Member {
    /// Directory name, which is the package name without `delivr-`.
    name: String,
    folder: PathBuf,
    manifest: toml::Table,
    text: String,
    publish: Value,
    license: Value,
}

impl Member {
    /// Its row of the table.
    fn row(&self) -> String {
        let provider = self
            .folder
            .parent()
            .is_some_and(|parent| parent.ends_with("crates/providers"));
        if provider {
            PROVIDERS.to_owned()
        } else {
            self.name.clone()
        }
    }
    fn depends_on(&self, section: &str) -> BTreeSet<String> {
        self.manifest
            .get(section)
            .and_then(toml::Value::as_table)
            .map(|table| table.keys().cloned().collect())
            .unwrap_or_default()
    }
}

fn members() -> Vec<Member> {
    let metadata: Value =
        serde_json::from_str(&cargo(&["metadata", "--no-deps", "--format-version", "1"])).unwrap();
    let members: Vec<Member> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| {
            let manifest = PathBuf::from(package["manifest_path"].as_str().unwrap());
            let text = std::fs::read_to_string(&manifest).unwrap();
            let name = package["name"].as_str().unwrap();
            Member {
                name: name
                    .strip_prefix("delivr-")
                    .unwrap_or_else(|| panic!("{name} is not called delivr-…"))
                    .to_owned(),
                folder: manifest.parent().unwrap().to_path_buf(),
                manifest: text.parse().unwrap(),
                text,
                publish: package["publish"].clone(),
                license: package["license"].clone(),
            }
        })
        .collect();
    assert!(members.len() > 2, "cargo metadata lists the workspace");
    members
}

#[test]
fn crates_depend_only_in_the_allowed_direction() {
    let members = members();
    let rows: BTreeMap<&str, (&[&str], &[&str])> = MAY
        .iter()
        .map(|(name, normal, tests)| (*name, (*normal, *tests)))
        .collect();
    let row_of: BTreeMap<String, String> = members
        .iter()
        .map(|member| (format!("delivr-{}", member.name), member.row()))
        .collect();
    let mut wrong = Vec::new();
    for member in &members {
        let Some((normal, tests)) = rows.get(member.row().as_str()) else {
            wrong.push(format!("{} has no row in the table", member.name));
            continue;
        };
        for section in ["dependencies", "build-dependencies", "dev-dependencies"] {
            for dependency in member.depends_on(section) {
                let Some(row) = row_of.get(&dependency) else {
                    continue;
                };
                let allowed = normal.contains(&row.as_str())
                    || (section == "dev-dependencies" && tests.contains(&row.as_str()));
                if !allowed {
                    wrong.push(format!(
                        "{} must not name {dependency} in [{section}]",
                        member.name
                    ));
                }
            }
        }
        if member.manifest.contains_key("target") {
            wrong.push(format!(
                "{}: dependencies per platform are not read by this test",
                member.name
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn third_parties_stay_in_their_place() {
    let mut wrong = Vec::new();
    for member in members() {
        let named = member.depends_on("dependencies");
        for (crate_name, places) in PLACES {
            if named.contains(*crate_name) && !places.contains(&member.name.as_str()) {
                wrong.push(format!(
                    "{} must not name {crate_name} in [dependencies]",
                    member.name
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_crate_lives_in_the_folder_of_its_name() {
    for member in members() {
        assert!(
            member.folder.ends_with(&member.name),
            "delivr-{} lives in {}",
            member.name,
            member.folder.display()
        );
    }
}

#[test]
fn the_domain_eats_only_what_is_pure() {
    let members = members();
    let domain = members
        .iter()
        .find(|member| member.name == "domain")
        .expect("there is a domain");
    let diet: BTreeSet<String> = DOMAIN_DIET.iter().map(|&name| name.to_owned()).collect();
    let found = domain.depends_on("dependencies");
    assert!(
        found.is_subset(&diet),
        "new in the domain: {:?}",
        found.difference(&diet).collect::<Vec<_>>()
    );
}

#[test]
fn the_domain_has_no_clock_chance_or_runtime_behind_its_back() {
    // Features are additive over a workspace, so only the resolved tree of the crate itself proves anything.
    let tree = cargo(&[
        "tree",
        "--locked",
        "--prefix",
        "none",
        "-e",
        "features,normal",
        "-p",
        "delivr-domain",
    ]);
    assert!(tree.contains("chrono feature"), "the tree lists features");
    let mut wrong = Vec::new();
    for line in tree.lines() {
        let mut words = line.split_whitespace();
        let name = words.next().unwrap_or_default();
        let feature = line
            .split_once("feature \"")
            .map(|(_, rest)| rest.split('"').next().unwrap_or_default());
        let bad = match (name, feature) {
            ("getrandom" | "tokio" | "rand" | "fastrand" | "ring", _) => true,
            ("chrono", Some(feature)) => matches!(feature, "clock" | "now" | "default"),
            ("uuid", Some(feature)) => matches!(feature, "v1" | "v4" | "v6" | "v7" | "rng" | "fast-rng"),
            (_, _) => false,
        };
        if bad {
            wrong.push(line.to_owned());
        }
    }
    assert!(wrong.is_empty(), "below delivr-domain: {}", wrong.join("\n"));
}

#[test]
fn every_provider_is_compiled_in() {
    let members = members();
    let providers: Vec<&Member> = members
        .iter()
        .filter(|member| member.row() == PROVIDERS)
        .collect();
    if providers.is_empty() {
        return;
    }
    let all = members
        .iter()
        .find(|member| member.name == "providers-all")
        .expect("there is a list of providers");
    let listed = all.depends_on("dependencies");
    let source = std::fs::read_to_string(all.folder.join("src/lib.rs")).unwrap();
    for provider in providers {
        assert!(
            listed.contains(&format!("delivr-{}", provider.name)),
            "providers-all does not depend on {}",
            provider.name
        );
        let call = format!("delivr_{}::", provider.name.replace('-', "_"));
        assert!(
            source.contains(&call),
            "providers-all does not list {call}descriptor(deps)"
        );
    }
}

#[test]
fn every_provider_is_proved() {
    for provider in members().iter().filter(|member| member.row() == PROVIDERS) {
        let read = |file: &str| std::fs::read_to_string(provider.folder.join(file)).unwrap_or_default();
        // What `new-provider` has just written does nothing that could be proved.
        if read("README.md").contains("No operation is written yet") {
            continue;
        }
        let proof = read("tests/proof.rs");
        assert!(
            proof.contains("delivr_provider_proof::prove!("),
            "{} has no tests/proof.rs that enrols it",
            provider.name
        );
        let contract = proof + &read("tests/contract.rs");
        assert!(
            contract.to_lowercase().contains("contract"),
            "{} has no contract test against the real vendor",
            provider.name
        );
    }
}

#[test]
fn only_the_mains_name_the_composition_root() {
    for member in members()
        .iter()
        .filter(|member| matches!(member.name.as_str(), "api" | "worker"))
    {
        let mut files = Vec::new();
        sources(&member.folder.join("src"), &mut files);
        for file in files.iter().filter(|file| !file.ends_with("src/main.rs")) {
            let source = std::fs::read_to_string(file).unwrap();
            assert!(
                !source.contains("delivr_bootstrap"),
                "{} names the composition root",
                file.display()
            );
        }
    }
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn only_practice_names_the_simulated_vendors() {
    let mut files = Vec::new();
    sources(&root().join("crates/api/src"), &mut files);
    let naming: Vec<&PathBuf> = files
        .iter()
        .filter(|file| std::fs::read_to_string(file).unwrap().contains("delivr_sandbox"))
        .collect();
    assert!(!naming.is_empty());
    for file in naming {
        assert!(
            file.components().any(|part| part.as_os_str() == "practice"),
            "{} must not know the simulated vendors: they are there in practice alone",
            file.display()
        );
    }
}

#[test]
fn every_crate_follows_the_workspace() {
    let mut wrong = Vec::new();
    for member in members() {
        if member.publish != serde_json::json!([]) {
            wrong.push(format!("{}: publish is not false", member.name));
        }
        if member.license != serde_json::json!("MIT") {
            wrong.push(format!("{}: licence is {}", member.name, member.license));
        }
        let lints = member
            .manifest
            .get("lints")
            .and_then(|lints| lints.get("workspace"));
        if lints.and_then(toml::Value::as_bool) != Some(true) {
            wrong.push(format!("{}: lints are not the workspace's", member.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn versions_are_chosen_in_one_place_or_explained() {
    let mut wrong = Vec::new();
    for member in members() {
        for line in unexplained(&member.text) {
            wrong.push(format!(
                "{}: `{line}` is neither the workspace's nor explained",
                member.name
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Dependency lines that neither inherit from the workspace nor carry a comment.
fn unexplained(manifest: &str) -> Vec<&str> {
    let mut inside = false;
    let mut commented = false;
    let mut found = Vec::new();
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = line.trim_matches(['[', ']']).ends_with("dependencies");
        } else if inside && line.contains('=') && !line.starts_with('#') {
            let inherits = line.contains(".workspace = true")
                || line.contains("workspace = true,")
                || line.contains("{ workspace = true }");
            if !inherits && !line.contains('#') && !commented {
                found.push(line);
            }
        }
        commented = line.starts_with('#');
    }
    found
}

#[test]
fn a_version_of_ones_own_is_seen() {
    let manifest = "[dependencies]\nserde.workspace = true\nuuid = { workspace = true, features = [\"v4\"] }\nfoo = \"1\"\n# why\nbar = \"2\"\n[features]\nx = []\n";
    assert_eq!(unexplained(manifest), ["foo = \"1\""]);
}
