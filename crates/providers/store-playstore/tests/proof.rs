//! Each write to Google Play is done once, whatever happens on the way.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use delivr_domain::effect::{Operation, ReleaseTiming, RolloutChange, StoreVersion, StoreWrite};
use delivr_domain::ports::provider::{Connection, Descriptor};
use delivr_domain::ports::vendor::Storefront;
use delivr_provider_kit::Deps;
use delivr_provider_proof::{
    Bench, Enrolment, Foreign, SandboxSide, Scene, Work, Write, async_trait, contract,
};
use serde_json::json;
use std::path::Path;

fn version(code: &str) -> StoreVersion {
    StoreVersion {
        version: "1.1.0".into(),
        build_number: code.into(),
        notes: [("en-US".to_owned(), "Faster.".to_owned())].into(),
    }
}

fn submit(code: &str, exposure: u16) -> StoreWrite {
    StoreWrite::Submit {
        version: version(code),
        exposure,
        timing: ReleaseTiming::AfterApproval,
    }
}

fn change(change: RolloutChange) -> StoreWrite {
    StoreWrite::ChangeRollout {
        version: version("101"),
        change,
    }
}

fn store(scene: &Scene<SandboxSide>) -> &dyn Storefront {
    let Connection::Store(store) = &scene.connection else {
        panic!("not a store");
    };
    store.as_ref()
}

async fn make(scene: &Scene<SandboxSide>, write: StoreWrite) {
    store(scene).create(&scene.other, &write).await.unwrap();
    scene.side.advance(json!({"action": "approve"}));
}

/// Somebody ships a later build in the Console.
async fn later(scene: &Scene<SandboxSide>) {
    scene
        .side
        .advance(json!({"action": "add_bundle", "versionCode": 103, "version": "1.2.0"}));
    let releases = json!([{"versionCodes": ["103"], "status": "completed"}]);
    scene
        .side
        .advance(json!({"action": "console_track", "releases": releases}));
}

struct Play;

#[async_trait]
impl Enrolment for Play {
    type Side = SandboxSide;
    const NAME: &'static str = "store-playstore";

    fn descriptor(&self, deps: &Deps) -> Descriptor {
        delivr_store_playstore::descriptor(deps)
    }
    async fn side(&self, _folder: &Path) -> SandboxSide {
        SandboxSide::start("playstore").await
    }
    fn writes(&self) -> Vec<Write> {
        vec![
            Write::new("submit staged", "commit", Foreign::Made),
            Write::new("submit to all", "commit", Foreign::Made),
            Write::new("submit, sent by hand", "commit", Foreign::Made),
            Write::new("raise exposure", "commit", Foreign::Made),
            Write::new("halt rollout", "commit", Foreign::Made),
            Write::new("resume rollout", "commit", Foreign::Made),
            Write::new("complete rollout", "commit", Foreign::Made),
        ]
    }
    async fn prepare(&self, write: &str, scene: &Scene<SandboxSide>) -> Work {
        for code in [101, 102] {
            scene
                .side
                .advance(json!({"action": "add_bundle", "versionCode": code, "version": "1.1.0"}));
        }
        match write {
            // What a person rejected lets Google take later changes only unsent.
            "submit, sent by hand" => {
                store(scene)
                    .create(&scene.other, &submit("101", 500))
                    .await
                    .unwrap();
                scene.side.advance(json!({"action": "reject"}));
                let halt = change(RolloutChange::Halt);
                store(scene).create(&scene.other, &halt).await.unwrap();
            }
            "submit staged" | "submit to all" => {}
            _ => make(scene, submit("101", 500)).await,
        }
        Work::Write(Operation::Store(match write {
            "submit, sent by hand" => submit("102", 500),
            "submit staged" => submit("101", 500),
            "submit to all" => submit("101", 10_000),
            "raise exposure" => change(RolloutChange::SetExposure { bps: 2_000 }),
            "halt rollout" => change(RolloutChange::Halt),
            "resume rollout" => {
                make(scene, change(RolloutChange::Halt)).await;
                change(RolloutChange::Resume)
            }
            _ => change(RolloutChange::Complete),
        }))
    }
    async fn foreign(&self, write: &str, scene: &Scene<SandboxSide>) {
        match write {
            // Somebody ships a later build by hand.
            "submit staged" | "submit to all" => make(scene, submit("102", 500)).await,
            "submit, sent by hand" => later(scene).await,
            // Somebody halts it.
            "raise exposure" | "complete rollout" => make(scene, change(RolloutChange::Halt)).await,
            // Somebody ships a later build to everybody, which takes ours off the track.
            _ => {
                if write == "halt rollout" {
                    make(scene, change(RolloutChange::Complete)).await;
                }
                make(scene, submit("102", 10_000)).await;
            }
        }
    }
}

delivr_provider_proof::prove!(Play);

#[tokio::test]
async fn a_wrong_clock_is_learned_from_the_vendor() {
    for seconds in [-86_400, -1_200, 20, 90, 1_200, 86_400] {
        let bench = Bench::with_clock("playstore", seconds).await;
        let connection = bench.connect(&delivr_store_playstore::descriptor(&bench.deps));
        assert!(connection.verify().await.unwrap().passed(), "{seconds} s");
    }
}

#[tokio::test]
async fn a_token_that_ends_on_the_way_is_replaced_and_the_write_done_once() {
    let bench = Bench::start("playstore").await;
    let Connection::Store(store) = bench.connect(&delivr_store_playstore::descriptor(&bench.deps)) else {
        panic!("not a store");
    };
    bench.advance(json!({"action": "add_bundle", "versionCode": 101, "version": "1.1.0"}));
    let key = delivr_provider_proof::key(7);
    store.find(&key, &submit("101", 500)).await.unwrap();
    bench.advance(json!({"action": "expire_tokens"}));
    store.create(&key, &submit("101", 500)).await.unwrap();
    assert_eq!(bench.effects("commit"), 1);
}

#[tokio::test]
async fn contract_with_the_real_google_play() {
    let Some([json, package]) = contract::given("PLAYSTORE", ["SERVICE_ACCOUNT_JSON", "PACKAGE_NAME"]) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let config = json!({"packageName": package});
    let secret = json!({"serviceAccountJson": json});
    let connection = contract::connect(
        delivr_store_playstore::descriptor,
        folder.path(),
        &config,
        &secret,
    );
    assert!(!connection.verify().await.unwrap().account.is_empty());
    contract::ran("PLAYSTORE");
}
