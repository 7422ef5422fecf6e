//! From kickoff to every user, through the API alone: vendors connected and verified, a build per store, a rejection
//! and a second try, a rollout raised, halted, resumed and completed. The vendors are simulated over real HTTP.

use crate::feed::listen;
use crate::world::World;
use delivr_sandbox::{Running, Sandbox};
use serde_json::{Value, json};

struct Shop {
    world: World,
    vendors: Running,
}

impl Shop {
    async fn open() -> Self {
        let world = World::on_sqlite().await;
        let vendors = Sandbox::start("127.0.0.1:0".parse().unwrap(), 11).await.unwrap();
        for vendor in ["jenkins", "appstore"] {
            Self::ask(
                &vendors,
                &json!({"vendor": vendor, "action": "auto", "on": true, "afterMs": 20}),
            );
        }
        Self { world, vendors }
    }

    fn ask(vendors: &Running, body: &Value) {
        vendors
            .advance(body)
            .unwrap_or_else(|error| panic!("{body}: {error}"));
    }

    fn vendor(&self, vendor: &str, action: &str, more: &Value) {
        let mut body = json!({"vendor": vendor, "action": action});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        Self::ask(&self.vendors, &body);
    }

    /// Details of the effects of one kind that a vendor has performed, the oldest first.
    fn effects(&self, vendor: &str, operation: &str) -> Vec<Value> {
        let journal = self.vendors.journal();
        let all = journal["effects"].as_array().unwrap().iter();
        let wanted = all.filter(|it| it["vendor"] == vendor && it["operation"] == operation);
        wanted.map(|it| it["detail"].clone()).collect()
    }

    fn last(&self, vendor: &str, operation: &str) -> Value {
        self.effects(vendor, operation).pop().unwrap()
    }

    /// What the App Store tells users, by locale.
    fn whats_new(&self) -> Value {
        let mut texts = json!({});
        for written in self.effects("appstore", "set_notes") {
            texts[written["locale"].as_str().unwrap()] = written["whatsNew"].clone();
        }
        texts
    }

    /// Connects a vendor through the API, has it verified, and gives the integration's id.
    async fn connect(&self, category: &str, vendor: &str) -> String {
        let url = format!("{}/_credentials", self.vendors.url());
        let all: Value = self
            .world
            .api
            .http
            .get(url)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let mut body = json!({"provider": all[vendor]["key"], "name": format!("our {vendor}")});
        body["config"] = all[vendor]["config"].clone();
        body["credentials"] = all[vendor]["credentials"].clone();
        let path = format!("/integrations/{category}");
        let made = self.world.api.post(&path, &body).await.is(201);
        let id = made["id"].as_str().unwrap().to_owned();
        let verified = self
            .world
            .api
            .post(&format!("{path}/{id}/verify"), &json!({}))
            .await
            .is(200);
        assert!(verified.to_string().contains("VALID"), "{verified}");
        id
    }

    async fn pipeline(&self, ci: &str, job: &str, platform: &str, purpose: &str) -> String {
        let body = json!({
            "name": job, "integrationId": ci, "platform": platform, "purpose": purpose, "job": job,
            "parameters": {"VERSION": "{version}", "BRANCH": "{branch}", "SHA": "{sha}"},
        });
        let made = self
            .world
            .api
            .post("/integrations/pipelines", &body)
            .await
            .is(201);
        made["id"].as_str().unwrap().to_owned()
    }

    /// The lane of a target once it is as wanted.
    async fn lane(&self, release: &Value, target: &str, what: impl Fn(&Value) -> bool) -> Value {
        let path = format!("{}/distribution", World::path(release));
        self.world
            .work_until(|| async {
                let all = self.world.api.get(&path).await.is(200);
                let lanes = all["targets"].as_array().unwrap();
                let lane = lanes.iter().find(|it| it["target"] == target).unwrap().clone();
                if what(&lane) { Ok(lane) } else { Err(all) }
            })
            .await
    }
}

