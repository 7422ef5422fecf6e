//! The ports over the world: every call may be slow, fail, or lose its answer, and what was sent may arrive late.

use crate::shared::{Broken, Cry, Shared};
use crate::time::{lock, seconds};
use crate::weather::Kind;
use crate::world::{CHAT_LAG, Made, RUNS_LAG, Sent, TESTS_LAG, TICKETS_LAG};
use async_trait::async_trait;
use delivr_app::run_effect::BUDGET;
use delivr_domain::effect::{
    CicdWrite, Operation, OperationKind, Reference, RunRef, ScmWrite, StoreVersion, StoreWrite, TestingWrite,
    TrackerWrite,
};
use delivr_domain::key::{EffectKey, TargetKey, TaskKind};
use delivr_domain::names::{RefName, Sha};
use delivr_domain::ports::error::{Certainty, ProviderError, ProviderErrorKind};
use delivr_domain::ports::provider::{
    Connection, Delivery, Descriptor, Port, Prompt, Registry, WebhookError,
};
use delivr_domain::ports::vendor::{
    Chat, ChatMessage, Cicd, Commit, Declared, JobParameter, Lookup, Recognition, Scm, StoreLanguages,
    Storefront, Testing, Tracker, Verification, Writes,
};
use delivr_domain::report::{Exposure, ReviewState, RunState, StoreBuild, TestTotals};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Longest time between our giving up a send and its effect.
pub const DELIVERY_BOUND: Duration = seconds(10);
/// How long a worker waits for an answer.
pub const CALL_TIMEOUT: Duration = seconds(10);

/// A lease is taken over only so long after its end; the database's clock jumps by less.
pub const MARGIN: Duration = seconds(2);

/// One vendor, seen through one connection.
pub struct Vendor {
    shared: Arc<Shared>,
    name: String,
    target: Option<TargetKey>,
}

/// What becomes of a call.
enum Fate {
    /// It works.
    Works,
    /// It takes effect, and nobody says so.
    Silence,
    /// It does not take effect, and nobody says so.
    Swallowed,
    /// It takes effect, and the answer is an error of that kind.
    Denied(ProviderErrorKind),
    /// It does not take effect.
    Refused(ProviderErrorKind, Option<Duration>),
}

const fn lag(kind: OperationKind) -> Option<u64> {
    match kind {
        OperationKind::CreateTicket => Some(TICKETS_LAG),
        OperationKind::CreateTestRun => Some(TESTS_LAG),
        OperationKind::TriggerRun => Some(RUNS_LAG),
        OperationKind::PostMessage => Some(CHAT_LAG),
        OperationKind::CreateBranch
        | OperationKind::CreateTag
        | OperationKind::PublishRelease
        | OperationKind::OpenPullRequest
        | OperationKind::DeleteBranch
        | OperationKind::CloseTicket
        | OperationKind::ResetTestRun
        | OperationKind::EnsureVersion
        | OperationKind::AttachBuild
        | OperationKind::SetNotes
        | OperationKind::EnablePhasedRelease
        | OperationKind::Submit
        | OperationKind::Withdraw
        | OperationKind::ReleaseToUsers
        | OperationKind::ChangeRollout => None,
    }
}

impl Vendor {
    fn recognised(&self, kind: OperationKind) -> Declared {
        let hasty = self.shared.broken == Broken::NoQuietTime;
        // What an adapter declares has to leave room for a clock that jumps within the lease's margin.
        let visible_after = |lag| {
            if hasty {
                Duration::ZERO
            } else {
                seconds(lag) + MARGIN
            }
        };
        let by_name = matches!(
            kind,
            OperationKind::CreateBranch
                | OperationKind::CreateTag
                | OperationKind::PublishRelease
                | OperationKind::OpenPullRequest
        );
        let recognition = match lag(kind) {
            Some(lag) => Recognition::ByMarker {
                visible_after: visible_after(lag),
            },
            None if by_name => Recognition::ByName,
            None => Recognition::ByState,
        };
        Declared {
            delivery_bound: if hasty { Duration::ZERO } else { DELIVERY_BOUND },
            ..Declared::new(recognition)
        }
    }

    fn error(&self, kind: ProviderErrorKind, why: &str) -> ProviderError {
        ProviderError::new("sim", "call", kind, format!("{}: {why}", self.name))
    }

