//! The worker: claims due effects, runs them with bounded concurrency, ticks agendas.
//!
//! One `FuturesUnordered` holds everything under way; nothing is spawned, so that dropping the worker is the same as
//! killing it and a simulation can replay any interleaving. It must never decide anything about a release itself.

mod board;
mod limits;

use board::{Board, Seat};
use delivr_app::App;
use delivr_app::apply::{self, Delivery};
use delivr_app::inbox;
use delivr_app::run_effect::{self, CallLimits, Ran};
use delivr_domain::effect::Effect;
use delivr_domain::ids::IntegrationId;
use delivr_domain::key::AggregateId;
use delivr_domain::ports::clock::Monotonic;
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::{ClaimRequest, Claimed, PutBack, Rooms};
use delivr_domain::report::Report;
use futures_util::future::{Either, FutureExt as _, Shared, select};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

pub use limits::{BREAKER_FAILURES, BREAKER_OPEN};

/// Settings of a worker.
#[derive(Debug, Clone)]
pub struct WorkerSettings {
    /// Name shown to operators.
    pub name: String,
    /// Effects run at the same time, at most.
    pub concurrency: u16,
    /// Effects run at the same time through one integration, at most.
    pub per_integration: u16,
    /// Length of a lease.
    pub lease: Duration,
    /// A lease is taken over only this long after its end.
    pub margin: Duration,
    /// Total time-out of one vendor call; at most a third of the lease.
    pub call_timeout: Duration,
    /// Longest pause between two sweeps.
    pub sweep: Duration,
    /// How long a shutdown waits for what is under way.
    pub drain: Duration,
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self {
            name: "worker".to_owned(),
            concurrency: 16,
            per_integration: 4,
            lease: Duration::from_secs(60),
            margin: Duration::from_secs(2),
            call_timeout: Duration::from_secs(20),
            sweep: Duration::from_secs(60),
            drain: Duration::from_secs(25),
        }
    }
}

impl WorkerSettings {
    /// A claim of at most so many rows that is about to be sent.
    fn request(&self, limit: u16, started: Monotonic, rooms: Rooms) -> ClaimRequest {
        ClaimRequest {
            worker: self.name.clone(),
            limit,
            lease: self.lease,
            margin: self.margin,
            call_timeout: self.call_timeout,
            started,
            rooms,
        }
    }
}

/// A worker over one store.
#[derive(Debug)]
pub struct Worker {
    app: App,
    settings: WorkerSettings,
    /// Aggregates whose agenda could not be worked on, and until when they are left alone.
    alone: Mutex<BTreeMap<AggregateId, Monotonic>>,
}

/// How long an aggregate is left alone after its agenda could not be worked on: it stays due meanwhile.
const DAMAGED: Duration = Duration::from_secs(60);

/// Pause between two signs of life. A worker that gave none for a minute is taken for ended: two of them may get lost.
const BEAT: Duration = Duration::from_secs(20);

/// Effects that end within this span of each other make room for one claim together.
const GATHER: Duration = Duration::from_millis(3);
/// How soon agendas and deliveries are looked at again while every slot is taken. Nothing can be claimed then, so the
/// bell, which every report rings, is not listened to.
const FULL: Duration = Duration::from_millis(50);
/// Agendas that are worked on in one sweep, at most.
const TICKS: u16 = 64;

/// What a sweep did.
#[derive(Debug, Default)]
struct Pass {
    claimed: Vec<Claimed>,
    /// More may be due than the free slots could take: whoever ends makes room for it.
    crowded: bool,
    /// Every free slot was filled.
    filled: bool,
    /// More may be due that needs no slot.
    more: bool,
}

/// An effect that has come to its end.
struct Ended {
    integration: Option<IntegrationId>,
    ran: Ran,
    /// What its report claimed.
    born: Vec<Claimed>,
    /// Whether one of them has its slot.
    handed_on: bool,
}

/// What ended a wait.
enum Woken {
    /// Something under way has ended; and whether the bell rang at the same moment, which it does not do again.
    Ended(bool),
    /// There may be work, or it is time to look.
    Rung,
}

type Running<'a> = Pin<Box<dyn Future<Output = Ended> + Send + 'a>>;

/// What is under way, with the board that counts it.
struct Crew<'a> {
    worker: &'a Worker,
    board: &'a Board,
    running: FuturesUnordered<Running<'a>>,
    /// How many have ended since this was last asked.
    ended: usize,
}

impl<'a> Crew<'a> {
    /// Runs what has a slot.
    fn start(&self, claimed: Claimed) {
        self.running
            .push(Box::pin(self.worker.run_one(self.board, claimed)));
    }

