//! The seven cases of "done once", each for one write of one provider.
//!
//! A case is an attempt of the engine in which one thing goes wrong, driven to its end, after which the vendor is asked
//! what it did. Where a vendor cannot recognise earlier work (an incoming webhook), done once cannot be had: there the
//! cases hold what is promised instead, at most once and said to be unknown.

use crate::engine::{Ended, Engine, step};
use crate::enrol::{Enrolment, Foreign, Scene, Work, Write};
use crate::side::{Done, HINT, Side, Trouble};
use crate::spy::{At, Spy};
use delivr_app::run_effect::Ran;
use delivr_domain::ports::clock::Clock as _;
use delivr_domain::ports::exchange::Exchange;
use delivr_domain::ports::provider::Connection;
use delivr_domain::ports::store::RowState;
use delivr_domain::ports::vendor::{ChatMessage, Declared, InDoubt, Recognition};
use delivr_domain::report::Class;
use delivr_provider_kit::{AddressPolicy, Deps, HttpSettings, SystemClock};
use delivr_testkit::clock::FakeClock;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// (a) The answer is lost after the effect.
    AnswerLost,
    /// (b) The process dies between intent and result.
    ProcessDies,
    /// (c) Two workers race.
    WorkersRace,
    /// (d) The vendor answers 500 after doing it.
    ErrorAfter,
    /// (e) The vendor throttles.
    Throttled,
    /// (f) The object exists already and is ours.
    Ours,
    /// (g) It exists already and is not ours.
    Foreign,
}

impl Case {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 7] = [
        Self::AnswerLost,
        Self::ProcessDies,
        Self::WorkersRace,
        Self::ErrorAfter,
        Self::Throttled,
        Self::Ours,
        Self::Foreign,
    ];
    /// Its column.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::AnswerLost => "a: answer lost",
            Self::ProcessDies => "b: process dies",
            Self::WorkersRace => "c: workers race",
            Self::ErrorAfter => "d: 500 after",
            Self::Throttled => "e: throttled",
            Self::Ours => "f: exists, ours",
            Self::Foreign => "g: exists, foreign",
        }
    }
}

/// What became of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    Holds,
    /// It cannot happen here, and why.
    CannotBe(&'static str),
}

macro_rules! ensure {
    ($holds:expr, $($why:tt)*) => {
        if !$holds {
            return Err(format!($($why)*));
        }
    };
}

/// A write set on its scene, and the engine that has to do it.
pub(crate) struct Stage<S> {
    scene: Scene<S>,
    spy: Arc<Spy>,
    pub(crate) engine: Engine,
    work: Work,
    before: Done,
    declared: Declared,
}

/// The provider's dependencies under the proof's clock.
fn deps(clock: &Arc<FakeClock>, folder: &std::path::Path, patience: Duration) -> Deps {
    let settings = HttpSettings {
        timeout: patience,
        ..HttpSettings::default()
    };
    let (root, cache) = (folder.to_path_buf(), folder.join("cache"));
    let policy = AddressPolicy::allowing_loopback();
    Deps::new(policy, &settings, clock.clone(), Some(root), cache).unwrap()
}

/// Total time of one call where nothing is slow on purpose.
const PATIENCE: Duration = Duration::from_secs(20);

async fn scene<E: Enrolment>(enrolled: &E, clock: &Arc<FakeClock>, patience: Duration) -> Scene<E::Side> {
    let folder = tempfile::tempdir().unwrap();
    let deps = deps(clock, folder.path(), patience);
    let side = enrolled.side(folder.path()).await;
    let (config, credentials) = side.settings();
    let connect = enrolled.descriptor(&deps).connect;
    let connection = connect(&config, &crate::bench::secrets(&credentials)).unwrap();
    Scene {
        side,
        deps,
        connection,
        key: step(2),
        other: step(3),
        _folder: folder,
    }
}

/// What is declared of the write.
pub(crate) async fn declaration<E: Enrolment>(enrolled: &E, write: &Write) -> Declared {
    let clock = Arc::new(FakeClock::at(SystemClock.now()));
    let scene = scene(enrolled, &clock, PATIENCE).await;
    let work = enrolled.prepare(write.name, &scene).await;
    declared(&scene.connection, &work)
}

