//! The simulated Google Play, over HTTP.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests may fail loudly"
)]

mod common;

use common::{Bench, Description, Signer, jwt, now};
use reqwest::Method;
use serde_json::{Value, json};

const SHOP: &str = "com.example.shop";

/// A client of the simulated account.
struct Account {
    bench: Bench,
    account: Value,
    token: String,
    description: Option<Description>,
}

impl Account {
    async fn start() -> Self {
        let bench = Bench::start().await;
        let credentials = bench.credentials("playstore").await;
        let account =
            serde_json::from_str(credentials["credentials"]["serviceAccountJson"].as_str().unwrap()).unwrap();
        let description = Description::load("playstore.json");
        let mut account = Self {
            bench,
            account,
            token: String::new(),
            description,
        };
        account.login().await;
        account
    }

    async fn login(&mut self) {
        let (status, body) = self.grant(|_| {}).await;
        assert_eq!(status, 200, "{body}");
        assert_eq!(
            (body["token_type"].as_str(), body["expires_in"].as_i64()),
            (Some("Bearer"), Some(3599))
        );
        self.token = body["access_token"].as_str().unwrap().to_owned();
    }

    async fn grant(&self, change: impl FnOnce(&mut Value)) -> (u16, Value) {
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": self.account["private_key_id"]});
        let mut claims = json!({"iss": self.account["client_email"], "aud": self.account["token_uri"],
            "scope": "https://www.googleapis.com/auth/androidpublisher", "iat": now(), "exp": now() + 3600});
        change(&mut claims);
        let assertion = jwt(
            Signer::Rs256,
            &header,
            &claims,
            self.account["private_key"].as_str().unwrap(),
        );
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", assertion.as_str()),
        ];
        let request = self
            .bench
            .request(Method::POST, self.account["token_uri"].as_str().unwrap());
        let answer = request.form(&form).send().await.unwrap();
        (answer.status().as_u16(), common::json_of(answer).await)
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let path = format!("/playstore/androidpublisher/v3/applications/{path}");
        self.bench.request(method, &path).bearer_auth(&self.token)
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (
            status,
            if text.is_empty() {
                Value::Null
            } else {
                serde_json::from_str(&text).unwrap()
            },
        )
    }

    async fn ok(&self, method: Method, path: &str, body: Option<Value>, schema: &str) -> Value {
        let (status, answer) = self.send(method, path, body).await;
        assert_eq!(status, 200, "{path}: {answer}");
        if let Some(description) = &self.description {
            description.check(schema, &answer);
        }
        answer
    }

    async fn edit(&self) -> String {
        let edit = self
            .ok(Method::POST, &format!("{SHOP}/edits"), Some(json!({})), "AppEdit")
            .await;
        assert!(
            edit["expiryTimeSeconds"]
                .as_str()
                .unwrap()
                .parse::<i64>()
                .unwrap()
                > now()
        );
        edit["id"].as_str().unwrap().to_owned()
    }

    async fn put(&self, edit: &str, releases: Value) -> (u16, Value) {
        let body = json!({"track": "production", "releases": releases});
        self.send(
            Method::PUT,
            &format!("{SHOP}/edits/{edit}/tracks/production"),
            Some(body),
        )
        .await
    }

    async fn commit(&self, edit: &str, query: &str) -> (u16, Value) {
        self.send(Method::POST, &format!("{SHOP}/edits/{edit}:commit{query}"), None)
            .await
    }

    /// A whole rollout step: insert, put, commit.
    async fn roll(&self, releases: Value, query: &str) -> (u16, Value) {
        let edit = self.edit().await;
        let (status, body) = self.put(&edit, releases).await;
        if status != 200 {
            return (status, body);
        }
        self.commit(&edit, query).await
    }

    async fn add_bundle(&self, code: i64) {
        self.bench
            .advance(json!({"vendor": "playstore", "action": "add_bundle", "versionCode": code}))
            .await;
    }

    async fn life(&self, track: &str) -> Vec<String> {
        let path = format!("{SHOP}/tracks/{track}/releases");
        let releases = self
            .ok(Method::GET, &path, None, "ListReleaseSummariesResponse")
            .await;
        let releases = releases["releases"].as_array().unwrap().clone();
        let word = |one: &Value| {
            let state = one["releaseLifecycleState"]
                .as_str()
                .unwrap()
                .replace("RELEASE_LIFECYCLE_STATE_", "");
            format!("{}:{state}", one["activeArtifacts"][0]["versionCode"])
        };
        releases.iter().map(word).collect()
    }
}

