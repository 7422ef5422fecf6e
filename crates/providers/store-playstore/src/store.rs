//! The port: reads and writes over edits.

use crate::client::Client;
use crate::track::{self, Release, State};
use crate::{PROVIDER, errors, notes};
use async_trait::async_trait;
use delivr_domain::effect::{
    OperationKind, Reference, ReleaseTiming, RolloutChange, StoreVersion, StoreWrite,
};
use delivr_domain::key::EffectKey;
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use delivr_domain::ports::vendor::{Check, Declared, Lookup, Recognition, Storefront, Verification, Writes};
use delivr_domain::report::{Exposure, ExposureWord, ReviewState, ReviewWord, StoreBuild};

/// The track CI uploads to.
const INTERNAL: &str = "internal";

/// One app in Google Play, and the track its users get.
#[derive(Debug, Clone)]
pub(crate) struct App {
    pub(crate) client: Client,
    pub(crate) track: String,
}

fn error(operation: &'static str, kind: ProviderErrorKind, sentence: impl Into<String>) -> ProviderError {
    ProviderError::new(PROVIDER, operation, kind, sentence)
}

fn code_of(version: &StoreVersion) -> Result<i64, ProviderError> {
    let code = version.build_number.trim().parse().ok().filter(|code| *code > 0);
    code.ok_or_else(|| {
        error(
            "read_version_code",
            ProviderErrorKind::Invalid,
            format!(
                "`{}` is not a version code; Google Play's are whole numbers.",
                version.build_number
            ),
        )
    })
}

/// What is asked of the track.
enum Ask<'a> {
    Submit(&'a StoreVersion, u16),
    Change(&'a StoreVersion, RolloutChange),
}

impl Ask<'_> {
    fn code(&self) -> Result<i64, ProviderError> {
        match self {
            Self::Submit(version, _) | Self::Change(version, _) => code_of(version),
        }
    }
    fn operation(&self) -> &'static str {
        match self {
            Self::Submit(..) => "submit",
            Self::Change(..) => "change_rollout",
        }
    }
    fn state(&self, releases: &[Release]) -> Result<State, ProviderError> {
        let code = self.code()?;
        Ok(match self {
            Self::Submit(version, bps) => track::submit(releases, code, *bps, &notes::of(version)?),
            Self::Change(_, change) => track::change(releases, code, *change),
        })
    }
}

impl App {
    fn reference(&self, releases: &[Release], code: i64) -> Reference {
        let known = track::of(releases, code);
        known.map_or_else(
            || Reference::id(code.to_string()),
            |it| it.reference(code, &self.client.package, &self.track),
        )
    }

    /// Releases of a track, read in an edit of its own. Another edit of the account ends ours; then a second is tried.
    async fn releases(&self, operation: &'static str, of: &str) -> Result<Vec<Release>, ProviderError> {
        let mut again = true;
        loop {
            let edit = self.client.open(operation).await?;
            let read = self.client.track(operation, &edit, of).await;
            self.client.discard(operation, &edit).await;
            match read {
                Err(failed) if again && errors::edit_is_gone(&failed) => again = false,
                read => return read,
            }
        }
    }

    async fn bundles(&self, operation: &'static str) -> Result<Vec<i64>, ProviderError> {
        let edit = self.client.open(operation).await?;
        let read = self.client.bundles(operation, &edit).await;
        self.client.discard(operation, &edit).await;
        read
    }

    /// Version, build and notes have no object of their own in Play: they are there when the bundle is.
    async fn bundle(&self, version: &StoreVersion) -> Result<Option<Reference>, ProviderError> {
        let code = code_of(version)?;
        let there = self.bundles("find_bundle").await?.contains(&code);
        Ok(there.then(|| Reference::id(code.to_string()).with("package", &self.client.package)))
    }

    async fn look(&self, ask: &Ask<'_>) -> Result<Lookup, ProviderError> {
        let releases = self.releases(ask.operation(), &self.track).await?;
        Ok(match ask.state(&releases)? {
            State::Done => Lookup::Found(vec![self.reference(&releases, ask.code()?)]),
            State::Open(_) => Lookup::Found(Vec::new()),
            State::Foreign(sentence) => Lookup::Foreign(sentence),
        })
    }

    async fn make(&self, ask: &Ask<'_>) -> Result<Reference, ProviderError> {
        match self.attempt(ask, false).await {
            // A refused commit changed nothing, and Google says which value it wants (vendor-apis 18.2). The release
            // is then shown as not sent, for a person to send.
            Err(refused) if errors::other_review_flag(&refused) == Some(true) => {
                self.attempt(ask, true).await
            }
            other => other,
        }
    }

