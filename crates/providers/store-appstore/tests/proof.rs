//! Each write to App Store Connect is done once, whatever happens on the way.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use delivr_domain::effect::{Operation, ReleaseTiming, RolloutChange, StoreVersion, StoreWrite};
use delivr_domain::ports::provider::{Connection, Descriptor};
use delivr_domain::ports::vendor::Lookup;
use delivr_provider_kit::Deps;
use delivr_provider_proof::{
    Bench, Enrolment, Foreign, SandboxSide, Scene, Work, Write, async_trait, contract,
};
use serde_json::json;
use std::path::Path;

fn version() -> StoreVersion {
    StoreVersion {
        version: "1.1.0".into(),
        build_number: "41".into(),
        notes: [
            ("en-US".to_owned(), "Faster start.".to_owned()),
            ("de-DE".to_owned(), "Startet schneller.".to_owned()),
        ]
        .into(),
    }
}

fn ensure(version: StoreVersion) -> StoreWrite {
    let timing = ReleaseTiming::Manual;
    StoreWrite::EnsureVersion { version, timing }
}
fn attach(version: StoreVersion) -> StoreWrite {
    StoreWrite::AttachBuild { version }
}
fn notes(version: StoreVersion) -> StoreWrite {
    StoreWrite::SetNotes { version }
}
fn phased() -> StoreWrite {
    StoreWrite::EnablePhasedRelease { version: version() }
}
fn submit(version: StoreVersion) -> StoreWrite {
    StoreWrite::Submit {
        version,
        exposure: 10_000,
        timing: ReleaseTiming::Manual,
    }
}
fn release() -> StoreWrite {
    StoreWrite::ReleaseToUsers { version: version() }
}
fn change(change: RolloutChange) -> StoreWrite {
    let version = version();
    StoreWrite::ChangeRollout { version, change }
}

/// As the engine does, past it: look, make if it is not there.
async fn through(scene: &Scene<SandboxSide>, writes: impl IntoIterator<Item = StoreWrite>) {
    let Connection::Store(store) = &scene.connection else {
        panic!("not a store");
    };
    for write in writes {
        let found = store.find(&scene.other, &write).await.unwrap();
        if found == Lookup::Found(Vec::new()) {
            store.create(&scene.other, &write).await.unwrap();
        }
    }
}

async fn submitted(scene: &Scene<SandboxSide>) {
    let all = [
        ensure(version()),
        attach(version()),
        notes(version()),
        phased(),
        submit(version()),
    ];
    through(scene, all).await;
}

async fn live(scene: &Scene<SandboxSide>) {
    scene.side.advance(json!({"action": "approve"}));
    through(scene, [release()]).await;
    scene.side.advance(json!({"action": "time", "seconds": 2}));
}

struct AppStore;

#[async_trait]
impl Enrolment for AppStore {
    type Side = SandboxSide;
    const NAME: &'static str = "store-appstore";

