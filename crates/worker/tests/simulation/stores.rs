//! The two app stores: versions, reviews that take their time, and rollouts. Everything here is recognised by state.

use crate::time::{Dice, seconds};
use crate::world::Made;
use delivr_domain::effect::{Reference, ReleaseTiming, RolloutChange, StoreVersion, StoreWrite};
use delivr_domain::key::{EffectKey, TargetKey};
use delivr_domain::ports::error::ProviderErrorKind;
use delivr_domain::ports::vendor::Lookup;
use delivr_domain::report::{Exposure, ExposureWord, ReviewState, ReviewWord, StoreBuild};
use std::collections::BTreeMap;
use std::time::Duration;

/// What the App Store says of a version that is under review with another build.
pub const ANOTHER_BUILD: &str = "another build of the version is in review";

/// One review, decided when it was asked for, told when its time comes.
#[derive(Debug, Clone)]
struct Review {
    begins: Duration,
    decided: Duration,
    accepted: bool,
    by_itself: bool,
    exposure: u16,
    withdrawn: bool,
    released: Option<Duration>,
}

#[derive(Debug, Clone)]
struct Rollout {
    bps: u16,
    word: ExposureWord,
    since: Duration,
}

#[derive(Debug, Default)]
struct Version {
    build: Option<String>,
    notes: Option<BTreeMap<String, String>>,
    phased: bool,
    review: Option<Review>,
    rollout: Option<Rollout>,
    submitted_by: Vec<String>,
    /// Another build of it took its place.
    replaced: bool,
    /// It was in review when the database was put back to an older one.
    forgotten: bool,
}

#[derive(Default)]
pub struct Stores {
    versions: BTreeMap<(Option<TargetKey>, String), Version>,
    builds: Vec<(Option<TargetKey>, String, Duration)>,
    /// The database was put back to an older one.
    restored: bool,
}

const PHASES: [u16; 7] = [100, 200, 500, 1_000, 2_000, 5_000, 10_000];

fn ios(target: Option<TargetKey>) -> bool {
    target == Some(TargetKey::IosAppStore)
}

/// Under which name a store keeps it: the App Store has one build of a version, Google Play a release of each build.
fn name_of(target: Option<TargetKey>, version: &StoreVersion) -> String {
    if ios(target) {
        version.version.clone()
    } else {
        on_play(&version.version, &version.build_number)
    }
}

fn on_play(version: &str, build: &str) -> String {
    format!("{version} ({build})")
}

impl Review {
    fn word(&self, now: Duration) -> ReviewWord {
        if self.withdrawn {
            ReviewWord::Cancelled
        } else if now < self.begins {
            ReviewWord::Submitted
        } else if now < self.decided {
            ReviewWord::InReview
        } else if !self.accepted {
            ReviewWord::Rejected
        } else if self.live_from().is_some_and(|at| at <= now) {
            ReviewWord::Live
        } else {
            ReviewWord::Approved
        }
    }
    fn live_from(&self) -> Option<Duration> {
        let alone = (self.accepted && self.by_itself).then_some(self.decided + seconds(60));
        self.released.or(alone)
    }
    fn open(&self, now: Duration) -> bool {
        match self.word(now) {
            ReviewWord::Rejected | ReviewWord::Cancelled => false,
            ReviewWord::Preparing
            | ReviewWord::Submitted
            | ReviewWord::InReview
            | ReviewWord::Approved
            | ReviewWord::Live
            | ReviewWord::Suspended
            | ReviewWord::ActionRequired
            | ReviewWord::Unknown => true,
        }
    }
}

impl Version {
    fn live(&self, now: Duration) -> bool {
        self.review
            .as_ref()
            .is_some_and(|it| it.word(now) == ReviewWord::Live)
    }
    fn exposure(&self, ios: bool, now: Duration) -> Exposure {
        let say = |word: ExposureWord, bps: u16| Exposure {
            word,
            bps,
            store_word: word.word().to_lowercase(),
        };
        let Some(review) = self.review.as_ref().filter(|_| self.live(now) && !self.replaced) else {
            return say(ExposureWord::Inactive, 0);
        };
        let live_from = review.live_from().unwrap_or(now);
        let alone = Rollout {
            bps: if ios && !self.phased {
                10_000
            } else {
                review.exposure
            },
            word: ExposureWord::Active,
            since: live_from,
        };
        let it = self.rollout.as_ref().unwrap_or(&alone);
        let bps = if ios && it.word == ExposureWord::Active {
            let phases = usize::try_from((now - it.since).as_secs() / 3_600).unwrap();
            let first = PHASES.iter().position(|phase| *phase >= it.bps).unwrap_or(6);
            PHASES[(first + phases).min(6)]
        } else {
            it.bps
        };
        let everybody = bps == 10_000 && it.word == ExposureWord::Active;
        say(
            if everybody {
                ExposureWord::Completed
            } else {
                it.word
            },
            bps,
        )
    }
}

