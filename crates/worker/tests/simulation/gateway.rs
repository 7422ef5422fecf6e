//! The door for what others send: webhooks and callbacks go through the real inbox, forged ones must not get in.

use crate::plan::integration_of;
use crate::shared::Shared;
use crate::time::{lock, seconds};
use crate::vendor::SIGNATURE;
use crate::weather::Kind;
use crate::world::Hook;
use delivr_app::App;
use delivr_app::usecases::access::digest_of;
use delivr_app::usecases::callbacks;
use delivr_app::usecases::inbound::{self, InboundError};
use delivr_domain::ids::TenantId;
use delivr_domain::ports::provider::WebhookError;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How often a vendor sends what was not taken.
const TRIES: u8 = 3;

pub struct Gateway {
    pub shared: Arc<Shared>,
    pub app: App,
    pub tenants: Vec<TenantId>,
}

impl Gateway {
    pub async fn live(self) {
        let mut newest = Duration::ZERO;
        loop {
            let span = self.shared.dice(|dice| dice.millis(500, 6_000));
            let next = lock(&self.shared.world).hooks.keys().next().map(|key| key.0);
            let rest = self.shared.now() + seconds(120);
            let until = next.unwrap_or(rest).min(rest).max(self.shared.now() + span);
            self.shared.time.until(until).await;
            loop {
                let hook = lock(&self.shared.world).told(self.shared.now());
                let Some(hook) = hook else { break };
                if hook.sent < newest {
                    self.shared.met(Kind::HookReordered);
                }
                newest = newest.max(hook.sent);
                self.take(hook).await;
            }
        }
    }

    async fn take(&self, mut hook: Hook) {
        for tenant in &self.tenants {
            let taken = if hook.callback && !hook.forged {
                self.callback(*tenant, &hook).await
            } else {
                self.webhook(*tenant, &hook).await
            };
            match taken {
                Ok(_) if hook.forged => self.shared.wrong("a forged webhook was taken in"),
                Ok(true) => self.shared.met(if hook.callback {
                    Kind::CallbackTaken
                } else {
                    Kind::HookTaken
                }),
                Err(InboundError::Webhook(WebhookError::Unsigned)) if hook.forged => {
                    self.shared.met(Kind::HookForged);
                }
                Ok(false) => {}
                Err(InboundError::Store(_)) if hook.tries < TRIES => {
                    hook.tries += 1;
                    let mut world = lock(&self.shared.world);
                    let number = world.number();
                    world
                        .hooks
                        .insert((self.shared.now() + seconds(30), number), hook);
                    return;
                }
                Err(InboundError::Store(_)) => self.shared.met(Kind::HookLost),
                Err(error) => self.shared.wrong(format!("a webhook was refused: {error}")),
            }
        }
    }

    async fn webhook(&self, tenant: TenantId, hook: &Hook) -> Result<bool, InboundError> {
        let id = integration_of(tenant, &hook.from);
        let Some(through) = inbound::integration(&self.app, id).await? else {
            self.shared
                .wrong(format!("the integration {} is gone", hook.from));
            return Ok(false);
        };
        let signature = if hook.forged { "by nobody" } else { SIGNATURE.1 };
        let headers = BTreeMap::from([(SIGNATURE.0.to_owned(), signature.to_owned())]);
        let body = serde_json::json!({
            "delivery": hook.delivery,
            "correlations": hook.correlations,
            "objects": hook.objects,
        });
        inbound::webhook(&self.app, &through, &headers, body.to_string().as_bytes()).await
    }

    async fn callback(&self, tenant: TenantId, hook: &Hook) -> Result<bool, InboundError> {
        let Some(correlation) = hook.correlations.first() else {
            return Ok(false);
        };
        let row = self.app.store.effect_by_correlation(tenant, correlation).await?;
        if row.is_none() {
            return Ok(false);
        }
        let said = serde_json::json!({"status": "ended", "run": hook.objects});
        let unavailable = || {
            InboundError::Store(delivr_domain::ports::error::StoreError::Unavailable {
                source: "the secret of callbacks".into(),
            })
        };
        let token = callbacks::token(&self.app, tenant, correlation).await;
        let token = token.map_err(|_error| unavailable())?;
        let caller = callbacks::verify(&self.app, &token).await;
        let Some(caller) = caller.map_err(|_error| unavailable())? else {
            self.shared.wrong("a callback's own token is not known");
            return Ok(false);
        };
        let digest = digest_of(said.to_string().as_bytes());
        inbound::callback(&self.app, &caller, &digest, said).await
    }
}
