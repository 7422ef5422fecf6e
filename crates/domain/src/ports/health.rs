//! How it goes with an integration, as the calls made through it tell: the last one and what came of it, how long none has
//! been answered, what the vendor says is left of its quota, and when the credential ends.
//!
//! A [`Health`] is what is known of one call or of many: two of them, of whatever processes, are [merged](Health::merged)
//! by time. So whoever makes calls may gather for a while, and write what it gathered on top of what others wrote.

use super::error::{ProviderError, ProviderErrorKind};
use crate::ids::PipelineId;
use crate::key::words;
use crate::time::Timestamp;
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Bytes kept of a sentence or of the vendor's words.
pub const WORDS: usize = 500;
/// Quotas kept of one integration.
pub const QUOTAS: usize = 8;
/// Pipelines of one integration whose jobs' last reading is kept.
pub const JOBS: usize = 200;
/// A quota whose end the vendor does not tell counts for so long.
const COUNTS_FOR: TimeDelta = TimeDelta::hours(1);
/// A quota is low when less than one in so many is left.
const LOW: u64 = 10;
/// A credential ends soon when it has no longer than this.
pub const SOON: TimeDelta = TimeDelta::days(14);

words! {
    /// What a call says about the integration it was made through.
    Called ("what came of a call") {
        /// The vendor answered. That there is no such thing, or one already, is an answer too.
        Answered = "ANSWERED",
        /// The vendor refuses the credential, a permission or the settings.
        Refused = "REFUSED",
        /// The vendor asks for fewer calls.
        Throttled = "THROTTLED",
        /// The vendor's side is broken: an error of its server, or an answer that it does not document.
        Failed = "FAILED",
        /// No whole answer came.
        Unreachable = "UNREACHABLE",
    }
}

impl Called {
    /// What an error that was made of a vendor's answer says.
    #[must_use]
    pub const fn of(kind: ProviderErrorKind) -> Self {
        match kind {
            ProviderErrorKind::Unauthenticated
            | ProviderErrorKind::Forbidden
            | ProviderErrorKind::Refused
            | ProviderErrorKind::Misconfigured => Self::Refused,
            ProviderErrorKind::Throttled => Self::Throttled,
            ProviderErrorKind::Unavailable | ProviderErrorKind::Malformed => Self::Failed,
            ProviderErrorKind::NotFound
            | ProviderErrorKind::Conflict
            | ProviderErrorKind::Precondition
            | ProviderErrorKind::Invalid
            | ProviderErrorKind::Unsupported => Self::Answered,
        }
    }
}

/// A call and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastCall {
    /// When it ended, by the clock of the process that made it.
    pub at: Timestamp,
    /// What the adapter wanted, in its own word.
    pub operation: String,
    /// What it says about the integration.
    pub outcome: Called,
    /// Who must do what, for people; none when the vendor answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The vendor's own words, without secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
}

impl LastCall {
    /// A call that the vendor answered.
    #[must_use]
    pub fn answered(at: Timestamp, operation: &str) -> Self {
        Self {
            at,
            operation: operation.to_owned(),
            outcome: Called::Answered,
            detail: None,
            vendor: None,
        }
    }

    /// A call of which this error was made.
    #[must_use]
    pub fn failed(at: Timestamp, operation: &str, outcome: Called, error: &ProviderError) -> Self {
        let mut it = Self::answered(at, operation);
        if outcome != Called::Answered {
            it.outcome = outcome;
            it.detail = Some(cut(&error.sentence));
            it.vendor = error.vendor.as_deref().map(cut);
        }
        it
    }
}

fn cut(text: &str) -> String {
    text.get(..text.floor_char_boundary(WORDS))
        .unwrap_or_default()
        .to_owned()
}

/// Calls in a row of which none was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    /// How many.
    pub calls: u32,
    /// When the first one ended.
    pub since: Timestamp,
    /// When the last one ended.
    pub last: Timestamp,
}

