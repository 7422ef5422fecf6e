//! Credentials, permissions, limits, other refusals, webhooks and settings.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod common;

use common::{Bench, Moved, branch, delete, deps, ids, key, name, release, scm, secrets, tag};
use delivr_domain::ports::error::{Certainty, ProviderError, ProviderErrorKind};
use delivr_domain::ports::provider::{ConfigError, Delivery, Prompt, WebhookError};
use delivr_domain::ports::vendor::{Scm, Verification};
use delivr_provider_kit::signature::{Scheme, sign};
use delivr_provider_kit::{AddressPolicy, Deps};
use delivr_scm_github::descriptor;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

async fn bench() -> (Bench, Arc<dyn Scm>) {
    let bench = Bench::start().await;
    let scm = bench.connect("credentials").await;
    (bench, scm)
}

async fn main_of(scm: &Arc<dyn Scm>) -> delivr_domain::names::Sha {
    scm.resolve(&name("main")).await.unwrap().unwrap()
}

fn missing(verification: Verification) -> Vec<String> {
    verification
        .checks
        .into_iter()
        .filter_map(|check| check.missing)
        .collect()
}

/// How many installation tokens were asked for since recording began.
fn tokens_asked(bench: &Bench) -> usize {
    let kept = bench.advance("record", json!({"on": true}));
    let all = kept["exchanges"].as_array().unwrap().clone();
    all.iter()
        .filter(|one| one["path"].as_str().unwrap().ends_with("/access_tokens"))
        .count()
}

/// No part of an error may hold a secret.
fn assert_silent(settings: &Value, error: &ProviderError) {
    let said = format!("{error} {error:?} {:?}", error.vendor);
    for group in ["credentials", "classic", "app"] {
        for (field, secret) in settings[group].as_object().unwrap() {
            if ["token", "privateKeyPem", "webhookSecret"].contains(&field.as_str()) {
                assert!(!said.contains(secret.as_str().unwrap()), "{field} in {said}");
            }
        }
    }
    assert!(!said.contains("ghs_") && !said.contains("Bearer"), "{said}");
}

#[tokio::test]
async fn verification_names_the_account_and_what_is_missing() {
    let bench = Bench::start().await;
    for (credentials, account) in [
        ("credentials", "delivr-bot"),
        ("classic", "delivr-bot"),
        ("app", "delivr-sandbox on acme"),
    ] {
        let scm = bench.connect(credentials).await;
        let verification = scm.verify().await.unwrap();
        assert_eq!(verification.account, account);
        assert!(verification.passed(), "{verification:?}");
        bench.advance("remove_permission", json!({}));
        let lacking = missing(scm.verify().await.unwrap());
        assert!(lacking.iter().any(|one| one.contains("contents")), "{lacking:?}");
        bench.advance("restore_permission", json!({}));
    }
    assert_eq!(
        bench.running.journal()["effects"],
        json!([]),
        "verifying leaves nothing behind"
    );
    let mut settings = bench.settings().await;
    settings["config"]["defaultBranch"] = json!("develop");
    let other = scm(&bench.deps(), &settings["config"], &settings["credentials"]);
    let lacking = missing(other.verify().await.unwrap());
    assert!(lacking[0].contains("defaultBranch"), "{lacking:?}");
    settings["config"]["repository"] = json!("nowhere");
    let other = scm(&bench.deps(), &settings["config"], &settings["credentials"]);
    let lacking = missing(other.verify().await.unwrap());
    assert!(lacking[0].contains("may not see it"), "{lacking:?}");
}

#[tokio::test]
async fn a_repository_that_is_not_seen_is_never_taken_for_a_missing_ref() {
    let bench = Bench::start().await;
    let mut settings = bench.settings().await;
    settings["config"]["repository"] = json!("nowhere");
    let scm = scm(&bench.deps(), &settings["config"], &settings["credentials"]);
    for error in [
        scm.resolve(&name("main")).await.unwrap_err(),
        // A branch there would count as deleted.
        scm.find(&key(1), &delete("main")).await.unwrap_err(),
        scm.branches().await.unwrap_err(),
    ] {
        assert_eq!(error.kind, ProviderErrorKind::NotFound);
        assert!(error.sentence.contains("acme/nowhere"), "{}", error.sentence);
    }
}

