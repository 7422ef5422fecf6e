//! Each run is started once, whatever happens on the way.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use delivr_domain::effect::{CicdWrite, Operation};
use delivr_domain::ports::provider::{Connection, Descriptor};
use delivr_domain::ports::vendor::Lookup;
use delivr_provider_kit::Deps;
use delivr_provider_proof::{
    Bench, Enrolment, Foreign, SandboxSide, Scene, Work, Write, async_trait, contract,
};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;

fn trigger() -> CicdWrite {
    CicdWrite::TriggerRun {
        job: "ios-prod".to_owned(),
        git_ref: "v1.4.0-rc.1".parse().unwrap(),
        sha: "a".repeat(40).parse().unwrap(),
        parameters: BTreeMap::from([
            ("VERSION".to_owned(), "1.4.0".to_owned()),
            ("BRANCH".to_owned(), "release/1.4.0".to_owned()),
        ]),
    }
}

struct Jenkins;

#[async_trait]
impl Enrolment for Jenkins {
    type Side = SandboxSide;
    const NAME: &'static str = "cicd-jenkins";

    fn descriptor(&self, deps: &Deps) -> Descriptor {
        delivr_cicd_jenkins::descriptor(deps)
    }
    async fn side(&self, _folder: &Path) -> SandboxSide {
        SandboxSide::start("jenkins").await
    }
    fn writes(&self) -> Vec<Write> {
        vec![Write::new(
            "trigger run",
            "trigger",
            Foreign::None("a run has no name to take"),
        )]
    }
    async fn prepare(&self, _write: &str, _scene: &Scene<SandboxSide>) -> Work {
        Work::Write(Operation::Cicd(trigger()))
    }
}

delivr_provider_proof::prove!(Jenkins);

#[tokio::test]
async fn ours_is_found_behind_a_page_of_later_runs() {
    let bench = Bench::start("jenkins").await;
    let Connection::Cicd(jenkins) = bench.connect(&delivr_cicd_jenkins::descriptor(&bench.deps)) else {
        panic!("not CI");
    };
    let (key, write) = (delivr_provider_proof::key(7), trigger());
    let made = jenkins.create(&key, &write).await.unwrap().id;
    bench.advance(json!({"action": "start", "job": "ios-prod"}));
    for number in 0..110 {
        let other = delivr_provider_proof::key(1_000 + number);
        jenkins.create(&other, &write).await.unwrap();
        bench.advance(json!({"action": "start", "job": "ios-prod"}));
        bench.advance(json!({"action": "finish", "job": "ios-prod", "number": "all", "result": "SUCCESS"}));
    }
    let found = jenkins.find(&key, &write).await.unwrap();
    let Lookup::Found(list) = found else {
        panic!("{found:?}");
    };
    assert_eq!(list.into_iter().map(|it| it.id).collect::<Vec<_>>(), [made]);
}

#[tokio::test]
async fn contract_with_a_real_jenkins() {
    let names = ["BASE_URL", "USERNAME", "API_TOKEN", "JOB"];
    let Some([base, user, token, job]) = contract::given("JENKINS", names) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let config = json!({"baseUrl": base});
    let secret = json!({"username": user, "apiToken": token});
    let connection = contract::connect(delivr_cicd_jenkins::descriptor, folder.path(), &config, &secret);
    let Connection::Cicd(jenkins) = connection else {
        panic!("not CI");
    };
    assert!(!jenkins.verify().await.unwrap().account.is_empty());
    assert!(jenkins.jobs().await.unwrap().contains(&job));
    let CicdWrite::TriggerRun {
        git_ref,
        sha,
        parameters,
        ..
    } = trigger();
    let write = CicdWrite::TriggerRun {
        job,
        git_ref,
        sha,
        parameters,
    };
    let none = jenkins
        .find(&delivr_provider_proof::key(1), &write)
        .await
        .unwrap();
    assert_eq!(none, Lookup::Found(Vec::new()));
    contract::ran("JENKINS");
}