    fn descriptor(&self, deps: &Deps) -> Descriptor {
        delivr_store_appstore::descriptor(deps)
    }
    async fn side(&self, _folder: &Path) -> SandboxSide {
        SandboxSide::start("appstore").await
    }
    fn writes(&self) -> Vec<Write> {
        let over = Foreign::None("a finished rollout is finished");
        vec![
            Write::new("ensure version", "create_version", Foreign::Made),
            Write::new("attach build", "attach_build", Foreign::Made),
            // One call per language.
            Write::new("set notes", "set_notes", Foreign::Made).times(2),
            Write::new("enable phased release", "create_phased", Foreign::Made),
            Write::new("submit", "create_submission", Foreign::Made)
                .then("add_item")
                .then("submit"),
            Write::new("withdraw", "cancel_submission", Foreign::Made),
            Write::new(
                "release to users",
                "release",
                Foreign::None("what passed the review is ours"),
            ),
            Write::new("pause rollout", "set_phased", Foreign::Made),
            Write::new("resume rollout", "set_phased", over),
            Write::new("complete rollout", "set_phased", over),
        ]
    }
    async fn prepare(&self, write: &str, scene: &Scene<SandboxSide>) -> Work {
        for build in ["41", "42"] {
            scene.side.advance(
                json!({"action": "add_build", "version": "1.1.0", "build": build, "state": "VALID"}),
            );
        }
        let before = [ensure(version()), attach(version()), notes(version()), phased()];
        let so_many = |n| before.iter().take(n).cloned().collect::<Vec<_>>();
        Work::Write(Operation::Store(match write {
            "ensure version" => ensure(version()),
            "attach build" => {
                through(scene, so_many(1)).await;
                attach(version())
            }
            "set notes" => {
                through(scene, so_many(2)).await;
                notes(version())
            }
            "enable phased release" => {
                through(scene, so_many(3)).await;
                phased()
            }
            "submit" => {
                through(scene, so_many(4)).await;
                submit(version())
            }
            "withdraw" => {
                submitted(scene).await;
                StoreWrite::Withdraw { version: version() }
            }
            "release to users" => {
                submitted(scene).await;
                scene.side.advance(json!({"action": "approve"}));
                release()
            }
            "pause rollout" => {
                submitted(scene).await;
                live(scene).await;
                change(RolloutChange::Pause)
            }
            "resume rollout" => {
                submitted(scene).await;
                live(scene).await;
                through(scene, [change(RolloutChange::Pause)]).await;
                change(RolloutChange::Resume)
            }
            _ => {
                submitted(scene).await;
                live(scene).await;
                change(RolloutChange::Complete)
            }
        }))
    }
    async fn foreign(&self, write: &str, scene: &Scene<SandboxSide>) {
        let other = StoreVersion {
            build_number: "42".into(),
            ..version()
        };
        match write {
            // Somebody makes the next version by hand; Apple allows one at a time.
            "ensure version" => {
                let next = StoreVersion {
                    version: "1.2.0".into(),
                    ..version()
                };
                through(scene, [ensure(next)]).await;
            }
            // Somebody submits another build of the version.
            "attach build" | "submit" => {
                through(scene, [attach(other.clone()), notes(version()), submit(other)]).await;
            }
            // Somebody writes notes of their own and submits with them.
            "set notes" => {
                let mut own = version();
                own.notes.insert("en-US".into(), "By hand.".into());
                through(scene, [notes(own), submit(version())]).await;
            }
            // Somebody releases it to everybody.
            "enable phased release" => {
                through(scene, [submit(version())]).await;
                live(scene).await;
            }
            "withdraw" => live(scene).await,
            _ => through(scene, [change(RolloutChange::Complete)]).await,
        }
    }
}

delivr_provider_proof::prove!(AppStore);

async fn connected(bench: &Bench) -> std::sync::Arc<dyn delivr_domain::ports::vendor::Storefront> {
    let Connection::Store(store) = bench.connect(&delivr_store_appstore::descriptor(&bench.deps)) else {
        panic!("not a store");
    };
    store
}

#[tokio::test]
async fn a_wrong_clock_is_learned_from_the_vendor() {
    for seconds in [-86_400, -1_200, 40, 90, 1_200, 86_400] {
        let bench = Bench::with_clock("appstore", seconds).await;
        let verified = connected(&bench).await.verify().await;
        assert!(verified.unwrap().passed(), "{seconds} s");
    }
}

#[tokio::test]
async fn a_token_that_ends_on_the_way_is_replaced_and_the_write_done_once() {
    let bench = Bench::start("appstore").await;
    let store = connected(&bench).await;
    let key = delivr_provider_proof::key(7);
    assert_eq!(
        store.find(&key, &ensure(version())).await.unwrap(),
        Lookup::Found(Vec::new())
    );
    bench.advance(json!({"action": "time", "seconds": 3_600}));
    store.create(&key, &ensure(version())).await.unwrap();
    assert_eq!(bench.effects("create_version"), 1);
}

#[tokio::test]
async fn builds_are_read_to_the_last_page() {
    let bench = Bench::start("appstore").await;
    let store = connected(&bench).await;
    for build in 41..=271 {
        bench.advance(
            json!({"action": "add_build", "version": "1.1.0", "build": build.to_string(), "state": "VALID"}),
        );
    }
    for (asked, found) in [(Some("41"), "41"), (Some("271"), "271"), (None, "271")] {
        let build = store.find_build("1.1.0", asked).await.unwrap().unwrap();
        assert_eq!(build.build_number, found, "{asked:?}");
    }
}

#[tokio::test]
async fn contract_with_the_real_app_store_connect() {
    let names = ["KEY_ID", "ISSUER_ID", "PRIVATE_KEY_PEM", "BUNDLE_ID"];
    let Some([key_id, issuer, pem, bundle]) = contract::given("APPSTORE", names) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let config = json!({"keyId": key_id, "issuerId": issuer, "bundleId": bundle});
    let secret = json!({"privateKeyPem": pem});
    let connection = contract::connect(delivr_store_appstore::descriptor, folder.path(), &config, &secret);
    let Connection::Store(store) = connection else {
        panic!("not a store");
    };
    assert!(!store.verify().await.unwrap().account.is_empty());
    let none = StoreVersion {
        version: "0.0.1".into(),
        ..version()
    };
    let found = store
        .find(&delivr_provider_proof::key(1), &ensure(none))
        .await
        .unwrap();
    assert!(!matches!(found, Lookup::Found(list) if !list.is_empty()));
    contract::ran("APPSTORE");
}
