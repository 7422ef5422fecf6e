//! What the machines ask of the world: one vendor write, one read that fixes a fact, one wait, one message.

use crate::ids::IntegrationId;
use crate::key::{AggregateId, EffectId, EffectKey, TargetKey, words};
use crate::names::{RefName, Sha};
use crate::report::Report;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Something that exists at a vendor: its id there, where a person sees it, and what else identifies it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// The vendor's own id (`PROJ-12`, a tag name, a queue item).
    pub id: String,
    /// Where a person can look at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Further facts the vendor told, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub detail: BTreeMap<String, String>,
}

impl Reference {
    /// A reference with nothing but its id.
    #[must_use]
    pub fn id(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            url: None,
            detail: BTreeMap::new(),
        }
    }
    /// The same with a place to look.
    #[must_use]
    pub fn at(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }
    /// The same with one more fact.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.detail.insert(name.to_owned(), value.into());
        self
    }
}

/// A run at a CI vendor, found again by the correlation key it was started with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRef {
    /// The job it runs.
    pub job: String,
    /// What the vendor called it when it accepted it.
    pub id: String,
    /// The effect key's short form, passed to the vendor as `delivr_key`.
    pub correlation: String,
    /// Where a person can look at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// What a source-control host is asked to change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "write", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ScmWrite {
    /// A branch at exactly this commit; ours when its head is the commit or a descendant of it.
    CreateBranch {
        /// Its name.
        name: RefName,
        /// The commit it starts at.
        sha: Sha,
    },
    /// A tag that peels to exactly this commit.
    CreateTag {
        /// Its name.
        name: RefName,
        /// The commit it names.
        sha: Sha,
        /// The annotation, where the provider keeps one.
        message: String,
    },
    /// A published release of an existing tag.
    PublishRelease {
        /// The tag it belongs to.
        tag: RefName,
        /// Its title.
        title: String,
        /// Its notes, Markdown.
        notes: String,
    },
    /// A pull request.
    OpenPullRequest {
        /// The branch to merge.
        head: RefName,
        /// The branch to merge into.
        base: RefName,
        /// Its title.
        title: String,
        /// Its text.
        body: String,
    },
    /// The branch is gone afterwards; only if its head is still reachable is it safe, which the caller decided.
    DeleteBranch {
        /// Its name.
        name: RefName,
    },
}

/// A ticket to be created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketDraft {
    /// One line.
    pub title: String,
    /// Plain text with line breaks; the adapter renders it in the vendor's format.
    pub body: String,
    /// Target the ticket is for.
    pub target: Option<TargetKey>,
    /// Version the ticket is for.
    pub version: String,
}

/// What a tracker is asked to change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "write", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TrackerWrite {
    /// A new release ticket.
    CreateTicket {
        /// Its content.
        ticket: TicketDraft,
    },
    /// The ticket stands in the integration's closed status afterwards.
    CloseTicket {
        /// The vendor's id of it.
        ticket: String,
        /// Said on the ticket with the transition.
        comment: String,
    },
}

/// What a test-management system is asked to change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "write", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TestingWrite {
    /// A new test run.
    CreateRun {
        /// Its name before the provider adds its mark.
        name: String,
        /// Its description.
        description: String,
        /// Target it tests.
        target: Option<TargetKey>,
    },
    /// All results of the run are untested again.
    ResetRun {
        /// The vendor's id of it.
        run: String,
    },
}

/// What a CI system is asked to start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "write", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CicdWrite {
    /// A run of a job; the adapter adds the `delivr_key` parameter.
    TriggerRun {
        /// The job or workflow.
        job: String,
        /// The ref it runs on (a tag).
        git_ref: RefName,
        /// The commit that ref names.
        sha: Sha,
        /// Its parameters, rendered.
        parameters: BTreeMap<String, String>,
    },
}

/// Which version of an app in a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreVersion {
    /// Marketing version, e.g. `1.4.0`.
    pub version: String,
    /// The store's own build number or version code.
    pub build_number: String,
    /// Notes for users by language (`en-US`); `default` is for languages without their own. Versions that began before
    /// there were texts by language have one, for `en-US`.
    pub notes: BTreeMap<String, String>,
}

/// When an approved version becomes visible to users.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "when", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReleaseTiming {
    /// By itself after approval.
    AfterApproval,
    /// When a person (or the machine) says so.
    Manual,
    /// By the store at this instant.
    At {
        /// The instant.
        at: Timestamp,
    },
}