    /// Counts what has ended and runs what it claimed.
    fn note(&mut self, ended: Option<Ended>) {
        let Some(ended) = ended else {
            return;
        };
        self.ended += 1;
        let now = self.worker.app.clock.monotonic();
        self.board
            .ended(ended.integration, ended.ran, ended.handed_on, now);
        for one in ended.born {
            self.start(one);
        }
    }

    /// Lets what is under way go on while the worker itself waits for something. Both may need the same connection to the
    /// database: a worker that waits for it without letting its holder run would wait for ever.
    async fn alongside<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            if self.running.is_empty() {
                return work.await;
            }
            let ended = match select(work, self.running.next()).await {
                Either::Left((done, _)) => return done,
                Either::Right((ended, rest)) => {
                    work = rest;
                    ended
                }
            };
            self.note(ended);
        }
    }
}

impl Worker {
    /// A worker; a call time-out over a third of the lease is cut to it.
    #[must_use]
    pub fn new(app: App, mut settings: WorkerSettings) -> Self {
        settings.call_timeout = settings.call_timeout.min(settings.lease / 3);
        Self {
            app,
            settings,
            alone: Mutex::default(),
        }
    }

    /// Works until `stop` is ready, then lets what is under way finish within the drain time, which begins at once: also
    /// when the database gives no answer. What does not finish keeps its lease, which runs out; nothing is lost.
    pub async fn run(&self, stop: impl Future<Output = ()>) {
        let clock = self.app.clock.as_ref();
        // When all must be over, as soon as it is known.
        let end = stop
            .map(|()| clock.monotonic().plus(self.settings.drain))
            .shared();
        let board = Board::new(&self.settings);
        let mut crew = Crew {
            worker: self,
            board: &board,
            running: FuturesUnordered::new(),
            ended: 0,
        };
        let over = pin!(async {
            let until = end.clone().await;
            clock.sleep_until(until).await;
        });
        let worked = {
            let working = pin!(self.work(&mut crew, &board, &end));
            matches!(select(working, over).await, Either::Left(_))
        };
        board.shut(true);
        if worked {
            let until = end.clone().await;
            self.drain(crew, until).await;
        } else {
            left_behind(crew.running.len());
        }
    }

