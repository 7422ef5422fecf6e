//! The simulated App Store Connect, over HTTP.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests may fail loudly"
)]

mod common;

use common::{Bench, Description, Signer, hmac_hex, json_of, jwt, now, receiver, tell_checked};
use reqwest::Method;
use serde_json::{Value, json};

/// A client of the simulated account.
struct Account {
    bench: Bench,
    credentials: Value,
    description: Option<Description>,
}

impl Account {
    async fn start() -> Self {
        let bench = Bench::start().await;
        let credentials = bench.credentials("appstore").await;
        Self {
            bench,
            credentials,
            description: Description::load("asc.json"),
        }
    }

    fn token(&self, change: impl FnOnce(&mut Value, &mut Value)) -> String {
        let config = &self.credentials["config"];
        let mut header = json!({"alg": "ES256", "kid": config["keyId"], "typ": "JWT"});
        let mut claims = json!({"iss": config["issuerId"], "iat": now() - 60, "exp": now() + 600,
            "aud": "appstoreconnect-v1"});
        change(&mut header, &mut claims);
        jwt(
            Signer::Es256,
            &header,
            &claims,
            self.credentials["credentials"]["privateKeyPem"].as_str().unwrap(),
        )
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let path = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("/appstore/v1{path}")
        };
        let mut request = self
            .bench
            .request(method, &path)
            .bearer_auth(self.token(|_, _| {}));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        assert!(
            answer.headers()["x-rate-limit"]
                .to_str()
                .unwrap()
                .starts_with("user-hour-lim:3500;user-hour-rem:")
        );
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        let body = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).unwrap()
        };
        if let (400.., Some(description)) = (status, &self.description) {
            description.check("ErrorResponse", &body);
        }
        (status, body)
    }

    async fn get(&self, path: &str, schema: &str) -> Value {
        let (status, body) = self.send(Method::GET, path, None).await;
        assert_eq!(status, 200, "{path}: {body}");
        if let Some(description) = &self.description {
            description.check(schema, &body);
        }
        body
    }

    async fn write(&self, method: Method, path: &str, body: Value, status: u16, schema: &str) -> Value {
        let (given, answer) = self.send(method, path, Some(body)).await;
        assert_eq!(given, status, "{path}: {answer}");
        if let Some(description) = self.description.as_ref().filter(|_| !schema.is_empty()) {
            description.check(schema, &answer);
        }
        answer
    }

    async fn advance(&self, action: &str, mut args: Value) -> Value {
        args["vendor"] = json!("appstore");
        args["action"] = json!(action);
        self.bench.advance(args).await
    }

    async fn app(&self) -> String {
        let apps = self
            .get("/apps?filter[bundleId]=com.example.shop&limit=2", "AppsResponse")
            .await;
        let list = apps["data"].as_array().unwrap();
        assert_eq!(list.len(), 2, "the filter also matches prefixes");
        let app = list
            .iter()
            .find(|app| app["attributes"]["bundleId"] == "com.example.shop")
            .unwrap();
        app["id"].as_str().unwrap().to_owned()
    }

    async fn create_version(&self, app: &str, version: &str) -> (u16, Value) {
        let body = json!({"data": {"type": "appStoreVersions",
            "attributes": {"platform": "IOS", "versionString": version, "releaseType": "MANUAL"},
            "relationships": {"app": {"data": {"type": "apps", "id": app}}}}});
        self.send(Method::POST, "/appStoreVersions", Some(body)).await
    }

    /// A version with a build and notes in every locale.
    async fn prepare(&self, version: &str, build: &str) -> (String, String) {
        let app = self.app().await;
        let added = self
            .advance(
                "add_build",
                json!({"version": version, "build": build, "state": "VALID"}),
            )
            .await;
        let (status, created) = self.create_version(&app, version).await;
        assert_eq!(status, 201, "{created}");
        let id = created["data"]["id"].as_str().unwrap().to_owned();
        let link = json!({"data": {"type": "builds", "id": added["id"]}});
        let path = format!("/appStoreVersions/{id}/relationships/build");
        self.write(Method::PATCH, &path, link.clone(), 204, "").await;
        self.write(Method::PATCH, &path, link, 204, "").await;
        let texts = format!("/appStoreVersions/{id}/appStoreVersionLocalizations");
        for text in self.get(&texts, "AppStoreVersionLocalizationsResponse").await["data"]
            .as_array()
            .unwrap()
        {
            let text = text["id"].as_str().unwrap();
            let body = json!({"data": {"type": "appStoreVersionLocalizations", "id": text,
                "attributes": {"whatsNew": "Faster."}}});
            let path = format!("/appStoreVersionLocalizations/{text}");
            self.write(
                Method::PATCH,
                &path,
                body,
                200,
                "AppStoreVersionLocalizationResponse",
            )
            .await;
        }
        (app, id)
    }

    async fn submission(&self, app: &str) -> String {
        let body = json!({"data": {"type": "reviewSubmissions", "attributes": {"platform": "IOS"},
            "relationships": {"app": {"data": {"type": "apps", "id": app}}}}});
        let created = self
            .write(
                Method::POST,
                "/reviewSubmissions",
                body,
                201,
                "ReviewSubmissionResponse",
            )
            .await;
        created["data"]["id"].as_str().unwrap().to_owned()
    }

    async fn add_item(&self, submission: &str, version: &str) -> (u16, Value) {
        let body = json!({"data": {"type": "reviewSubmissionItems", "relationships": {
            "reviewSubmission": {"data": {"type": "reviewSubmissions", "id": submission}},
            "appStoreVersion": {"data": {"type": "appStoreVersions", "id": version}}}}});
        self.send(Method::POST, "/reviewSubmissionItems", Some(body))
            .await
    }

    async fn patch_submission(&self, id: &str, attributes: Value) -> (u16, Value) {
        let body = json!({"data": {"type": "reviewSubmissions", "id": id, "attributes": attributes}});
        self.send(Method::PATCH, &format!("/reviewSubmissions/{id}"), Some(body))
            .await
    }

    async fn submit(&self, app: &str, version: &str) -> String {
        let submission = self.submission(app).await;
        let (status, item) = self.add_item(&submission, version).await;
        assert_eq!(status, 201, "{item}");
        assert_eq!(
            self.patch_submission(&submission, json!({"submitted": true}))
                .await
                .0,
            200
        );
        submission
    }

    async fn state(&self, version: &str) -> String {
        let path = format!("/appStoreVersions/{version}?include=build,appStoreVersionPhasedRelease");
        let body = self.get(&path, "AppStoreVersionResponse").await;
        body["data"]["attributes"]["appVersionState"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    async fn wait_for(&self, version: &str, wanted: &str) {
        let mut looks = tokio::time::interval(std::time::Duration::from_millis(30));
        for _ in 0..100 {
            looks.tick().await;
            if self.state(version).await == wanted {
                return;
            }
        }
        panic!(
            "the version never became {wanted}, it is {}",
            self.state(version).await
        );
    }

    async fn release(&self, version: &str) -> (u16, Value) {
        let body = json!({"data": {"type": "appStoreVersionReleaseRequests",
            "relationships": {"appStoreVersion": {"data": {"type": "appStoreVersions", "id": version}}}}});
        self.send(Method::POST, "/appStoreVersionReleaseRequests", Some(body))
            .await
    }

    async fn phase(&self, id: &str, state: &str) -> (u16, Value) {
        let body = json!({"data": {"type": "appStoreVersionPhasedReleases", "id": id,
            "attributes": {"phasedReleaseState": state}}});
        self.send(
            Method::PATCH,
            &format!("/appStoreVersionPhasedReleases/{id}"),
            Some(body),
        )
        .await
    }

    fn report(&self) {
        tell_checked("asc.json", self.description.as_ref());
    }
}

#[tokio::test]
async fn a_version_goes_from_build_to_phased_release_as_the_description_says() {
    let account = Account::start().await;
    let (app, version) = account.prepare("1.1.0", "77").await;
    let builds = format!(
        "/builds?filter[app]={app}&filter[version]=77&filter[preReleaseVersion.version]=1.1.0\
         &filter[preReleaseVersion.platform]=IOS&include=preReleaseVersion,buildBetaDetail,appStoreVersion&sort=-uploadedDate"
    );
    let builds = account.get(&builds, "BuildsResponse").await;
    assert_eq!(builds["data"][0]["attributes"]["processingState"], "VALID");
    assert_eq!(builds["included"].as_array().unwrap().len(), 3);

    let body = json!({"data": {"type": "appStoreVersionPhasedReleases",
        "attributes": {"phasedReleaseState": "INACTIVE"},
        "relationships": {"appStoreVersion": {"data": {"type": "appStoreVersions", "id": version}}}}});
    let schema = "AppStoreVersionPhasedReleaseResponse";
    let phased = account
        .write(
            Method::POST,
            "/appStoreVersionPhasedReleases",
            body.clone(),
            201,
            schema,
        )
        .await;
    let phased = phased["data"]["id"].as_str().unwrap().to_owned();
    assert_eq!(
        account
            .send(Method::POST, "/appStoreVersionPhasedReleases", Some(body))
            .await
            .0,
        409
    );

    account.submit(&app, &version).await;
    assert_eq!(account.state(&version).await, "WAITING_FOR_REVIEW");
    let open = format!(
        "/reviewSubmissions?filter[app]={app}&filter[platform]=IOS&filter[state]=WAITING_FOR_REVIEW,IN_REVIEW\
         &include=items,appStoreVersionForReview"
    );
    let open = account.get(&open, "ReviewSubmissionsResponse").await;
    let submission = open["data"][0]["id"].as_str().unwrap();
    let items = format!("/reviewSubmissions/{submission}/items?include=appStoreVersion");
    let items = account.get(&items, "ReviewSubmissionItemsResponse").await;
    assert_eq!(
        items["data"][0]["relationships"]["appStoreVersion"]["data"]["id"],
        version.as_str()
    );
    account.advance("start_review", json!({})).await;
    assert_eq!(account.state(&version).await, "IN_REVIEW");
    assert_eq!(
        account.release(&version).await.1["errors"][0]["code"],
        "STATE_ERROR"
    );
    account.advance("approve", json!({"version": "1.1.0"})).await;
    assert_eq!(account.state(&version).await, "PENDING_DEVELOPER_RELEASE");
    let (status, request) = account.release(&version).await;
    assert_eq!(status, 201);
    if let Some(description) = &account.description {
        description.check("AppStoreVersionReleaseRequestResponse", &request);
    }
    account.wait_for(&version, "READY_FOR_DISTRIBUTION").await;
    assert_eq!(account.release(&version).await.0, 409, "not repeatable");

    let list = format!("/apps/{app}/appStoreVersions?filter[platform]=IOS&filter[versionString]=1.0.0");
    let old = account.get(&list, "AppStoreVersionsResponse").await;
    assert_eq!(
        old["data"][0]["attributes"]["appVersionState"],
        "REPLACED_WITH_NEW_VERSION"
    );

    assert_eq!(
        account.advance("day", json!({"days": 2})).await["currentDayNumber"],
        3
    );
    assert_eq!(account.phase(&phased, "PAUSED").await.0, 200);
    assert_eq!(account.phase(&phased, "HALTED").await.0, 409);
    let (status, again) = account.phase(&phased, "PAUSED").await;
    assert_eq!(status, 409);
    assert!(
        again["errors"][0]["detail"]
            .as_str()
            .unwrap()
            .contains("already has this value")
    );
    assert_eq!(account.phase(&phased, "ACTIVE").await.0, 200);
    assert_eq!(account.phase(&phased, "COMPLETE").await.0, 200);
    let (_, last) = account.phase(&phased, "ACTIVE").await;
    assert!(
        last["errors"][0]["detail"]
            .as_str()
            .unwrap()
            .contains("final state")
    );
    let path = format!("/appStoreVersions/{version}/appStoreVersionPhasedRelease");
    assert_eq!(
        account.get(&path, schema).await["data"]["attributes"]["phasedReleaseState"],
        "COMPLETE"
    );
    assert_eq!(account.bench.duplicates().await, 0);
    account.report();
}

#[tokio::test]
async fn tokens_are_verified() {
    let account = Account::start().await;
    let apps = async |token: &str| {
        let request = account
            .bench
            .request(Method::GET, "/appstore/v1/apps")
            .bearer_auth(token);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(apps(&account.token(|_, _| {})).await, 200);
    let wrong: [(&str, Value); 5] = [
        ("exp", json!(now() + 1300)),
        ("exp", json!(now() - 1)),
        ("aud", json!("other")),
        ("iss", json!("other")),
        ("iat", json!(now() + 300)),
    ];
    for (name, value) in wrong {
        assert_eq!(
            apps(&account.token(|_, claims| claims[name] = value.clone())).await,
            401,
            "{name}={value}"
        );
    }
    assert_eq!(
        apps(&account.token(|header, _| header["kid"] = json!("OTHER"))).await,
        401
    );
    let mut forged = account.token(|_, _| {});
    let last = forged.pop().unwrap();
    forged.push(if last == 'A' { 'Q' } else { 'A' });
    let cut = forged.len() - 10;
    forged.replace_range(
        cut..cut + 1,
        if forged.as_bytes()[cut] == b'x' { "y" } else { "x" },
    );
    assert_eq!(apps(&forged).await, 401);
    let none = account
        .bench
        .request(Method::GET, "/appstore/v1/apps")
        .send()
        .await
        .unwrap();
    assert_eq!(json_of(none).await["errors"][0]["code"], "NOT_AUTHORIZED");
    account.advance("agreements", json!({"missing": true})).await;
    let (status, refused) = account.send(Method::GET, "/apps", None).await;
    assert_eq!(status, 403);
    assert!(
        refused["errors"][0]["code"]
            .as_str()
            .unwrap()
            .starts_with("FORBIDDEN.REQUIRED_AGREEMENTS")
    );
    account.advance("agreements", json!({"missing": false})).await;
    account
        .bench
        .advance(json!({"vendor": "appstore", "action": "revoke_credentials"}))
        .await;
    assert_eq!(account.send(Method::GET, "/apps", None).await.0, 401);
}

#[tokio::test]
async fn bodies_and_parameters_are_checked() {
    let account = Account::start().await;
    let app = account.app().await;
    let post = async |attributes: Value, relationships: Value| {
        let body = json!({"data": {"type": "appStoreVersions", "attributes": attributes, "relationships": relationships}});
        let (status, body) = account.send(Method::POST, "/appStoreVersions", Some(body)).await;
        (
            status,
            body["errors"][0]["code"].as_str().unwrap_or_default().to_owned(),
        )
    };
    let of_app = json!({"app": {"data": {"type": "apps", "id": app}}});
    let full = json!({"platform": "IOS", "versionString": "2.0"});
    let expected = |code: &str| (409, format!("ENTITY_ERROR.{code}"));
    let mut odd = full.clone();
    odd["version"] = json!("2.0");
    assert_eq!(post(odd, of_app.clone()).await, expected("ATTRIBUTE.UNKNOWN"));
    assert_eq!(
        post(json!({"platform": "IOS"}), of_app.clone()).await,
        expected("ATTRIBUTE.REQUIRED")
    );
    assert_eq!(
        post(json!({"platform": "IOS", "versionString": 2}), of_app.clone()).await,
        expected("ATTRIBUTE.TYPE")
    );
    assert_eq!(
        post(full.clone(), json!({})).await,
        expected("RELATIONSHIP.REQUIRED")
    );
    let wrong = json!({"app": {"data": {"type": "builds", "id": app}}});
    assert_eq!(post(full, wrong).await, expected("RELATIONSHIP.INVALID"));
    assert_eq!(
        account
            .send(Method::POST, "/appStoreVersions", Some(json!([])))
            .await
            .0,
        422
    );
    assert_eq!(
        account.create_version(&app, "1.0.0").await.1["errors"][0]["detail"],
        "The version number has been previously used."
    );
    assert_eq!(
        account.send(Method::GET, "/apps?filter[color]=red", None).await.0,
        400
    );
    assert_eq!(
        account
            .send(Method::GET, "/builds?filter[processingState]=DONE", None)
            .await
            .0,
        400
    );
    assert_eq!(account.send(Method::GET, "/builds/none", None).await.0, 404);
    assert_eq!(account.create_version(&app, "1.1.0").await.0, 201);
    let (status, second) = account.create_version(&app, "1.2.0").await;
    assert_eq!(status, 409);
    assert!(
        second["errors"][0]["detail"]
            .as_str()
            .unwrap()
            .starts_with("You cannot create a new version")
    );
}

#[tokio::test]
async fn notes_have_limits_and_a_first_version_has_none() {
    let account = Account::start().await;
    let (_, version) = account.prepare("1.1.0", "50").await;
    let texts = format!("/appStoreVersions/{version}/appStoreVersionLocalizations?limit=1");
    let first = account.get(&texts, "AppStoreVersionLocalizationsResponse").await;
    assert_eq!(first["meta"]["paging"]["total"], 2);
    let second = account
        .get(
            first["links"]["next"].as_str().unwrap(),
            "AppStoreVersionLocalizationsResponse",
        )
        .await;
    assert!(second["links"].get("next").is_none());
    assert_ne!(first["data"][0]["id"], second["data"][0]["id"]);
    let text = first["data"][0]["id"].as_str().unwrap();
    let patch = async |notes: String| {
        let body = json!({"data": {"type": "appStoreVersionLocalizations", "id": text, "attributes": {"whatsNew": notes}}});
        account
            .send(
                Method::PATCH,
                &format!("/appStoreVersionLocalizations/{text}"),
                Some(body),
            )
            .await
            .0
    };
    assert_eq!(patch("x".repeat(4001)).await, 409);
    assert_eq!(patch("ü".repeat(4000)).await, 200);
    let post = async |version: &str, locale: &str, notes: &str| {
        let body = json!({"data": {"type": "appStoreVersionLocalizations",
            "attributes": {"locale": locale, "whatsNew": notes},
            "relationships": {"appStoreVersion": {"data": {"type": "appStoreVersions", "id": version}}}}});
        account
            .send(Method::POST, "/appStoreVersionLocalizations", Some(body))
            .await
            .0
    };
    assert_eq!(post(&version, "fr-FR", "Plus rapide.").await, 201);
    assert_eq!(post(&version, "fr-FR", "Plus rapide.").await, 409);
    assert_eq!(post(&version, "xx", "?").await, 409);
    let apps = account
        .get("/apps?filter[bundleId]=com.example.fresh", "AppsResponse")
        .await;
    let (_, fresh) = account
        .create_version(apps["data"][0]["id"].as_str().unwrap(), "1.0")
        .await;
    assert_eq!(
        post(fresh["data"]["id"].as_str().unwrap(), "de-DE", "Neu.").await,
        409
    );
}

#[tokio::test]
async fn rejection_and_cancellation_allow_another_submission() {
    let account = Account::start().await;
    let (app, version) = account.prepare("1.1.0", "60").await;
    let first = account.submit(&app, &version).await;
    assert_eq!(account.add_item(&first, &version).await.0, 409);
    assert_eq!(
        account
            .patch_submission(&first, json!({"submitted": true}))
            .await
            .0,
        409
    );
    account.advance("reject", json!({})).await;
    assert_eq!(account.state(&version).await, "REJECTED");
    assert_eq!(
        account
            .patch_submission(&first, json!({"submitted": true}))
            .await
            .0,
        200
    );
    assert_eq!(account.state(&version).await, "WAITING_FOR_REVIEW");
    assert_eq!(
        account
            .patch_submission(&first, json!({"canceled": true}))
            .await
            .1["data"]["attributes"]["state"],
        "CANCELING"
    );
    account.wait_for(&version, "DEVELOPER_REJECTED").await;
    account.submit(&app, &version).await;
    assert_eq!(account.bench.duplicates().await, 0);
    account.submission(&app).await;
    let journal = account.bench.journal().await;
    assert_eq!(
        journal["duplicates"],
        json!([{"vendor": "appstore", "operation": "create_submission",
        "subject": "com.example.shop,IOS", "count": 1}]),
        "a second open submission is a duplicate"
    );
}

#[tokio::test]
async fn an_unready_version_names_what_is_missing() {
    let account = Account::start().await;
    let app = account.app().await;
    let (_, version) = account.create_version(&app, "1.1.0").await;
    let version = version["data"]["id"].as_str().unwrap();
    let submission = account.submission(&app).await;
    let (status, refused) = account.add_item(&submission, version).await;
    assert_eq!(status, 409);
    let missing =
        &refused["errors"][0]["meta"]["associatedErrors"][format!("/v1/appStoreVersions/{version}")];
    assert_eq!(
        missing.as_array().unwrap().len(),
        3,
        "build and two notes: {refused}"
    );
    let other = account
        .advance(
            "add_build",
            json!({"version": "9.9.9", "build": "1", "state": "VALID"}),
        )
        .await;
    let link = json!({"data": {"type": "builds", "id": other["id"]}});
    let (status, refused) = account
        .send(
            Method::PATCH,
            &format!("/appStoreVersions/{version}/relationships/build"),
            Some(link),
        )
        .await;
    assert_eq!(status, 409);
    assert!(
        refused["errors"][0]["detail"]
            .as_str()
            .unwrap()
            .contains("could not be added")
    );
}

#[tokio::test]
async fn a_successful_job_brings_a_build_and_webhooks_are_signed() {
    let account = Account::start().await;
    let (url, mut posts) = receiver().await;
    account
        .bench
        .control(
            "/_webhooks",
            json!({"vendor": "appstore", "url": url, "secret": "apple"}),
        )
        .await;
    let trigger = account
        .bench
        .request(Method::POST, "/jenkins/job/ios-prod/buildWithParameters");
    let form = [("VERSION", "1.1.0"), ("BUILD_NUMBER", "99")];
    let trigger = trigger.basic_auth("delivr", Some("sandbox-token")).form(&form);
    assert_eq!(trigger.send().await.unwrap().status(), 201);
    account
        .bench
        .advance(json!({"vendor": "jenkins", "action": "finish", "job": "ios-prod"}))
        .await;
    let state = async || {
        let builds = account.get("/builds?filter[version]=99", "BuildsResponse").await;
        builds["data"][0]["attributes"]["processingState"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(state().await, "PROCESSING");
    account.advance("process_build", json!({})).await;
    assert_eq!(state().await, "VALID");
    let (head, body) = posts.recv().await.unwrap();
    assert!(head.contains(&format!(
        "x-apple-signature: hmacsha256={}",
        hmac_hex("apple", &body)
    )));
    assert!(String::from_utf8_lossy(&body).contains("buildUploadStateUpdated"));
}

#[tokio::test]
async fn a_lost_answer_leaves_the_effect_and_lists_may_lag() {
    let account = Account::start().await;
    let app = account.app().await;
    account.advance("lag", json!({"ms": 400})).await;
    account
        .bench
        .fault(json!({"vendor": "appstore", "operation": "create_version", "fault": "response_lost"}))
        .await;
    let body = json!({"data": {"type": "appStoreVersions", "attributes": {"platform": "IOS", "versionString": "1.1.0"},
        "relationships": {"app": {"data": {"type": "apps", "id": app}}}}});
    let request = account
        .bench
        .request(Method::POST, "/appstore/v1/appStoreVersions");
    assert!(
        request
            .bearer_auth(account.token(|_, _| {}))
            .json(&body)
            .send()
            .await
            .is_err()
    );
    let path = format!("/apps/{app}/appStoreVersions?filter[versionString]=1.1.0");
    assert_eq!(
        account.get(&path, "AppStoreVersionsResponse").await["data"],
        json!([])
    );
    // The lag ends by itself: look until the version shows.
    let mut looks = tokio::time::interval(std::time::Duration::from_millis(50));
    let mut shown = 0;
    for _ in 0..100 {
        looks.tick().await;
        shown = account.get(&path, "AppStoreVersionsResponse").await["data"]
            .as_array()
            .unwrap()
            .len();
        if shown == 1 {
            break;
        }
    }
    assert_eq!(shown, 1);
    account.advance("rate", json!({"remaining": 0})).await;
    let (status, throttled) = account.send(Method::GET, "/apps", None).await;
    assert_eq!(
        (status, throttled["errors"][0]["code"].as_str().unwrap()),
        (429, "RATE_LIMIT_EXCEEDED")
    );
}

#[tokio::test]
async fn auto_mode_reviews_by_itself() {
    let account = Account::start().await;
    let (app, version) = account.prepare("1.1.0", "70").await;
    account
        .bench
        .advance(json!({"vendor": "*", "action": "auto", "afterReads": 2}))
        .await;
    account.submit(&app, &version).await;
    account.wait_for(&version, "PENDING_DEVELOPER_RELEASE").await;
}
