//! Each write to GitHub is done once, whatever happens on the way.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use delivr_domain::effect::{Operation, ScmWrite};
use delivr_domain::names::{RefName, Sha};
use delivr_domain::ports::provider::{Connection, Descriptor};
use delivr_provider_kit::Deps;
use delivr_provider_proof::{Bench, Enrolment, Foreign, SandboxSide, Scene, Work, Write, async_trait};
use serde_json::json;
use std::path::Path;

const PULL: &str = "open pull request";

fn name(text: &str) -> RefName {
    text.parse().unwrap()
}

fn pull() -> ScmWrite {
    ScmWrite::OpenPullRequest {
        head: name("release/1.1"),
        base: name("main"),
        title: "Merge release/1.1 back into main".into(),
        body: "1.1.0 is out.".into(),
    }
}

struct GitHub;

#[async_trait]
impl Enrolment for GitHub {
    type Side = SandboxSide;
    const NAME: &'static str = "scm-github";

    fn descriptor(&self, deps: &Deps) -> Descriptor {
        delivr_scm_github::descriptor(deps)
    }
    async fn side(&self, _folder: &Path) -> SandboxSide {
        SandboxSide::start("github").await
    }
    fn writes(&self) -> Vec<Write> {
        vec![
            Write::new("create branch", "create_ref", Foreign::Made),
            Write::new("create tag", "create_tag_object", Foreign::Made).then("create_ref"),
            Write::new("publish release", "create_release", Foreign::Made),
            Write::new(PULL, "create_pull", Foreign::Made),
            Write::new(
                "delete branch",
                "delete_ref",
                Foreign::None("what is gone is nobody's"),
            ),
        ]
    }
    /// `release/1.1` is one commit ahead of `main`, and the tag `v1.1.0` names that commit.
    async fn prepare(&self, write: &str, scene: &Scene<SandboxSide>) -> Work {
        let pushed = scene
            .side
            .advance(json!({"action": "push", "branch": "release/1.1"}));
        let sha: Sha = pushed["sha"].as_str().unwrap().parse().unwrap();
        let tagged = json!({"action": "set_ref", "ref": "refs/tags/v1.1.0", "sha": sha.as_str()});
        scene.side.advance(tagged);
        Work::Write(Operation::Scm(match write {
            "create branch" => ScmWrite::CreateBranch {
                name: name("hotfix/1.1.1"),
                sha,
            },
            "create tag" => ScmWrite::CreateTag {
                name: name("v1.1.1"),
                sha,
                message: "Shop 1.1.1\n\nwith notes".into(),
            },
            "publish release" => ScmWrite::PublishRelease {
                tag: name("v1.1.0"),
                title: "Shop 1.1.0".into(),
                notes: "* Faster".into(),
            },
            PULL => pull(),
            _ => ScmWrite::DeleteBranch {
                name: name("release/1.1"),
            },
        }))
    }
    async fn foreign(&self, write: &str, scene: &Scene<SandboxSide>) {
        match write {
            "create branch" => {
                let pushed = json!({"action": "push", "branch": "hotfix/1.1.1", "orphan": true});
                scene.side.advance(pushed);
            }
            "create tag" => {
                let tagged = json!({"action": "set_ref", "ref": "refs/tags/v1.1.1", "sha": "main"});
                scene.side.advance(tagged);
            }
            "publish release" => {
                let made = json!({"action": "add_release", "tag": "v1.1.0", "body": "by hand"});
                scene.side.advance(made);
            }
            _ => {
                let Connection::Scm(github) = &scene.connection else {
                    panic!("not source control");
                };
                github.create(&scene.other, &pull()).await.unwrap();
            }
        }
    }
}

delivr_provider_proof::prove!(GitHub);

async fn as_app(bench: &Bench) -> std::sync::Arc<dyn delivr_domain::ports::vendor::Scm> {
    let settings = bench.settings();
    let connect = delivr_scm_github::descriptor(&bench.deps).connect;
    let secret = delivr_provider_proof::secrets(&settings["app"]);
    let Connection::Scm(github) = connect(&settings["config"], &secret).unwrap() else {
        panic!("not source control");
    };
    github
}

#[tokio::test]
async fn a_wrong_clock_of_an_app_is_learned_from_the_vendor() {
    for seconds in [-86_400, -1_200, -60, 55, 90, 1_200, 86_400] {
        let bench = Bench::with_clock("github", seconds).await;
        let verified = as_app(&bench).await.verify().await;
        assert!(verified.unwrap().passed(), "{seconds} s");
    }
}

#[tokio::test]
async fn an_installations_token_that_ends_on_the_way_is_replaced_and_the_write_done_once() {
    let bench = Bench::start("github").await;
    let github = as_app(&bench).await;
    let sha = github.resolve(&name("main")).await.unwrap().unwrap();
    let write = ScmWrite::CreateBranch {
        name: name("release/2"),
        sha,
    };
    let key = delivr_provider_proof::key(7);
    github.find(&key, &write).await.unwrap();
    bench.advance(json!({"action": "expire_tokens"}));
    // A write that is refused did nothing: the engine's next attempt has a fresh token.
    if github.create(&key, &write).await.is_err() {
        github.create(&key, &write).await.unwrap();
    }
    assert_eq!(bench.effects("create_ref"), 1);
}
