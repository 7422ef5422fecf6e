//! Each run is started once, whatever happens on the way: with a server that names the run, with one that does not, and
//! with lists that lag behind.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod common;

use common::{JOB, TAG, write_with};
use delivr_domain::effect::Operation;
use delivr_domain::ports::provider::{Connection, Descriptor};
use delivr_provider_kit::Deps;
use delivr_provider_proof::cases::Case;
use delivr_provider_proof::table::prove_all;
use delivr_provider_proof::{Enrolment, Foreign, SandboxSide, Scene, Work, Write, async_trait, contract};
use serde_json::json;
use std::path::Path;

/// GitHub as it is now, or of another make.
#[derive(Default)]
struct GitHub {
    version: Option<&'static str>,
    /// Whether a dispatch leaves the run unnamed, whatever it is asked.
    nameless: bool,
    /// How long lists do not show a new run.
    lag_ms: i64,
}

const PLAIN: GitHub = GitHub {
    version: None,
    nameless: false,
    lag_ms: 0,
};

#[async_trait]
impl Enrolment for GitHub {
    type Side = SandboxSide;
    const NAME: &'static str = "cicd-github-actions";

    fn descriptor(&self, deps: &Deps) -> Descriptor {
        delivr_cicd_github_actions::descriptor(deps)
    }
    async fn side(&self, _folder: &Path) -> SandboxSide {
        let side = SandboxSide::start("github").await;
        let mut offered = side.running.credentials()["github"]["actions"].take();
        if let Some(version) = self.version {
            offered["config"]["apiVersion"] = json!(version);
        }
        let side = side.with(offered["config"].take(), offered["credentials"].take());
        side.advance(json!({"action": "run_details", "on": !self.nameless}));
        side.advance(json!({"action": "run_lag", "ms": self.lag_ms}));
        side
    }
    fn writes(&self) -> Vec<Write> {
        vec![Write::new(
            "trigger run",
            "dispatch",
            Foreign::None("a run has no name to take"),
        )]
    }
    async fn prepare(&self, _write: &str, scene: &Scene<SandboxSide>) -> Work {
        let full = format!("refs/tags/{TAG}");
        let tagged = scene
            .side
            .advance(json!({"action": "set_ref", "ref": full, "sha": "main"}));
        let given = [("version", "1.4.0"), ("platform", "IOS"), ("cycle", "1")];
        let write = write_with(JOB, tagged["sha"].as_str().unwrap(), &given);
        Work::Write(Operation::Cicd(write))
    }
}

delivr_provider_proof::prove!(PLAIN);

/// The cases in which a run may have been started without a word of it.
const UNANSWERED: [Case; 4] = [
    Case::AnswerLost,
    Case::ErrorAfter,
    Case::ProcessDies,
    Case::WorkersRace,
];

#[tokio::test]
async fn done_once_although_lists_show_a_run_only_a_minute_later() {
    // Just below the bound that is declared.
    let late = GitHub {
        lag_ms: 55_000,
        ..GitHub::default()
    };
    for case in UNANSWERED {
        prove_all(&late, case).await;
    }
}

#[tokio::test]
async fn done_once_with_a_server_that_names_no_run() {
    let old = GitHub {
        nameless: true,
        ..GitHub::default()
    };
    for case in Case::ALL {
        prove_all(&old, case).await;
    }
}

#[tokio::test]
async fn done_once_with_the_newer_version_of_the_api() {
    let new = GitHub {
        version: Some("2026-03-10"),
        ..GitHub::default()
    };
    for case in Case::ALL {
        prove_all(&new, case).await;
    }
}

#[tokio::test]
async fn contract_with_the_real_github() {
    let names = ["TOKEN", "OWNER", "REPOSITORY", "WORKFLOW"];
    let Some([token, owner, repository, workflow]) = contract::given("GITHUB_ACTIONS", names) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut config = json!({"owner": owner, "repository": repository});
    if let Some(version) = contract::also("GITHUB_ACTIONS", "API_VERSION") {
        config["apiVersion"] = json!(version);
    }
    let secret = json!({"token": token});
    let descriptor = delivr_cicd_github_actions::descriptor;
    let connection = contract::connect(descriptor, folder.path(), &config, &secret);
    let Connection::Cicd(actions) = connection else {
        panic!("not CI");
    };
    let verified = actions.verify().await.unwrap();
    assert!(!verified.account.is_empty() && verified.passed(), "{verified:?}");
    assert!(actions.jobs().await.unwrap().contains(&workflow));
    let declared = actions.job_parameters(&workflow).await.unwrap();
    assert!(declared.iter().any(|it| it.name == "delivr_key"), "{declared:?}");
    let write = common::write_of(&workflow, &"a".repeat(40));
    let none = actions.find(&common::key(1), &write).await.unwrap();
    assert!(common::found(none).is_empty());
    contract::ran("GITHUB_ACTIONS");
}