    async fn attempt(&self, ask: &Ask<'_>, unsent: bool) -> Result<Reference, ProviderError> {
        let operation = ask.operation();
        let edit = self.client.open(operation).await?;
        match self.within(ask, &edit, unsent).await {
            Ok((reference, true)) => Ok(reference),
            Ok((reference, false)) => {
                self.client.discard(operation, &edit).await;
                Ok(reference)
            }
            Err(failed) => {
                self.client.discard(operation, &edit).await;
                Err(failed)
            }
        }
    }

    /// Read, compare, put, commit; whether the edit was used up.
    async fn within(
        &self,
        ask: &Ask<'_>,
        edit: &str,
        unsent: bool,
    ) -> Result<(Reference, bool), ProviderError> {
        let (operation, code) = (ask.operation(), ask.code()?);
        let before = self.client.track(operation, edit, &self.track).await?;
        match ask.state(&before)? {
            State::Done => Ok((self.reference(&before, code), false)),
            State::Foreign(sentence) => Err(error(operation, ProviderErrorKind::Conflict, sentence)),
            State::Open(releases) => {
                self.client.put(operation, edit, &self.track, &releases).await?;
                self.client.commit(operation, edit, unsent).await?;
                Ok((self.reference(&releases, code), true))
            }
        }
    }

    /// Whether users can have the version: published by Google, or by its track where Google does not say.
    async fn release_state(&self, version: &StoreVersion) -> Result<Lookup, ProviderError> {
        let state = self.review_state(version).await?;
        Ok(match state.word {
            ReviewWord::Live => Lookup::Found(vec![Reference::id(&version.build_number)]),
            ReviewWord::Preparing
            | ReviewWord::Submitted
            | ReviewWord::InReview
            | ReviewWord::Approved
            | ReviewWord::ActionRequired
            | ReviewWord::Unknown => Lookup::Found(Vec::new()),
            ReviewWord::Rejected | ReviewWord::Cancelled | ReviewWord::Suspended => Lookup::Foreign(format!(
                "Version code {} is in state {} in Google Play and cannot be released.",
                version.build_number, state.store_word
            )),
        })
    }

    async fn withdraw_state(&self, version: &StoreVersion) -> Result<Lookup, ProviderError> {
        let state = self.review_state(version).await?;
        match state.word {
            ReviewWord::Live => Ok(Lookup::Foreign(format!(
                "Version code {} is published already and cannot be withdrawn from review; halt its rollout instead.",
                version.build_number
            ))),
            ReviewWord::Preparing
            | ReviewWord::Rejected
            | ReviewWord::Cancelled
            | ReviewWord::Suspended
            | ReviewWord::Unknown => Ok(Lookup::Found(vec![Reference::id(&version.build_number)])),
            ReviewWord::Submitted
            | ReviewWord::InReview
            | ReviewWord::Approved
            | ReviewWord::ActionRequired => Err(error(
                "withdraw",
                ProviderErrorKind::Unsupported,
                "Google Play's API cannot take one release out of review; remove the changes in Play Console, \
                     Publishing overview.",
            )),
        }
    }
}

/// Asks that Play cannot fulfil at all.
fn possible(write: &StoreWrite) -> Result<(), ProviderError> {
    let sentence = match write {
        StoreWrite::Submit {
            timing: ReleaseTiming::At { .. },
            ..
        } => {
            "Google Play cannot release at a given time through its API; submit then, or use timed publishing in Play \
             Console."
        }
        StoreWrite::Submit { exposure: 0, .. }
        | StoreWrite::ChangeRollout {
            change: RolloutChange::SetExposure { bps: 0 },
            ..
        } => "Google Play's rollouts reach at least some users; choose a first step above 0 per cent.",
        StoreWrite::ChangeRollout {
            change: RolloutChange::Pause,
            ..
        } => {
            "Google Play has no pause: a rollout that is not raised stays where it is. Halt it to withhold it from new \
             users."
        }
        StoreWrite::EnsureVersion { .. }
        | StoreWrite::AttachBuild { .. }
        | StoreWrite::SetNotes { .. }
        | StoreWrite::EnablePhasedRelease { .. }
        | StoreWrite::Submit { .. }
        | StoreWrite::Withdraw { .. }
        | StoreWrite::ReleaseToUsers { .. }
        | StoreWrite::ChangeRollout { .. } => return Ok(()),
    };
    Err(error("write", ProviderErrorKind::Unsupported, sentence))
}

#[async_trait]
impl Writes<StoreWrite> for App {
    fn declared(&self, _operation: OperationKind) -> Declared {
        Declared::new(Recognition::ByState)
    }

