//! A release of a team that has its source and its builds at GitHub.

use crate::http::{items, text};
use crate::manager::{BOTH, Followed, Hosting, nothing, set_up_at, wanted};
use crate::stage::{Database, Stage, Work};
use serde_json::{Value, json};

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

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_failed_is_run_anew_on_what_was_pushed_since() {
    const BUILD: &str = "TRIGGER_PRE_REGRESSION_BUILDS/ANDROID_PLAY_STORE/-";
    let stage = Stage::open(Database::Sqlite, Work::Embedded).await.unwrap();
    let team = set_up_at(&stage, &nothing(), Hosting::GitHub).await;
    let pipeline = json!({
        "name": "early", "integrationId": team.id("ci"), "scmIntegrationId": team.id("scm"), "platform": "ANDROID",
        "purpose": "PRE_REGRESSION_BUILD", "job": "android-regression.yml",
        "parameters": {"version": "{version}", "branch": "{branch}", "sha": "{sha}", "platform": "{platform}"},
    });
    let pipeline = text(
        &stage.http.post("/integrations/pipelines", &pipeline).await,
        "/id",
    );
    let more = json!({"settings": {"preRegressionBuilds": true}});
    let mut body = wanted(&team, "1.1.0", &["ANDROID_PLAY_STORE"], &more);
    body["pipelines"].as_array_mut().unwrap().push(json!(pipeline));
    let release = Followed::create(&stage, &body).await;
    let finish = |conclusion: &str| {
        stage.advance(&json!({
            "vendor": "github", "action": "finish_run", "workflow": "all", "conclusion": conclusion,
        }))
    };
    release.task_is(&stage, BUILD, "AWAITING_CALLBACK").await;
    finish("failure");
    let failed = release.task_is(&stage, BUILD, "FAILED").await;
    assert_eq!(failed["cause"]["outcome"], "SPENT", "{failed}");
    assert_eq!(stage.performed("github", "dispatch"), 1);
    assert!(text(&failed, "/cause/detail").contains("what the release branch has then"));
    // A person mends the branch.
    let branch = text(&release.read(&stage).await, "/branchRelease");
    let pushed = stage.advance(&json!({ "vendor": "github", "action": "push", "branch": branch }));
    let mended = text(&pushed, "/sha");
    let path = release.path(&format!("/tasks/{}", text(&failed, "/id")));
    stage.http.put(&path, &json!({"action": "RETRY"})).await;
    release.task_is(&stage, BUILD, "AWAITING_CALLBACK").await;
    assert_eq!(stage.performed("github", "dispatch"), 2);
    finish("success");
    let done = release.task_is(&stage, BUILD, "COMPLETED").await;
    assert_eq!(done["generation"], 1, "{done}");
    // It ran on the new head, once, and says so.
    let journal = stage.vendors.journal();
    let effects = journal["effects"].as_array().unwrap().iter();
    let built: Vec<&Value> = effects
        .filter(|it| it["operation"] == "dispatch")
        .map(|it| &it["detail"]["sha"])
        .collect();
    assert_eq!(built[1], mended.as_str(), "{built:?}");
    assert_ne!(built[0], built[1]);
    let builds = items(&stage.http.get(&release.path("/builds?limit=200")).await);
    let early = builds.iter().find(|it| it["cycle"].is_null()).unwrap();
    assert_eq!(early["sha"], mended.as_str(), "{early}");
    let said = stage
        .http
        .get(&release.path("/activities?limit=200"))
        .await
        .to_string();
    assert!(
        said.contains(&format!("goes on from commit {}", &mended[..10])),
        "{said}"
    );
    assert_eq!(stage.duplicates(), Vec::<String>::new());
}