/// What a store is asked to change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "write", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StoreWrite {
    /// The editable version with this number exists.
    EnsureVersion {
        /// Which version.
        version: StoreVersion,
        /// How it is released.
        timing: ReleaseTiming,
    },
    /// The version ships this build.
    AttachBuild {
        /// Which version.
        version: StoreVersion,
    },
    /// The version's notes are these; where they travel with the submission, the store would take them.
    SetNotes {
        /// Which version.
        version: StoreVersion,
    },
    /// The version rolls out in phases when it is released.
    EnablePhasedRelease {
        /// Which version.
        version: StoreVersion,
    },
    /// The version is in the store's review (and released as the timing says).
    Submit {
        /// Which version.
        version: StoreVersion,
        /// Users who get it first, in basis points; 10 000 is everybody.
        exposure: u16,
        /// How it is released.
        timing: ReleaseTiming,
    },
    /// The submission is withdrawn from review.
    Withdraw {
        /// Which version.
        version: StoreVersion,
    },
    /// The approved version is released to users.
    ReleaseToUsers {
        /// Which version.
        version: StoreVersion,
    },
    /// The rollout's exposure or state is as said.
    ChangeRollout {
        /// Which version.
        version: StoreVersion,
        /// What it shall be.
        change: RolloutChange,
    },
}

/// What a rollout shall be afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RolloutChange {
    /// At this exposure in basis points.
    SetExposure {
        /// Basis points of users.
        bps: u16,
    },
    /// Not raised further (App Store's pause).
    Pause,
    /// Raised again.
    Resume,
    /// Withheld from users who do not have it (Play's halt).
    Halt,
    /// To everybody.
    Complete,
}

/// One vendor write, with everything it needs but the credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "port", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Operation {
    /// At the source-control host.
    Scm(ScmWrite),
    /// At the tracker.
    Tracker(TrackerWrite),
    /// At the test-management system.
    Testing(TestingWrite),
    /// At the CI system.
    Cicd(CicdWrite),
    /// At the store.
    Store(StoreWrite),
}

words! {
    /// A vendor write without its content: what recognition, error tables and metrics are keyed by.
    OperationKind ("operation") {
        /// See [`ScmWrite::CreateBranch`].
        CreateBranch = "CREATE_BRANCH",
        /// See [`ScmWrite::CreateTag`].
        CreateTag = "CREATE_TAG",
        /// See [`ScmWrite::PublishRelease`].
        PublishRelease = "PUBLISH_RELEASE",
        /// See [`ScmWrite::OpenPullRequest`].
        OpenPullRequest = "OPEN_PULL_REQUEST",
        /// See [`ScmWrite::DeleteBranch`].
        DeleteBranch = "DELETE_BRANCH",
        /// See [`TrackerWrite::CreateTicket`].
        CreateTicket = "CREATE_TICKET",
        /// See [`TrackerWrite::CloseTicket`].
        CloseTicket = "CLOSE_TICKET",
        /// See [`TestingWrite::CreateRun`].
        CreateTestRun = "CREATE_TEST_RUN",
        /// See [`TestingWrite::ResetRun`].
        ResetTestRun = "RESET_TEST_RUN",
        /// See [`CicdWrite::TriggerRun`].
        TriggerRun = "TRIGGER_RUN",
        /// See [`StoreWrite::EnsureVersion`].
        EnsureVersion = "ENSURE_VERSION",
        /// See [`StoreWrite::AttachBuild`].
        AttachBuild = "ATTACH_BUILD",
        /// See [`StoreWrite::SetNotes`].
        SetNotes = "SET_NOTES",
        /// See [`StoreWrite::EnablePhasedRelease`].
        EnablePhasedRelease = "ENABLE_PHASED_RELEASE",
        /// See [`StoreWrite::Submit`].
        Submit = "SUBMIT",
        /// See [`StoreWrite::Withdraw`].
        Withdraw = "WITHDRAW",
        /// See [`StoreWrite::ReleaseToUsers`].
        ReleaseToUsers = "RELEASE_TO_USERS",
        /// See [`StoreWrite::ChangeRollout`].
        ChangeRollout = "CHANGE_ROLLOUT",
        /// A posted chat message.
        PostMessage = "POST_MESSAGE",
    }
}

