//! Languages that an app has in its store: asked of the store, kept for a while, and never waited for long.
//!
//! Pages are read by many and often, and to ask Google Play means to open an edit of the app. So an answer is kept for some
//! minutes, whoever asks meanwhile waits for the same one, and a store that does not answer is left alone for a minute.

use super::limit::within;
use crate::App;
use crate::connections::ConnectError;
use chrono::TimeDelta;
use delivr_domain::ids::{IntegrationId, TenantId};
use delivr_domain::key::TargetKey;
use delivr_domain::ports::clock::Clock;
use delivr_domain::ports::error::{ProviderError, StoreError};
use delivr_domain::ports::provider::Connection;
use delivr_domain::ports::vendor::{StoreLanguages, Storefront};
use delivr_domain::release::Release;
use delivr_domain::release::store_notes::{Language, Texts, closed, longest};
use delivr_domain::time::Timestamp;
use futures_util::lock::Mutex as Turn;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a page waits for the store.
pub const LIMIT: Duration = Duration::from_secs(3);
/// How long an answer is taken for what the store has now.
pub const GOOD: TimeDelta = TimeDelta::minutes(5);
/// How long a store is left alone that refused or did not answer.
pub const REST: TimeDelta = TimeDelta::minutes(1);

const SLOW: &str = "the store did not answer within 3 s; it is asked again in a minute";
const GONE: &str = "the store integration no longer exists; connect the store again";
const NO_STORE: &str = "the target's integration is none of a store";

/// What a process knows of the languages of apps, by integration and its version.
#[derive(Debug, Default)]
pub struct KeptLanguages(Mutex<BTreeMap<IntegrationId, (u64, Arc<Slot>)>>);

impl KeptLanguages {
    fn slot(&self, id: IntegrationId, version: u64) -> Arc<Slot> {
        let mut all = lock(&self.0);
        match all.get(&id) {
            // A changed integration may be of another app.
            Some((known, slot)) if *known == version => slot.clone(),
            Some(_) | None => {
                let slot = Arc::<Slot>::default();
                all.insert(id, (version, slot.clone()));
                slot
            }
        }
    }
}

#[derive(Debug, Default)]
struct Slot {
    /// Whoever has it asks.
    turn: Turn<()>,
    heard: Mutex<Heard>,
}

#[derive(Debug, Default, Clone)]
struct Heard {
    languages: Option<(StoreLanguages, Timestamp)>,
    /// Why the last try told nothing, and when it began.
    failed: Option<(String, Timestamp)>,
}

impl Heard {
    fn is_fresh(&self, now: Timestamp) -> bool {
        match (&self.failed, &self.languages) {
            (Some((_, at)), _) => now - *at < REST,
            (None, Some((_, at))) => now - *at < GOOD,
            (None, None) => false,
        }
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while it is held leaves it whole: every change is one assignment or insert.
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Slot {
    /// Asks, unless somebody has just done so. Given up after a while, it has left word of that.
    async fn refresh(
        &self,
        clock: &dyn Clock,
        ask: impl Future<Output = Result<StoreLanguages, ProviderError>>,
    ) {
        let asked = self.ask_in_turn(clock, ask);
        let _in_time = within(clock, LIMIT, asked).await;
    }

    async fn ask_in_turn(
        &self,
        clock: &dyn Clock,
        ask: impl Future<Output = Result<StoreLanguages, ProviderError>>,
    ) {
        let _turn = self.turn.lock().await;
        let now = clock.now();
        {
            let mut heard = lock(&self.heard);
            if heard.is_fresh(now) {
                return;
            }
            // Stands where whoever asks is given up on the way.
            heard.failed = Some((SLOW.to_owned(), now));
        }
        let said = ask.await;
        let mut heard = lock(&self.heard);
        match said {
            Ok(languages) => {
                *heard = Heard {
                    languages: Some((languages, now)),
                    failed: None,
                };
            }
            Err(error) => heard.failed = Some((error.sentence, now)),
        }
    }
}

/// What is known of the languages of a target's app.
#[derive(Clone, Default)]
pub struct Known {
    store: Option<Arc<dyn Storefront>>,
    /// What the store said last, and when; none while it never answered.
    pub languages: Option<(StoreLanguages, Timestamp)>,
    /// Why it could not be asked now, as a sentence; none when it could.
    pub failure: Option<String>,
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Known")
            .field("languages", &self.languages)
            .field("failure", &self.failure)
            .finish_non_exhaustive()
    }
}

impl Known {
    fn silent(failure: &str) -> Self {
        Self {
            failure: Some(failure.to_owned()),
            ..Self::default()
        }
    }