#[tokio::test]
async fn a_revoked_credential_is_told_without_showing_it() {
    let bench = Bench::start().await;
    let settings = bench.settings().await;
    for credentials in ["credentials", "classic", "app"] {
        let scm = bench.connect(credentials).await;
        let sha = main_of(&scm).await;
        bench.advance("revoke_credentials", json!({}));
        for error in [
            scm.create(&key(1), &branch("x", &sha)).await.unwrap_err(),
            scm.find(&key(1), &branch("x", &sha)).await.unwrap_err(),
            scm.verify().await.unwrap_err(),
        ] {
            assert_eq!(
                (error.kind, error.certainty),
                (ProviderErrorKind::Unauthenticated, Certainty::NotDone)
            );
            assert_silent(&settings, &error);
        }
        bench.advance("restore_credentials", json!({}));
    }
}

#[tokio::test]
async fn a_missing_permission_and_single_sign_on_say_what_to_do() {
    let (bench, scm) = bench().await;
    let settings = bench.settings().await;
    let sha = main_of(&scm).await;
    bench.advance("remove_permission", json!({}));
    let error = scm.create(&key(1), &branch("x", &sha)).await.unwrap_err();
    assert_eq!(
        (error.kind, error.certainty),
        (ProviderErrorKind::Forbidden, Certainty::NotDone)
    );
    assert!(error.sentence.contains("contents: write"), "{}", error.sentence);
    assert_silent(&settings, &error);
    bench.advance("restore_permission", json!({}));
    bench.advance("sso", json!({"on": true}));
    let error = scm.resolve(&name("main")).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Forbidden);
    assert!(error.sentence.ends_with("/orgs/acme/sso"), "{}", error.sentence);
    assert!(missing(scm.verify().await.unwrap())[0].contains("single sign-on"));
}

#[tokio::test]
async fn a_renamed_repository_is_told_for_reads_and_writes() {
    let (bench, scm) = bench().await;
    let sha = main_of(&scm).await;
    bench.advance("rename", json!({"to": "store"}));
    for error in [
        scm.resolve(&name("main")).await.unwrap_err(),
        scm.create(&key(1), &branch("x", &sha)).await.unwrap_err(),
    ] {
        assert_eq!(
            (error.kind, error.certainty),
            (ProviderErrorKind::Misconfigured, Certainty::NotDone)
        );
        assert!(error.sentence.contains("renamed or moved"), "{}", error.sentence);
    }
    assert!(missing(scm.verify().await.unwrap())[0].contains("renamed"));
    assert_eq!(bench.effects("create_ref"), 0);
}

#[tokio::test]
async fn limits_are_waited_out_as_github_asks() {
    let (bench, scm) = bench().await;
    let sha = main_of(&scm).await;
    let write = branch("x", &sha);
    bench
        .fault_with("create_ref", "throttle", json!({"retryAfter": 17}))
        .await;
    let error = scm.create(&key(1), &write).await.unwrap_err();
    assert_eq!(
        (error.kind, error.retry_after),
        (ProviderErrorKind::Throttled, Some(Duration::from_secs(17)))
    );
    // A secondary limit without a hint: the documentation wants a minute at least.
    bench.fault("create_ref", "throttle").await;
    let error = scm.create(&key(1), &write).await.unwrap_err();
    assert_eq!(
        (error.kind, error.retry_after),
        (ProviderErrorKind::Throttled, Some(Duration::from_secs(60)))
    );
    bench
        .fault_with("create_ref", "status_before", json!({"status": 429}))
        .await;
    let error = scm.create(&key(1), &write).await.unwrap_err();
    assert_eq!(error.retry_after, Some(Duration::from_secs(60)));
    // The hour's own: until it is counted anew.
    bench.advance("rate", json!({"remaining": 0}));
    let error = scm.create(&key(1), &write).await.unwrap_err();
    assert_eq!(
        (error.kind, error.certainty),
        (ProviderErrorKind::Throttled, Certainty::NotDone)
    );
    let hint = error.retry_after.unwrap().as_secs();
    assert!((3000..=3601).contains(&hint), "{hint}");
    assert!(error.sentence.contains("this hour"), "{}", error.sentence);
    assert_eq!(bench.effects("create_ref"), 0);
}

