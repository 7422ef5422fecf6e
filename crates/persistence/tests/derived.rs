//! Rows derived from a release's state follow it through loads and saves as the application makes them: what is written
//! is the difference to the state that was loaded.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use async_trait::async_trait;
use delivr_domain::aggregate::{Aggregate, Command, Input, Stepped};
use delivr_domain::effect::{Effect, Reference, ReleaseTiming};
use delivr_domain::ids::{InstallId, ReleaseId, TenantId};
use delivr_domain::key::{EffectId, TargetKey};
use delivr_domain::plan::{
    BuildMode, Deadlines, Plan, ScmPlan, ShaOrigin, StoreSettings, SubmitMode, TargetPlan, TestingPlan,
    TrackerPlan,
};
use delivr_domain::ports::clock::Clock as _;
use delivr_domain::ports::provider::Port;
use delivr_domain::ports::store::{
    AggregateRow, Attention, Directory as _, Page, ReleaseFilter, Sought, Store,
};
use delivr_domain::release::Command as ReleaseCommand;
use delivr_domain::release::gate::Context;
use delivr_domain::release::state::Draft;
use delivr_domain::release::view::version_mark;
use delivr_domain::report::{Finding, Performed, Report, Resolved};
use delivr_domain::time::Timestamp;
use delivr_domain::version::{Bump, Version};
use delivr_persistence::{Options, SqlStore, connect};
use delivr_testkit::clock::FakeClock;
use delivr_testkit::conformance::store::{Subject, samples};
use delivr_testkit::postgres::{self, NoServer};
use sea_orm::{ConnectionTrait as _, Database};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

struct Here(SqlStore);

#[async_trait]
impl Subject for Here {
    fn store(&self) -> &dyn Store {
        &self.0
    }
    fn advance(&self, _span: Duration) {}
    async fn corrupt_effect(&self, _effect: EffectId) {}
}

fn store_target(integration: delivr_domain::ids::IntegrationId) -> TargetPlan {
    TargetPlan {
        version: Version::new(1, 2, 0),
        store: Some(integration),
        settings: StoreSettings {
            submit: SubmitMode::ByPerson,
            timing: ReleaseTiming::Manual,
            steps: vec![10_000],
            step_minutes: None,
            phased: false,
            poll_seconds: 180,
        },
        pipelines: BTreeMap::new(),
        builds: BuildMode::Manual,
        notes: BTreeMap::new(),
    }
}

async fn draft(here: &Here, tenant: TenantId, now: Timestamp) -> Draft {
    let mut ids = BTreeMap::new();
    for (port, name) in [
        (Port::Scm, "git"),
        (Port::ProjectManagement, "tracker"),
        (Port::TestManagement, "tests"),
        (Port::Stores, "stores"),
    ] {
        let row = samples::integration(tenant, port, name);
        here.0.insert_integration(&row).await.unwrap();
        ids.insert(name, row.id);
    }
    let service = samples::service(tenant, "shop");
    here.0.insert_service(&service).await.unwrap();
    Draft {
        id: ReleaseId::derived(&[b"release"]),
        tenant,
        install: InstallId::derived(&[b"here"]),
        number: 1,
        service: service.id,
        service_slug: "shop".to_owned(),
        bump: Bump::Minor,
        title: "Shop 1.2.0".to_owned(),
        description: None,
        priority: "MEDIUM".to_owned(),
        pilot: None,
        plan: Plan {
            profile: None,
            scm: ScmPlan {
                integration: ids["git"],
                base: "main".parse().unwrap(),
                branch: "release/{version}".parse().unwrap(),
                rc_tag: "v{version}-rc.{cycle}".parse().unwrap(),
                release_tag: "v{version}".parse().unwrap(),
                existing_branch: None,
                previous_tag: None,
                publishes_releases: true,
                merge_back: false,
            },
            tracker: Some(TrackerPlan {
                integration: ids["tracker"],
                gate_on_approval: false,
                close_tickets: false,
            }),
            testing: Some(TestingPlan {
                integration: ids["tests"],
                pass_threshold: 100,
            }),
            chat: None,
            targets: BTreeMap::from([
                (TargetKey::IosAppStore, store_target(ids["stores"])),
                (TargetKey::AndroidPlayStore, store_target(ids["stores"])),
            ]),
            pre_regression_builds: false,
            automation: false,
            auto_start: BTreeSet::new(),
            quorum: BTreeMap::new(),
            allow_zero_cycles: true,
            sha_origins: BTreeSet::from([ShaOrigin::Observed]),
            deadlines: Deadlines {
                pipeline_minutes: 30,
                automation_minutes: 30,
                store_minutes: 30,
                poll_seconds: 30,
            },
            left_out: BTreeMap::new(),
        },
        kickoff_at: now,
        kickoff_reminder_at: None,
        target_date: None,
        slots: Vec::new(),
    }
}