impl Stores {
    pub fn built(&mut self, target: Option<TargetKey>, number: &str, ready: Duration) {
        self.builds.push((target, number.to_owned(), ready));
    }
    pub fn find_build(
        &self,
        target: Option<TargetKey>,
        number: Option<&str>,
        now: Duration,
    ) -> Option<StoreBuild> {
        let fits = |it: &&(Option<TargetKey>, String, Duration)| {
            it.0 == target && it.2 <= now && number.is_none_or(|number| it.1 == number)
        };
        self.builds.iter().rev().find(fits).map(|it| StoreBuild {
            build_number: it.1.clone(),
            reference: Reference::id(format!("build-{}", it.1)),
        })
    }
    fn version(&self, target: Option<TargetKey>, version: &StoreVersion) -> Option<&Version> {
        self.versions.get(&(target, name_of(target, version)))
    }
    pub fn review(&self, target: Option<TargetKey>, version: &StoreVersion, now: Duration) -> ReviewState {
        let review = self.version(target, version).and_then(|it| it.review.as_ref());
        let word = review.map_or(ReviewWord::Preparing, |it| it.word(now));
        ReviewState {
            word,
            store_word: word.word().to_lowercase(),
            explanation: (word == ReviewWord::Rejected).then(|| "the icon is too bright".to_owned()),
        }
    }
    pub fn exposure(&self, target: Option<TargetKey>, version: &StoreVersion, now: Duration) -> Exposure {
        let none = Version::default();
        self.version(target, version)
            .unwrap_or(&none)
            .exposure(ios(target), now)
    }
    /// What was handed in and is decided against, by now or later, may be handed in again by who has forgotten it.
    pub fn restored(&mut self, now: Duration) {
        self.restored = true;
        for it in self.versions.values_mut() {
            if it.review.as_ref().is_none_or(|review| !review.open(now)) {
                it.submitted_by.clear();
            } else {
                it.forgotten = true;
            }
        }
    }
    /// Which build of a version is sold, for the end of a run: the one that was handed in last.
    pub fn sold(&self, target: TargetKey, version: &str) -> Option<String> {
        let ours = self.versions.iter().filter(|((of, name), _)| {
            let of_play = name
                .strip_prefix(version)
                .is_some_and(|rest| rest.starts_with(" ("));
            *of == Some(target) && (name == version || of_play)
        });
        let handed_in = ours.filter_map(|(_, it)| Some((it.review.as_ref()?.begins, it)));
        let (_, last) = handed_in.max_by_key(|(begins, _)| *begins)?;
        last.build.clone()
    }
    /// Somebody changes a rollout in the store's console.
    pub fn console(&mut self, now: Duration, dice: &mut Dice) -> Option<String> {
        let open = self.versions.iter().filter(|((target, _), it)| {
            let seen = it.exposure(ios(*target), now);
            seen.word == ExposureWord::Active && seen.bps < 10_000
        });
        let key = dice.pick(open.map(|(key, _)| key.clone()).collect())?;
        let is_ios = ios(key.0);
        let it = self.versions.get_mut(&key)?;
        let bps = it.exposure(is_ios, now).bps;
        let (word, bps) = match dice.between(0, 4) {
            0 => (ExposureWord::Completed, 10_000),
            1 if !is_ios => (ExposureWord::Active, bps.saturating_add(300).min(9_900)),
            _ if is_ios => (ExposureWord::Paused, bps),
            _ => (ExposureWord::Halted, bps),
        };
        it.rollout = Some(Rollout {
            bps,
            word,
            since: now,
        });
        Some(format!("{} is {word} at {bps}", key.1))
    }
    /// Somebody takes a version out of the App Store's review, or off it, by hand: another build of it is meant.
    pub fn take_off(&mut self, target: TargetKey, version: &StoreVersion) {
        let target = Some(target);
        self.versions.remove(&(target, name_of(target, version)));
    }