#[tokio::test]
async fn the_error_table_holds() {
    let (bench, scm) = bench().await;
    let settings = bench.settings().await;
    let sha = main_of(&scm).await;
    for (status, kind) in [
        (400, ProviderErrorKind::Invalid),
        (401, ProviderErrorKind::Unauthenticated),
        (403, ProviderErrorKind::Forbidden),
        (404, ProviderErrorKind::NotFound),
        (409, ProviderErrorKind::Precondition),
        (422, ProviderErrorKind::Invalid),
        (429, ProviderErrorKind::Throttled),
        (451, ProviderErrorKind::Forbidden),
        (500, ProviderErrorKind::Unavailable),
        (502, ProviderErrorKind::Unavailable),
        (504, ProviderErrorKind::Unavailable),
    ] {
        let writes = [
            ("create_ref", branch("x", &sha)),
            ("create_release", release("v1.0.0")),
            ("create_pull", common::pull("main")),
        ];
        for (effect, write) in writes {
            bench
                .fault_with(effect, "status_before", json!({"status": status}))
                .await;
            let error = scm.create(&key(1), &write).await.unwrap_err();
            assert_eq!(error.kind, kind, "{effect} {status}");
            let unsure = kind == ProviderErrorKind::Unavailable;
            assert_eq!(error.certainty == Certainty::Unknown, unsure, "{effect} {status}");
            assert_eq!(
                error.vendor.as_deref(),
                Some(format!("Server Error; {status}").as_str())
            );
            assert_silent(&settings, &error);
        }
    }
    assert_eq!(bench.running.journal()["effects"], json!([]));
}

#[tokio::test]
async fn reads_that_bring_no_answer_are_surely_without_effect() {
    let (bench, scm) = bench().await;
    let sha = main_of(&scm).await;
    for (fault, kind) in [
        ("html", ProviderErrorKind::Malformed),
        ("huge", ProviderErrorKind::Malformed),
        ("reset", ProviderErrorKind::Unavailable),
        ("response_lost", ProviderErrorKind::Unavailable),
        ("status_before", ProviderErrorKind::Unavailable),
        ("redirect", ProviderErrorKind::Refused),
    ] {
        bench.fault("list_refs", fault).await;
        let error = scm.find(&key(1), &tag("x", &sha)).await.unwrap_err();
        assert_eq!(
            (error.kind, error.certainty),
            (kind, Certainty::NotDone),
            "{fault}"
        );
    }
}

#[tokio::test]
async fn an_installations_token_is_kept_until_it_nears_its_end() {
    let bench = Bench::start().await;
    let scm = bench.connect("app").await;
    bench.advance("record", json!({"on": true}));
    // Many at once ask for one token.
    let main = name("main");
    let (one, two, three) = tokio::join!(scm.branches(), scm.compare(None, &main), scm.resolve(&main));
    assert!(one.is_ok() && two.is_ok());
    let sha = three.unwrap().unwrap();
    assert_eq!(tokens_asked(&bench), 1);
    let moved = |seconds: i64| {
        bench.clock.by(seconds);
        scm.branches()
    };
    moved(3200).await.unwrap();
    assert_eq!(tokens_asked(&bench), 0, "good for six minutes yet");
    // Ours runs ahead here, and the assertion it signs is one of the future: the refusal says what time it is there.
    moved(3400).await.unwrap();
    assert_eq!(tokens_asked(&bench), 2, "the refused one and the new one");
    // Ended early: asked for anew, once, without anybody noticing.
    bench.advance("expire_tokens", json!({}));
    scm.create(&key(1), &branch("x", &sha)).await.unwrap();
    assert_eq!(tokens_asked(&bench), 1);
    assert_eq!(bench.effects("create_ref"), 1);
}

#[tokio::test]
async fn a_short_lived_token_is_used_once_and_a_lost_grant_leaves_nothing_in_doubt() {
    let bench = Bench::start().await;
    let scm = bench.connect("app").await;
    bench.advance("token_ttl", json!({"seconds": 200}));
    bench.advance("record", json!({"on": true}));
    scm.branches().await.unwrap();
    scm.branches().await.unwrap();
    assert_eq!(tokens_asked(&bench), 2);
    bench.fault("installation_token", "response_lost").await;
    let sha = "1".repeat(40).parse().unwrap();
    let error = scm.create(&key(1), &branch("x", &sha)).await.unwrap_err();
    assert_eq!(
        (error.kind, error.certainty),
        (ProviderErrorKind::Unavailable, Certainty::NotDone)
    );
}

