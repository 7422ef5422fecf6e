//! A release of a team that has its source and its builds at GitHub.

use crate::http::{items, text};
use crate::manager::{BOTH, Followed, Hosting, nothing, set_up_at, wanted};
use crate::stage::{Database, Stage, Work};
use serde_json::Value;

#[tokio::test(flavor = "multi_thread")]
async fn a_release_built_by_github_actions_reaches_both_stores() {
    let stage = Stage::open(Database::Sqlite, Work::Embedded).await.unwrap();
    stage.auto();
    let team = set_up_at(&stage, &nothing(), Hosting::GitHub).await;
    let pipelines = items(&stage.http.get("/integrations/pipelines").await);
    for pipeline in &pipelines {
        let path = format!("/integrations/pipelines/{}/test", text(pipeline, "/id"));
        let tested = stage.http.post(&path, &nothing()).await;
        assert_eq!(tested["usable"], true, "{tested}");
    }
    let release = Followed::create(&stage, &wanted(&team, "1.1.0", BOTH, &nothing())).await;
    let ended = release.to_the_end(&stage).await;
    // One regression build, one automation run and one build for the store of each platform.
    assert_eq!(stage.performed("github", "dispatch"), 6);
    assert_eq!(stage.performed("jenkins", "trigger"), 0);
    assert_eq!(stage.performed("appstore", "submit"), 1);
    assert_eq!(stage.duplicates(), Vec::<String>::new());
    // What was tested, tagged and shipped is one commit, as GitHub says that it ran.
    let cycles = ended["cycles"].as_array().unwrap();
    let tested = text(cycles.last().unwrap(), "/sha");
    let journal = stage.vendors.journal();
    let dispatched: Vec<&Value> = journal["effects"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|it| it["vendor"] == "github" && it["operation"] == "dispatch")
        .collect();
    for effect in dispatched {
        assert_eq!(effect["detail"]["sha"], tested.as_str(), "{effect}");
        assert!(effect["key"].is_string(), "{effect}");
    }
    let builds = items(&stage.http.get(&release.path("/builds?limit=200")).await);
    let shipped: Vec<&Value> = builds.iter().filter(|build| build["cycle"].is_null()).collect();
    assert_eq!(shipped.len(), 2, "{builds:?}");
    for build in shipped {
        assert_eq!(build["sha"], tested.as_str(), "{build}");
        assert!(text(build, "/artifactUrl").contains("/artifacts/"), "{build}");
    }
}