impl Operation {
    /// The kind of the write.
    #[must_use]
    pub const fn kind(&self) -> OperationKind {
        match self {
            Self::Scm(ScmWrite::CreateBranch { .. }) => OperationKind::CreateBranch,
            Self::Scm(ScmWrite::CreateTag { .. }) => OperationKind::CreateTag,
            Self::Scm(ScmWrite::PublishRelease { .. }) => OperationKind::PublishRelease,
            Self::Scm(ScmWrite::OpenPullRequest { .. }) => OperationKind::OpenPullRequest,
            Self::Scm(ScmWrite::DeleteBranch { .. }) => OperationKind::DeleteBranch,
            Self::Tracker(TrackerWrite::CreateTicket { .. }) => OperationKind::CreateTicket,
            Self::Tracker(TrackerWrite::CloseTicket { .. }) => OperationKind::CloseTicket,
            Self::Testing(TestingWrite::CreateRun { .. }) => OperationKind::CreateTestRun,
            Self::Testing(TestingWrite::ResetRun { .. }) => OperationKind::ResetTestRun,
            Self::Cicd(CicdWrite::TriggerRun { .. }) => OperationKind::TriggerRun,
            Self::Store(StoreWrite::EnsureVersion { .. }) => OperationKind::EnsureVersion,
            Self::Store(StoreWrite::AttachBuild { .. }) => OperationKind::AttachBuild,
            Self::Store(StoreWrite::SetNotes { .. }) => OperationKind::SetNotes,
            Self::Store(StoreWrite::EnablePhasedRelease { .. }) => OperationKind::EnablePhasedRelease,
            Self::Store(StoreWrite::Submit { .. }) => OperationKind::Submit,
            Self::Store(StoreWrite::Withdraw { .. }) => OperationKind::Withdraw,
            Self::Store(StoreWrite::ReleaseToUsers { .. }) => OperationKind::ReleaseToUsers,
            Self::Store(StoreWrite::ChangeRollout { .. }) => OperationKind::ChangeRollout,
        }
    }
}

/// A read whose answer becomes a fact by an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "read", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Reading {
    /// The commit a branch or tag names now.
    RefHead {
        /// The ref.
        name: RefName,
    },
    /// Notes for people from the commits between two refs.
    Notes {
        /// Older ref; none means since the beginning.
        previous: Option<RefName>,
        /// Newer ref.
        current: RefName,
    },
    /// Totals of a test run.
    TestTotals {
        /// The vendor's id of the run.
        run: String,
    },
    /// The uploaded build as the store knows it; not there yet is transient.
    StoreBuild {
        /// Marketing version.
        version: String,
        /// Build number, if the CI run told it.
        build_number: Option<String>,
    },
    /// A rollout's exposure, read back before it is believed.
    Exposure {
        /// Which version.
        version: StoreVersion,
    },
}

/// Something watched until it changes for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "watch", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Watched {
    /// A CI run.
    Run {
        /// Which run.
        run: RunRef,
    },
    /// A store's review.
    Review {
        /// Which version.
        version: StoreVersion,
    },
    /// A rollout's exposure in the store.
    Rollout {
        /// Which version.
        version: StoreVersion,
    },
}

words! {
    /// A fact a gate reads.
    FactKind ("fact") {
        /// The release branch's head commit.
        BranchHead = "BRANCH_HEAD",
        /// Whether every release ticket stands in an approved status.
        TicketsApproved = "TICKETS_APPROVED",
    }
}

words! {
    /// Topic of a message; the chat integration maps topics to channels.
    Topic ("topic") {
        /// Progress of releases.
        Releases = "releases",
        /// Builds.
        Builds = "builds",
        /// Regression cycles.
        Regression = "regression",
        /// What needs a person now.
        Critical = "critical",
    }
}

/// What is told to people. The text is made when it is sent, from these facts alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Stable kind, e.g. `KICKOFF_REMINDER`.
    pub kind: String,
    /// One line.
    pub title: String,
    /// Further lines, plain text with simple links.
    pub lines: Vec<String>,
}