#[tokio::test]
async fn an_app_that_may_not_is_explained() {
    let bench = Bench::start().await;
    let settings = bench.settings().await;
    let with = |field: &str, value: &str| {
        let mut app = settings["app"].clone();
        app[field] = json!(value);
        scm(&bench.deps(), &settings["config"], &app)
    };
    let error = with("installationId", "12").verify().await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::NotFound);
    assert!(error.sentence.contains("installation id"), "{}", error.sentence);
    let error = with("appId", "12").verify().await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Unauthenticated);
    assert_silent(&settings, &error);
    let mut config = settings["config"].clone();
    config["repository"] = json!("elsewhere");
    let error = scm(&bench.deps(), &config, &settings["app"])
        .resolve(&name("main"))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Forbidden);
    assert!(
        error.sentence.contains("does not cover elsewhere"),
        "{}",
        error.sentence
    );
    bench.advance("suspend", json!({"on": true}));
    let scm = bench.connect("app").await;
    let lacking = missing(scm.verify().await.unwrap());
    assert!(lacking[0].contains("suspended since"), "{lacking:?}");
    let error = scm.branches().await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Forbidden);
    assert!(error.sentence.contains("suspended"), "{}", error.sentence);
}

#[tokio::test]
async fn a_key_as_github_gives_it_out_works_also_without_line_ends() {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    let bench = Bench::start().await;
    let settings = bench.settings().await;
    let pem = settings["app"]["privateKeyPem"].as_str().unwrap();
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let pkcs8 = STANDARD.decode(body).unwrap();
    // PKCS#8 of a 2048-bit RSA key is PKCS#1 behind 26 bytes that say so.
    let pkcs1 = STANDARD.encode(&pkcs8[26..]);
    let old = format!("-----BEGIN RSA PRIVATE KEY-----\n{pkcs1}\n-----END RSA PRIVATE KEY-----\n");
    for text in [
        old.clone(),
        old.replace('\n', "\\n"),
        old.replace('\n', "\r\n"),
        pem.to_owned(),
    ] {
        let mut app = settings["app"].clone();
        app["privateKeyPem"] = json!(text);
        let scm = scm(&bench.deps(), &settings["config"], &app);
        assert!(scm.verify().await.unwrap().passed());
    }
}

#[test]
fn a_connection_outlives_the_runtime_it_was_first_used_in() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let vendor = tokio::runtime::Runtime::new().unwrap();
    let (_bench, scm) = vendor.block_on(bench());
    for _ in 0..3 {
        // Web servers have a runtime for each thread, and threads end.
        assert_eq!(runtime().block_on(scm.branches()).unwrap(), ["main"]);
    }
}

#[tokio::test]
async fn the_address_guard_holds_for_octocrabs_requests() {
    let bench = Bench::start().await;
    let settings = bench.settings().await;
    let strict = deps(AddressPolicy::default(), Moved::default(), Duration::from_secs(5));
    let connect = descriptor(&strict).connect;
    let credentials = secrets(&settings["credentials"]);
    let error = connect(&settings["config"], &credentials).unwrap_err();
    assert_eq!(
        error.pointer, "/config/baseUrl",
        "an address of this machine, given as a number"
    );
    // A name is found out when the connection is opened.
    let mut config = settings["config"].clone();
    let named = config["baseUrl"]
        .as_str()
        .unwrap()
        .replace("127.0.0.1", "localhost");
    config["baseUrl"] = json!(named);
    match connect(&config, &credentials) {
        Ok(_) => {
            let scm = scm(&strict, &config, &settings["credentials"]);
            let error = scm.branches().await.unwrap_err();
            assert_eq!(
                (error.kind, error.certainty),
                (ProviderErrorKind::Refused, Certainty::NotDone)
            );
        }
        Err(error) => assert_eq!(error.pointer, "/config/baseUrl"),
    }
    assert_eq!(bench.running.journal()["requests"], 0);
}