fn declared(connection: &Connection, work: &Work) -> Declared {
    match (connection, work) {
        (Connection::Scm(it), Work::Write(write)) => it.declared(write.kind()),
        (Connection::Cicd(it), Work::Write(write)) => it.declared(write.kind()),
        (Connection::Tracker(it), Work::Write(write)) => it.declared(write.kind()),
        (Connection::Testing(it), Work::Write(write)) => it.declared(write.kind()),
        (Connection::Store(it), Work::Write(write)) => it.declared(write.kind()),
        (Connection::Chat(it), _) => it.declared(),
        (_, Work::Message(..)) => panic!("a message needs a chat system"),
    }
}

async fn stage<E: Enrolment>(enrolled: &E, write: &Write, spy: &Arc<Spy>) -> Stage<E::Side> {
    stage_with(enrolled, write, spy, PATIENCE).await
}

pub(crate) async fn stage_with<E: Enrolment>(
    enrolled: &E,
    write: &Write,
    spy: &Arc<Spy>,
    patience: Duration,
) -> Stage<E::Side> {
    // The vendor's clock is real: ours starts with it, and both are turned together from here on.
    let clock = Arc::new(FakeClock::at(SystemClock.now()));
    let scene = scene(enrolled, &clock, patience).await;
    let work = enrolled.prepare(write.name, &scene).await;
    let descriptor = enrolled.descriptor(&scene.deps);
    let engine = Engine::with(descriptor, spy, &scene.side, clock, work.clone()).await;
    Stage {
        declared: declared(&scene.connection, &work),
        before: scene.side.done(),
        scene,
        spy: spy.clone(),
        engine,
        work,
    }
}

impl<S: Side> Stage<S> {
    pub(crate) fn side(&self) -> &S {
        &self.scene.side
    }
    pub(crate) fn nameless(&self) -> bool {
        self.declared.recognition == Recognition::None
    }
    /// Whether a person is asked where an earlier send may have arrived and nothing is found.
    pub(crate) fn asks(&self) -> bool {
        self.declared.in_doubt == InDoubt::AskAPerson
    }
    pub(crate) async fn drive(&self, worker: &crate::engine::Worker) -> Result<Ended, String> {
        self.engine.drive(worker, self.side()).await
    }
    fn made(&self, send: &str) -> usize {
        self.side().done().of(send) - self.before.of(send)
    }
    /// Every call of the write was performed as often as one write needs, and nothing twice.
    fn once(&self, write: &Write) -> Result<(), String> {
        let done = self.side().done();
        ensure!(done.surplus.is_empty(), "done twice: {:?}", done.surplus);
        for (send, times) in &write.sends {
            let made = self.made(send);
            ensure!(made == *times, "`{send}` was performed {made} times, not {times}");
        }
        Ok(())
    }
    /// Done, and once.
    pub(crate) fn done(&self, write: &Write, ended: &Ended) -> Result<(), String> {
        ensure!(ended.row.state == RowState::Done, "not done: {ended:?}");
        self.once(write)
    }
    /// What stands instead where nothing is recognised: given up, and said to be unknown; never a second time.
    pub(crate) fn unknown(&self, write: &Write, ended: &Ended, made: usize) -> Result<(), String> {
        ensure!(ended.row.state == RowState::Dead, "not given up: {ended:?}");
        let said = ended.details.iter().any(|it| it.contains("delivery unknown"));
        ensure!(said, "nobody says that the delivery is unknown: {ended:?}");
        for (send, _) in &write.sends {
            ensure!(
                self.made(send) == made,
                "`{send}` was performed {} times",
                self.made(send)
            );
        }
        Ok(())
    }
    /// A person is asked, and nothing was sent a second time.
    pub(crate) fn asked(&self, write: &Write, ended: &Ended, made: usize) -> Result<(), String> {
        let asked = ended.cause.as_ref().is_some_and(|it| it.code == "unsure");
        ensure!(
            asked && ended.row.state == RowState::Dead,
            "nobody is asked: {ended:?}"
        );
        for (send, _) in &write.sends {
            let times = self.made(send);
            ensure!(times == made, "`{send}` was performed {times} times");
        }
        Ok(())
    }
    /// The end that is promised where an attempt was lost that had sent nothing.
    fn nothing_sent(&self, write: &Write, ended: &Ended) -> Result<(), String> {
        if self.nameless() {
            self.unknown(write, ended, 0)
        } else if self.asks() {
            self.asked(write, ended, 0)
        } else {
            self.done(write, ended)
        }
    }
    /// The end that is promised once the vendor has (or may have) performed the write's first effect.
    pub(crate) fn settled(&self, write: &Write, ended: &Ended) -> Result<(), String> {
        if self.nameless() {
            self.unknown(write, ended, 1)
        } else {
            self.done(write, ended)
        }
    }
}