fn row_of(tenant: TenantId, state: &Aggregate) -> AggregateRow {
    AggregateRow {
        id: state.id(),
        tenant,
        version: state.version(),
        wake_at: state.wake_at(),
        state: serde_json::to_value(state).unwrap().into(),
        projection: state.projection().into(),
    }
}

/// What answers an outstanding effect well.
fn answer(effect: &Effect) -> Option<Report> {
    match effect {
        Effect::Resolve { key, .. } => Some(Report::Resolved {
            key: *key,
            resolved: Resolved::Found {
                finding: Finding::Head {
                    sha: "3f786850e387550fdab836ed7e6dc881de23001b".parse().unwrap(),
                },
            },
        }),
        Effect::Perform { key, .. } => Some(Report::Performed {
            key: *key,
            performed: Performed::Done {
                reference: Reference::id(key.short()),
            },
        }),
        Effect::Watch { .. }
        | Effect::Probe { .. }
        | Effect::CancelRun { .. }
        | Effect::Tell { .. }
        | Effect::Message { .. } => None,
    }
}

/// One change as the application makes it: load, step, save, commit.
async fn change(here: &Here, tenant: TenantId, state: &Aggregate, input: Input<'_>) -> Aggregate {
    let facts = BTreeMap::new();
    let cx = Context {
        now: FakeClock::default().now(),
        actor: "test",
        facts: &facts,
    };
    let Stepped { state: next, .. } = state.clone().step(input, &cx).unwrap();
    let mut unit = here.0.begin().await.unwrap();
    let loaded = unit.load_for_update(state.id()).await.unwrap().unwrap();
    unit.save(&row_of(tenant, &next), Some(loaded.version))
        .await
        .unwrap();
    unit.commit().await.unwrap();
    let stored = here.0.read(tenant, next.id()).await.unwrap().unwrap();
    assert_eq!(stored.projection, next.projection());
    next
}

async fn derived_rows_follow(here: Here) {
    let tenant = samples::tenant(&here, "one").await;
    let now = FakeClock::default().now();
    let facts = BTreeMap::new();
    let cx = Context {
        now,
        actor: "test",
        facts: &facts,
    };
    let draft = draft(&here, tenant, now).await;
    let integrations = draft.plan.tracker.as_ref().unwrap().integration;
    let mut state = Aggregate::create(draft, &cx).state;
    let mut unit = here.0.begin().await.unwrap();
    unit.save(&row_of(tenant, &state), None).await.unwrap();
    unit.commit().await.unwrap();
    let mut answered = 0;
    while let Some(report) = state.outstanding().iter().find_map(answer) {
        state = change(&here, tenant, &state, Input::Report(&report)).await;
        answered += 1;
    }
    assert!(
        answered >= 6,
        "branch in two steps, two tickets, two test runs: {answered}"
    );
    assert_eq!(state.projection().phase, "AWAITING_REGRESSION");
    assert_eq!(
        here.0.releases_using(tenant, integrations).await.unwrap(),
        ["REL-1"]
    );
    let archive = Command::Release(ReleaseCommand::Archive {
        reason: "enough".to_owned(),
        close_tickets: false,
        delete_branch: false,
    });
    change(&here, tenant, &state, Input::Command(&archive)).await;
    // A release that is over holds on to no integration.
    assert!(
        here.0
            .releases_using(tenant, integrations)
            .await
            .unwrap()
            .is_empty()
    );
}

