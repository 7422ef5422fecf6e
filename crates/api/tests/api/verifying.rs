//! A verification says something about what was tried, and about nothing else.

use crate::support::Api;
use async_trait::async_trait;
use delivr_domain::effect::Reference;
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use delivr_domain::ports::provider::{Connection, Descriptor, Port};
use delivr_domain::ports::vendor::{Chat, ChatMessage, Declared, Lookup, Recognition, Verification};
use delivr_provider_kit::SystemClock;
use delivr_testkit::memory::MemoryStore;
use serde_json::json;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// A chat whose verification begins when it wants to, and ends when the test wants it to.
struct Slow {
    begun: Arc<Semaphore>,
    may_end: Arc<Semaphore>,
}

fn unused() -> ProviderError {
    ProviderError::new("slow", "post", ProviderErrorKind::Unsupported, "it only verifies")
}

#[async_trait]
impl Chat for Slow {
    async fn verify(&self) -> Result<Verification, ProviderError> {
        self.begun.add_permits(1);
        self.may_end.acquire().await.unwrap().forget();
        Ok(Verification {
            account: "bot".to_owned(),
            checks: Vec::new(),
        })
    }
    fn declared(&self) -> Declared {
        Declared::new(Recognition::None)
    }
    async fn find(&self, _key: &str, _message: &ChatMessage) -> Result<Lookup, ProviderError> {
        Err(unused())
    }
    async fn post(&self, _key: &str, _message: &ChatMessage) -> Result<Reference, ProviderError> {
        Err(unused())
    }
}

fn descriptor(begun: &Arc<Semaphore>, may_end: &Arc<Semaphore>) -> Descriptor {
    let (begun, may_end) = (begun.clone(), may_end.clone());
    Descriptor {
        key: "slow",
        port: Port::Communication,
        display_name: "Slow",
        config_schema: json!({"type": "object"}),
        credentials_schema: json!({"type": "object"}),
        capabilities: json!({}),
        connect: Arc::new(move |_config, _credentials| {
            let chat = Slow {
                begun: begun.clone(),
                may_end: may_end.clone(),
            };
            Ok(Connection::Chat(Arc::new(chat)))
        }),
        webhook: None,
    }
}

#[tokio::test]
async fn what_was_changed_meanwhile_is_not_called_valid() {
    let (begun, may_end) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let clock = Arc::new(SystemClock);
    let store = Arc::new(MemoryStore::new(clock.clone()));
    let api = Api::offering(store, clock, &[descriptor(&begun, &may_end)]).await;
    let body = json!({"provider": "slow", "name": "chat", "credentials": {"token": "s3cret-a"}});
    let made = api.post("/integrations/communication", &body).await.is(201);
    let path = format!("/integrations/communication/{}", made["id"].as_str().unwrap());
    let verify = format!("{path}/verify");
    let nothing = json!({});

    // The credential is replaced while the old one is tried.
    let changing = async {
        begun.acquire().await.unwrap().forget();
        api.put(&path, &json!({"credentials": {"token": "s3cret-b"}}))
            .await
            .is(200);
        may_end.add_permits(1);
    };
    let (verified, ()) = futures_util::future::join(api.post(&verify, &nothing), changing).await;
    verified.refused(409, "changed_meanwhile");
    assert_eq!(api.get(&path).await.is(200)["verificationStatus"], "PENDING");

    // A new name says nothing about the credential: what was tried is what is stored.
    let renaming = async {
        begun.acquire().await.unwrap().forget();
        api.put(&path, &json!({"name": "renamed"})).await.is(200);
        may_end.add_permits(1);
    };
    let (verified, ()) = futures_util::future::join(api.post(&verify, &nothing), renaming).await;
    let verified = verified.is(200);
    assert_eq!(
        (&verified["verificationStatus"], &verified["name"]),
        (&json!("VALID"), &json!("renamed"))
    );
}