    pub fn find(&self, target: Option<TargetKey>, write: &StoreWrite, now: Duration) -> Lookup {
        let none = Version::default();
        let at = |version: &StoreVersion| self.version(target, version).unwrap_or(&none);
        let (yes, version) = match write {
            StoreWrite::EnsureVersion { version, .. } => (self.version(target, version).is_some(), version),
            StoreWrite::AttachBuild { version } => {
                (at(version).build.as_ref() == Some(&version.build_number), version)
            }
            StoreWrite::SetNotes { version } => (at(version).notes.as_ref() == Some(&version.notes), version),
            StoreWrite::EnablePhasedRelease { version } => (at(version).phased, version),
            StoreWrite::Submit { version, .. } => {
                let it = at(version);
                let open = it.review.as_ref().is_some_and(|it| it.open(now));
                if let Some(build) = it
                    .build
                    .as_ref()
                    .filter(|build| open && **build != version.build_number)
                {
                    return Lookup::Foreign(format!("{} is there with build {build}", version.version));
                }
                let ours = it.build.as_ref() == Some(&version.build_number);
                if ours
                    && it
                        .review
                        .as_ref()
                        .is_some_and(|it| it.word(now) == ReviewWord::Rejected)
                {
                    return Lookup::Over(Reference::id(format!("version-{}", version.version)));
                }
                (open, version)
            }
            StoreWrite::Withdraw { version } => (
                at(version).review.as_ref().is_some_and(|it| it.withdrawn),
                version,
            ),
            StoreWrite::ReleaseToUsers { version } => (at(version).live(now), version),
            StoreWrite::ChangeRollout { version, change } => {
                let seen = at(version).exposure(ios(target), now);
                let done = match change {
                    RolloutChange::SetExposure { bps } => seen.bps == *bps,
                    RolloutChange::Pause => seen.word == ExposureWord::Paused,
                    RolloutChange::Resume => {
                        matches!(seen.word, ExposureWord::Active | ExposureWord::Completed)
                    }
                    RolloutChange::Halt => seen.word == ExposureWord::Halted,
                    RolloutChange::Complete => seen.word == ExposureWord::Completed,
                };
                (done, version)
            }
        };
        let id = format!("version-{}", version.version);
        Lookup::Found(yes.then(|| Reference::id(id)).into_iter().collect())
    }