/// The submission in force.
fn last(lane: &Value) -> &Value {
    lane["submissions"]
        .as_array()
        .unwrap()
        .last()
        .unwrap_or(&Value::Null)
}

fn prepared(lane: &Value) -> bool {
    let tasks = last(lane)["tasks"].as_array();
    tasks.is_some_and(|all| {
        all.iter()
            .any(|it| it["type"] == "PREPARE_SUBMISSION" && it["status"] == "COMPLETED")
    })
}

fn status(word: &'static str) -> impl Fn(&Value) -> bool {
    move |lane| last(lane)["status"] == word
}

#[tokio::test]
async fn a_release_reaches_its_users_through_both_stores() {
    let shop = Shop::open().await;
    let (world, api) = (&shop.world, &shop.world.api);
    let ci = shop.connect("ci-cd", "jenkins").await;
    let play = shop.connect("stores", "playstore").await;
    let apple = shop.connect("stores", "appstore").await;
    let jira = shop.connect("project-management", "jira").await;
    let android = shop.pipeline(&ci, "android-prod", "ANDROID", "AAB_BUILD").await;
    let ios = shop.pipeline(&ci, "ios-prod", "IOS", "TEST_FLIGHT_BUILD").await;
    let patient = json!({"pollSeconds": 1, "steps": [1000, 5000, 10000]});
    let body = json!({
        "serviceId": world.service, "version": "1.1.0", "ticketId": jira,
        "targets": [
            {"target": "ANDROID_PLAY_STORE", "storeIntegrationId": play, "pipelines": [android]},
            {"target": "IOS_APP_STORE", "storeIntegrationId": apple, "pipelines": [ios]},
        ],
        "slots": [{"at": world.at(0), "builds": "NO_BUILD", "automation": "NO_RUN"}],
        "settings": {
            "deadlines": {"pollSeconds": 1},
            "stores": {"ANDROID_PLAY_STORE": patient, "IOS_APP_STORE": {"pollSeconds": 1}},
        },
    });
    // The slot is a moment after the kickoff, which is now.
    let mut body = body;
    body["kickoffAt"] = json!(world.at(0));
    body["slots"][0]["at"] = json!(world.at(0));
    let made = world.made(&body).await;
    world
        .until(&made, |it| it["phase"] == "AWAITING_PRE_RELEASE")
        .await;
    world.act(&made, "trigger-pre-release", &json!({})).await.is(200);
    let built = world
        .until(&made, |it| it["phase"] == "AWAITING_DISTRIBUTION")
        .await;
    // From here on the reviewers are people.
    shop.vendor("appstore", "auto", &json!({"on": false}));
    assert_eq!(built["builds"].as_array().unwrap().len(), 2, "{built}");
    // What users read, in the languages that people wrote for.
    let notes = format!("{}/store-notes", World::path(&made));
    for (target, texts) in [
        ("IOS_APP_STORE", json!({"de-DE": "Startet schneller."})),
        (
            "ANDROID_PLAY_STORE",
            json!({"default": "Faster.", "ja-JP": "速い"}),
        ),
    ] {
        api.patch(&format!("{notes}/{target}"), &json!({"notes": texts}))
            .await
            .is(200);
    }
    let pipeline = &built["targets"][0]["pipelines"][0];
    assert_eq!(
        (&pipeline["triggered"], &pipeline["buildStatus"]),
        (&json!(true), &json!("SUCCESS"))
    );
    // Tickets keep the gate closed until people have approved them.
    let refused = world
        .act(&made, "trigger-distribution", &json!({}))
        .await
        .refused(409, "gate_closed");
    assert!(
        refused["blockers"].to_string().contains("tickets_not_approved"),
        "{refused}"
    );
    shop.vendor("jira", "set_status", &json!({"ticket": "all", "status": "Done"}));
    // Who starts it sees the very texts that go along.
    let collected = built["notes"].as_str().unwrap().trim();
    let explained =
        |path: String| async move { api.post(&format!("{path}?explain"), &json!({})).await.is(200) };
    let sent = |said: &Value| -> Value {
        let effects = said["effects"].as_array().unwrap().iter();
        let with = effects.filter(|it| it["notes"].is_object());
        with.map(|it| {
            (
                it["target"].as_str().unwrap_or("-").to_owned(),
                it["notes"].clone(),
            )
        })
        .collect()
    };
    let said = explained(format!("{}/trigger-distribution", World::path(&made))).await;
    assert_eq!(
        sent(&said),
        json!({
            "IOS_APP_STORE": {"de-DE": "Startet schneller.", "default": collected},
            "ANDROID_PLAY_STORE": {"default": "Faster.", "ja-JP": "速い"},
        }),
        "{said}"
    );
    world.act(&made, "trigger-distribution", &json!({})).await.is(200);

    // App Store: submitted by a person, rejected by the reviewers, tried anew.
    let lane = shop.lane(&made, "IOS_APP_STORE", prepared).await;
    let first = format!("/submissions/{}", last(&lane)["id"].as_str().unwrap());
    assert_eq!(
        last(&lane)["notes"],
        json!({"de-DE": "Startet schneller.", "default": collected}),
        "{lane}"
    );
    assert_eq!(
        shop.whats_new(),
        json!({"de-DE": "Startet schneller.", "en-US": collected})
    );
    let mended = json!({"notes": {"default": "Mended.", "de-DE": "Behoben."}});
    let ios = format!("{notes}/IOS_APP_STORE");
    api.patch(&ios, &mended).await.refused(409, "notes_sent");
    api.post(&format!("{first}/submit"), &json!({})).await.is(200);
    shop.lane(&made, "IOS_APP_STORE", |lane| {
        status("SUBMITTED")(lane) && last(lane)["storeWord"] == "WAITING_FOR_REVIEW"
    })
    .await;
    shop.vendor(
        "appstore",
        "reject",
        &json!({"version": "1.1.0", "state": "METADATA_REJECTED"}),
    );
    let lane = shop
        .lane(&made, "IOS_APP_STORE", |lane| {
            status("REJECTED")(lane) && lane["status"] == "REJECTED"
        })
        .await;
    assert_eq!(lane["live"], json!(false));
    let now = world
        .until(&made, |it| !it["holds"].as_array().unwrap().is_empty())
        .await;
    assert_eq!(
        now["holds"][0]["task"], "SUBMIT_TO_STORE/IOS_APP_STORE/-",
        "{now}"
    );
    let stops = api.get(&format!("{}/blockers", World::path(&made))).await.is(200);
    assert_eq!(stops["stores"][0]["status"], "REJECTED", "{stops}");
    assert_eq!(stops["holds"][0]["hold"], "TASK_FAILED", "{stops}");
    // The reviewers did not like the notes: others go with the next try.
    api.patch(&ios, &mended).await.is(200);
    let again = api.post(&format!("{first}/resubmit"), &json!({})).await.is(200);
    assert_ne!(again["submissionId"], again["supersededId"]);
    let second = again["submissionId"].clone();
    let lane = shop
        .lane(&made, "IOS_APP_STORE", |lane| {
            last(lane)["id"] == second && prepared(lane)
        })
        .await;
    assert_eq!(last(&lane)["attempt"], json!(2));
    assert_eq!(shop.whats_new(), json!({"de-DE": "Behoben.", "en-US": "Mended."}));
    let second = format!("/submissions/{}", second.as_str().unwrap());
    api.post(&format!("{first}/resubmit"), &json!({}))
        .await
        .refused(409, "superseded");
    api.post(&format!("{second}/submit"), &json!({})).await.is(200);
    shop.lane(&made, "IOS_APP_STORE", status("SUBMITTED")).await;
    shop.vendor("appstore", "approve", &json!({"version": "1.1.0"}));
    shop.lane(&made, "IOS_APP_STORE", status("APPROVED")).await;
    api.post(&format!("{second}/release"), &json!({})).await.is(200);
    let lane = shop
        .lane(&made, "IOS_APP_STORE", |lane| lane["rollout"].is_object())
        .await;
    let rollout = format!("/rollouts/{}", lane["rollout"]["id"].as_str().unwrap());
    let why = json!({"reason": "the numbers are good"});
    shop.lane(&made, "IOS_APP_STORE", |lane| {
        lane["rollout"]["storeWord"].is_string()
    })
    .await;
    api.post(&format!("{rollout}/complete"), &why).await.is(200);
    shop.lane(&made, "IOS_APP_STORE", |lane| lane["live"] == json!(true))
        .await;

    // Google Play: a staged rollout, halted and resumed on the way.
    let lane = shop.lane(&made, "ANDROID_PLAY_STORE", prepared).await;
    let submission = format!("/submissions/{}", last(&lane)["id"].as_str().unwrap());
    let said = explained(format!("{submission}/submit")).await;
    let effects = said["effects"].as_array().unwrap();
    let texts: Vec<&Value> = effects
        .iter()
        .map(|it| &it["notes"])
        .filter(|it| it.is_object())
        .collect();
    assert_eq!(texts, [&json!({"default": "Faster.", "ja-JP": "速い"})], "{said}");
    api.post(&format!("{submission}/submit"), &json!({}))
        .await
        .is(200);
    shop.lane(&made, "ANDROID_PLAY_STORE", |lane| {
        matches!(
            last(lane)["status"].as_str(),
            Some("SUBMITTED" | "IN_REVIEW" | "LIVE")
        )
    })
    .await;
    // The app is described in German too, whose readers get the default text.
    let told = json!([
        {"language": "de-DE", "text": "Faster."}, {"language": "en-US", "text": "Faster."},
        {"language": "ja-JP", "text": "速い"},
    ]);
    assert_eq!(shop.last("playstore", "commit")["notes"], told);
    shop.vendor("playstore", "approve", &json!({}));
    let lane = shop
        .lane(&made, "ANDROID_PLAY_STORE", |lane| lane["rollout"].is_object())
        .await;
    let rollout = format!("/rollouts/{}", lane["rollout"]["id"].as_str().unwrap());
    let at = |bps: u16, word: &'static str| {
        move |lane: &Value| lane["rollout"]["exposure"] == json!(bps) && lane["rollout"]["status"] == word
    };
    shop.lane(&made, "ANDROID_PLAY_STORE", at(1_000, "ACTIVE")).await;
    api.post(&format!("{rollout}/advance"), &why).await.is(200);
    shop.vendor("playstore", "approve", &json!({}));
    shop.lane(&made, "ANDROID_PLAY_STORE", at(5_000, "ACTIVE")).await;
    api.post(&format!("{rollout}/halt"), &json!({"reason": "crashes"}))
        .await
        .is(200);
    let lane = shop
        .lane(&made, "ANDROID_PLAY_STORE", |lane| {
            lane["rollout"]["status"] == "HALTED"
        })
        .await;
    assert!(
        lane["rollout"]["tasks"].to_string().contains("HALT_ROLLOUT"),
        "{lane}"
    );
    api.post(&format!("{rollout}/complete"), &why)
        .await
        .refused(409, "halted");
    api.post(&format!("{rollout}/resume"), &why).await.is(200);
    shop.lane(&made, "ANDROID_PLAY_STORE", at(5_000, "ACTIVE")).await;
    api.post(&format!("{rollout}/complete"), &why).await.is(200);

    // Every target is live, tickets are closed, the release is done; nothing was made twice.
    let done = world.until(&made, |it| it["phase"] == "COMPLETED").await;
    assert_eq!(done["status"], "DEPLOYED");
    assert!(
        done["targets"]
            .as_array()
            .unwrap()
            .iter()
            .all(|it| it["live"] == json!(true)),
        "{done}"
    );
    let distribution = api
        .get(&format!("{}/distribution", World::path(&made)))
        .await
        .is(200);
    assert_eq!(
        (&distribution["status"], &distribution["blockers"]),
        (&json!("LIVE"), &json!([]))
    );
    assert_eq!(shop.vendors.journal()["duplicates"], json!([]));

    // The release's stream has what happened to its submissions and rollouts as well.
    let stream = format!("{}/events", World::path(&made));
    api.bare("GET", &format!("/api/v1{stream}"))
        .send()
        .await
        .refused(401, "unauthenticated");
    let feed = api.get("/activities?limit=200").await.is(200);
    let all = feed["items"].as_array().unwrap().len();
    // So has the feed, narrowed to it; and each is told with it.
    let of_it = format!("/activities?limit=200&release={}", made["key"].as_str().unwrap());
    let of_it = api.get(&of_it).await.is(200);
    assert_eq!(of_it["items"].as_array().unwrap().len(), all);
    for item in of_it["items"].as_array().unwrap() {
        assert_eq!(item["release"]["title"], made["title"], "{item}");
    }
    let seen = listen(world, &stream, Some(0), all).await;
    for kind in [
        "SUBMISSION_CREATED",
        "SUBMISSION_STATUS_CHANGED",
        "ROLLOUT_DECIDED",
        "ROLLOUT_OBSERVED",
    ] {
        assert!(seen.iter().any(|it| it.1 == kind), "no {kind}");
    }
    assert!(
        seen.windows(2).all(|two| two[0].0 < two[1].0),
        "positions only rise"
    );

    // While the next train is planned, a hotfix continues what users have, from its tag.
    let next = json!({
        "serviceId": world.service, "kickoffAt": world.at(600),
        "targets": [{"target": "ANDROID_PLAY_STORE", "storeIntegrationId": play, "builds": "MANUAL"}],
    });
    let train = world.made(&next).await;
    assert_eq!(train["version"], "1.2.0");
    // What users read about the version that they have can be taken over.
    let read = api
        .get(&format!("{}/store-notes", World::path(&train)))
        .await
        .is(200);
    assert_eq!(
        read["items"][0]["previous"],
        json!({"releaseKey": made["key"], "version": "1.1.0", "notes": {"default": "Faster.", "ja-JP": "速い"}})
    );
    let read = api.get(&notes).await.is(200);
    assert_eq!(
        read["items"][0]["previous"],
        Value::Null,
        "its own are none before it"
    );
    let mut hotfix = next;
    hotfix["type"] = json!("HOTFIX");
    let hotfix = world.made(&hotfix).await;
    for (field, value) in [
        ("version", "1.1.1"),
        ("baseBranch", "v1.1.0"),
        ("branchRelease", "hotfix/1.1.1"),
    ] {
        assert_eq!(hotfix[field], value, "{field} of {hotfix}");
    }
}

