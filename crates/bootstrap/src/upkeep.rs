//! What a process with a worker does beside the work: shows how much waits, writes how it goes with integrations, and
//! forgets what has ended.
//!
//! Any number of processes may do this at once. Nothing waits for it, and a release would go its way without.

use delivr_app::App;
use delivr_persistence::{Backlog, Due, SqlStore};
use futures_util::FutureExt as _;
use futures_util::future::join;
use std::collections::BTreeSet;
use std::pin::pin;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

/// Pause between two looks at what waits.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// Pause between two times of forgetting.
const FORGET_EVERY: Duration = Duration::from_secs(6 * 3_600);
/// Forgetting begins so long after the start at the latest: processes that start together do not all begin at once.
const FIRST_WITHIN: Duration = Duration::from_secs(30 * 60);

/// Pause between two looks for releases whose words are to be written: after a change of versions there are some.
const WORD_EVERY: Duration = Duration::from_secs(3_600);
/// The first such look comes so long after the start at the latest.
const WORD_WITHIN: Duration = Duration::from_secs(30);

/// Pause between two looks at the clocks: whoever reads a day's log finds it.
const CLOCKS_EVERY: Duration = Duration::from_secs(3_600);

/// Every kind of effect: a kind of which nothing waits is shown as 0, and not as it was before.
const KINDS: &[&str] = &[
    "RESOLVE",
    "PERFORM",
    "WATCH",
    "PROBE",
    "CANCEL_RUN",
    "TELL",
    "MESSAGE",
];

/// Pause between two times of writing how it goes with integrations: a process that is killed takes so much with it.
const TELL_EVERY: Duration = Duration::from_secs(30);

/// How long the writing at the end may take.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Runs until `stop` is ready. `retention` none forgets nothing.
pub async fn run(app: &App, store: &SqlStore, retention: Option<Duration>, stop: impl Future<Output = ()>) {
    let mut stop = pin!(stop.shared());
    join(
        look_after(app, store, retention, stop.clone()),
        health(app, stop.as_mut()),
    )
    .await;
}

/// Writes how it goes with the integrations that this process calls, from time to time and once more when `stop` is ready:
/// what every process does that may call a vendor.
pub async fn health(app: &App, stop: impl Future<Output = ()>) {
    let mut stop = pin!(stop);
    let mut times = interval_at(Instant::now() + TELL_EVERY, TELL_EVERY);
    times.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let last = tokio::select! {
            () = &mut stop => true,
            _ = times.tick() => false,
        };
        let writing = app.connections.health().write(app.store.as_ref());
        // Who is asked to end must not wait for a database that gives no answer.
        let within = if last { LAST_WORDS } else { Duration::MAX };
        let Ok(written) = tokio::time::timeout(within, writing).await else {
            tracing::warn!("how it goes with integrations could not be written before the end");
            return;
        };
        match written {
            Ok(0) => {}
            Ok(integrations) => tracing::debug!(integrations, "wrote how it goes with integrations"),
            Err(error) => {
                tracing::warn!(%error, "how it goes with integrations could not be written; trying again later");
            }
        }
        if last {
            return;
        }
    }
}