/// Proves one case of one write.
///
/// # Errors
/// What does not hold.
pub async fn prove<E: Enrolment>(
    enrolled: &E,
    write: &Write,
    case: Case,
    spy: &Arc<Spy>,
) -> Result<Verdict, String> {
    let proved = match case {
        Case::AnswerLost => trouble(enrolled, write, spy, Trouble::AnswerLost).await,
        Case::ErrorAfter => trouble(enrolled, write, spy, Trouble::ErrorAfter).await,
        Case::ProcessDies => dies(enrolled, write, spy).await,
        Case::WorkersRace => race(enrolled, write, spy).await,
        Case::Throttled => throttled(enrolled, write, spy).await,
        Case::Ours => ours(enrolled, write, spy).await,
        Case::Foreign => foreign(enrolled, write, spy).await,
    };
    proved.map_err(|why| format!("{} / {} / {}: {why}", E::NAME, write.name, case.title()))
}

/// What the case comes to where it holds: what the table says, known without running it.
pub async fn expected<E: Enrolment>(enrolled: &E, write: &Write, case: Case) -> Verdict {
    let possible = async |trouble: Trouble| {
        let folder = tempfile::tempdir().unwrap();
        let side = enrolled.side(folder.path()).await;
        let first = write.sends.first().map(|(send, _)| *send);
        side.trouble(first, trouble)
            .map_or_else(Verdict::CannotBe, |()| Verdict::Holds)
    };
    match case {
        Case::AnswerLost => possible(Trouble::AnswerLost).await,
        Case::ErrorAfter => possible(Trouble::ErrorAfter).await,
        Case::Throttled => possible(Trouble::Throttle).await,
        Case::ProcessDies | Case::WorkersRace => Verdict::Holds,
        Case::Ours => match declaration(enrolled, write).await.recognition {
            Recognition::None => Verdict::CannotBe(NAMELESS),
            Recognition::ByName
            | Recognition::ByMarker { .. }
            | Recognition::ByState
            | Recognition::Window => Verdict::Holds,
        },
        Case::Foreign => match write.foreign {
            Foreign::Made => Verdict::Holds,
            Foreign::None(why) => Verdict::CannotBe(why),
        },
    }
}

const NAMELESS: &str = "nothing tells ours";

/// Of a lost answer, the request is kept, and that none came. git talks for itself, and nobody hears it.
fn shows_what_was_sent<E: Enrolment>(ended: &Ended) -> bool {
    let lost = |it: &Exchange| it.method != "GET" && it.status.is_none() && it.failure.is_some();
    ended.exchanges.iter().any(lost) || E::NAME == "scm-git"
}

async fn trouble<E: Enrolment>(
    enrolled: &E,
    write: &Write,
    spy: &Arc<Spy>,
    trouble: Trouble,
) -> Result<Verdict, String> {
    for (send, _) in &write.sends {
        let stage = stage(enrolled, write, spy).await;
        if let Err(why) = stage.side().trouble(Some(send), trouble) {
            return Ok(Verdict::CannotBe(why));
        }
        let ended = stage.drive(&stage.engine.worker("one")).await?;
        ensure!(ended.attempts.len() > 1, "{send} did not fail: {ended:?}");
        ensure!(
            trouble != Trouble::AnswerLost || shows_what_was_sent::<E>(&ended),
            "{send}: nothing shows what was sent: {:?}",
            ended.exchanges
        );
        stage
            .settled(write, &ended)
            .map_err(|why| format!("{send}: {why}"))?;
    }
    Ok(Verdict::Holds)
}