impl Failing {
    /// What is left of them when a call was answered at the time.
    fn after(self, answered: Option<Timestamp>) -> Option<Self> {
        match answered {
            Some(at) if at >= self.last => None,
            // Some of them came before it; of the last one it is known that it did not.
            Some(at) if at >= self.since => Some(Self {
                calls: 1,
                since: self.last,
                last: self.last,
            }),
            Some(_) | None => Some(self),
        }
    }
}

words! {
    /// What reading a pipeline's job came to.
    JobState ("what reading a job came to") {
        /// A release could start it.
        Usable = "USABLE",
        /// A release could not.
        Unusable = "UNUSABLE",
        /// It could not be read.
        Unread = "UNREAD",
    }
}

/// A reading of a pipeline's job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRead {
    /// When, by the clock of the process that read it.
    pub at: Timestamp,
    /// The version of the pipeline that was tried: of another one nothing is known.
    pub version: u64,
    /// What came of it.
    pub state: JobState,
    /// What is to be put right, or why it could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl JobRead {
    /// A reading with what is said of it, cut where it is very long.
    #[must_use]
    pub fn new(at: Timestamp, version: u64, state: JobState, detail: Option<&str>) -> Self {
        Self {
            at,
            version,
            state,
            detail: detail.map(cut),
        }
    }
}

/// What a vendor says of one of its limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// Calls in a period.
    pub limit: u64,
    /// Calls left of it.
    pub remaining: u64,
    /// When the period ends; none where the vendor does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resets_at: Option<Timestamp>,
    /// When the vendor said so.
    pub told_at: Timestamp,
}

impl Quota {
    /// Whether it still says something: its period is not over.
    #[must_use]
    pub fn counts(&self, now: Timestamp) -> bool {
        now < self.resets_at.unwrap_or(self.told_at + COUNTS_FOR)
    }
    /// Whether less than a tenth is left.
    #[must_use]
    pub fn is_low(&self, now: Timestamp) -> bool {
        self.counts(now) && self.limit > 0 && self.remaining.saturating_mul(LOW) < self.limit
    }
}

/// What a vendor says of the end of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expiry {
    /// When it ends; none when the vendor names no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// When the vendor said so.
    pub told_at: Timestamp,
}

words! {
    /// How near the end of a credential is.
    Ending ("how near the end of a credential is") {
        /// Further than [`SOON`].
        Later = "LATER",
        /// Within [`SOON`].
        Soon = "SOON",
        /// It has ended.
        Over = "OVER",
    }
}

impl Ending {
    /// Of a credential that ends then.
    #[must_use]
    pub fn of(at: Timestamp, now: Timestamp) -> Self {
        if at <= now {
            Self::Over
        } else if at - now <= SOON {
            Self::Soon
        } else {
            Self::Later
        }
    }
}

/// What is known of an integration by its calls.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Health {
    /// The last call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_call: Option<LastCall>,
    /// When a call was last answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<Timestamp>,
    /// The calls since then that were not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failing: Option<Failing>,
    /// What is left of the vendor's limits, by its name for each.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub quotas: BTreeMap<String, Quota>,
    /// The credential's end; none where the vendor never speaks of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiry: Option<Expiry>,
    /// The last reading of the job of each of its pipelines.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub jobs: BTreeMap<PipelineId, JobRead>,
}

impl Health {
    /// What reading a pipeline's job tells.
    #[must_use]
    pub fn of_job(pipeline: PipelineId, read: JobRead) -> Self {
        Self {
            jobs: BTreeMap::from([(pipeline, read)]),
            ..Self::default()
        }
    }

    /// What one call tells.
    #[must_use]
    pub fn of(call: LastCall) -> Self {
        let at = call.at;
        let answered = call.outcome == Called::Answered;
        Self {
            answered_at: answered.then_some(at),
            failing: (!answered).then_some(Failing {
                calls: 1,
                since: at,
                last: at,
            }),
            last_call: Some(call),
            ..Self::default()
        }
    }

