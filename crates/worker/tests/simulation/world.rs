//! What exists at the vendors. Creations are counted by what a person would call the same thing (a ticket's title, a
//! run of a task), never by our keys alone.

use crate::stores::Stores;
use crate::time::{Dice, lock, seconds};
use crate::weather::Kind;
use delivr_domain::effect::{CicdWrite, Operation, Reference, RunRef, ScmWrite, TestingWrite, TrackerWrite};
use delivr_domain::key::{AggregateId, EffectKey, TargetKey, TaskKey};
use delivr_domain::names::{RefName, Sha};
use delivr_domain::ports::error::ProviderErrorKind;
use delivr_domain::ports::vendor::{ChatMessage, Lookup};
use delivr_domain::report::{RunProduct, RunResult, RunState, TestTotals};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Longest time until a look-up sees a new object, per vendor.
pub const TICKETS_LAG: u64 = 20;
pub const TESTS_LAG: u64 = 5;
pub const RUNS_LAG: u64 = 15;
pub const CHAT_LAG: u64 = 6;

/// What is sent to a vendor.
#[derive(Clone)]
pub enum Sent {
    /// `mark` is what the vendor is told of the key.
    Write {
        key: EffectKey,
        mark: String,
        operation: Operation,
    },
    Message {
        key: String,
        message: ChatMessage,
    },
}

/// A refusal: what kind, and why.
pub type Made = Result<Reference, (ProviderErrorKind, String)>;

/// An object that is recognised by the mark it was made with.
#[derive(Debug)]
pub struct Marked {
    pub id: String,
    pub mark: String,
    pub subject: String,
    pub shown_from: Duration,
    pub closed: bool,
    pub good: bool,
}

#[derive(Debug)]
pub struct Run {
    pub id: String,
    pub mark: String,
    pub task: String,
    pub job: String,
    pub sha: Sha,
    pub shown_from: Duration,
    pub ends: Duration,
    pub end: Option<RunResult>,
    pub build: String,
    pub says_sha: bool,
    /// A person sent the release back: another one takes its place on purpose.
    pub replaced: Option<Duration>,
    pub born: Duration,
    /// The database has been put back to a time before it, and nobody has found it again.
    pub forgotten: bool,
}

/// What a person would call the run.
pub fn run_of(task: &TaskKey, owner: AggregateId) -> String {
    format!("run of {task} for {owner}")
}

impl Run {
    /// Whether it is of no more use.
    pub fn spent(&self) -> bool {
        if self.replaced.is_some() || self.forgotten {
            return true;
        }
        match self.end {
            Some(RunResult::Succeeded) => false,
            // Failed tests are a result as well.
            Some(RunResult::Failed) => self.job != "automation",
            Some(RunResult::Cancelled) | None => true,
        }
    }
}

#[derive(Default)]
pub struct World {
    /// Branches and tags; a name exists once or not at all.
    pub refs: BTreeMap<String, Sha>,
    /// Branches that were deleted on request, and when.
    pub deleted: BTreeMap<String, Duration>,
    /// Those of them that were deleted after the moment to which the database was put back: it does not know of it.
    pub swept: BTreeSet<String>,
    parents: BTreeMap<Sha, Sha>,
    pub published: BTreeMap<String, String>,
    pub pulls: BTreeMap<(String, String), String>,
    pub tickets: Vec<Marked>,
    pub tests: Vec<Marked>,
    pub messages: Vec<Marked>,
    pub runs: Vec<Run>,
    pub stores: Stores,
    /// What was sent and has not arrived yet.
    pub under_way: BTreeMap<(Duration, u64), (Sent, Option<TargetKey>)>,
    pub answers: BTreeMap<u64, Made>,
    /// A vendor refuses our credential until then; by the vendor's name.
    pub refuses_until: BTreeMap<String, Duration>,
    pub down_until: BTreeMap<String, Duration>,
    /// Everything that exists more than once.
    pub doubled: Vec<String>,
    pub numbers: u64,
    pub created: u64,
    /// What vendors will tell us, by when it comes.
    pub hooks: BTreeMap<(Duration, u64), Hook>,
    counts: Arc<Mutex<BTreeMap<Kind, u64>>>,
}