fn offline() -> Deps {
    deps(
        AddressPolicy::allowing_loopback(),
        Moved::default(),
        Duration::from_secs(1),
    )
}

#[test]
fn settings_that_cannot_work_are_refused_at_their_field() {
    let connect = descriptor(&offline()).connect;
    let token = json!({"token": "t0ken"});
    let good = json!({"owner": "acme", "repository": "shop"});
    assert!(connect(&good, &secrets(&token)).is_ok(), "the rest has defaults");
    assert!(connect(&json!({"owner": "acme", "repo": "shop"}), &secrets(&token)).is_ok());
    let pointer = |config: &Value, credentials: &Value| {
        let ConfigError { pointer, detail } = connect(config, &secrets(credentials)).unwrap_err();
        assert!(!detail.contains("BEGIN") || detail.contains("paste"), "{detail}");
        pointer
    };
    for (config, at) in [
        (
            json!({"owner": "acme/shop", "repository": "shop"}),
            "/config/owner",
        ),
        (
            json!({"owner": "acme", "repository": "acme/shop"}),
            "/config/repository",
        ),
        (json!({"owner": "acme", "repository": ".."}), "/config/repository"),
        (
            json!({"owner": "acme", "repository": "shop.git"}),
            "/config/repository",
        ),
        (json!({"owner": "acme"}), "/config/repository"),
        (
            json!({"owner": "acme", "repository": "shop", "branch": "x"}),
            "/config/branch",
        ),
        (
            json!({"owner": "acme", "repository": "shop", "defaultBranch": "a..b"}),
            "/config/defaultBranch",
        ),
        (
            json!({"owner": "acme", "repository": "shop", "baseUrl": "ftp://x"}),
            "/config/baseUrl",
        ),
    ] {
        assert_eq!(pointer(&config, &token), at, "{config}");
    }
    for (credentials, at) in [
        (json!({}), "/credentials/token"),
        (json!({"password": "x"}), "/credentials/password"),
        (json!({"token": "x", "appId": "1"}), "/credentials/appId"),
        (json!({"appId": "1"}), "/credentials/installationId"),
        (
            json!({"appId": "1", "installationId": "acme", "privateKeyPem": "x"}),
            "/credentials/installationId",
        ),
        (
            json!({"appId": "1/2", "installationId": "2", "privateKeyPem": "x"}),
            "/credentials/appId",
        ),
        (
            json!({"appId": "1", "installationId": "2", "privateKeyPem": "x"}),
            "/credentials/privateKeyPem",
        ),
    ] {
        assert_eq!(pointer(&good, &credentials), at);
    }
}

fn hook(secret: &str, event: &str, signed: &[u8], body: &[u8]) -> Result<Prompt, WebhookError> {
    let read = descriptor(&offline()).webhook.unwrap();
    let scheme = Scheme::HexBody {
        header: "x-hub-signature-256",
        prefix: "sha256=",
    };
    let at = "2026-11-21T08:00:00Z".parse().unwrap();
    let mut headers: BTreeMap<String, String> = sign(scheme, secret, "1", at, signed)
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    headers.insert("x-github-event".into(), event.into());
    headers.insert(
        "x-github-delivery".into(),
        "72d3162e-cc78-11e3-81ab-4c9367dc0958".into(),
    );
    let delivery = Delivery {
        headers: &headers,
        body,
        at,
    };
    read(
        &delivery,
        &secrets(&json!({"token": "t", "webhookSecret": "s3cret-s3cret"})),
    )
}

#[test]
fn webhooks_prompt_to_look_at_what_they_are_about() {
    let objects = |event: &str, body: Value| {
        let body = body.to_string().into_bytes();
        let prompt = hook("s3cret-s3cret", event, &body, &body).unwrap();
        assert_eq!(prompt.delivery, "72d3162e-cc78-11e3-81ab-4c9367dc0958");
        prompt.objects
    };
    let push =
        json!({"ref": "refs/heads/release/1.1", "after": "a1", "repository": {"full_name": "acme/shop"}});
    assert_eq!(
        objects("push", push),
        ["refs/heads/release/1.1", "a1", "release/1.1"]
    );
    assert_eq!(objects("create", json!({"ref": "v1", "ref_type": "tag"})), ["v1"]);
    let run = json!({"action": "completed", "workflow_run": {"id": 30_433_642, "head_branch": "release/1.1",
                     "path": ".github/workflows/ios.yml"}});
    assert_eq!(
        objects("workflow_run", run),
        ["30433642", "release/1.1", ".github/workflows/ios.yml"]
    );
    let pull = json!({"number": 7, "pull_request": {"head": {"ref": "a"}, "base": {"ref": "main"}}});
    assert_eq!(objects("pull_request", pull), ["7", "a", "main"]);
    // Unknown ones are believed and fit no wait.
    assert_eq!(
        objects("ping", json!({"zen": "Keep it logically awesome."})),
        ["ping"]
    );
    assert_eq!(objects("sponsorship", json!({})), ["sponsorship"]);
}

