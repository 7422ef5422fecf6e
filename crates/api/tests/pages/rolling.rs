//! What users get, on pages: what is shown is what is done, what stands still is seen, and who decided is told.

use crate::browser::{Browser, Form, form_to};
use crate::headers::sound;
use crate::world::World;
use delivr_app::apply::{self, Delivery};
use delivr_domain::effect::{Reference, StoreVersion};
use delivr_domain::ids::{InstallId, RolloutId, SubmissionId};
use delivr_domain::key::{AggregateId, AggregateKind, EffectKey, Generation, TargetKey, TaskKey, TaskKind};
use delivr_domain::plan::StoreSettings;
use delivr_domain::report::{
    Exposure, ExposureWord, Finding, Held, Performed, Report, Resolved, RolloutStart,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A rollout of the release, without its store.
struct Rolling<'a> {
    world: &'a World,
    id: RolloutId,
    install: InstallId,
}

impl<'a> Rolling<'a> {
    async fn out(world: &'a World, release: &Value, target: TargetKey) -> Self {
        let uuid = || world.api.app.entropy.uuid();
        let (id, install) = (RolloutId::from_uuid(uuid()), InstallId::from_uuid(uuid()));
        let start = RolloutStart {
            id,
            tenant: world.api.tenant.id,
            install,
            release: release["id"].as_str().unwrap().parse().unwrap(),
            submission: SubmissionId::from_uuid(uuid()),
            target,
            integration: world.playstore.parse().unwrap(),
            version: StoreVersion {
                version: "1.0.0".to_owned(),
                build_number: "100".to_owned(),
                notes: BTreeMap::new(),
            },
            settings: StoreSettings::default(),
            exposure: 100,
            held: Held::default(),
        };
        let it = Self { world, id, install };
        let start = Box::new(start);
        it.hears(&Report::StartRollout { start }).await;
        it
    }

    fn owner(&self) -> AggregateId {
        AggregateId {
            kind: AggregateKind::Rollout,
            id: self.id.uuid(),
        }
    }

    async fn hears(&self, report: &Report) {
        let app = &self.world.api.app;
        let delivery = Delivery {
            to: self.owner(),
            report,
            claim: None,
            fact: None,
            tenant: Some(self.world.api.tenant.id),
        };
        apply::report(app.store.as_ref(), app.clock.as_ref(), &delivery)
            .await
            .unwrap();
    }

    /// The store does what was decided, and is read back.
    async fn done(&self, decision: u64, kind: TaskKind, bps: u16) {
        let key = |step| EffectKey {
            install: self.install,
            owner: self.owner(),
            task: TaskKey::once(kind).decision(decision),
            generation: Generation(0),
            step,
        };
        let reference = Reference::id("x");
        let performed = Performed::Done { reference };
        self.hears(&Report::Performed {
            key: key(0),
            performed,
        })
        .await;
        let exposure = Exposure {
            word: ExposureWord::Active,
            bps,
            store_word: "inProgress".to_owned(),
        };
        let finding = Finding::Exposure { exposure };
        self.hears(&Report::Resolved {
            key: key(1),
            resolved: Resolved::Found { finding },
        })
        .await;
    }

    async fn read(&self) -> Value {
        self.world
            .api
            .get(&format!("/rollouts/{}", self.id))
            .await
            .is(200)
    }

    /// The page that asks, and its form.
    async fn asked(&self, browser: &Browser<'_>, key: &str, verb: &str) -> (String, Form) {
        let path = format!("/releases/{key}/do/{verb}?of={}", self.id);
        let page = browser.page(&path).await;
        let form = form_to(&page, &format!("/releases/{key}/do/{verb}"));
        (page, form.with("reason", "the numbers are good"))
    }
}