async fn dies<E: Enrolment>(enrolled: &E, write: &Write, spy: &Arc<Spy>) -> Result<Verdict, String> {
    // Before anything was sent.
    let at_once = stage(enrolled, write, spy).await;
    let claimed = at_once.engine.worker("one").claim().await;
    ensure!(claimed.is_some(), "the effect is not there to be claimed");
    at_once.engine.outlast(at_once.side());
    let ended = at_once.drive(&at_once.engine.worker("two")).await?;
    at_once.nothing_sent(write, &ended)?;
    // With the answer in hand, before the report.
    let late = stage(enrolled, write, spy).await;
    let gate = late.spy.gate(At::Sent);
    let one = late.engine.worker("one");
    let claimed = one.claim().await.ok_or("nothing to claim")?;
    {
        let attempt = pin!(one.run(claimed));
        tokio::select! {
            ran = attempt => return Err(format!("it ended as {ran:?} and did not stand at the gate")),
            () = gate.reached() => {}
        }
    }
    late.engine.outlast(late.side());
    let ended = late.drive(&late.engine.worker("two")).await?;
    late.settled(write, &ended)?;
    // While it waits for each answer.
    for (send, _) in &write.sends {
        let waiting = stage(enrolled, write, spy).await;
        if waiting.side().trouble(Some(send), Trouble::Silence).is_err() {
            break;
        }
        let one = waiting.engine.worker("one");
        let claimed = one.claim().await.ok_or("nothing to claim")?;
        {
            let attempt = pin!(one.run(claimed));
            let performed = async {
                while waiting.made(send) == 0 {
                    tokio::task::yield_now().await;
                }
            };
            tokio::select! {
                ran = attempt => return Err(format!("{send}: it ended as {ran:?} and did not wait")),
                performed = tokio::time::timeout(Duration::from_secs(15), performed) => {
                    ensure!(performed.is_ok(), "`{send}` was never performed");
                }
            }
        }
        waiting.engine.outlast(waiting.side());
        let ended = waiting.drive(&waiting.engine.worker("two")).await?;
        waiting
            .settled(write, &ended)
            .map_err(|why| format!("{send}: {why}"))?;
    }
    Ok(Verdict::Holds)
}

async fn race<E: Enrolment>(enrolled: &E, write: &Write, spy: &Arc<Spy>) -> Result<Verdict, String> {
    // The first one stalls with the vendor's answer in hand; the second one has finished when it goes on.
    let stalled = stage(enrolled, write, spy).await;
    let gate = stalled.spy.gate(At::Sent);
    let (one, two) = (stalled.engine.worker("one"), stalled.engine.worker("two"));
    let claimed = one.claim().await.ok_or("nothing to claim")?;
    let mut attempt = Box::pin(one.run(claimed));
    tokio::select! {
        ran = &mut attempt => return Err(format!("it ended as {ran:?} and did not stand at the gate")),
        () = gate.reached() => {}
    }
    stalled.engine.outlast(stalled.side());
    let ended = stalled.drive(&two).await?;
    gate.open();
    let ran = attempt.await;
    ensure!(ran == Ran::Fenced, "the overtaken attempt was let in: {ran:?}");
    stalled.settled(write, &ended)?;
    // The first one stalls between look-up and sending; a second one is at work when it goes on. A write without a
    // look-up has no such moment.
    if !stalled.nameless() {
        let early = stage(enrolled, write, spy).await;
        let gate = early.spy.gate(At::Found);
        let (one, two) = (early.engine.worker("one"), early.engine.worker("two"));
        let claimed = one.claim().await.ok_or("nothing to claim")?;
        let mut attempt = Box::pin(one.run(claimed));
        tokio::select! {
            ran = &mut attempt => return Err(format!("it ended as {ran:?} and did not stand at the gate")),
            () = gate.reached() => {}
        }
        early.engine.outlast(early.side());
        let second = two.claim().await.ok_or("the lease was not taken over")?;
        gate.open();
        let ran = attempt.await;
        ensure!(ran == Ran::Fenced, "the overtaken attempt was let in: {ran:?}");
        let sent = early.side().done();
        ensure!(sent == early.before, "the overtaken attempt sent: {sent:?}");
        two.run(second).await;
        let ended = early.drive(&two).await?;
        early.nothing_sent(write, &ended)?;
    }
    // Both send: only a vendor that refuses the second name bears that, and there it must.
    if stalled.declared.recognition == Recognition::ByName {
        let both = stage(enrolled, write, spy).await;
        let gate = both.spy.gate(At::Sending);
        let (one, two) = (both.engine.worker("one"), both.engine.worker("two"));
        let claimed = one.claim().await.ok_or("nothing to claim")?;
        let mut attempt = Box::pin(one.run(claimed));
        tokio::select! {
            ran = &mut attempt => return Err(format!("it ended as {ran:?} and did not stand at the gate")),
            () = gate.reached() => {}
        }
        both.engine.outlast(both.side());
        let ended = both.drive(&two).await?;
        gate.open();
        attempt.await;
        both.done(write, &ended)?;
    }
    Ok(Verdict::Holds)
}

