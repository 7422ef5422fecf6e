//! What `new-provider` writes compiles against the ports and claims nothing: every operation is refused.
//!
//! The skeletons here are the very files the command copies, with the vendor's name put in.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]
#![allow(
    unreachable_pub,
    reason = "the skeletons are crates of their own; only here are they modules"
)]

#[path = "skeletons/cicd.rs"]
mod cicd;
#[path = "skeletons/comm.rs"]
mod comm;
#[path = "skeletons/pm.rs"]
mod pm;
#[path = "skeletons/scm.rs"]
mod scm;
#[path = "skeletons/store.rs"]
mod store;
#[path = "skeletons/test.rs"]
mod test;

use delivr_domain::ports::error::{Certainty, ProviderErrorKind};
use delivr_domain::ports::provider::{Connection, Credentials, Descriptor, Port, Registry};
use delivr_provider_kit::Deps;
use serde_json::json;

fn deps() -> Deps {
    Deps::for_tests(std::env::temp_dir()).unwrap()
}

fn all() -> Vec<Descriptor> {
    vec![
        scm::descriptor(&deps()),
        cicd::descriptor(&deps()),
        pm::descriptor(&deps()),
        comm::descriptor(&deps()),
        test::descriptor(&deps()),
        store::descriptor(&deps()),
    ]
}

fn connect(descriptor: &Descriptor) -> Connection {
    (descriptor.connect)(&json!({}), &Credentials::default()).unwrap()
}

#[test]
fn there_is_a_skeleton_for_every_port() {
    let registry = Registry::new(all()).unwrap();
    for &port in Port::ALL {
        let descriptor = registry
            .find(port, "example")
            .unwrap_or_else(|| panic!("{port} has no skeleton"));
        assert_eq!(connect(descriptor).port(), port);
    }
}

#[tokio::test]
async fn nothing_is_verified_before_it_is_written() {
    for descriptor in all() {
        let error = connect(&descriptor).verify().await.unwrap_err();
        assert_eq!(error.kind, ProviderErrorKind::Unsupported);
        assert_eq!(error.certainty, Certainty::NotDone);
        assert_eq!(
            error.sentence,
            "Example Vendor cannot verify yet; choose another integration."
        );
    }
}

#[tokio::test]
async fn what_is_not_written_is_refused() {
    let Connection::Scm(scm) = connect(&scm::descriptor(&deps())) else {
        panic!("not source control")
    };
    assert_eq!(
        scm.branches().await.unwrap_err().kind,
        ProviderErrorKind::Unsupported
    );
    assert!(!scm.publishes_releases() && !scm.has_pull_requests());
    let Connection::Cicd(cicd) = connect(&cicd::descriptor(&deps())) else {
        panic!("not CI/CD")
    };
    assert_eq!(cicd.jobs().await.unwrap_err().operation, "list_jobs");
}