/// Where a read or write goes and what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Effect {
    /// Read once, until answered.
    Resolve {
        /// The step.
        key: EffectKey,
        /// Through which integration.
        integration: IntegrationId,
        /// What is read.
        reading: Reading,
    },
    /// Write once.
    Perform {
        /// The step.
        key: EffectKey,
        /// Through which integration.
        integration: IntegrationId,
        /// What is written.
        operation: Operation,
    },
    /// Read again and again until a change ends the wait.
    Watch {
        /// The step.
        key: EffectKey,
        /// Through which integration.
        integration: IntegrationId,
        /// What is watched.
        watched: Watched,
        /// Seconds between two reads.
        every_seconds: u32,
    },
    /// Read a gate's fact.
    Probe {
        /// Whose gate.
        owner: AggregateId,
        /// Through which integration.
        integration: IntegrationId,
        /// Which fact.
        fact: FactKind,
        /// What to read it of (branch, ticket ids).
        subject: Vec<String>,
    },
    /// Cancel a run that nobody waits for any more; best effort, never blocks.
    CancelRun {
        /// The step that started it.
        key: EffectKey,
        /// Through which integration.
        integration: IntegrationId,
        /// Which run.
        run: RunRef,
    },
    /// Tell another aggregate.
    Tell {
        /// Who tells.
        from: AggregateId,
        /// Who is told.
        to: AggregateId,
        /// Sender's event number, and which tell of that event: makes the row's id.
        ordinal: (u64, u16),
        /// What.
        report: Box<Report>,
    },
    /// Tell people.
    Message {
        /// Whose news.
        from: AggregateId,
        /// Sender's event number, and which message of that event: makes the row's id.
        ordinal: (u64, u16),
        /// Through which integration.
        integration: IntegrationId,
        /// To whom.
        topic: Topic,
        /// What.
        note: Note,
    },
}

impl Effect {
    /// The row's id: one row per (variant, key).
    #[must_use]
    pub fn id(&self) -> EffectId {
        match self {
            Self::Resolve { key, .. } => EffectId::derived("resolve", &[key.to_string().as_bytes()]),
            Self::Perform { key, .. } => EffectId::derived("perform", &[key.to_string().as_bytes()]),
            Self::Watch { key, .. } => EffectId::derived("watch", &[key.to_string().as_bytes()]),
            Self::CancelRun { key, .. } => EffectId::derived("cancel-run", &[key.to_string().as_bytes()]),
            Self::Probe { owner, fact, .. } => {
                EffectId::derived("probe", &[owner.to_string().as_bytes(), fact.word().as_bytes()])
            }
            Self::Tell { from, ordinal, .. } => EffectId::derived(
                "tell",
                &[
                    from.to_string().as_bytes(),
                    &ordinal.0.to_be_bytes(),
                    &ordinal.1.to_be_bytes(),
                ],
            ),
            // After a restore the same number stands for other news, and the chat still has the old one under it.
            Self::Message {
                from,
                ordinal,
                topic,
                note,
                ..
            } => EffectId::derived(
                "message",
                &[
                    from.to_string().as_bytes(),
                    &ordinal.0.to_be_bytes(),
                    &ordinal.1.to_be_bytes(),
                    topic.word().as_bytes(),
                    note.title.as_bytes(),
                    note.lines.join("\n").as_bytes(),
                ],
            ),
        }
    }
    /// The step it belongs to, where it belongs to one.
    #[must_use]
    pub const fn key(&self) -> Option<&EffectKey> {
        match self {
            Self::Resolve { key, .. }
            | Self::Perform { key, .. }
            | Self::Watch { key, .. }
            | Self::CancelRun { key, .. } => Some(key),
            Self::Probe { .. } | Self::Tell { .. } | Self::Message { .. } => None,
        }
    }
    /// The integration it calls, where it calls one.
    #[must_use]
    pub const fn integration(&self) -> Option<IntegrationId> {
        match self {
            Self::Resolve { integration, .. }
            | Self::Perform { integration, .. }
            | Self::Watch { integration, .. }
            | Self::Probe { integration, .. }
            | Self::CancelRun { integration, .. }
            | Self::Message { integration, .. } => Some(*integration),
            Self::Tell { .. } => None,
        }
    }
    /// The aggregate whose row it is.
    #[must_use]
    pub const fn owner(&self) -> AggregateId {
        match self {
            Self::Resolve { key, .. }
            | Self::Perform { key, .. }
            | Self::Watch { key, .. }
            | Self::CancelRun { key, .. } => key.owner,
            Self::Probe { owner, .. } => *owner,
            Self::Tell { from, .. } | Self::Message { from, .. } => *from,
        }
    }
    /// The variant's word, as stored.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Resolve { .. } => "RESOLVE",
            Self::Perform { .. } => "PERFORM",
            Self::Watch { .. } => "WATCH",
            Self::Probe { .. } => "PROBE",
            Self::CancelRun { .. } => "CANCEL_RUN",
            Self::Tell { .. } => "TELL",
            Self::Message { .. } => "MESSAGE",
        }
    }
}