    async fn find(&self, _key: &EffectKey, write: &StoreWrite) -> Result<Lookup, ProviderError> {
        possible(write)?;
        match write {
            StoreWrite::EnsureVersion { version, .. }
            | StoreWrite::AttachBuild { version }
            | StoreWrite::SetNotes { version }
            | StoreWrite::EnablePhasedRelease { version } => {
                Ok(Lookup::Found(self.bundle(version).await?.into_iter().collect()))
            }
            StoreWrite::Submit {
                version, exposure, ..
            } => self.look(&Ask::Submit(version, *exposure)).await,
            StoreWrite::ChangeRollout { version, change } => self.look(&Ask::Change(version, *change)).await,
            StoreWrite::ReleaseToUsers { version } => self.release_state(version).await,
            StoreWrite::Withdraw { version } => self.withdraw_state(version).await,
        }
    }

    async fn create(&self, key: &EffectKey, write: &StoreWrite) -> Result<Reference, ProviderError> {
        possible(write)?;
        let sentence = match write {
            StoreWrite::Submit { version, exposure, .. } => {
                return self.make(&Ask::Submit(version, *exposure)).await;
            }
            StoreWrite::ChangeRollout { version, change } => {
                return self.make(&Ask::Change(version, *change)).await;
            }
            StoreWrite::EnsureVersion { version, .. }
            | StoreWrite::AttachBuild { version }
            | StoreWrite::SetNotes { version }
            | StoreWrite::EnablePhasedRelease { version } => format!(
                "Google Play does not have the bundle of version code {} (yet); upload it to the internal track.",
                version.build_number
            ),
            StoreWrite::ReleaseToUsers { .. } | StoreWrite::Withdraw { .. } => {
                "Google Play releases after its review; with managed publishing a person publishes in Play Console, \
                 Publishing overview."
                    .to_owned()
            }
        };
        // These have no call of their own: they are so, or somebody else must make them so.
        match self.find(key, write).await? {
            Lookup::Found(found) => found
                .into_iter()
                .next()
                .ok_or_else(|| error("write", ProviderErrorKind::Precondition, sentence)),
            Lookup::Foreign(why) => Err(error("write", ProviderErrorKind::Conflict, why)),
            Lookup::Unsure => Err(error("write", ProviderErrorKind::Precondition, sentence)),
        }
    }
}

#[async_trait]
impl Storefront for App {
    async fn verify(&self) -> Result<Verification, ProviderError> {
        let mut checks = Vec::new();
        for (what, of) in [
            ("read the internal track", INTERNAL),
            ("read the release track", self.track.as_str()),
        ] {
            let missing = match self.releases("verify", of).await {
                Ok(_) => None,
                Err(failed)
                    if matches!(
                        failed.kind,
                        ProviderErrorKind::Forbidden | ProviderErrorKind::NotFound
                    ) =>
                {
                    Some(failed.sentence)
                }
                Err(failed) => return Err(failed),
            };
            checks.push(Check {
                what: what.to_owned(),
                missing,
            });
        }
        Ok(Verification {
            account: self.client.tokens.email.clone(),
            checks,
        })
    }

    async fn find_build(
        &self,
        version: &str,
        build_number: Option<&str>,
    ) -> Result<Option<StoreBuild>, ProviderError> {
        let found = match build_number {
            Some(number) => {
                let wanted = number.trim().parse::<i64>().ok();
                let all = self.bundles("find_build").await?;
                all.into_iter().find(|code| Some(*code) == wanted)
            }
            // Play names a release after the bundle's version name: `1.4.0` or `123 (1.4.0)`.
            None => {
                let releases = self.releases("find_build", INTERNAL).await?;
                let named = |it: &&Release| it.name().split([' ', '(', ')']).any(|word| word == version);
                releases.iter().filter(named).map(Release::highest).max()
            }
        };
        Ok(found.map(|code| StoreBuild {
            build_number: code.to_string(),
            reference: Reference::id(code.to_string())
                .with("package", &self.client.package)
                .with("version", version),
        }))
    }

    async fn review_state(&self, version: &StoreVersion) -> Result<ReviewState, ProviderError> {
        let code = code_of(version)?;
        if let Some(word) = self.client.lifecycle("review_state", &self.track, code).await? {
            return Ok(track::review(&word));
        }
        let releases = self.releases("review_state", &self.track).await?;
        Ok(track::of(&releases, code).map_or_else(
            || ReviewState {
                word: ReviewWord::Unknown,
                store_word: "NOT_ON_TRACK".to_owned(),
                explanation: Some("Google Play does not list the version code on the track.".to_owned()),
            },
            |it| track::review(&it.status),
        ))
    }

    async fn exposure(&self, version: &StoreVersion) -> Result<Exposure, ProviderError> {
        let code = code_of(version)?;
        let life = self.client.lifecycle("exposure", &self.track, code).await?;
        let releases = self.releases("exposure", &self.track).await?;
        Ok(track::of(&releases, code).map_or_else(
            || Exposure {
                word: ExposureWord::Unknown,
                bps: 0,
                store_word: "NOT_ON_TRACK".to_owned(),
            },
            |it| track::exposure(it, life.as_deref()),
        ))
    }
}