#[tokio::test]
async fn what_was_shown_is_what_is_done_and_else_it_is_shown_anew() {
    let world = World::new().await;
    let made = world.made(&world.later("1.0.0")).await;
    let key = made["key"].as_str().unwrap();
    let rollout = Rolling::out(&world, &made, TargetKey::AndroidPlayStore).await;
    let browser = Browser::signed_in(&world.api, "MEMBER").await;
    // Two tabs, both with the share left empty.
    let (page, first) = rollout.asked(&browser, key, "advance").await;
    let (_, second) = rollout.asked(&browser, key, "advance").await;
    assert!(page.contains("aise the rollout of 1.0.0 to 10 %"), "{page}");
    assert_eq!(
        first.fields["exposure"], "10",
        "the share is sent as it was shown"
    );
    assert_eq!(browser.submit(&first).await.status, 303);
    rollout.done(1, TaskKind::SetExposure, 1_000).await;
    let reply = browser.submit(&second).await;
    assert_eq!(reply.status, 412, "{}", reply.text);
    sound(&reply, "a new preview");
    assert!(reply.text.contains("Nothing was sent"), "{}", reply.text);
    assert!(
        reply.text.contains("aise the rollout of 1.0.0 to 50 %"),
        "{}",
        reply.text
    );
    assert!(
        reply.text.contains("the numbers are good</textarea>"),
        "{}",
        reply.text
    );
    assert_eq!(rollout.read().await["trafficGeneration"], 1, "nobody gets more");
    // Seen and sent again, it is done.
    let form = form_to(&reply.text, &format!("/releases/{key}/do/advance"));
    let form = form.with("reason", "the numbers are good");
    assert_eq!(browser.submit(&form).await.status, 303);
    assert_eq!(rollout.read().await["trafficGeneration"], 2);
    // And not twice, while it is on its way.
    assert_eq!(browser.submit(&form).await.status, 412);
    assert_eq!(rollout.read().await["trafficGeneration"], 2);
    // What makes things safer waits for no second look.
    let (_, halt) = rollout.asked(&browser, key, "halt").await;
    rollout.done(2, TaskKind::SetExposure, 5_000).await;
    assert_eq!(browser.submit(&halt).await.status, 303);
    assert_eq!(rollout.read().await["trafficGeneration"], 3);
}

#[tokio::test]
async fn a_form_of_a_release_is_shown_anew_when_it_would_do_something_else() {
    let world = World::new().await;
    let made = world.made(&world.later("1.0.0")).await;
    let key = made["key"].as_str().unwrap();
    let browser = Browser::signed_in(&world.api, "MEMBER").await;
    let path = format!("/releases/{key}/do/resume");
    world.act(&made, "pause", &json!({"note": "lunch"})).await.is(200);
    let form = form_to(&browser.page(&path).await, &path);
    world.act(&made, "resume", &json!({})).await.is(200);
    world
        .act(&made, "pause", &json!({"note": "a leak"}))
        .await
        .is(200);
    let reply = browser.submit(&form).await;
    assert_eq!(reply.status, 412, "{}", reply.text);
    assert_eq!(world.read(&made, "").await["holds"][0]["hold"], "USER_PAUSED");
    // What has changed besides does not matter.
    let form = form_to(&browser.page(&path).await, &path);
    let edit = json!({"title": "Another name"});
    world.api.patch(&World::path(&made), &edit).await.is(200);
    assert_eq!(browser.submit(&form).await.status, 303);
    assert_eq!(world.read(&made, "").await["holds"], json!([]));
}

#[tokio::test]
async fn a_rollout_changes_only_as_it_was_seen() {
    let world = World::new().await;
    let made = world.made(&world.later("1.0.0")).await;
    let rollout = Rolling::out(&world, &made, TargetKey::AndroidPlayStore).await;
    let path = format!("/rollouts/{}", rollout.id);
    let seen = rollout.read().await["revision"].as_u64().unwrap();
    let ask = async |action: &str, version: u64| {
        let request = world.api.of("MEMBER", "POST", &format!("{path}/{action}"));
        request
            .header("if-match", &format!("\"{version}\""))
            .json(&json!({"reason": "x"}))
            .send()
            .await
    };
    for action in ["advance", "pause", "halt", "complete"] {
        ask(action, seen - 1).await.refused(412, "stale_version");
    }
    ask("advance", seen).await.is(200);
    ask("halt", seen).await.refused(412, "stale_version");
    assert_eq!(rollout.read().await["trafficGeneration"], 1);
}

#[tokio::test]
async fn who_decided_about_a_rollout_and_why_is_told_at_its_release() {
    let world = World::new().await;
    let made = world.made(&world.later("1.0.0")).await;
    let key = made["key"].as_str().unwrap();
    let rollout = Rolling::out(&world, &made, TargetKey::AndroidPlayStore).await;
    let browser = Browser::signed_in(&world.api, "MEMBER").await;
    for (verb, said) in [
        ("pause-rollout", "Paused the rollout: the numbers are good"),
        ("resume-rollout", "Resumed the rollout: the numbers are good"),
        (
            "advance",
            "Decided to raise the rollout to 10 %: the numbers are good",
        ),
        ("halt", "Decided to halt the rollout at 1 %: the numbers are good"),
    ] {
        let (_, form) = rollout.asked(&browser, key, verb).await;
        assert_eq!(browser.submit(&form).await.status, 303, "{verb}");
        let page = browser.page(&format!("/releases/{key}")).await;
        let (_, feed) = page.split_once("id=\"feed\"").unwrap();
        let (newest, _) = feed.split_once(said).unwrap_or_else(|| panic!("{verb}: {feed}"));
        assert!(newest.len() < 2_000, "{verb} is among the newest: {feed}");
        let (_, rest) = feed.split_once(said).unwrap();
        assert!(rest.split("</li>").next().unwrap().contains("Member"), "{rest}");
    }
}