    /// Trouble that lasts: the vendor is down, or does not take our credential any more.
    fn standing_trouble(&self) -> Option<ProviderError> {
        let now = self.shared.now();
        let world = lock(&self.shared.world);
        let lasts = |of: &std::collections::BTreeMap<String, Duration>| {
            of.get(&self.name).is_some_and(|until| now < *until)
        };
        if lasts(&world.refuses_until) {
            return Some(self.error(ProviderErrorKind::Forbidden, "the token may not do this"));
        }
        lasts(&world.down_until).then(|| {
            self.error(ProviderErrorKind::Unavailable, "nobody listens")
                .certain(Certainty::NotDone)
        })
    }

    async fn latency(&self) {
        let slow = self.shared.trouble(60 * self.shared.harsh);
        let (from, to) = if slow { (1_000, 30_000) } else { (5, 400) };
        let span = self.shared.dice(|dice| dice.millis(from, to));
        self.shared.time.after(span).await;
    }

    /// Everything but a creation: slow, or failed, but without consequence.
    async fn reading(&self) -> Result<(), ProviderError> {
        if let Some(error) = self.standing_trouble() {
            self.latency().await;
            return Err(error);
        }
        if self.shared.meets(Kind::LookUpHung, 150 * self.shared.harsh) {
            std::future::pending::<()>().await;
        }
        self.latency().await;
        if self.shared.trouble(25 * self.shared.harsh) {
            return Err(self.error(ProviderErrorKind::Unavailable, "bad gateway"));
        }
        if self.shared.meets(Kind::Throttled, 150 * self.shared.harsh) {
            let hint = self.shared.dice(|dice| dice.millis(1_000, 40_000));
            return Err(self
                .error(ProviderErrorKind::Throttled, "too many requests")
                .retry_after(hint));
        }
        let now = self.shared.now();
        let calm = self.shared.calm();
        let mut dice = lock(&self.shared.dice);
        lock(&self.shared.world).deliver(now, &mut dice, calm);
        Ok(())
    }

    fn fate(&self) -> Fate {
        if self.shared.calm() {
            return Fate::Works;
        }
        match self.shared.dice(|dice| dice.between(0, 1_000)) / self.shared.harsh {
            0..70 => Fate::Silence,
            70..100 => Fate::Swallowed,
            100..150 => Fate::Denied(ProviderErrorKind::Unavailable),
            150..170 => Fate::Denied(ProviderErrorKind::Malformed),
            170..200 => Fate::Refused(ProviderErrorKind::Unavailable, None),
            200..240 => {
                let hint = self.shared.dice(|dice| dice.millis(500, 60_000));
                Fate::Refused(ProviderErrorKind::Throttled, Some(hint))
            }
            240..250 => Fate::Refused(ProviderErrorKind::Precondition, None),
            250..256 => Fate::Refused(ProviderErrorKind::Invalid, None),
            _ => Fate::Works,
        }
    }

    async fn look(&self, sent: &Sent) -> Result<Lookup, ProviderError> {
        self.reading().await?;
        if self.shared.broken == Broken::BlindLookUp {
            return Ok(Lookup::Found(Vec::new()));
        }
        let mut world = lock(&self.shared.world);
        let found = world.find(sent, self.target, self.shared.now());
        if let Lookup::Found(references) = &found {
            world.found(references);
        }
        let mistaken = world.mistaken(sent);
        drop(world);
        if let Some(what) = mistaken {
            self.shared.wrong(what);
        }
        Ok(found)
    }