    /// What both know. Of two things at one time, the other's counts.
    #[must_use]
    pub fn merged(self, other: Self) -> Self {
        let answered_at = self.answered_at.max(other.answered_at);
        let failing = match (
            self.failing.and_then(|it| it.after(answered_at)),
            other.failing.and_then(|it| it.after(answered_at)),
        ) {
            (Some(one), Some(two)) => Some(Failing {
                calls: one.calls.saturating_add(two.calls),
                since: one.since.min(two.since),
                last: one.last.max(two.last),
            }),
            (one, two) => one.or(two),
        };
        let mut quotas = self.quotas;
        for (name, quota) in other.quotas {
            let newer = quotas
                .get(&name)
                .is_none_or(|known| known.told_at <= quota.told_at);
            if newer {
                quotas.insert(name, quota);
            }
        }
        while quotas.len() > QUOTAS {
            let oldest = quotas.iter().min_by_key(|(_, it)| it.told_at);
            let Some(name) = oldest.map(|(name, _)| name.clone()) else {
                break;
            };
            quotas.remove(&name);
        }
        let mut jobs = self.jobs;
        for (id, read) in other.jobs {
            if jobs.get(&id).is_none_or(|known| known.at <= read.at) {
                jobs.insert(id, read);
            }
        }
        while jobs.len() > JOBS {
            let Some(oldest) = jobs.iter().min_by_key(|(_, it)| it.at).map(|(id, _)| *id) else {
                break;
            };
            jobs.remove(&oldest);
        }
        Self {
            last_call: newest(self.last_call, other.last_call, |it| it.at),
            answered_at,
            failing,
            quotas,
            expiry: newest(self.expiry, other.expiry, |it| it.told_at),
            jobs,
        }
    }
}

fn newest<T>(one: Option<T>, other: Option<T>, at: impl Fn(&T) -> Timestamp) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) if at(&one) > at(&other) => Some(one),
        (one, other) => other.or(one),
    }
}

