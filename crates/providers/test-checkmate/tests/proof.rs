//! Each write to Checkmate is done once, whatever happens on the way.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use delivr_domain::effect::{Operation, TestingWrite};
use delivr_domain::ports::provider::{Connection, Descriptor};
use delivr_domain::ports::vendor::Lookup;
use delivr_provider_kit::Deps;
use delivr_provider_proof::{
    Bench, Enrolment, Foreign, SandboxSide, Scene, Work, Write, async_trait, contract,
};
use serde_json::json;
use std::path::Path;

fn run() -> TestingWrite {
    TestingWrite::CreateRun {
        name: "Regression of 1.4.0 on Android".into(),
        description: "Release 1.4.0".into(),
        target: None,
    }
}

struct Checkmate;

#[async_trait]
impl Enrolment for Checkmate {
    type Side = SandboxSide;
    const NAME: &'static str = "test-checkmate";

    fn descriptor(&self, deps: &Deps) -> Descriptor {
        delivr_test_checkmate::descriptor(deps)
    }
    async fn side(&self, _folder: &Path) -> SandboxSide {
        SandboxSide::start("checkmate").await
    }
    fn writes(&self) -> Vec<Write> {
        vec![
            Write::new(
                "create run",
                "create_run",
                Foreign::None("its name holds our mark"),
            ),
            Write::new("reset run", "reset_run", Foreign::None("a result is nobody's")),
        ]
    }
    async fn prepare(&self, write: &str, scene: &Scene<SandboxSide>) -> Work {
        if write == "create run" {
            return Work::Write(Operation::Testing(run()));
        }
        let Connection::Testing(checkmate) = &scene.connection else {
            panic!("not test management");
        };
        let run = checkmate.create(&scene.other, &run()).await.unwrap().id;
        scene.side.advance(json!({"action": "pass_all"}));
        Work::Write(Operation::Testing(TestingWrite::ResetRun { run }))
    }
}

delivr_provider_proof::prove!(Checkmate);

#[tokio::test]
async fn ours_is_found_behind_pages_of_runs_with_the_same_mark() {
    let bench = Bench::start("checkmate").await;
    let Connection::Testing(checkmate) = bench.connect(&delivr_test_checkmate::descriptor(&bench.deps))
    else {
        panic!("not test management");
    };
    let key = delivr_provider_proof::key(7);
    let made = checkmate.create(&key, &run()).await.unwrap().id;
    // Somebody's runs whose names hold the same eight digits; the newest are listed first.
    let mark: String = key.short().chars().take(8).collect();
    let (client, settings) = (reqwest::Client::new(), bench.settings());
    let url = format!(
        "{}/api/v1/run/create",
        settings["config"]["baseUrl"].as_str().unwrap()
    );
    for number in 0..120 {
        let body = json!({"projectId": settings["config"]["projectId"], "runName": format!("Copy {number} [{mark}]"),
                          "filterType": "and"});
        let token = settings["credentials"]["token"].as_str().unwrap();
        let answer = client
            .post(&url)
            .bearer_auth(token)
            .json(&body)
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_success());
    }
    let found = checkmate.find(&key, &run()).await.unwrap();
    let Lookup::Found(list) = found else {
        panic!("{found:?}");
    };
    assert_eq!(list.into_iter().map(|it| it.id).collect::<Vec<_>>(), [made]);
}

#[tokio::test]
async fn contract_with_a_real_checkmate() {
    let names = ["BASE_URL", "TOKEN", "ORG_ID", "PROJECT_ID"];
    let Some([base, token, org, project]) = contract::given("CHECKMATE", names) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let number = |text: String| text.parse::<i64>().unwrap();
    let config = json!({"baseUrl": base, "orgId": number(org), "projectId": number(project)});
    let secret = json!({"token": token});
    let connection = contract::connect(delivr_test_checkmate::descriptor, folder.path(), &config, &secret);
    let Connection::Testing(checkmate) = connection else {
        panic!("not test management");
    };
    let verification = checkmate.verify().await.unwrap();
    assert!(verification.passed(), "{verification:?}");
    let none = checkmate
        .find(&delivr_provider_proof::key(1), &run())
        .await
        .unwrap();
    assert_eq!(none, Lookup::Found(Vec::new()));
    contract::ran("CHECKMATE");
}