    #[expect(clippy::too_many_arguments, reason = "all that a store decides by")]
    pub fn make(
        &mut self,
        target: Option<TargetKey>,
        key: &EffectKey,
        write: &StoreWrite,
        at: Duration,
        dice: &mut Dice,
        calm: bool,
        doubled: &mut Vec<String>,
    ) -> Made {
        let refuse = |why: &str| Err((ProviderErrorKind::Precondition, why.to_owned()));
        let (StoreWrite::EnsureVersion { version, .. }
        | StoreWrite::AttachBuild { version }
        | StoreWrite::SetNotes { version }
        | StoreWrite::EnablePhasedRelease { version }
        | StoreWrite::Submit { version, .. }
        | StoreWrite::Withdraw { version }
        | StoreWrite::ReleaseToUsers { version }
        | StoreWrite::ChangeRollout { version, .. }) = write;
        let name = name_of(target, version);
        let reference = Reference::id(format!("version-{}", version.version));
        let is_ios = ios(target);
        let restored = self.restored;
        let it = self.versions.entry((target, name.clone())).or_default();
        match write {
            StoreWrite::EnsureVersion { .. } => {}
            StoreWrite::AttachBuild { version } => {
                let open = it.review.as_ref().is_some_and(|review| review.open(at));
                if open && it.build.as_ref() != Some(&version.build_number) {
                    return refuse(ANOTHER_BUILD);
                }
                it.build = Some(version.build_number.clone());
            }
            StoreWrite::SetNotes { version } => it.notes = Some(version.notes.clone()),
            StoreWrite::EnablePhasedRelease { .. } => it.phased = true,
            StoreWrite::Submit {
                exposure,
                timing,
                version,
            } => {
                if it.review.as_ref().is_some_and(|review| review.open(at)) {
                    return refuse("the version is in review already");
                }
                if std::mem::take(&mut it.forgotten) {
                    it.submitted_by.clear();
                }
                let by = key.owner.to_string();
                if it.submitted_by.contains(&by) {
                    doubled.push(format!("submission of {name} to {target:?}"));
                }
                it.submitted_by.push(by);
                it.build = Some(version.build_number.clone());
                it.rollout = None;
                it.replaced = false;
                let begins = at + dice.millis(30_000, 600_000);
                it.review = Some(Review {
                    begins,
                    decided: begins + dice.millis(60_000, 1_800_000),
                    accepted: calm || !dice.chance(150),
                    by_itself: *timing == ReleaseTiming::AfterApproval,
                    exposure: *exposure,
                    withdrawn: false,
                    released: None,
                });
                let prefix = on_play(&version.version, "");
                let prefix = prefix.trim_end_matches(')');
                for ((of, other), it) in &mut self.versions {
                    it.replaced |= !is_ios && *of == target && *other != name && other.starts_with(prefix);
                }
            }
            StoreWrite::Withdraw { .. } => {
                if it.live(at) {
                    return refuse("the version is live");
                }
                if let Some(review) = &mut it.review {
                    review.withdrawn = true;
                }
                if restored {
                    // It may be that of a submission the database has forgotten, which is made and handed in anew.
                    it.submitted_by.clear();
                }
            }
            StoreWrite::ReleaseToUsers { .. } => match &mut it.review {
                Some(review) if review.word(at) == ReviewWord::Approved => review.released = Some(at),
                Some(_) | None => return refuse("the version is not approved"),
            },
            StoreWrite::ChangeRollout { change, .. } => {
                let seen = it.exposure(is_ios, at);
                if !it.live(at) {
                    return refuse("the version is not live");
                }
                let (word, bps) = match change {
                    RolloutChange::SetExposure { .. } if seen.word == ExposureWord::Halted => {
                        return refuse("the rollout is halted");
                    }
                    RolloutChange::SetExposure { bps } => (ExposureWord::Active, *bps),
                    RolloutChange::Pause => (ExposureWord::Paused, seen.bps),
                    RolloutChange::Resume => (ExposureWord::Active, seen.bps),
                    RolloutChange::Halt => (ExposureWord::Halted, seen.bps),
                    RolloutChange::Complete => (ExposureWord::Completed, 10_000),
                };
                it.rollout = Some(Rollout { bps, word, since: at });
            }
        }
        Ok(reference)
    }
}

#[test]
fn one_build_of_a_version_is_not_taken_for_another_one() {
    use delivr_domain::ids::{InstallId, SubmissionId};
    use delivr_domain::key::{AggregateId, AggregateKind, Generation, TaskKey, TaskKind};
    let submit = |build: &str| StoreWrite::Submit {
        version: StoreVersion {
            version: "1.4.0".to_owned(),
            build_number: build.to_owned(),
            notes: BTreeMap::new(),
        },
        exposure: 500,
        timing: ReleaseTiming::AfterApproval,
    };
    let key = EffectKey {
        install: InstallId::derived(&[b"sim"]),
        owner: AggregateId {
            kind: AggregateKind::Submission,
            id: SubmissionId::derived(&[b"one"]).uuid(),
        },
        task: TaskKey::once(TaskKind::SubmitForReview),
        generation: Generation(0),
        step: 0,
    };
    let later = seconds(10_000);
    let none = Lookup::Found(Vec::new());
    for target in [TargetKey::AndroidPlayStore, TargetKey::IosAppStore].map(Some) {
        let (mut stores, mut dice, mut doubled) = (Stores::default(), Dice::new(1), Vec::new());
        let (first, second) = (submit("133"), submit("255"));
        assert_eq!(stores.find(target, &first, later), none);
        stores
            .make(target, &key, &first, seconds(0), &mut dice, true, &mut doubled)
            .unwrap();
        assert!(matches!(stores.find(target, &first, later), Lookup::Found(it) if it.len() == 1));
        let other = stores.find(target, &second, later);
        if ios(target) {
            assert!(
                matches!(other, Lookup::Foreign(_)),
                "the version is taken: {other:?}"
            );
        } else {
            assert_eq!(other, none, "another build is another release");
        }
        assert_eq!(stores.sold(target.unwrap(), "1.4.0").as_deref(), Some("133"));
    }
}