    /// Sends. What is sent is on its way before this is awaited for the first time, whatever happens to the caller.
    async fn send(&self, sent: Sent) -> Result<Reference, ProviderError> {
        if let Some(error) = self.standing_trouble() {
            self.latency().await;
            return Err(error);
        }
        self.forbidden(&sent);
        self.too_often(&sent);
        self.poisoned(&sent).await;
        if self.dies() {
            self.shared
                .note(format!("send {} {}, and die", self.name, said(&sent)));
            self.last_words(sent);
            std::future::pending::<()>().await;
            return Err(self.error(ProviderErrorKind::Unavailable, "never said"));
        }
        self.given_up(&sent);
        let fate = self.fate();
        let slow = self.shared.rarely(100);
        let most = if slow { 9_000 } else { 1_500 };
        let soon = self.shared.dice(|dice| dice.millis(5, most));
        // Who hears nothing gives up at the time-out, who is denied at once.
        let given_up_after = if matches!(fate, Fate::Silence) {
            20_000
        } else {
            10_000
        };
        match fate {
            Fate::Works | Fate::Silence => {}
            Fate::Swallowed => self.shared.met(Kind::CallLost),
            Fate::Denied(_) => self.shared.met(Kind::CallDenied),
            Fate::Refused(ProviderErrorKind::Throttled, _) => self.shared.met(Kind::Throttled),
            Fate::Refused(..) => self.shared.met(Kind::CallRefused),
        }
        let late = self.shared.dice(|dice| dice.millis(5, given_up_after));
        let now = self.shared.now();
        let arrives = match fate {
            Fate::Works => Some(now + soon / 2),
            Fate::Silence | Fate::Denied(_) => Some(now + late),
            Fate::Swallowed | Fate::Refused(..) => None,
        };
        if arrives.is_some_and(|at| at > now + CALL_TIMEOUT) {
            self.shared.met(Kind::CallLate);
        }
        let ticket = arrives.map(|at| {
            let mut world = lock(&self.shared.world);
            let ticket = world.number();
            world.under_way.insert((at, ticket), (sent.clone(), self.target));
            ticket
        });
        self.shared.note(format!("send {} {}", self.name, said(&sent)));
        match fate {
            Fate::Silence | Fate::Swallowed => {
                std::future::pending::<()>().await;
                Err(self.error(ProviderErrorKind::Unavailable, "never said"))
            }
            Fate::Denied(kind) => {
                self.shared.time.after(soon / 4).await;
                Err(self.error(kind, "the answer is broken"))
            }
            Fate::Refused(kind, hint) => {
                self.shared.time.after(soon / 4).await;
                let error = self.error(kind, "not now").certain(Certainty::NotDone);
                Err(match hint {
                    Some(hint) => error.retry_after(hint),
                    None => error,
                })
            }
            Fate::Works => {
                self.shared.time.after(soon).await;
                self.answer(ticket)
            }
        }
    }

    fn answer(&self, ticket: Option<u64>) -> Result<Reference, ProviderError> {
        let now = self.shared.now();
        let calm = self.shared.calm();
        let made: Option<Made> = {
            let mut dice = lock(&self.shared.dice);
            let mut world = lock(&self.shared.world);
            world.deliver(now, &mut dice, calm);
            ticket.and_then(|ticket| world.answers.remove(&ticket))
        };
        match made {
            Some(Ok(reference)) => Ok(reference),
            Some(Err((kind, why))) => Err(self.error(kind, &why)),
            None => Err(self.error(ProviderErrorKind::Unavailable, "never said")),
        }
    }

    /// Some writes kill whoever sends them, each time, until their task is given up.
    async fn poisoned(&self, sent: &Sent) {
        let Sent::Write { key, .. } = sent else {
            return;
        };
        {
            let mut poison = lock(&self.shared.poison);
            if poison.is_none() && self.poisonous() {
                *poison = Some(key.task);
            }
            if *poison != Some(key.task) {
                return;
            }
        }
        self.shared.note(format!("sending {} kills", key.task));
        self.shared.kill.store(true, Ordering::Relaxed);
        std::future::pending::<()>().await;
    }

    fn dies(&self) -> bool {
        let proof = self.shared.broken == Broken::TakeOverForgets;
        let odds = if proof { 600 } else { 10 };
        self.shared.befalls(Kind::DiedSending, odds)
    }

    /// Somebody gives up what is being sent.
    fn given_up(&self, sent: &Sent) {
        let Sent::Write { key, .. } = sent else {
            return;
        };
        let Some(cycle) = key.task.cycle else {
            return;
        };
        if self
            .shared
            .befalls(Kind::AbandonedSending, self.shared.abandoned_odds())
        {
            self.shared.cry(key.owner, Cry::Abandon(cycle));
        }
    }

    /// It is out, and nobody is left to hear of it.
    fn last_words(&self, sent: Sent) {
        let late = self.shared.dice(|dice| dice.millis(5, 20_000));
        let mut world = lock(&self.shared.world);
        let ticket = world.number();
        let arrives = (self.shared.now() + late, ticket);
        world.under_way.insert(arrives, (sent, self.target));
        self.shared.kill.store(true, Ordering::Relaxed);
    }

    /// What was taken over as often as it may fail is not sent once more.
    fn too_often(&self, sent: &Sent) {
        let Sent::Write { key, .. } = sent else {
            return;
        };
        let row = delivr_domain::key::EffectId::derived("perform", &[key.to_string().as_bytes()]);
        let times = lock(&self.shared.taken_over).get(&row).copied();
        if let Some(times) = times.filter(|times| *times >= BUDGET) {
            self.shared.lost(format!(
                "{key} is sent again after {times} attempts that came to no end"
            ));
        }
    }

    fn poisonous(&self) -> bool {
        let odds = if self.shared.everything { 300 } else { 20 };
        self.shared.meets(Kind::Poisoned, odds * self.shared.harsh)
    }