#[test]
fn webhooks_that_prove_nothing_are_refused() {
    let body = b"{}";
    assert_eq!(hook("another", "push", body, body), Err(WebhookError::Unsigned));
    assert_eq!(
        hook("s3cret-s3cret", "push", body, b"{\"ref\":\"x\"}"),
        Err(WebhookError::Unsigned)
    );
    let form = b"payload=%7B%7D";
    let error = hook("s3cret-s3cret", "push", form, form).unwrap_err();
    assert!(format!("{error}").contains("application/json"), "{error}");
    let read = descriptor(&offline()).webhook.unwrap();
    let at = "2026-11-21T08:00:00Z".parse().unwrap();
    let with = |headers: &[(&str, &str)], secret: Value, body: &[u8]| {
        let headers: BTreeMap<String, String> = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let delivery = Delivery {
            headers: &headers,
            body,
            at,
        };
        read(&delivery, &secrets(&secret))
    };
    let secret = json!({"webhookSecret": "It's a Secret to Everybody"});
    // GitHub's published vector: signed, though its payload is no JSON.
    let vector = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let known = [
        ("x-hub-signature-256", vector),
        ("x-github-delivery", "1"),
        ("x-github-event", "push"),
    ];
    let published = b"Hello, World!";
    assert!(matches!(
        with(&known, secret.clone(), published),
        Err(WebhookError::Malformed(_))
    ));
    assert_eq!(with(&known[1..], secret, published), Err(WebhookError::Unsigned));
    assert_eq!(with(&known, json!({}), published), Err(WebhookError::Unsigned));
    // The older header with SHA-1 is not looked at.
    let old = [("x-hub-signature", "sha1=0"), ("x-github-event", "push")];
    assert_eq!(
        with(&old, json!({"webhookSecret": "x"}), body),
        Err(WebhookError::Unsigned)
    );
}

#[tokio::test]
async fn what_the_vendor_sends_is_what_the_reader_takes() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let bench = Bench::start().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let register = json!({"vendor": "github", "url": url, "secret": "sandbox-webhook-secret"});
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let at = format!("{}/_webhooks", bench.running.url());
    assert!(
        client
            .post(at)
            .json(&register)
            .send()
            .await
            .unwrap()
            .status()
            .is_success()
    );
    bench.push("main");
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut raw = Vec::new();
    let (head, body) = loop {
        let mut buffer = [0; 8192];
        let read = stream.read(&mut buffer).await.unwrap();
        assert!(read > 0, "the delivery ended early");
        raw.extend_from_slice(&buffer[..read]);
        let Some(end) = raw.windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8(raw[..end].to_vec()).unwrap();
        let length: usize = head
            .lines()
            .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok())
            .unwrap();
        if raw.len() >= end + 4 + length {
            break (head, raw[end + 4..].to_vec());
        }
    };
    stream
        .write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")
        .await
        .unwrap();
    let headers: BTreeMap<String, String> = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let delivery = Delivery {
        headers: &headers,
        body: &body,
        at: "2026-11-21T08:00:00Z".parse().unwrap(),
    };
    let settings = bench.settings().await;
    let read = descriptor(&bench.deps()).webhook.unwrap();
    let prompt = read(&delivery, &secrets(&settings["credentials"])).unwrap();
    assert!(
        prompt.objects.contains(&"main".to_owned()),
        "{:?}",
        prompt.objects
    );
    assert_eq!(
        ids(bench
            .connect("credentials")
            .await
            .find(&key(1), &delete("gone"))
            .await
            .unwrap()),
        ["gone"]
    );
}