fn staged(code: &str, fraction: f64) -> Value {
    json!([{"versionCodes": [code], "status": "inProgress", "userFraction": fraction,
            "releaseNotes": [{"language": "en-US", "text": "Faster."}]},
           {"versionCodes": ["100"], "status": "completed"}])
}

fn message(answer: &(u16, Value)) -> String {
    answer.1["error"]["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[tokio::test]
async fn a_bundle_goes_from_the_job_to_everyone() {
    let account = Account::start().await;
    let form = [("VERSION", "1.1.0"), ("BUILD_NUMBER", "110")];
    let trigger = account
        .bench
        .request(Method::POST, "/jenkins/job/android-prod/buildWithParameters");
    trigger
        .basic_auth("delivr", Some("sandbox-token"))
        .form(&form)
        .send()
        .await
        .unwrap();
    account
        .bench
        .advance(json!({"vendor": "jenkins", "action": "finish", "job": "android-prod"}))
        .await;
    assert_eq!(account.life("internal").await, ["110:PUBLISHED"]);

    let edit = account.edit().await;
    let bundles = account
        .ok(
            Method::GET,
            &format!("{SHOP}/edits/{edit}/bundles"),
            None,
            "BundlesListResponse",
        )
        .await;
    assert_eq!(bundles["bundles"][1]["versionCode"], 110);
    account
        .ok(
            Method::GET,
            &format!("{SHOP}/edits/{edit}/tracks"),
            None,
            "TracksListResponse",
        )
        .await;
    let track = format!("{SHOP}/edits/{edit}/tracks/production");
    let before = account.ok(Method::GET, &track, None, "Track").await;
    assert_eq!(before["releases"][0]["versionCodes"], json!(["100"]));
    let body = json!({"track": "production", "releases": staged("110", 0.05)});
    account.ok(Method::PUT, &track, Some(body), "Track").await;
    account
        .ok(
            Method::POST,
            &format!("{SHOP}/edits/{edit}:validate"),
            None,
            "AppEdit",
        )
        .await;
    let query = "?changesInReviewBehavior=ERROR_IF_IN_REVIEW";
    account
        .ok(
            Method::POST,
            &format!("{SHOP}/edits/{edit}:commit{query}"),
            None,
            "AppEdit",
        )
        .await;
    assert_eq!(
        account
            .send(Method::GET, &format!("{SHOP}/edits/{edit}"), None)
            .await
            .0,
        404
    );
    assert_eq!(
        account.life("production").await,
        ["110:IN_REVIEW", "100:PUBLISHED"]
    );
    account
        .bench
        .advance(json!({"vendor": "playstore", "action": "approve"}))
        .await;
    assert_eq!(account.life("production").await[0], "110:PUBLISHED");

    assert_eq!(account.roll(staged("110", 0.2), query).await.0, 200);
    assert_eq!(
        account.life("production").await[0],
        "110:PUBLISHED",
        "more of a published release needs no review"
    );
    let halted = json!([{"versionCodes": ["110"], "status": "halted", "userFraction": 0.2},
        {"versionCodes": ["100"], "status": "completed"}]);
    assert_eq!(account.roll(halted, query).await.0, 200);
    assert_eq!(account.roll(staged("110", 0.2), query).await.0, 200);
    assert_eq!(
        account.bench.duplicates().await,
        0,
        "resuming after a halt is a new step"
    );
    let full = json!([{"versionCodes": ["110"], "status": "completed"}]);
    assert_eq!(account.roll(full.clone(), query).await.0, 200);
    assert_eq!(account.roll(full, query).await.0, 200);
    let journal = account.bench.journal().await;
    assert_eq!(
        journal["duplicates"],
        json!([{"vendor": "playstore", "operation": "commit",
        "subject": "com.example.shop,production,110,completed", "count": 1}])
    );
    match account
        .description
        .as_ref()
        .map(|description| description.checked.get())
    {
        Some(count) => eprintln!("{count} exchanges checked against playstore.json"),
        None => eprintln!("SKIPPED, playstore.json is absent (set DELIVR_SPECS)"),
    }
}

#[tokio::test]
async fn assertions_and_tokens_are_verified() {
    let mut account = Account::start().await;
    let reasons = [
        ("iss", json!("other@example.com"), "invalid_grant"),
        ("aud", json!("https://example.com"), "invalid_grant"),
        ("exp", json!(now() - 10), "invalid_grant"),
        ("exp", json!(now() + 9000), "invalid_grant"),
        ("iat", json!(now() + 900), "invalid_grant"),
        ("scope", json!("email"), "invalid_scope"),
    ];
    for (claim, value, error) in reasons {
        let (status, body) = account.grant(|claims| claims[claim] = value.clone()).await;
        assert_eq!((status, body["error"].as_str().unwrap()), (400, error), "{claim}");
    }
    let google = account
        .grant(|claims| claims["aud"] = json!("https://oauth2.googleapis.com/token"))
        .await;
    assert_eq!(google.0, 200);
    account
        .bench
        .advance(json!({"vendor": "playstore", "action": "expire_tokens"}))
        .await;
    let (status, body) = account.send(Method::POST, &format!("{SHOP}/edits"), None).await;
    assert_eq!(
        (status, body["error"]["status"].as_str().unwrap()),
        (401, "UNAUTHENTICATED")
    );
    account.login().await;
    account
        .bench
        .advance(json!({"vendor": "*", "action": "time", "seconds": 3700}))
        .await;
    assert_eq!(
        account.send(Method::POST, &format!("{SHOP}/edits"), None).await.0,
        401
    );
    account
        .bench
        .advance(json!({"vendor": "*", "action": "time", "seconds": -3700}))
        .await;
    account
        .bench
        .advance(json!({"vendor": "playstore", "action": "remove_permission"}))
        .await;
    let refused = account.send(Method::POST, &format!("{SHOP}/edits"), None).await;
    assert_eq!(
        (refused.0, message(&refused)),
        (403, "The caller does not have permission".to_owned())
    );
    account
        .bench
        .advance(json!({"vendor": "playstore", "action": "revoke_credentials"}))
        .await;
    assert_eq!(account.grant(|_| {}).await.1["error"], "invalid_grant");
}

#[tokio::test]
async fn edits_end_each_other() {
    let account = Account::start().await;
    account.add_bundle(110).await;
    let first = account.edit().await;
    let second = account.edit().await;
    let gone = account.put(&first, staged("110", 0.1)).await;
    assert_eq!(
        (gone.0, message(&gone)),
        (400, "This Edit has been deleted.".to_owned())
    );
    assert_eq!(gone.1["error"]["errors"][0]["reason"], "editDeleted");
    account
        .bench
        .advance(json!({"vendor": "playstore", "action": "console_change"}))
        .await;
    let expired = account.commit(&second, "").await;
    assert_eq!(
        message(&expired),
        "This edit has expired please create a new Edit."
    );
    assert_eq!(expired.1["error"]["status"], "FAILED_PRECONDITION");
    let third = account.edit().await;
    assert_eq!(
        account
            .send(Method::DELETE, &format!("{SHOP}/edits/{third}"), None)
            .await
            .0,
        204
    );
    assert_eq!(
        account
            .send(Method::GET, &format!("{SHOP}/edits/{third}"), None)
            .await
            .0,
        404
    );
    let unknown = account.send(Method::POST, "com.example.none/edits", None).await;
    assert_eq!(
        (unknown.0, message(&unknown)),
        (404, "Package not found: com.example.none.".to_owned())
    );
}

#[tokio::test]
async fn the_rules_of_a_track_hold() {
    let account = Account::start().await;
    for code in [90, 110, 120] {
        account.add_bundle(code).await;
    }
    let edit = account.edit().await;
    let refused = async |releases: Value| {
        let answer = account.put(&edit, releases).await;
        assert!((400..404).contains(&answer.0), "{answer:?}");
        assert!(answer.1["error"]["status"].is_string());
        message(&answer)
    };
    let one = |fields: Value| json!([fields]);
    let codes = json!(["110"]);
    assert!(
        refused(one(json!({"versionCode": codes, "status": "completed"})))
            .await
            .contains("Invalid JSON payload")
    );
    refused(one(json!({"versionCodes": [110], "status": "completed"}))).await;
    refused(one(json!({"versionCodes": codes, "status": "rollout"}))).await;
    refused(one(
        json!({"versionCodes": codes, "status": "inProgress", "userFraction": "0.5"}),
    ))
    .await;
    refused(one(
        json!({"versionCodes": codes, "status": "inProgress", "userFraction": 1.0}),
    ))
    .await;
    refused(one(json!({"versionCodes": codes, "status": "inProgress"}))).await;
    refused(one(
        json!({"versionCodes": codes, "status": "completed", "userFraction": 0.5}),
    ))
    .await;
    refused(one(json!({"versionCodes": ["999"], "status": "completed"}))).await;
    refused(json!([{"versionCodes": ["110"], "status": "completed"}, {"versionCodes": ["120"], "status": "completed"}])).await;
    let upgrade = refused(one(json!({"versionCodes": ["90"], "status": "completed"}))).await;
    assert!(upgrade.starts_with("You cannot rollout this release"));
    let notes = |language: &str, text: String| {
        one(
            json!({"versionCodes": ["110"], "status": "completed", "releaseNotes": [{"language": language, "text": text}]}),
        )
    };
    refused(notes("en-US", "x".repeat(501))).await;
    refused(notes("xx-XX", "x".into())).await;
    assert_eq!(account.put(&edit, notes("de-DE", "ü".repeat(500))).await.0, 200);
    assert_eq!(
        refused(one(
            json!({"versionCodes": ["100"], "status": "inProgress", "userFraction": 0.5})
        ))
        .await,
        "Fully released can not be staged."
    );
    let path = format!("{SHOP}/edits/{edit}/tracks/beta");
    let body = json!({"releases": [{"versionCodes": ["110"], "status": "inProgress", "userFraction": 0.5}]});
    let first = account.send(Method::PUT, &path, Some(body)).await;
    assert_eq!(message(&first), "The first release on a track cannot be staged.");
    assert_eq!(account.roll(staged("110", 0.5), "").await.0, 200);
    assert_eq!(
        account.roll(staged("110", 0.4), "").await.0,
        400,
        "a fraction never goes down"
    );
    assert_eq!(account.commit("none", "").await.0, 404);
    let (_, draft) = account.send(Method::POST, "com.example.draft/edits", None).await;
    let path = format!(
        "com.example.draft/edits/{}/tracks/production",
        draft["id"].as_str().unwrap()
    );
    let body = |status: &str| Some(json!({"releases": [{"versionCodes": ["1"], "status": status}]}));
    let answer = account.send(Method::PATCH, &path, body("completed")).await;
    assert_eq!(
        message(&answer),
        "Only releases with status draft may be created on draft app."
    );
    assert_eq!(account.send(Method::PATCH, &path, body("draft")).await.0, 200);
}

#[tokio::test]
async fn reviews_may_fail_and_running_ones_are_guarded() {
    let account = Account::start().await;
    account.add_bundle(110).await;
    let careful = "?changesInReviewBehavior=ERROR_IF_IN_REVIEW";
    assert_eq!(account.roll(staged("110", 0.05), careful).await.0, 200);
    let edit = account.edit().await;
    account.put(&edit, staged("110", 0.1)).await;
    let guarded = account.commit(&edit, careful).await;
    assert_eq!(
        (guarded.0, guarded.1["error"]["status"].as_str().unwrap()),
        (400, "FAILED_PRECONDITION")
    );
    assert_eq!(
        account.commit(&edit, "").await.0,
        200,
        "that error leaves the edit usable, the default cancels"
    );
    let journal = account.bench.journal().await;
    assert!(journal.to_string().contains("cancel_review"));
    account
        .bench
        .advance(json!({"vendor": "playstore", "action": "reject"}))
        .await;
    assert_eq!(account.life("production").await[0], "110:NOT_APPROVED");
    let unsent = account.roll(staged("110", 0.1), careful).await;
    assert!(message(&unsent).starts_with("Changes cannot be sent for review automatically"));
    assert_eq!(
        account
            .roll(staged("110", 0.1), "?changesNotSentForReview=true")
            .await
            .0,
        200
    );
    assert_eq!(account.life("production").await[0], "110:NOT_SENT_FOR_REVIEW");
    account
        .bench
        .advance(json!({"vendor": "playstore", "action": "managed_publishing"}))
        .await;
    account
        .bench
        .advance(json!({"vendor": "playstore", "action": "send_for_review"}))
        .await;
    account
        .bench
        .advance(json!({"vendor": "playstore", "action": "approve"}))
        .await;
    assert_eq!(account.life("production").await[0], "110:APPROVED_NOT_PUBLISHED");
    account
        .bench
        .advance(json!({"vendor": "playstore", "action": "publish"}))
        .await;
    assert_eq!(account.life("production").await[0], "110:PUBLISHED");
    let needless = account
        .roll(staged("110", 0.2), "?changesNotSentForReview=true")
        .await;
    assert!(message(&needless).contains("must not be set"));
    assert_eq!(account.bench.duplicates().await, 0);
}

#[tokio::test]
async fn people_and_other_tools_work_on_the_same_app() {
    let account = Account::start().await;
    account.add_bundle(110).await;
    account.add_bundle(120).await;
    let act = async |action: Value| {
        let mut action = action;
        action["vendor"] = json!("playstore");
        account.bench.advance(action).await
    };
    // A change in the Console ends open edits, is published at once and is no effect of ours.
    let edit = account.edit().await;
    let theirs = json!([{"versionCodes": ["110"], "status": "completed"}]);
    act(json!({"action": "console_track", "releases": theirs})).await;
    assert_eq!(account.life("production").await, ["110:PUBLISHED"]);
    assert_eq!(account.put(&edit, staged("120", 0.1)).await.0, 400);
    assert_eq!(account.bench.journal().await["effects"], json!([]));
    // One that waits for an operation comes just before it, once.
    let change =
        json!({"action": "console_track", "releases": [{"versionCodes": ["120"], "status": "completed"}]});
    act(json!({"action": "meanwhile", "operation": "validate", "do": change})).await;
    let edit = account.edit().await;
    let validate = format!("{SHOP}/edits/{edit}:validate");
    assert_eq!(account.send(Method::POST, &validate, None).await.0, 400);
    assert_eq!(account.life("production").await, ["120:PUBLISHED"]);
    // A refusal is given once, in Google's form.
    act(
        json!({"action": "refuse", "operation": "insert_edit", "code": 403, "status": "PERMISSION_DENIED",
        "reason": "projectNotLinked", "message": "not linked"}),
    )
    .await;
    let refused = account.send(Method::POST, &format!("{SHOP}/edits"), None).await;
    assert_eq!((refused.0, message(&refused)), (403, "not linked".to_owned()));
    assert_eq!(refused.1["error"]["errors"][0]["reason"], "projectNotLinked");
    // Close to each other, two inserts get one edit, even when it has come to its end.
    let first = account.edit().await;
    act(json!({"action": "same_edit", "ms": 60_000})).await;
    let second = account.edit().await;
    assert_eq!(first, second);
    let path = format!("{SHOP}/edits/{first}");
    assert_eq!(account.send(Method::DELETE, &path, None).await.0, 204);
    let third = account.edit().await;
    assert_eq!(first, third);
    let gone = account.send(Method::GET, &path, None).await;
    assert_eq!(message(&gone), "This Edit has been deleted.");
}

#[tokio::test]
async fn tracks_bundles_and_settings_have_their_rules() {
    let account = Account::start().await;
    let act = async |action: Value| {
        let mut action = action;
        action["vendor"] = json!("playstore");
        account.bench.advance(action).await
    };
    act(json!({"action": "add_track", "track": "wear:production"})).await;
    act(json!({"action": "add_bundle", "versionCode": 110, "processing": true})).await;
    let edit = account.edit().await;
    let path = format!("{SHOP}/edits/{edit}/tracks/wear:production");
    account.ok(Method::GET, &path, None, "Track").await;
    let early = account.put(&edit, staged("110", 0.1)).await;
    assert_eq!(
        message(&early),
        "The bundle of version code 110 is still being processed."
    );
    let bundles = format!("{SHOP}/edits/{edit}/bundles");
    let listed = account
        .ok(Method::GET, &bundles, None, "BundlesListResponse")
        .await;
    assert_eq!(listed["bundles"].as_array().unwrap().len(), 1);
    account.add_bundle(110).await;
    let with = |priority: u8, country: &str| {
        json!([{"versionCodes": ["110"], "status": "inProgress", "userFraction": 0.1, "inAppUpdatePriority": priority,
            "countryTargeting": {"countries": [country]}}, {"versionCodes": ["100"], "status": "completed"}])
    };
    let wrong = account.roll(with(3, "Germany"), "").await;
    assert_eq!(message(&wrong), "The country code 'Germany' is not valid.");
    assert_eq!(account.roll(with(3, "DE"), "").await.0, 200);
    act(json!({"action": "approve"})).await;
    let late = account.roll(with(4, "DE"), "").await;
    assert!(message(&late).contains("in-app update priority"), "{late:?}");
    act(json!({"action": "without_lifecycle"})).await;
    let path = format!("{SHOP}/tracks/production/releases");
    assert_eq!(account.send(Method::GET, &path, None).await.0, 404);
}

#[tokio::test]
async fn uploads_count_when_committed_and_a_lost_commit_is_done() {
    let account = Account::start().await;
    let upload = async |edit: &str, code: i64| {
        let path = format!(
            "/playstore/upload/androidpublisher/v3/applications/{SHOP}/edits/{edit}/bundles?uploadType=media"
        );
        let body = json!({"versionCode": code}).to_string();
        account
            .bench
            .request(Method::POST, &path)
            .bearer_auth(&account.token)
            .body(body)
            .send()
            .await
            .unwrap()
    };
    let edit = account.edit().await;
    let bundle = common::json_of(upload(&edit, 130).await).await;
    if let Some(description) = &account.description {
        description.check("Bundle", &bundle);
    }
    assert_eq!(bundle["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(upload(&edit, 130).await.status(), 403);
    assert_eq!(account.bench.journal().await["effects"], json!([]));
    account.put(&edit, staged("130", 0.1)).await;
    account
        .bench
        .fault(json!({"vendor": "playstore", "operation": "commit", "fault": "response_lost"}))
        .await;
    let lost = account
        .request(Method::POST, &format!("{SHOP}/edits/{edit}:commit"))
        .send()
        .await;
    assert!(lost.is_err());
    assert_eq!(
        account.life("production").await,
        ["130:IN_REVIEW", "100:PUBLISHED"]
    );
    assert_eq!(
        account.bench.journal().await["effects"].as_array().unwrap().len(),
        2
    );
    account
        .bench
        .fault(json!({"vendor": "playstore", "fault": "throttle", "retryAfter": 3}))
        .await;
    let throttled = account.send(Method::POST, &format!("{SHOP}/edits"), None).await;
    assert_eq!(
        (throttled.0, throttled.1["error"]["status"].as_str().unwrap()),
        (429, "RESOURCE_EXHAUSTED")
    );
    account
        .bench
        .advance(json!({"vendor": "playstore", "action": "auto", "afterReads": 1}))
        .await;
    account.life("production").await;
    assert_eq!(account.life("production").await[0], "130:PUBLISHED");
}

#[tokio::test]
async fn an_app_is_described_in_languages_and_takes_notes_in_no_other() {
    let account = Account::start().await;
    account.add_bundle(110).await;
    let edit = account.edit().await;
    let read = async |what: &str, schema: &str| {
        let path = format!("{SHOP}/edits/{edit}/{what}");
        account.ok(Method::GET, &path, None, schema).await
    };
    assert_eq!(read("details", "AppDetails").await["defaultLanguage"], "en-US");
    let listings = read("listings", "ListingsListResponse").await;
    let languages = listings["listings"].as_array().unwrap().iter();
    let languages: Vec<&str> = languages.map(|it| it["language"].as_str().unwrap()).collect();
    assert_eq!(languages, ["de-DE", "en-US", "ja-JP"]);
    let noted = |language: &str| json!([{"versionCodes": ["110"], "status": "completed", "releaseNotes": [{"language": language, "text": "x"}]}]);
    let refused = account.roll(noted("it-IT"), "").await;
    assert_eq!(refused.0, 403);
    assert!(message(&refused).ends_with("for language it-IT. Language is not associated with the app."));
    let set = json!({"vendor": "playstore", "action": "set_languages", "languages": [], "default": null});
    account.bench.advance(set).await;
    let edit = account.edit().await;
    let path = format!("{SHOP}/edits/{edit}/listings");
    let none = account.ok(Method::GET, &path, None, "ListingsListResponse").await;
    assert_eq!(none["listings"], Value::Null);
    assert_eq!(account.roll(noted("it-IT"), "").await.0, 200);
}
