//! The port: reads and writes over edits.

use crate::client::Told;
use crate::edit::Desk;
use crate::track::{self, Release};
use crate::writing::{Ask, Read, code_of, error};
use crate::{notes, review};
use async_trait::async_trait;
use delivr_domain::effect::{
    OperationKind, Reference, ReleaseTiming, RolloutChange, StoreVersion, StoreWrite,
};
use delivr_domain::key::EffectKey;
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use delivr_domain::ports::lease::Taking;
use delivr_domain::ports::vendor::{
    Check, Declared, Lookup, Recognition, StoreLanguages, Storefront, Verification, Writes,
};
use delivr_domain::report::{Exposure, ReviewState, ReviewWord, StoreBuild};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// One app in Google Play, and the track its users get.
#[derive(Debug, Clone)]
pub(crate) struct App {
    pub(crate) desk: Desk,
    pub(crate) track: String,
    /// Where uploads arrive.
    pub(crate) upload_track: String,
    /// What else a new release gets.
    pub(crate) settings: Map<String, Value>,
    /// Whether a halt may cancel a running review.
    pub(crate) halt_cancels_review: bool,
}

impl App {
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
            // What is not on the track is not in review. Any other word that we do not know may mean that it is.
            ReviewWord::Unknown if state.store_word != review::NOT_ON_TRACK => Err(error(
                "withdraw",
                ProviderErrorKind::Unsupported,
                format!(
                    "Google Play does not say clearly whether version code {} is in review ({}), and its API cannot take \
                     one release out of it; look in Play Console, Publishing overview, and remove the changes there.",
                    version.build_number, state.store_word
                ),
            )),
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
            | StoreWrite::EnablePhasedRelease { version } => {
                Ok(Lookup::Found(self.bundle(version).await?.into_iter().collect()))
            }
            StoreWrite::SetNotes { version } => {
                Ok(Lookup::Found(self.noted(version).await?.into_iter().collect()))
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
            Lookup::Unsure | Lookup::Over(_) => {
                Err(error("write", ProviderErrorKind::Precondition, sentence))
            }
        }
    }
}

#[async_trait]
impl Storefront for App {
    async fn verify(&self) -> Result<Verification, ProviderError> {
        let missing = |failed: ProviderError| match failed.kind {
            ProviderErrorKind::Forbidden | ProviderErrorKind::NotFound => Ok(failed.sentence),
            ProviderErrorKind::Unauthenticated
            | ProviderErrorKind::Conflict
            | ProviderErrorKind::Precondition
            | ProviderErrorKind::Invalid
            | ProviderErrorKind::Throttled
            | ProviderErrorKind::Unavailable
            | ProviderErrorKind::Malformed
            | ProviderErrorKind::Refused
            | ProviderErrorKind::Unsupported
            | ProviderErrorKind::Misconfigured => Err(failed),
        };
        let check = |what: String, missing: Option<String>| Check { what, missing };
        let mut checks = Vec::new();
        match self.read("verify", Taking::WhenFree, &Read::Tracks).await {
            Ok(seen) => {
                checks.push(check("open an edit of the app".to_owned(), None));
                for name in [&self.upload_track, &self.track] {
                    let there = seen.tracks.iter().any(|it| it.track == *name);
                    let missing = (!there).then(|| {
                        let names: Vec<&str> = seen.tracks.iter().map(|it| it.track.as_str()).collect();
                        format!("The app has no track `{name}`; it has {}.", names.join(", "))
                    });
                    checks.push(check(format!("find the track {name}"), missing));
                }
            }
            Err(failed) => checks.push(check(
                "open an edit of the app".to_owned(),
                Some(missing(failed)?),
            )),
        }
        let missing = match self.desk.client.lifecycles("verify", &self.track).await {
            Ok(_) => None,
            Err(failed) => Some(missing(failed)?),
        };
        checks.push(check("read the state of reviews".to_owned(), missing));
        Ok(Verification {
            account: self.desk.client.tokens.email.clone(),
            checks,
        })
    }

    async fn find_build(
        &self,
        version: &str,
        build_number: Option<&str>,
    ) -> Result<Option<StoreBuild>, ProviderError> {
        let what = if build_number.is_some() {
            Read::Bundles
        } else {
            Read::Uploads
        };
        let seen = self.read("find_build", Taking::WhenFree, &what).await?;
        let wanted = match build_number {
            Some(number) => number.trim().parse::<i64>().ok(),
            // Play names a release after the bundle's version name: `1.4.0` or `123 (1.4.0)`.
            None => {
                let named = |it: &&Release| it.name().split([' ', '(', ')']).any(|word| word == version);
                let on = |upload: bool| {
                    let tracks = seen.tracks.iter();
                    let tracks = tracks.filter(move |it| (it.track == self.upload_track) == upload);
                    tracks
                        .flat_map(|it| &it.releases)
                        .filter(named)
                        .map(Release::highest)
                        .max()
                };
                on(true).or_else(|| on(false))
            }
        };
        // A bundle is listed once it is processed.
        let found = wanted.filter(|code| seen.bundles.contains(code));
        Ok(found.map(|code| StoreBuild {
            build_number: code.to_string(),
            reference: Reference::id(code.to_string())
                .with("package", &self.desk.client.package)
                .with("version", version),
        }))
    }

    async fn review_state(&self, version: &StoreVersion) -> Result<ReviewState, ProviderError> {
        let code = code_of(version)?;
        let client = &self.desk.client;
        let told = client.lifecycle("review_state", &self.track, code).await?;
        if let Told::Word(word) = &told {
            return Ok(review::review(word));
        }
        let releases = self.releases("review_state", Taking::WhenFree).await?;
        Ok(match (track::of(&releases, code), told) {
            (None, _) => review::not_on_track(),
            // A draft is with nobody, whatever is listed.
            (Some(it), Told::Unlisted) if it.status != "draft" => review::not_listed(),
            (Some(it), _) => review::review(&it.status),
        })
    }

    async fn exposure(&self, version: &StoreVersion) -> Result<Exposure, ProviderError> {
        let code = code_of(version)?;
        let client = &self.desk.client;
        let told = client.lifecycle("exposure", &self.track, code).await?;
        // What nobody gets yet needs no edit to be told.
        if let Told::Word(word) = &told
            && let Some(withheld) = review::withheld(word)
        {
            return Ok(withheld);
        }
        let releases = self.releases("exposure", Taking::WhenFree).await?;
        Ok(track::of(&releases, code).map_or_else(|| review::replaced(&releases), review::exposure))
    }

    async fn languages(&self) -> Result<StoreLanguages, ProviderError> {
        let seen = self.read("read_languages", Taking::WhenFree, &Read::Languages);
        Ok(seen.await?.languages)
    }

    fn unread(&self, languages: &StoreLanguages, texts: &BTreeMap<String, String>) -> Vec<String> {
        notes::unread(texts, languages)
    }
}
