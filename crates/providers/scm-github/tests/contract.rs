//! The adapter against the real GitHub, reading only. Runs where `DELIVR_CONTRACT_GITHUB_TOKEN`, `_OWNER` and
//! `_REPOSITORY` are set.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod common;

use common::{Moved, deps, ids, key, log, scm, tag};
use delivr_provider_kit::AddressPolicy;
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn a_real_repository_is_read() {
    let given = |name: &str| std::env::var(format!("DELIVR_CONTRACT_GITHUB_{name}")).ok();
    let (Some(token), Some(owner), Some(repository)) = (given("TOKEN"), given("OWNER"), given("REPOSITORY"))
    else {
        log("SKIPPED: contract with GitHub (set DELIVR_CONTRACT_GITHUB_TOKEN, _OWNER and _REPOSITORY)");
        return;
    };
    let deps = deps(
        AddressPolicy::default(),
        Moved::default(),
        Duration::from_secs(20),
    );
    let branch = given("BRANCH").unwrap_or_else(|| "main".to_owned());
    let config = json!({"owner": owner, "repository": repository, "defaultBranch": branch});
    let scm = scm(&deps, &config, &json!({"token": token}));
    let verification = scm.verify().await.unwrap();
    assert!(!verification.account.is_empty());
    let name = branch.parse().unwrap();
    let head = scm.resolve(&name).await.unwrap().unwrap();
    assert!(scm.branches().await.unwrap().contains(&branch));
    assert!(scm.compare(Some(&name), &name).await.unwrap().is_empty());
    let none = tag("delivr-contract-no-such-tag", &head);
    assert!(ids(scm.find(&key(1), &none).await.unwrap()).is_empty());
    log("CHECKED: contract with GitHub");
}
