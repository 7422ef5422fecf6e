//! A client of the API: requests under an idempotency key, sent again when their answer is lost, sometimes before it has
//! come. What the server does around a command is what the HTTP edge does: look for a kept answer, else apply with one.

use crate::shared::Shared;
use crate::time::lock;
use crate::weather::Kind;
use delivr_app::App;
use delivr_app::apply::{self, ApplyError, Remember, Wish};
use delivr_domain::aggregate::{Aggregate, Command};
use delivr_domain::ids::TenantId;
use delivr_domain::key::AggregateId;
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::StoredAnswer;
use delivr_domain::release::state::Draft;
use delivr_domain::time::Span;
use futures_util::future::join;
use std::sync::Arc;

/// How often a client sends a request whose answer it does not get.
const TRIES: u8 = 5;

/// What is asked for.
pub enum Request {
    Command(AggregateId, Command),
    Create(Box<Draft>),
}

pub struct Client {
    pub shared: Arc<Shared>,
    pub app: App,
}

/// What a client hears.
type Answer = Result<String, ApplyError>;

fn shown(state: &Aggregate) -> String {
    format!("{} at version {}", state.id(), state.version())
}

impl Client {
    /// Sends a request until there is an answer, or patience ends.
    pub async fn ask(&self, tenant: TenantId, person: u64, request: &Request) -> Answer {
        let (keyed, number) = self.shared.dice(|dice| (dice.chance(700), dice.next()));
        let key = keyed.then(|| format!("key-{number:016x}"));
        let actor = match &key {
            Some(_) => format!("person {person} #{number:016x}"),
            None => format!("person {person}"),
        };
        let mut heard: Option<String> = None;
        for _ in 0..TRIES {
            let once = || self.once(tenant, &actor, key.as_deref(), request);
            let answer = if key.is_some() && self.shared.meets(Kind::Simultaneous, 300) {
                let span = self.shared.dice(|dice| dice.millis(0, 2_000));
                let again = async {
                    self.shared.time.after(span).await;
                    once().await
                };
                let (first, second) = join(once(), again).await;
                if let (Ok(first), Ok(second)) = (&first, &second)
                    && first != second
                {
                    self.shared
                        .wrong(format!("one key, two answers: {first} and {second}"));
                }
                if first.is_ok() { first } else { second }
            } else {
                once().await
            };
            if let (Ok(now), Some(before)) = (&answer, &heard)
                && now != before
            {
                self.shared
                    .wrong(format!("one key, two answers: {before} and {now}"));
            }
            let creates = matches!(request, Request::Create(_));
            let keyed = key.is_some();
            let odds = if creates { 5_000 } else { 600 };
            let lost = keyed && self.shared.meets(Kind::Repeated, odds);
            if lost && creates {
                self.shared.met(Kind::CreatedTwice);
            }
            let unsure = matches!(answer, Err(ApplyError::Store(StoreError::Unavailable { .. })));
            if !(lost || (unsure && keyed)) {
                return answer;
            }
            if let Ok(said) = answer {
                heard = Some(said);
            }
            let span = self.shared.dice(|dice| dice.millis(200, 20_000));
            self.shared.time.after(span).await;
        }
        match heard {
            Some(said) => Ok(said),
            None => Err(ApplyError::Store(crate::store::refused())),
        }
    }

    async fn once(&self, tenant: TenantId, actor: &str, key: Option<&str>, request: &Request) -> Answer {
        if let Some(said) = self.kept(tenant, key).await? {
            return Ok(said);
        }
        let expires_at = self.app.clock.now() + Span::hours(24);
        let answer = |state: &Aggregate| StoredAnswer {
            request: actor.to_owned(),
            status: 200,
            body: shown(state),
            expires_at,
        };
        let remember = key.map(|key| Remember { key, answer: &answer });
        let (store, clock) = (self.app.store.as_ref(), self.app.clock.as_ref());
        let outcome = match request {
            Request::Command(id, command) => {
                let wish = Wish {
                    tenant,
                    command,
                    actor,
                    expected: None,
                    remember: remember.as_ref(),
                };
                apply::command(store, clock, *id, &wish).await
            }
            Request::Create(draft) => {
                apply::create(store, clock, draft.as_ref().clone(), actor, remember.as_ref()).await
            }
        };
        match outcome {
            Ok(state) => {
                let mut releases = lock(&self.shared.releases);
                if matches!(request, Request::Create(_)) && !releases.contains(&state.id()) {
                    releases.push(state.id());
                }
                Ok(shown(&state))
            }
            // Another one with this key was faster: its answer is the answer.
            Err(
                error @ (ApplyError::Rejected(_)
                | ApplyError::Store(StoreError::Duplicate(_) | StoreError::Conflict)),
            ) => match self.kept(tenant, key).await? {
                Some(said) => Ok(said),
                None => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    async fn kept(&self, tenant: TenantId, key: Option<&str>) -> Result<Option<String>, ApplyError> {
        let Some(key) = key else { return Ok(None) };
        let kept = self.app.store.answer(tenant, key).await?;
        if kept.is_some() {
            self.shared.met(Kind::Replayed);
        }
        Ok(kept.map(|answer| answer.body))
    }
}