/// Whoever keeps the account of one integration: told what each call through it says.
pub trait Gauge: Send + Sync {
    /// A call has ended. Must be quick: the call's answer waits for it.
    fn told(&self, health: Health);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_timestamp(1_800_000_000 + second, 0).unwrap()
    }
    fn answered(second: i64) -> Health {
        Health::of(LastCall::answered(at(second), "read"))
    }
    fn refused(second: i64) -> Health {
        let error = ProviderError::new("test", "read", ProviderErrorKind::Forbidden, "grant it");
        Health::of(LastCall::failed(at(second), "read", Called::Refused, &error))
    }
    fn all(of: impl IntoIterator<Item = Health>) -> Health {
        of.into_iter().fold(Health::default(), Health::merged)
    }

    #[test]
    fn failures_are_counted_from_the_last_answer_on() {
        let health = all([refused(1), answered(2), refused(3), refused(5)]);
        assert_eq!(
            health.failing,
            Some(Failing {
                calls: 2,
                since: at(3),
                last: at(5)
            })
        );
        assert_eq!(health.answered_at, Some(at(2)));
        assert_eq!(
            health.last_call.as_ref().unwrap().detail.as_deref(),
            Some("grant it")
        );
        let health = health.merged(answered(6));
        assert_eq!((health.failing, health.answered_at), (None, Some(at(6))));
    }

    #[test]
    fn what_processes_gathered_is_the_same_in_whatever_order_it_is_written() {
        let one = all([refused(1), refused(4)]);
        let two = all([answered(2), refused(5)]);
        let mine = one.clone().merged(two.clone());
        assert_eq!(mine, two.merged(one));
        // Of the failures at 1 and 4 one certainly came after the answer at 2.
        assert_eq!(
            mine.failing,
            Some(Failing {
                calls: 2,
                since: at(4),
                last: at(5)
            })
        );
        // A straggler changes nothing that is newer.
        let late = mine.clone().merged(refused(0)).merged(answered(1));
        assert_eq!(late, mine);
    }

    #[test]
    fn the_newest_word_on_each_quota_counts_and_there_are_only_so_many() {
        let quota = |told: i64, remaining: u64| Quota {
            limit: 100,
            remaining,
            resets_at: None,
            told_at: at(told),
        };
        let of = |name: &str, quota: Quota| Health {
            quotas: BTreeMap::from([(name.to_owned(), quota)]),
            ..Health::default()
        };
        let health = all([
            of("core", quota(5, 50)),
            of("core", quota(3, 70)),
            of("search", quota(1, 9)),
        ]);
        assert_eq!(health.quotas["core"].remaining, 50);
        assert_eq!(health.quotas.len(), 2);
        let many = all((0..20).map(|n| of(&format!("bucket {n}"), quota(n, 1))));
        assert_eq!(many.quotas.len(), QUOTAS);
        assert!(many.quotas.contains_key("bucket 19") && !many.quotas.contains_key("bucket 0"));
    }

    #[test]
    fn the_newest_reading_of_each_job_counts_and_there_are_only_so_many() {
        let id = |n: u128| PipelineId::from_uuid(uuid::Uuid::from_u128(n));
        let of = |n: u128, second: i64, state: JobState| {
            Health::of_job(id(n), JobRead::new(at(second), 1, state, Some("declare it")))
        };
        let health = all([
            of(1, 5, JobState::Usable),
            of(1, 3, JobState::Unusable),
            of(2, 4, JobState::Unread),
        ]);
        assert_eq!(health.jobs[&id(1)].state, JobState::Usable);
        assert_eq!(health.jobs[&id(2)].detail.as_deref(), Some("declare it"));
        let text = serde_json::to_string(&health).unwrap();
        assert_eq!(serde_json::from_str::<Health>(&text).unwrap(), health);
        let many = all((0..300_u32).map(|n| of(u128::from(n), i64::from(n), JobState::Usable)));
        assert_eq!(many.jobs.len(), JOBS);
        assert!(many.jobs.contains_key(&id(299)) && !many.jobs.contains_key(&id(99)));
    }

    #[test]
    fn a_quota_is_low_under_a_tenth_and_while_its_period_lasts() {
        let quota = |remaining: u64, resets: Option<i64>| Quota {
            limit: 5_000,
            remaining,
            resets_at: resets.map(at),
            told_at: at(0),
        };
        assert!(quota(499, Some(60)).is_low(at(1)) && !quota(500, Some(60)).is_low(at(1)));
        assert!(!quota(0, Some(60)).is_low(at(60)), "the period is over");
        assert!(quota(0, None).is_low(at(3_599)) && !quota(0, None).is_low(at(3_600)));
        let none = Quota {
            limit: 0,
            ..quota(0, None)
        };
        assert!(!none.is_low(at(0)), "no limit at all");
    }

    #[test]
    fn the_end_of_a_credential_is_told_a_fortnight_ahead() {
        let day = 86_400;
        for (left, ending) in [
            (14 * day + 1, Ending::Later),
            (14 * day, Ending::Soon),
            (1, Ending::Soon),
            (0, Ending::Over),
            (-day, Ending::Over),
        ] {
            assert_eq!(Ending::of(at(left), at(0)), ending, "{left}");
        }
        let told = |told: i64, end: Option<i64>| Health {
            expiry: Some(Expiry {
                at: end.map(at),
                told_at: at(told),
            }),
            ..Health::default()
        };
        // Replaced by one without an end.
        assert_eq!(all([told(1, Some(60)), told(2, None)]).expiry.unwrap().at, None);
        assert_eq!(all([told(2, None), told(1, Some(60))]).expiry.unwrap().at, None);
    }

    #[test]
    fn words_are_cut_and_what_another_version_wrote_can_be_read() {
        let error = ProviderError::new("test", "read", ProviderErrorKind::Unavailable, "é".repeat(WORDS));
        let call = LastCall::failed(at(0), "read", Called::Unreachable, &error);
        assert!(call.detail.as_ref().unwrap().len() <= WORDS);
        let text = serde_json::to_string(&Health::of(call.clone())).unwrap();
        assert_eq!(serde_json::from_str::<Health>(&text).unwrap(), Health::of(call));
        let read: Health = serde_json::from_str(r#"{"later":"invented"}"#).unwrap();
        assert_eq!(read, Health::default());
    }
}