    /// What the vendor is told of the key.
    fn mark(&self, key: &EffectKey) -> String {
        if self.shared.broken != Broken::KeyOfVersion {
            return key.short();
        }
        let row = delivr_domain::key::EffectId::derived("perform", &[key.to_string().as_bytes()]);
        let version = lock(&self.shared.written).get(&row).copied();
        format!("{}@{}", key.short(), version.unwrap_or_default())
    }

    /// Nothing may be sent for a release that was paused before this attempt was claimed.
    fn forbidden(&self, sent: &Sent) {
        let Sent::Write { key, .. } = sent else {
            return;
        };
        let row = delivr_domain::key::EffectId::derived("perform", &[key.to_string().as_bytes()]);
        let Some(claimed) = lock(&self.shared.claimed).get(&row).copied() else {
            self.shared.wrong(format!("{key} is sent without a claim"));
            return;
        };
        let paused = lock(&self.shared.checker).paused_since(key.owner);
        let clean_up = matches!(
            key.task.kind,
            TaskKind::CleanupCloseTickets | TaskKind::CleanupDeleteBranch
        );
        if !clean_up && paused.is_some_and(|since| since < claimed) {
            self.shared.wrong(format!(
                "{key} is sent during a pause that began before its claim"
            ));
        }
    }
}

fn said(sent: &Sent) -> String {
    match sent {
        Sent::Write { key, operation, .. } => format!(
            "{} {}/g{}/s{}",
            operation.kind(),
            key.task,
            key.generation.0,
            key.step
        ),
        Sent::Message { message, .. } => format!("message {}", message.note.kind),
    }
}

macro_rules! writes {
    ($($write:ty => $operation:path;)*) => {$(
        #[async_trait]
        impl Writes<$write> for Vendor {
            fn declared(&self, operation: OperationKind) -> Declared {
                self.recognised(operation)
            }
            async fn find(&self, key: &EffectKey, write: &$write) -> Result<Lookup, ProviderError> {
                self.look(&Sent::Write { key: *key, mark: self.mark(key), operation: $operation(write.clone()) }).await
            }
            async fn create(&self, key: &EffectKey, write: &$write) -> Result<Reference, ProviderError> {
                self.send(Sent::Write { key: *key, mark: self.mark(key), operation: $operation(write.clone()) }).await
            }
        }
    )*};
}

writes! {
    ScmWrite => Operation::Scm;
    TrackerWrite => Operation::Tracker;
    TestingWrite => Operation::Testing;
    CicdWrite => Operation::Cicd;
    StoreWrite => Operation::Store;
}

fn verified() -> Result<Verification, ProviderError> {
    Ok(Verification {
        account: "sim".to_owned(),
        checks: Vec::new(),
    })
}

#[async_trait]
impl Scm for Vendor {
    async fn verify(&self) -> Result<Verification, ProviderError> {
        verified()
    }
    async fn resolve(&self, name: &RefName) -> Result<Option<Sha>, ProviderError> {
        self.reading().await?;
        Ok(lock(&self.shared.world).resolve(name))
    }
    async fn compare(&self, _base: Option<&RefName>, _head: &RefName) -> Result<Vec<Commit>, ProviderError> {
        Ok(Vec::new())
    }
    async fn release_notes(&self, _from: Option<&RefName>, to: &RefName) -> Result<String, ProviderError> {
        self.reading().await?;
        Ok(format!("what is new in {to}"))
    }
    async fn branches(&self) -> Result<Vec<String>, ProviderError> {
        Ok(Vec::new())
    }
    fn publishes_releases(&self) -> bool {
        true
    }
    fn has_pull_requests(&self) -> bool {
        true
    }
}

#[async_trait]
impl Cicd for Vendor {
    async fn verify(&self) -> Result<Verification, ProviderError> {
        verified()
    }
    async fn jobs(&self) -> Result<Vec<String>, ProviderError> {
        Ok(Vec::new())
    }
    async fn job_parameters(&self, _job: &str) -> Result<Vec<JobParameter>, ProviderError> {
        Ok(Vec::new())
    }
    async fn run_state(&self, run: &RunRef) -> Result<RunState, ProviderError> {
        self.reading().await?;
        Ok(lock(&self.shared.world).run_state(run, self.shared.now()))
    }
    async fn cancel(&self, run: &RunRef) -> Result<(), ProviderError> {
        self.reading().await?;
        lock(&self.shared.world).cancel(run, self.shared.now());
        Ok(())
    }
}