async fn throttled<E: Enrolment>(enrolled: &E, write: &Write, spy: &Arc<Spy>) -> Result<Verdict, String> {
    for (send, _) in &write.sends {
        let stage = stage(enrolled, write, spy).await;
        if let Err(why) = stage.side().trouble(Some(send), Trouble::Throttle) {
            return Ok(Verdict::CannotBe(why));
        }
        let one = stage.engine.worker("one");
        let claimed = one.claim().await.ok_or("nothing to claim")?;
        one.run(claimed).await;
        let row = stage.engine.row().await;
        let wait = (row.due_at - stage.engine.clock.now()).num_seconds();
        ensure!(
            (row.state, row.failures) == (RowState::Ready, 0),
            "{send}: being throttled cost a failure: {row:?}"
        );
        ensure!(
            row.unknown_since.is_none(),
            "{send}: nothing was sent, yet the outcome is unknown"
        );
        ensure!(
            wait == i64::try_from(HINT).unwrap_or(i64::MAX),
            "{send}: it is tried again after {wait} s, not after {HINT}"
        );
        let ended = stage.drive(&one).await?;
        stage
            .done(write, &ended)
            .map_err(|why| format!("{send}: {why}"))?;
    }
    Ok(Verdict::Holds)
}

async fn ours<E: Enrolment>(enrolled: &E, write: &Write, spy: &Arc<Spy>) -> Result<Verdict, String> {
    let stage = stage(enrolled, write, spy).await;
    if stage.nameless() {
        return Ok(Verdict::CannotBe(NAMELESS));
    }
    // As an attempt did of which nothing is left here but the object (a restored database).
    make(&stage).await;
    let ended = stage.drive(&stage.engine.worker("one")).await?;
    stage.done(write, &ended)?;
    let adopted = ended.attempts.last().is_some_and(|word| word == "adopted");
    ensure!(adopted, "it was not adopted: {:?}", ended.attempts);
    Ok(Verdict::Holds)
}

/// Makes the object past the engine, under the engine's key.
async fn make<S: Side>(stage: &Stage<S>) {
    use delivr_domain::effect::Operation as Op;
    let key = &stage.scene.key;
    match (&stage.scene.connection, &stage.work) {
        (Connection::Scm(it), Work::Write(Op::Scm(write))) => it.create(key, write).await.map(drop),
        (Connection::Cicd(it), Work::Write(Op::Cicd(write))) => it.create(key, write).await.map(drop),
        (Connection::Tracker(it), Work::Write(Op::Tracker(write))) => it.create(key, write).await.map(drop),
        (Connection::Testing(it), Work::Write(Op::Testing(write))) => it.create(key, write).await.map(drop),
        (Connection::Store(it), Work::Write(Op::Store(write))) => it.create(key, write).await.map(drop),
        (Connection::Chat(it), Work::Message(topic, note)) => {
            let row = stage.engine.row().await;
            let message = ChatMessage {
                topic: *topic,
                note: note.clone(),
                link: None,
                since: stage.engine.clock.now(),
            };
            it.post(&row.id.uuid().simple().to_string(), &message)
                .await
                .map(drop)
        }
        (connection, work) => panic!("{connection:?} cannot do {work:?}"),
    }
    .unwrap();
}

async fn foreign<E: Enrolment>(enrolled: &E, write: &Write, spy: &Arc<Spy>) -> Result<Verdict, String> {
    if let Foreign::None(why) = write.foreign {
        return Ok(Verdict::CannotBe(why));
    }
    let mut stage = stage(enrolled, write, spy).await;
    enrolled.foreign(write.name, &stage.scene).await;
    stage.before = stage.side().done();
    let ended = stage.drive(&stage.engine.worker("one")).await?;
    ensure!(ended.row.state == RowState::Dead, "it was not refused: {ended:?}");
    let Some(cause) = &ended.cause else {
        return Err(format!("the task did not fail: {ended:?}"));
    };
    ensure!(cause.class == Class::NeedsHuman, "no person is asked: {cause:?}");
    ensure!(cause.code == "conflict", "it is no conflict: {cause:?}");
    ensure!(
        cause.sentence.len() > 20,
        "no sentence says what to do: {cause:?}"
    );
    let now = stage.side().done();
    ensure!(now == stage.before, "something was changed all the same: {now:?}");
    Ok(Verdict::Holds)
}