    /// Languages of these texts, a person's and the profile's, that nobody would read, and with which a submission is refused. None while the store has
    /// not told its languages.
    #[must_use]
    pub fn unread(&self, texts: &Texts) -> Vec<String> {
        let (Some(store), Some((languages, _))) = (&self.store, &self.languages) else {
            return Vec::new();
        };
        let mut written: BTreeMap<String, String> = texts
            .iter()
            .map(|(language, text)| (language.to_string(), text.clone()))
            .collect();
        // At the submission there is one: what was collected, where nobody wrote it.
        written
            .entry(Language::DEFAULT.to_owned())
            .or_insert_with(|| Language::DEFAULT.to_owned());
        store.unread(languages, &written)
    }
}

/// The languages of a target's app, as far as its store could be asked. None where nothing hangs on them any more: the
/// target ships to no store, its notes have gone, or the release is over.
///
/// # Errors
/// When our own store fails. What the app's store refuses, or does not answer, is said in [`Known::failure`].
pub async fn of(
    app: &App,
    tenant: TenantId,
    release: &Release,
    target: TargetKey,
) -> Result<Option<Known>, StoreError> {
    let planned = release.plan().targets.get(&target).and_then(|it| it.store);
    let over = release.terminal() || closed(release, target).is_some();
    let Some(id) = planned.filter(|_| !over && longest(target.channel()).is_some()) else {
        return Ok(None);
    };
    let Some(integration) = app.store.integration(tenant, id).await? else {
        return Ok(Some(Known::silent(GONE)));
    };
    let opened = app
        .connections
        .open(app.store.as_ref(), &app.registry, &app.vault, tenant, id)
        .await;
    let store = match opened {
        Ok(Connection::Store(store)) => store,
        Ok(
            Connection::Scm(_)
            | Connection::Cicd(_)
            | Connection::Tracker(_)
            | Connection::Chat(_)
            | Connection::Testing(_),
        ) => return Ok(Some(Known::silent(NO_STORE))),
        Err(ConnectError::Provider(error) | ConnectError::NotHere(error)) => {
            return Ok(Some(Known::silent(&error.sentence)));
        }
        Err(ConnectError::Store(error)) => return Err(error),
    };
    let slot = app.connections.languages().slot(id, integration.version);
    slot.refresh(app.clock.as_ref(), store.languages()).await;
    let heard = lock(&slot.heard).clone();
    Ok(Some(Known {
        store: Some(store),
        languages: heard.languages,
        failure: heard.failed.map(|(sentence, _)| sentence),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use delivr_domain::ports::error::ProviderErrorKind;
    use delivr_testkit::clock::FakeClock;
    use futures_util::future::{FutureExt as _, pending, poll_fn, ready};
    use std::cell::Cell;
    use std::pin::pin;
    use std::task::Poll;

    type Said = Result<StoreLanguages, ProviderError>;

    fn speaks(language: &str) -> Said {
        Ok(StoreLanguages {
            known: [language.to_owned()].into(),
            default: None,
        })
    }

    fn down() -> Said {
        let kind = ProviderErrorKind::Unavailable;
        Err(ProviderError::new(
            "playstore",
            "read_languages",
            kind,
            "It is down.",
        ))
    }

    fn heard(slot: &Slot) -> (Vec<String>, Option<String>) {
        let heard = lock(&slot.heard).clone();
        let known = heard.languages.map(|(it, _)| it.known.into_iter().collect());
        (known.unwrap_or_default(), heard.failed.map(|(why, _)| why))
    }

    fn asks(slot: &Slot, clock: &FakeClock, said: Said) -> (Vec<String>, Option<String>) {
        let done = slot.refresh(clock, ready(said)).now_or_never();
        assert_eq!(done, Some(()));
        heard(slot)
    }

    fn turned(clock: &FakeClock, span: TimeDelta) {
        clock.advance(span.to_std().unwrap());
    }

    #[test]
    fn an_answer_is_good_for_a_while_and_stands_beside_a_failure() {
        let (slot, clock) = (Slot::default(), FakeClock::default());
        let german = (vec!["de-DE".to_owned()], None);
        assert_eq!(asks(&slot, &clock, speaks("de-DE")), german);
        turned(&clock, GOOD - TimeDelta::seconds(1));
        assert_eq!(asks(&slot, &clock, speaks("fr-FR")), german, "nobody was asked");
        turned(&clock, TimeDelta::seconds(1));
        let down_now = (vec!["de-DE".to_owned()], Some("It is down.".to_owned()));
        assert_eq!(asks(&slot, &clock, down()), down_now);
        turned(&clock, REST - TimeDelta::seconds(1));
        assert_eq!(asks(&slot, &clock, speaks("fr-FR")), down_now, "it is left alone");
        turned(&clock, TimeDelta::seconds(1));
        let french = (vec!["fr-FR".to_owned()], None);
        assert_eq!(asks(&slot, &clock, speaks("fr-FR")), french);
    }

    #[test]
    fn nobody_waits_longer_than_the_limit() {
        let (slot, clock) = (Slot::default(), FakeClock::default());
        {
            let mut asking = pin!(slot.refresh(&clock, pending()));
            assert_eq!(asking.as_mut().now_or_never(), None);
            clock.advance(LIMIT);
            assert_eq!(asking.as_mut().now_or_never(), Some(()));
        }
        let slow = (Vec::new(), Some(SLOW.to_owned()));
        assert_eq!(heard(&slot), slow);
        assert_eq!(asks(&slot, &clock, speaks("de-DE")), slow, "it is left alone");
        turned(&clock, REST);
        assert_eq!(asks(&slot, &clock, speaks("de-DE")).1, None);
    }

    #[test]
    fn who_comes_while_somebody_asks_waits_for_the_same_answer() {
        let (slot, clock) = (Slot::default(), FakeClock::default());
        let answered = Cell::new(false);
        let answer = poll_fn(|_| {
            if answered.get() {
                Poll::Ready(speaks("de-DE"))
            } else {
                Poll::Pending
            }
        });
        let mut one = pin!(slot.refresh(&clock, answer));
        let mut other = pin!(slot.refresh(&clock, ready(speaks("fr-FR"))));
        assert_eq!(one.as_mut().now_or_never(), None);
        assert_eq!(other.as_mut().now_or_never(), None);
        answered.set(true);
        assert_eq!(one.as_mut().now_or_never(), Some(()));
        assert_eq!(other.as_mut().now_or_never(), Some(()));
        assert_eq!(heard(&slot), (vec!["de-DE".to_owned()], None));
    }

    #[test]
    fn a_changed_integration_is_asked_anew() {
        let (kept, clock) = (KeptLanguages::default(), FakeClock::default());
        let id = IntegrationId::from_uuid(uuid::Uuid::from_u128(1));
        asks(&kept.slot(id, 1), &clock, speaks("de-DE"));
        assert_eq!(heard(&kept.slot(id, 1)).0, ["de-DE"]);
        assert_eq!(heard(&kept.slot(id, 2)), (Vec::new(), None));
        let other = IntegrationId::from_uuid(uuid::Uuid::from_u128(2));
        assert_eq!(heard(&kept.slot(other, 1)), (Vec::new(), None));
    }
}