/// A version of the program that knew no places on the line has saved the release last: they are read from its state, and
/// the next save writes them.
async fn an_older_version_wrote(here: Here, url: &str) {
    let tenant = samples::tenant(&here, "one").await;
    let now = FakeClock::default().now();
    let facts = BTreeMap::new();
    let cx = Context {
        now,
        actor: "test",
        facts: &facts,
    };
    let draft = draft(&here, tenant, now).await;
    let service = draft.service;
    let state = Aggregate::create(draft, &cx).state;
    let mut unit = here.0.begin().await.unwrap();
    unit.save(&row_of(tenant, &state), None).await.unwrap();
    unit.commit().await.unwrap();
    let sought = [Sought::highest(version_mark(TargetKey::IosAppStore))];
    let expected = here.0.standing(tenant, service, &sought).await.unwrap();
    assert_eq!(expected.len(), 1);
    assert_eq!(
        (expected[0].key.as_str(), expected[0].row.value.as_str()),
        ("REL-1", "1.2.0")
    );
    let database = Database::connect(url).await.unwrap();
    for older in [
        // Saved before there was a line, and saved since by a version that knows of none.
        "update releases set lined = null",
        "update releases set lined = version - 1",
    ] {
        for stale in [
            "update release_line set rank = '9', value = '9.0.0'",
            "delete from release_line",
            older,
        ] {
            database.execute_unprepared(stale).await.unwrap();
        }
        assert_eq!(here.0.standing(tenant, service, &sought).await.unwrap(), expected);
        let mut unit = here.0.begin().await.unwrap();
        let mut row = unit.load_for_update(state.id()).await.unwrap().unwrap();
        let before = row.version;
        row.version += 1;
        row.projection = state.projection().into();
        unit.save(&row, Some(before)).await.unwrap();
        unit.commit().await.unwrap();
        let stored = here.0.read(tenant, state.id()).await.unwrap().unwrap();
        assert_eq!(stored.projection, state.projection());
        assert_eq!(here.0.standing(tenant, service, &sought).await.unwrap(), expected);
    }
    // The same of the words it is found by, which the upkeep writes anew.
    let found = async |text: &str| {
        let filter = ReleaseFilter {
            text: Some(text.to_owned()),
            ..ReleaseFilter::default()
        };
        let page = Page {
            limit: 9,
            cursor: None,
        };
        let listed = here.0.releases(tenant, &filter, &page).await.unwrap();
        listed.items.len()
    };
    for older in [
        "update releases set worded = null",
        "update releases set worded = version - 1",
    ] {
        for stale in ["delete from release_words", older] {
            database.execute_unprepared(stale).await.unwrap();
        }
        assert_eq!(found("shop rel-1 1.2").await, 1, "looked through for it");
        assert_eq!(found("release/1.2.0").await, 0, "names are in the words alone");
        assert_eq!(here.0.word_releases().await.unwrap(), 1);
        assert_eq!(
            here.0.word_releases().await.unwrap(),
            0,
            "nothing is left to be written"
        );
        assert_eq!(found("shop rel-1 release/1.2.0").await, 1);
        assert_eq!(found("hop").await, 0);
    }
    // And of what it is listed by.
    let stopped = ReleaseFilter {
        open: true,
        attention: vec![Attention::Stopped],
        ..ReleaseFilter::default()
    };
    let counted = async || {
        let lists = std::slice::from_ref(&stopped);
        here.0.count_releases(tenant, lists, 9).await.unwrap()
    };
    let wrong =
        "update releases set service_slug = null, attention = 2, pilot = 'x', changed_at = 1, turn = null";
    for older in [
        "update releases set listed = null",
        "update releases set listed = version - 1",
    ] {
        for stale in [wrong, older] {
            database.execute_unprepared(stale).await.unwrap();
        }
        assert!(here.0.unlisted(tenant).await.unwrap());
        assert_eq!(counted().await, [1]);
        assert_eq!(here.0.list_releases().await.unwrap(), 1);
        assert_eq!(
            here.0.list_releases().await.unwrap(),
            0,
            "nothing is left to be written"
        );
        assert!(!here.0.unlisted(tenant).await.unwrap());
        assert_eq!(counted().await, [0]);
        let stored = here.0.read(tenant, state.id()).await.unwrap().unwrap();
        assert_eq!(stored.projection, state.projection());
    }
    // A state that this build cannot read is somebody's to look at.
    for broken in [
        "update releases set listed = null",
        "update releases set state = '{}'",
    ] {
        database.execute_unprepared(broken).await.unwrap();
    }
    assert_eq!(here.0.list_releases().await.unwrap(), 1);
    assert_eq!(
        here.0
            .count_releases(tenant, std::slice::from_ref(&stopped), 9)
            .await
            .unwrap(),
        [1]
    );
    database.close().await.unwrap();
}

async fn open(url: &str) -> Here {
    let store = connect(url, Options::new(Arc::new(FakeClock::default())))
        .await
        .unwrap();
    store.migrate().await.unwrap();
    Here(store)
}

#[tokio::test]
async fn sqlite_follows() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/delivr.db?mode=rwc", directory.path().display());
    derived_rows_follow(open(&url).await).await;
}

#[tokio::test]
async fn sqlite_reads_what_an_older_version_wrote() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/delivr.db?mode=rwc", directory.path().display());
    an_older_version_wrote(open(&url).await, &url).await;
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "a skipped test must say so")]
async fn postgres_reads_what_an_older_version_wrote() {
    match postgres::server() {
        Ok(server) => {
            let url = server.fresh().unwrap();
            an_older_version_wrote(open(&url).await, &url).await;
        }
        Err(NoServer::NotFound(why)) => println!("SKIPPED: PostgreSQL not found ({why})"),
        Err(NoServer::Broken(why)) => panic!("PostgreSQL is here but does not work: {why}"),
    }
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "a skipped test must say so")]
async fn postgres_follows() {
    match postgres::server() {
        Ok(server) => derived_rows_follow(open(&server.fresh().unwrap()).await).await,
        Err(NoServer::NotFound(why)) => println!("SKIPPED: PostgreSQL not found ({why})"),
        Err(NoServer::Broken(why)) => panic!("PostgreSQL is here but does not work: {why}"),
    }
}