/// The hold of that word, once the release has it.
async fn held(world: &World, release: &Value, word: &str) -> Value {
    let of_word = |it: &Value| {
        let holds = it["holds"].as_array().unwrap();
        holds.iter().find(|hold| hold["hold"] == word).cloned()
    };
    let now = world.until(release, |it| of_word(it).is_some()).await;
    of_word(&now).unwrap()
}

#[tokio::test]
async fn what_stands_still_in_a_store_is_seen_with_the_release_in_the_way() {
    let shop = Shop::open().await;
    let (world, api) = (&shop.world, &shop.world.api);
    let ci = shop.connect("ci-cd", "jenkins").await;
    let play = shop.connect("stores", "playstore").await;
    let android = shop.pipeline(&ci, "android-prod", "ANDROID", "AAB_BUILD").await;
    let ship = async |version: &str| {
        let body = json!({
            "serviceId": world.service, "version": version, "kickoffAt": world.at(0),
            "targets": [{"target": "ANDROID_PLAY_STORE", "storeIntegrationId": play, "pipelines": [android]}],
            "slots": [{"at": world.at(0), "builds": "NO_BUILD", "automation": "NO_RUN"}],
            "settings": {
                "deadlines": {"pollSeconds": 1},
                "stores": {"ANDROID_PLAY_STORE": {"pollSeconds": 1, "steps": [1000, 10000]}},
            },
        });
        let made = world.made(&body).await;
        for (phase, action) in [
            ("AWAITING_PRE_RELEASE", "trigger-pre-release"),
            ("AWAITING_DISTRIBUTION", "trigger-distribution"),
        ] {
            world.until(&made, |it| it["phase"] == phase).await;
            world.act(&made, action, &json!({})).await.is(200);
        }
        // It waits for whoever hands it in, and says which submission that is.
        let lane = shop.lane(&made, "ANDROID_PLAY_STORE", prepared).await;
        let waits = held(world, &made, "AWAITING_SUBMIT").await;
        assert_eq!(
            (&waits["submissionId"], &waits["target"]),
            (&last(&lane)["id"], &json!("ANDROID_PLAY_STORE"))
        );
        let submit = format!("/submissions/{}/submit", waits["submissionId"].as_str().unwrap());
        api.post(&submit, &json!({})).await.is(200);
        made
    };
    let keys = async |narrowed: &str| {
        let found = api.get(&format!("/releases?{narrowed}&open=true")).await.is(200);
        let items = found["items"].as_array().unwrap().clone();
        items.iter().map(|it| it["key"].clone()).collect::<Vec<Value>>()
    };
    let first = ship("1.1.0").await;
    shop.lane(&first, "ANDROID_PLAY_STORE", |lane| {
        matches!(
            last(lane)["status"].as_str(),
            Some("SUBMITTED" | "IN_REVIEW" | "LIVE")
        )
    })
    .await;
    shop.vendor("playstore", "approve", &json!({}));
    let raised = held(world, &first, "AWAITING_ADVANCE").await;
    assert!(raised["rolloutId"].is_string(), "{raised}");
    assert_eq!(keys("attention=WAITING").await, [first["key"].clone()]);
    let stats = api.get("/dashboard/stats").await.is(200);
    assert_eq!(stats["waitingInStores"]["count"], 1, "{stats}");

    // The next version is refused while that one is on its way.
    let second = ship("1.2.0").await;
    let refused = held(world, &second, "SUBMISSION_FAILED").await;
    assert!(
        refused["detail"]
            .as_str()
            .unwrap()
            .contains("complete or halt it first"),
        "{refused}"
    );
    assert!(
        refused["submissionId"].is_string() && refused["rolloutId"].is_null(),
        "{refused}"
    );
    assert_eq!(keys("attention=STOPPED").await, [second["key"].clone()]);
    let path = format!("{}/distribution", World::path(&second));
    let lane = api.get(&path).await.is(200)["targets"][0].clone();
    assert_eq!(lane["inTheWay"]["key"], first["key"], "{lane}");
    assert_eq!(lane["inTheWay"]["exposure"], 1_000, "{lane}");
    let path = format!("{}/distribution", World::path(&first));
    let lane = api.get(&path).await.is(200)["targets"][0].clone();
    assert!(lane.get("inTheWay").is_none(), "nothing is in its way: {lane}");

    // Halted, it stops its own release and stands in nobody's way.
    let rollout = format!("/rollouts/{}", raised["rolloutId"].as_str().unwrap());
    let why = json!({"reason": "crashes"});
    api.post(&format!("{rollout}/halt"), &why).await.is(200);
    let halted = held(world, &first, "ROLLOUT_HALTED").await;
    assert_eq!(halted["rolloutId"], raised["rolloutId"]);
    let retry = format!("/submissions/{}/retry", refused["submissionId"].as_str().unwrap());
    api.post(&retry, &json!({})).await.is(200);
    shop.lane(&second, "ANDROID_PLAY_STORE", |lane| {
        matches!(
            last(lane)["status"].as_str(),
            Some("SUBMITTED" | "IN_REVIEW" | "LIVE")
        )
    })
    .await;
    assert_eq!(keys("attention=STOPPED").await, [first["key"].clone()]);
}