async fn look_after(
    app: &App,
    store: &SqlStore,
    retention: Option<Duration>,
    stop: impl Future<Output = ()>,
) {
    let mut stop = pin!(stop);
    let mut looks = interval_at(Instant::now(), LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut clocks_at = Instant::now();
    let mut forget_at = Instant::now() + FIRST_WITHIN.mul_f64(app.entropy.fraction());
    let mut word_at = Instant::now() + WORD_WITHIN.mul_f64(app.entropy.fraction());
    let mut shown = Shown::default();
    loop {
        tokio::select! {
            () = &mut stop => return,
            _ = looks.tick() => tokio::select! {
                () = &mut stop => return,
                () = shown.look(store) => {}
            },
            () = sleep_until(clocks_at) => {
                clocks_at = Instant::now() + CLOCKS_EVERY;
                tokio::select! {
                    () = &mut stop => return,
                    () = clocks(app) => {}
                }
            }
            () = sleep_until(word_at) => {
                word_at = Instant::now() + WORD_EVERY;
                tokio::select! {
                    () = &mut stop => return,
                    () = word(store) => {}
                }
            }
            () = sleep_until(forget_at) => {
                forget_at = Instant::now() + FORGET_EVERY;
                if let Some(after) = retention {
                    // Ends in small steps: each is whole, so that it may be left at any of them.
                    tokio::select! {
                        () = &mut stop => return,
                        () = forget(store, after) => {}
                    }
                }
            }
        }
    }
}

/// Says so where this machine's clock and the database's are apart.
async fn clocks(app: &App) {
    match app.store.now().await {
        Ok(databases) => {
            if let Some(apart) = delivr_app::clocks::apart(app.clock.now(), databases) {
                tracing::warn!("{apart}");
            }
        }
        Err(error) => tracing::debug!(%error, "the database's clock could not be read"),
    }
}

/// Releases that an older version has saved are found by their words again, and stand where they belong in a sort.
async fn word(store: &SqlStore) {
    match store.word_releases().await {
        Ok(0) => {}
        Ok(done) => tracing::info!(
            done,
            "wrote the words that releases of an older version are found by"
        ),
        Err(error) => {
            tracing::warn!(%error, "writing the words of releases did not succeed; trying again later");
        }
    }
    match store.list_releases().await {
        Ok(0) => {}
        Ok(done) => tracing::info!(
            done,
            "wrote what releases of an older version are sorted and found by"
        ),
        Err(error) => {
            tracing::warn!(%error, "writing what releases are sorted by did not succeed; trying again later");
        }
    }
    match store.date_steps().await {
        Ok(0) => {}
        Ok(done) => tracing::info!(
            done,
            "wrote when releases of an older version came to their stages"
        ),
        Err(error) => {
            tracing::warn!(%error, "writing when releases came to their stages did not succeed; trying again later");
        }
    }
}

async fn forget(store: &SqlStore, after: Duration) {
    match store.forget(after).await {
        Ok(done) => {
            let count = |what: &'static str, many: u64| {
                metrics::counter!("delivr_forgotten_total", "what" => what).increment(many);
            };
            count("deliveries", done.deliveries);
            count("answers", done.answers);
            count("effects", done.effects);
            tracing::info!(?done, "forgot what ended longer ago than the retention");
        }
        Err(error) => tracing::warn!(%error, "forgetting what has ended did not succeed; trying again later"),
    }
}

/// What the gauges show.
#[derive(Debug, Default)]
struct Shown {
    releases: BTreeSet<(String, String)>,
}

impl Shown {
    async fn look(&mut self, store: &SqlStore) {
        let open = store.connections();
        metrics::gauge!("delivr_db_pool_connections", "state" => "busy").set(f64::from(open.busy));
        metrics::gauge!("delivr_db_pool_connections", "state" => "idle").set(f64::from(open.idle));
        match store.backlog().await {
            Ok(backlog) => self.show(backlog),
            Err(error) => tracing::debug!(%error, "how much waits could not be read"),
        }
    }

    fn show(&mut self, backlog: Backlog) {
        for kind in KINDS {
            let Due { count, oldest } = backlog.due.get(*kind).copied().unwrap_or_default();
            metrics::gauge!("delivr_effects_due", "kind" => *kind).set(number(count));
            metrics::gauge!("delivr_effect_oldest_due_age_seconds", "kind" => *kind)
                .set(oldest.as_secs_f64());
        }
        metrics::gauge!("delivr_inbox_pending").set(number(backlog.inbox.count));
        metrics::gauge!("delivr_inbox_oldest_age_seconds").set(backlog.inbox.oldest.as_secs_f64());
        metrics::gauge!("delivr_outbox_pending").set(number(backlog.messages.count));
        metrics::gauge!("delivr_outbox_oldest_due_age_seconds").set(backlog.messages.oldest.as_secs_f64());
        // A phase that the last release has left is shown as empty.
        for (phase, status) in std::mem::take(&mut self.releases) {
            metrics::gauge!("delivr_releases", "phase" => phase, "status" => status).set(0.0);
        }
        for ((phase, status), count) in backlog.releases {
            metrics::gauge!("delivr_releases", "phase" => phase.clone(), "status" => status.clone())
                .set(number(count));
            self.releases.insert((phase, status));
        }
    }
}

fn number(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