/// A webhook or callback on its way to us.
#[derive(Debug, Clone)]
pub struct Hook {
    /// Name of the vendor.
    pub from: String,
    /// When it was sent.
    pub sent: Duration,
    /// The sender's id of it.
    pub delivery: String,
    pub correlations: Vec<String>,
    pub objects: Vec<String>,
    /// Somebody else sends it.
    pub forged: bool,
    /// The run itself calls back.
    pub callback: bool,
    pub tries: u8,
}

fn branch(name: &RefName) -> String {
    format!("heads/{name}")
}
fn tag(name: &RefName) -> String {
    format!("tags/{name}")
}

fn subject(message: &ChatMessage) -> String {
    format!("message {} to {}", message.note.title, message.topic)
}

impl World {
    pub fn new(counts: Arc<Mutex<BTreeMap<Kind, u64>>>) -> Self {
        let mut world = Self {
            counts,
            ..Self::default()
        };
        let first = world.commit(None);
        world.refs.insert("heads/main".to_owned(), first);
        world
    }
    pub fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }
    fn met(&self, kind: Kind) {
        *lock(&self.counts).entry(kind).or_default() += 1;
    }
    /// A vendor tells us something, as well as webhooks do.
    pub fn tell(
        &mut self,
        from: &str,
        at: Duration,
        correlations: Vec<String>,
        objects: Vec<String>,
        dice: &mut Dice,
        calm: bool,
    ) {
        let number = self.number();
        let mut hook = Hook {
            from: from.to_owned(),
            sent: at,
            delivery: format!("delivery-{number}"),
            correlations,
            objects,
            forged: false,
            callback: from == "ci" && dice.chance(400),
            tries: 0,
        };
        let fate = dice.between(0, 100);
        let soon = at + dice.millis(20, 4_000);
        let late = at + dice.millis(60_000, 2_400_000);
        if calm {
            self.hooks.insert((soon, number), hook);
            return;
        }
        match fate {
            0..15 => self.met(Kind::HookLost),
            15..30 => {
                self.met(Kind::HookDoubled);
                let again = self.number();
                self.hooks.insert((late, again), hook.clone());
                self.hooks.insert((soon, number), hook);
            }
            30..50 => {
                self.met(Kind::HookLate);
                self.hooks.insert((late, number), hook);
            }
            50..55 => {
                hook.forged = true;
                self.hooks.insert((soon, number), hook);
            }
            _ => {
                self.hooks.insert((soon, number), hook);
            }
        }
    }
    /// A webhook that has come.
    pub fn told(&mut self, now: Duration) -> Option<Hook> {
        let first = self.hooks.first_entry().filter(|it| it.key().0 <= now)?;
        Some(first.remove())
    }
    /// The database is what it was at that instant; vendors are not.
    pub fn restored(&mut self, then: Duration, now: Duration) {
        for run in &mut self.runs {
            run.forgotten |= run.born > then;
            if run.replaced.is_some_and(|at| at > then) {
                run.replaced = None;
            }
        }
        let since = self.deleted.iter().filter(|(_, at)| **at > then);
        self.swept.extend(since.map(|(branch, _)| branch.clone()));
        self.stores.restored(now);
    }
    /// A look-up has found the object again.
    pub fn found(&mut self, references: &[Reference]) {
        for run in &mut self.runs {
            run.forgotten &= !references.iter().any(|it| it.id == run.id);
        }
    }
    fn commit(&mut self, parent: Option<&Sha>) -> Sha {
        let number = self.number();
        let sha: Sha = format!("{number:040x}").parse().unwrap();
        if let Some(parent) = parent {
            self.parents.insert(sha.clone(), parent.clone());
        }
        sha
    }
    /// Somebody pushes to a branch.
    pub fn push(&mut self, name: &str) {
        let name = format!("heads/{name}");
        if let Some(head) = self.refs.get(&name).cloned() {
            let next = self.commit(Some(&head));
            self.refs.insert(name, next);
        }
    }
    pub fn resolve(&self, name: &RefName) -> Option<Sha> {
        self.refs
            .get(&branch(name))
            .or_else(|| self.refs.get(&tag(name)))
            .cloned()
    }
    fn descends(&self, head: &Sha, from: &Sha) -> bool {
        let mut at = Some(head);
        while let Some(sha) = at {
            if sha == from {
                return true;
            }
            at = self.parents.get(sha);
        }
        false
    }

    /// What stands under the name, mark or state already.
    pub fn find(&self, sent: &Sent, target: Option<TargetKey>, now: Duration) -> Lookup {
        let marked = |from: &[Marked], mark: &str| {
            let ours = from.iter().filter(|it| it.mark == mark && it.shown_from <= now);
            Lookup::Found(ours.map(|it| Reference::id(&*it.id)).collect())
        };
        let exists =
            |yes: bool, id: &str| Lookup::Found(yes.then(|| Reference::id(id)).into_iter().collect());
        match sent {
            Sent::Message { key, .. } => marked(&self.messages, key),
            Sent::Write { mark, operation, .. } => match operation {
                Operation::Scm(write) => self.find_in_scm(write),
                Operation::Tracker(TrackerWrite::CreateTicket { .. }) => marked(&self.tickets, mark),
                Operation::Tracker(TrackerWrite::CloseTicket { ticket, .. }) => {
                    let closed = self.tickets.iter().any(|it| it.id == *ticket && it.closed);
                    exists(closed, ticket)
                }
                Operation::Testing(TestingWrite::CreateRun { .. }) => marked(&self.tests, mark),
                Operation::Testing(TestingWrite::ResetRun { run }) => {
                    // `closed` says that it has results: a run without any is as good as reset.
                    let reset = self.tests.iter().any(|it| it.id == *run && !it.closed);
                    exists(reset, run)
                }
                Operation::Cicd(CicdWrite::TriggerRun { .. }) => {
                    let ours = self
                        .runs
                        .iter()
                        .filter(|it| it.mark == *mark && it.shown_from <= now);
                    Lookup::Found(ours.map(|it| Reference::id(&*it.id)).collect())
                }
                Operation::Store(write) => self.stores.find(target, write, now),
            },
        }
    }

    fn find_in_scm(&self, write: &ScmWrite) -> Lookup {
        let one = |id: String| Lookup::Found(vec![Reference::id(id)]);
        let none = || Lookup::Found(Vec::new());
        match write {
            ScmWrite::CreateBranch { name, sha } => match self.refs.get(&branch(name)) {
                Some(head) if self.descends(head, sha) => one(name.to_string()),
                Some(head) => Lookup::Foreign(format!("branch {name} stands at {head}")),
                None => none(),
            },
            ScmWrite::CreateTag { name, sha, .. } => match self.refs.get(&tag(name)) {
                Some(at) if at == sha => one(name.to_string()),
                Some(at) => Lookup::Foreign(format!("tag {name} names {at}")),
                None => none(),
            },
            ScmWrite::PublishRelease { tag, .. } => {
                self.published.get(tag.as_str()).cloned().map_or_else(none, one)
            }
            ScmWrite::OpenPullRequest { head, base, .. } => {
                let pair = (head.to_string(), base.to_string());
                self.pulls.get(&pair).cloned().map_or_else(none, one)
            }
            ScmWrite::DeleteBranch { name } => {
                if self.refs.contains_key(&branch(name)) {
                    none()
                } else {
                    one(name.to_string())
                }
            }
        }
    }

    /// News that would be taken for other news, which stands under its mark already.
    pub fn mistaken(&self, sent: &Sent) -> Option<String> {
        let Sent::Message { key, message } = sent else {
            return None;
        };
        let subject = subject(message);
        let other = self
            .messages
            .iter()
            .find(|it| it.mark == *key && it.subject != subject)?;
        Some(format!("`{subject}` is taken for `{}`", other.subject))
    }

    /// Whether something that is recognised by its mark only is on its way, and not there before that instant.
    pub fn will_arrive(&self, after: Duration) -> bool {
        let marked = |sent: &Sent| match sent {
            Sent::Message { .. } => true,
            Sent::Write { operation, .. } => matches!(
                operation,
                Operation::Tracker(TrackerWrite::CreateTicket { .. })
                    | Operation::Testing(TestingWrite::CreateRun { .. })
                    | Operation::Cicd(CicdWrite::TriggerRun { .. })
            ),
        };
        let later = self.under_way.range((after, 0)..);
        later.into_iter().any(|(_, (sent, _))| marked(sent))
    }
    /// Everything that was sent and has had its time to arrive takes effect.
    pub fn deliver(&mut self, now: Duration, dice: &mut Dice, calm: bool) {
        while let Some(first) = self.under_way.first_entry().filter(|it| it.key().0 <= now) {
            let ((at, ticket), (sent, target)) = first.remove_entry();
            let made = self.make(&sent, target, at, dice, calm);
            self.answers.insert(ticket, made);
        }
    }

    fn make(
        &mut self,
        sent: &Sent,
        target: Option<TargetKey>,
        at: Duration,
        dice: &mut Dice,
        calm: bool,
    ) -> Made {
        self.created += 1;
        match sent {
            Sent::Message { key, message } => {
                let subject = subject(message);
                let made = self.mark(
                    "message",
                    key,
                    subject,
                    at + dice.millis(0, CHAT_LAG * 1_000),
                    true,
                );
                // Two different news may read the same: only the mark says which is which.
                if self.messages.iter().any(|it| it.mark == made.mark) {
                    self.doubled.push(made.subject.clone());
                }
                let id = made.id.clone();
                self.messages.push(made);
                Ok(Reference::id(id))
            }
            Sent::Write { key, mark, operation } => match operation {
                Operation::Scm(write) => self.make_in_scm(write, at),
                Operation::Tracker(TrackerWrite::CreateTicket { ticket }) => {
                    let shown = at + dice.millis(0, TICKETS_LAG * 1_000);
                    let made = self.mark("ticket", mark, format!("ticket {}", ticket.title), shown, false);
                    if self.tickets.iter().any(|it| it.subject == made.subject) {
                        self.doubled.push(made.subject.clone());
                    }
                    let id = made.id.clone();
                    self.tickets.push(made);
                    Ok(Reference::id(id))
                }
                Operation::Tracker(TrackerWrite::CloseTicket { ticket, .. }) => {
                    for it in self.tickets.iter_mut().filter(|it| it.id == *ticket) {
                        it.closed = true;
                    }
                    Ok(Reference::id(&**ticket))
                }
                Operation::Testing(TestingWrite::CreateRun { name, .. }) => {
                    let good = calm || !dice.chance(150);
                    let shown = at + dice.millis(0, TESTS_LAG * 1_000);
                    let made = self.mark("tests", mark, format!("test run {name}"), shown, good);
                    if self.tests.iter().any(|it| it.subject == made.subject) {
                        self.doubled.push(made.subject.clone());
                    }
                    let id = made.id.clone();
                    self.tests.push(made);
                    Ok(Reference::id(id))
                }
                Operation::Testing(TestingWrite::ResetRun { run }) => {
                    let good = calm || !dice.chance(150);
                    for it in self.tests.iter_mut().filter(|it| it.id == *run) {
                        it.closed = false;
                        it.good = good;
                    }
                    Ok(Reference::id(&**run))
                }
                Operation::Cicd(CicdWrite::TriggerRun { job, sha, .. }) => {
                    Ok(self.start_run(key, mark, job, sha, target, at, dice, calm))
                }
                Operation::Store(write) => {
                    let name = if target == Some(TargetKey::IosAppStore) {
                        "appstore"
                    } else {
                        "play"
                    };
                    for _ in 0..2 {
                        let when = at + dice.millis(30_000, 2_400_000);
                        self.tell(name, when, Vec::new(), vec!["version".to_owned()], dice, calm);
                    }
                    self.stores
                        .make(target, key, write, at, dice, calm, &mut self.doubled)
                }
            },
        }
    }

    fn mark(&mut self, word: &str, mark: &str, subject: String, shown_from: Duration, good: bool) -> Marked {
        Marked {
            id: format!("{word}-{}", self.number()),
            mark: mark.to_owned(),
            subject,
            shown_from,
            closed: false,
            good,
        }
    }

    fn make_in_scm(&mut self, write: &ScmWrite, at: Duration) -> Made {
        let taken = |what: String| (ProviderErrorKind::Conflict, format!("{what} exists already"));
        match write {
            ScmWrite::CreateBranch { name, sha } => self.make_ref(branch(name), name, sha),
            ScmWrite::CreateTag { name, sha, .. } => self.make_ref(tag(name), name, sha),
            ScmWrite::PublishRelease { tag, .. } => {
                let id = format!("published-{}", self.number());
                match self.published.insert(tag.to_string(), id.clone()) {
                    Some(old) => {
                        self.published.insert(tag.to_string(), old);
                        Err(taken(format!("a release of {tag}")))
                    }
                    None => Ok(Reference::id(id)),
                }
            }
            ScmWrite::OpenPullRequest { head, base, .. } => {
                let pair = (head.to_string(), base.to_string());
                if self.pulls.contains_key(&pair) {
                    return Err(taken(format!("a pull request of {head}")));
                }
                let id = format!("pull-{}", self.number());
                self.pulls.insert(pair, id.clone());
                Ok(Reference::id(id))
            }
            ScmWrite::DeleteBranch { name } => {
                self.refs.remove(&branch(name));
                self.deleted.insert(branch(name), at);
                Ok(Reference::id(name.as_str()))
            }
        }
    }

    fn make_ref(&mut self, full: String, name: &RefName, sha: &Sha) -> Made {
        if self.refs.contains_key(&full) {
            return Err((ProviderErrorKind::Conflict, format!("{name} exists already")));
        }
        self.refs.insert(full, sha.clone());
        Ok(Reference::id(name.as_str()))
    }

    #[expect(clippy::too_many_arguments, reason = "all that a run is made of")]
    fn start_run(
        &mut self,
        key: &EffectKey,
        mark: &str,
        job: &str,
        sha: &Sha,
        target: Option<TargetKey>,
        at: Duration,
        dice: &mut Dice,
        calm: bool,
    ) -> Reference {
        let task = run_of(&key.task, key.owner);
        // What a restored database has forgotten may stand beside what takes its place, but never under the same mark.
        let same = |it: &Run| it.mark == mark || (it.task == task && !it.spent());
        if self.runs.iter().any(same) {
            self.doubled.push(task.clone());
        }
        let end = match dice.between(0, 100) {
            _ if calm => Some(RunResult::Succeeded),
            0..8 => Some(RunResult::Failed),
            8..10 => Some(RunResult::Cancelled),
            10..12 => None,
            _ => Some(RunResult::Succeeded),
        };
        let number = self.number();
        let run = Run {
            id: format!("run-{number}"),
            mark: mark.to_owned(),
            task,
            job: job.to_owned(),
            sha: sha.clone(),
            shown_from: at + dice.millis(0, RUNS_LAG * 1_000),
            ends: at + dice.millis(10_000, 600_000),
            end,
            build: format!("{number}"),
            says_sha: calm || !dice.chance(60),
            replaced: None,
            born: at,
            forgotten: false,
        };
        self.tell(
            "ci",
            run.ends,
            vec![run.mark.clone()],
            vec![run.id.clone()],
            dice,
            calm,
        );
        if run.job == "store" && end == Some(RunResult::Succeeded) {
            let ready = run.ends + dice.millis(0, 300_000);
            self.stores.built(key.task.target.or(target), &run.build, ready);
        }
        if run.job == "automation" {
            // Test results come with the run: they are what a reset takes away.
            for tests in &mut self.tests {
                tests.closed = true;
            }
        }
        let reference = Reference::id(&*run.id);
        self.runs.push(run);
        reference
    }

    pub fn run_state(&self, run: &RunRef, now: Duration) -> RunState {
        let Some(it) = self.runs.iter().find(|it| it.id == run.id) else {
            return RunState::Gone;
        };
        if now < it.ends {
            return if now + seconds(5) < it.shown_from {
                RunState::Queued
            } else {
                RunState::Running
            };
        }
        match it.end {
            None => RunState::Gone,
            Some(result) => RunState::Ended {
                result,
                product: RunProduct {
                    number: Some(it.id.clone()),
                    sha: it.says_sha.then(|| it.sha.clone()),
                    build_number: Some(it.build.clone()),
                    ..RunProduct::default()
                },
            },
        }
    }

    /// What this task made so far is not meant any more.
    pub fn replace(&mut self, task: &TaskKey, owner: AggregateId, now: Duration) {
        let task = run_of(task, owner);
        for it in self.runs.iter_mut().filter(|it| it.task == task) {
            it.replaced.get_or_insert(now);
        }
    }

    pub fn cancel(&mut self, run: &RunRef, now: Duration) {
        for it in self.runs.iter_mut().filter(|it| it.id == run.id && now < it.ends) {
            it.ends = now;
            it.end = Some(RunResult::Cancelled);
        }
    }

    pub fn totals(&self, run: &str) -> TestTotals {
        let good = self.tests.iter().any(|it| it.id == run && it.good);
        let passed = if good { 10 } else { 5 };
        TestTotals {
            total: 10,
            passed,
            failed: 10 - passed,
            untested: 0,
        }
    }
}