    /// Works until it is heard that an end is set.
    async fn work<'a>(
        &'a self,
        crew: &mut Crew<'a>,
        board: &Board,
        end: &Shared<impl Future<Output = Monotonic>>,
    ) {
        let mut beat_at = self.app.clock.monotonic();
        loop {
            crew.ended = 0;
            let now = self.app.clock.monotonic();
            if now >= beat_at {
                beat_at = now.plus(BEAT);
                crew.alongside(self.beat()).await;
            }
            let free = board.take_free();
            let pass = crew.alongside(self.pass(board, free)).await;
            board.give_back(free.saturating_sub(pass.claimed.len()));
            let now = self.app.clock.monotonic();
            let (room, surplus) = board.admitted(pass.claimed, now);
            for one in room {
                crew.start(one);
            }
            for one in &surplus {
                crew.alongside(self.hand_back(one)).await;
                board.give_back(1);
            }
            self.show(crew.running.len());
            if end.clone().now_or_never().is_some() {
                return;
            }
            let now = self.app.clock.monotonic();
            let full = board.is_full();
            let until = if pass.more {
                now
            } else if full {
                now.plus(FULL)
            } else {
                let at_most = crew.alongside(self.until_next_due()).await;
                self.app.clock.monotonic().plus(at_most).min(beat_at)
            };
            // While others wait for room, nobody keeps a slot by what it enqueues itself.
            let crowded = pass.crowded || full;
            board.shut(pass.filled || full);
            let room = crowded && crew.ended > 0;
            if pass.more || room {
                // Look again at once.
                continue;
            }
            if !self.wait(crew, end.clone(), crowded, until).await {
                return;
            }
        }
    }

    /// Waits until there may be something to claim; false when it is time to stop. What ends makes no look necessary
    /// unless something waits for its room: what its report enqueued rings the bell, or is under way already.
    async fn wait(
        &self,
        crew: &mut Crew<'_>,
        mut end: impl Future<Output = Monotonic> + Unpin,
        crowded: bool,
        until: Monotonic,
    ) -> bool {
        loop {
            let idle = self.idle(crew, until).boxed();
            let woken = match select(idle, &mut end).await {
                Either::Left((woken, _)) => woken,
                Either::Right(_) => return false,
            };
            match woken {
                Woken::Rung | Woken::Ended(true) => return true,
                Woken::Ended(false) => {
                    if crowded {
                        self.gather(crew).await;
                        return true;
                    }
                }
            }
        }
    }

    /// Takes what ends close together, up to half of what is under way: one claim then fills all their slots, instead of
    /// one each.
    async fn gather(&self, crew: &mut Crew<'_>) {
        let half = crew.running.len() / 2;
        while crew.running.len() > half {
            let pause = pin!(
                self.app
                    .clock
                    .sleep_until(self.app.clock.monotonic().plus(GATHER))
            );
            let ended = match select(crew.running.next(), pause).await {
                Either::Left((ended, _)) => ended,
                Either::Right(_) => break,
            };
            crew.note(ended);
        }
    }

    /// Waits for the next thing: something under way ends, or something becomes due.
    async fn idle(&self, crew: &mut Crew<'_>, until: Monotonic) -> Woken {
        let waiting = if crew.board.is_full() {
            self.app.clock.sleep_until(until).boxed()
        } else {
            let left = until.0.saturating_sub(self.app.clock.monotonic().0);
            self.app.store.wait_for_work(left).boxed()
        };
        if crew.running.is_empty() {
            waiting.await;
            return Woken::Rung;
        }
        let (ended, rung) = match select(crew.running.next(), waiting).await {
            // What ended may itself have rung the bell (its report enqueued rows): that ring reached this wait only.
            Either::Left((ended, waiting)) => (ended, waiting.now_or_never().is_some()),
            Either::Right(((), _)) => return Woken::Rung,
        };
        crew.note(ended);
        Woken::Ended(rung)
    }

    async fn until_next_due(&self) -> Duration {
        let sweep = self.settings.sweep;
        let (Ok(Some(due)), Ok(now)) = (self.app.store.next_due().await, self.app.store.now().await) else {
            return sweep;
        };
        // What is due but cannot be claimed now (limits, circuit) is asked for again soon, not at once.
        (due - now)
            .to_std()
            .unwrap_or(Duration::ZERO)
            .clamp(Duration::from_millis(50), sweep)
    }

    async fn drain(&self, crew: Crew<'_>, until: Monotonic) {
        let mut running = crew.running;
        while !running.is_empty() {
            let timer = pin!(self.app.clock.sleep_until(until));
            match select(running.next(), timer).await {
                Either::Left(_) => {}
                Either::Right(_) => {
                    left_behind(running.len());
                    break;
                }
            }
        }
    }

    /// A claim that cannot be run now is due again at once, for whoever has room; it costs no failure.
    async fn hand_back(&self, claimed: &Claimed) {
        let back = PutBack {
            after: Duration::ZERO,
            failures: 0,
            unknown: false,
            trouble: claimed.row.trouble.clone(),
        };
        let handed = match &claimed.claim {
            Some(claim) => self.app.store.put_back(claim, &back).await,
            // A watch moved on with its claim.
            None => self.app.store.hasten(claimed.row.id).await,
        };
        if let Err(error) = handed {
            tracing::warn!(effect.id = %claimed.row.id, error = %error, "a claim could not be handed back; its lease will run out");
        }
    }

    async fn beat(&self) {
        if let Err(error) = self.app.store.beat(&self.settings.name).await {
            let error = &error as &(dyn std::error::Error + 'static);
            tracing::warn!(error, "the worker could not say that it is alive");
        }
    }

    /// One sweep: agendas, what came in, then as many claims as there are free slots.
    async fn pass(&self, board: &Board, free: usize) -> Pass {
        // Trouble with one of the three must not keep the others from their work.
        let ticked = self.or_trouble(self.tick().await);
        let prompted = self.or_trouble(inbox::work_off(self.app.store.as_ref()).await);
        let more = ticked >= usize::from(TICKS) || prompted >= usize::from(inbox::AT_ONCE);
        if free == 0 {
            return Pass {
                more,
                crowded: true,
                filled: true,
                claimed: Vec::new(),
            };
        }
        let mut rooms = board.rooms(self.app.clock.monotonic());
        let claimed = self.fill(&mut rooms, free).await;
        Pass {
            crowded: rooms.full().next().is_some() || claimed.len() >= free,
            filled: claimed.len() >= free,
            more,
            claimed,
        }
    }

    /// Claims for as many slots. Rows of an integration that has no room any more may have stood before others, so that
    /// without it there may be more.
    async fn fill(&self, rooms: &mut Rooms, free: usize) -> Vec<Claimed> {
        let mut claimed = Vec::new();
        loop {
            let left = u16::try_from(free.saturating_sub(claimed.len())).unwrap_or(u16::MAX);
            let some = self.or_trouble(self.claim(rooms.clone(), left).await);
            let mut used_up = false;
            for one in &some {
                let integration = one.row.effect.integration();
                rooms.take(integration);
                used_up |= rooms.left(integration) == 0;
            }
            claimed.extend(some);
            if !used_up || claimed.len() >= free {
                return claimed;
            }
        }
    }

    /// What was found, or nothing where the store does not answer.
    fn or_trouble<T: Default>(&self, found: Result<T, StoreError>) -> T {
        found.unwrap_or_else(|error| {
            self.trouble(&error);
            T::default()
        })
    }

    fn show(&self, claims: usize) {
        metrics::gauge!("delivr_worker_last_tick_timestamp_seconds").set(self.wall_seconds());
        metrics::gauge!("delivr_worker_claims").set(f64::from(u32::try_from(claims).unwrap_or(u32::MAX)));
    }

    /// Wall time for the gauge of the last sweep.
    fn wall_seconds(&self) -> f64 {
        let micros = self.app.clock.now().timestamp_micros();
        Duration::from_micros(u64::try_from(micros).unwrap_or(0)).as_secs_f64()
    }

    fn trouble(&self, error: &StoreError) {
        let error = error as &(dyn std::error::Error + 'static);
        tracing::error!(worker = %self.settings.name, error, "the store does not answer; trying again");
        metrics::counter!("delivr_worker_store_errors_total").increment(1);
    }

    async fn run_one(&self, board: &Board, claimed: Claimed) -> Ended {
        let integration = claimed.row.effect.integration();
        let seat = Seat::new(board, self.app.clock.as_ref(), &self.settings, integration);
        let word = claimed.row.effect.word();
        let began = self.app.clock.monotonic();
        let limits = CallLimits {
            call_timeout: self.settings.call_timeout,
        };
        let (ran, born) = run_effect::run_with_room(&self.app, claimed, limits, Some(&seat)).await;
        metrics::counter!("delivr_effects_total", "kind" => word, "outcome" => outcome(ran)).increment(1);
        let took = self.app.clock.monotonic().0.saturating_sub(began.0);
        metrics::histogram!("delivr_effect_duration_seconds", "kind" => word, "outcome" => outcome(ran))
            .record(took.as_secs_f64());
        if ran == Ran::Fenced {
            metrics::counter!("delivr_lease_lost_total").increment(1);
        }
        Ended {
            integration,
            ran,
            born,
            handed_on: seat.handed_on(),
        }
    }

    async fn claim(&self, rooms: Rooms, limit: u16) -> Result<Vec<Claimed>, StoreError> {
        let request = self.settings.request(limit, self.app.clock.monotonic(), rooms);
        self.app.store.claim(&request).await
    }

    fn is_left_alone(&self, id: AggregateId) -> bool {
        let now = self.app.clock.monotonic();
        let mut alone = self.alone.lock().unwrap_or_else(PoisonError::into_inner);
        alone.retain(|_, until| *until > now);
        alone.contains_key(&id)
    }

    fn leave_alone(&self, id: AggregateId) {
        let until = self.app.clock.monotonic().plus(DAMAGED);
        self.alone
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, until);
    }

    /// Ticks every aggregate whose agenda is due; returns how many changed.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn tick(&self) -> Result<usize, StoreError> {
        let due = self.app.store.due_aggregates(TICKS).await?;
        let mut changed = 0;
        for (id, _) in due {
            if self.is_left_alone(id) {
                continue;
            }
            let delivery = Delivery {
                to: id,
                report: &Report::Tick,
                claim: None,
                fact: None,
                tenant: None,
            };
            match apply::report(self.app.store.as_ref(), self.app.clock.as_ref(), &delivery).await {
                Ok(apply::Reported::Changed) => changed += 1,
                Ok(apply::Reported::Unchanged) => {}
                // One damaged or contended aggregate must not keep the others from their time.
                Err(error) => {
                    tracing::error!(aggregate = %id, error = %error, "an agenda could not be worked on; trying again in a minute");
                    self.leave_alone(id);
                }
            }
        }
        Ok(changed)
    }

    /// Claims and runs everything that is due now, once, one after the other; for tests and simulations.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn run_due_once(&self) -> Result<usize, StoreError> {
        let mut worked = self.tick().await? + inbox::work_off(self.app.store.as_ref()).await?;
        let board = Board::new(&self.settings);
        // One after the other, and nothing that was not due at the beginning.
        board.shut(true);
        for claimed in self.claim(Rooms::default(), self.settings.concurrency).await? {
            // A watch that is not due again counts as work: it looked.
            worked += usize::from(!matches!(claimed.row.effect, Effect::Watch { .. }));
            self.run_one(&board, claimed).await;
        }
        Ok(worked)
    }
}

fn left_behind(left: usize) {
    tracing::warn!(
        left,
        "stopped before everything under way had ended; the leases will run out"
    );
}

const fn outcome(ran: Ran) -> &'static str {
    match ran {
        Ran::Done => "done",
        Ran::PutBack => "retried",
        Ran::Fenced => "fenced",
        Ran::VendorTrouble => "vendor_trouble",
        Ran::StoreTrouble => "store_trouble",
    }
}