#[async_trait]
impl Tracker for Vendor {
    async fn verify(&self) -> Result<Verification, ProviderError> {
        verified()
    }
    async fn approvals(&self, tickets: &[String]) -> Result<Vec<(String, bool)>, ProviderError> {
        self.reading().await?;
        let world = lock(&self.shared.world);
        let good = |id: &String| world.tickets.iter().any(|it| it.id == *id && it.good);
        Ok(tickets.iter().map(|id| ("status".to_owned(), good(id))).collect())
    }
}

#[async_trait]
impl Testing for Vendor {
    async fn verify(&self) -> Result<Verification, ProviderError> {
        verified()
    }
    async fn totals(&self, run: &str) -> Result<TestTotals, ProviderError> {
        self.reading().await?;
        Ok(lock(&self.shared.world).totals(run))
    }
}

#[async_trait]
impl Storefront for Vendor {
    async fn verify(&self) -> Result<Verification, ProviderError> {
        verified()
    }
    async fn find_build(
        &self,
        _version: &str,
        number: Option<&str>,
    ) -> Result<Option<StoreBuild>, ProviderError> {
        self.reading().await?;
        Ok(lock(&self.shared.world)
            .stores
            .find_build(self.target, number, self.shared.now()))
    }
    async fn review_state(&self, version: &StoreVersion) -> Result<ReviewState, ProviderError> {
        self.reading().await?;
        Ok(lock(&self.shared.world)
            .stores
            .review(self.target, version, self.shared.now()))
    }
    async fn exposure(&self, version: &StoreVersion) -> Result<Exposure, ProviderError> {
        self.reading().await?;
        Ok(lock(&self.shared.world)
            .stores
            .exposure(self.target, version, self.shared.now()))
    }
    async fn languages(&self) -> Result<StoreLanguages, ProviderError> {
        self.reading().await?;
        Ok(StoreLanguages::default())
    }
    fn unread(&self, _languages: &StoreLanguages, _texts: &BTreeMap<String, String>) -> Vec<String> {
        Vec::new()
    }
}

#[async_trait]
impl Chat for Vendor {
    async fn verify(&self) -> Result<Verification, ProviderError> {
        verified()
    }
    fn declared(&self) -> Declared {
        self.recognised(OperationKind::PostMessage)
    }
    async fn find(&self, key: &str, message: &ChatMessage) -> Result<Lookup, ProviderError> {
        let (key, message) = (key.to_owned(), message.clone());
        self.look(&Sent::Message { key, message }).await
    }
    async fn post(&self, key: &str, message: &ChatMessage) -> Result<Reference, ProviderError> {
        let (key, message) = (key.to_owned(), message.clone());
        self.send(Sent::Message { key, message }).await
    }
}

/// How our vendors sign.
pub const SIGNATURE: (&str, &str) = ("x-sim-signature", "by the vendor");

fn read_hook(delivery: &Delivery<'_>) -> Result<Prompt, WebhookError> {
    if delivery.headers.get(SIGNATURE.0).map(String::as_str) != Some(SIGNATURE.1) {
        return Err(WebhookError::Unsigned);
    }
    let said: serde_json::Value =
        serde_json::from_slice(delivery.body).map_err(|error| WebhookError::Malformed(error.to_string()))?;
    let names = |of: &str| {
        let all = said[of].as_array().into_iter().flatten();
        all.filter_map(|it| it.as_str().map(str::to_owned)).collect()
    };
    Ok(Prompt {
        delivery: said["delivery"].as_str().unwrap_or_default().to_owned(),
        correlations: names("correlations"),
        objects: names("objects"),
    })
}

/// All of them, one provider per port.
pub fn registry(shared: &Arc<Shared>) -> Registry {
    Registry::new(Port::ALL.iter().map(|port| {
        let (port, shared) = (*port, shared.clone());
        Descriptor {
            key: "sim",
            port,
            display_name: "Simulated",
            config_schema: serde_json::json!({}),
            credentials_schema: serde_json::json!({}),
            capabilities: serde_json::json!({}),
            connect: Arc::new(move |config, _credentials| {
                let target = config["target"].as_str().and_then(|word| word.parse().ok());
                let name = config["name"].as_str().unwrap_or_default().to_owned();
                let vendor = Arc::new(Vendor {
                    shared: shared.clone(),
                    name,
                    target,
                });
                Ok(match port {
                    Port::Scm => Connection::Scm(vendor),
                    Port::Cicd => Connection::Cicd(vendor),
                    Port::ProjectManagement => Connection::Tracker(vendor),
                    Port::Communication => Connection::Chat(vendor),
                    Port::TestManagement => Connection::Testing(vendor),
                    Port::Stores => Connection::Store(vendor),
                })
            }),
            webhook: Some(Arc::new(|delivery, _credentials| read_hook(delivery))),
        }
    }))
    .unwrap()
}
