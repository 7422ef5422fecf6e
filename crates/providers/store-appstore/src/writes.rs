//! The writes: each looks at Apple's state first and changes only what is not yet so, so that a repeat after a lost
//! answer at any point goes on where the last try stopped (vendor-apis 17.11).

use crate::model::document;
use crate::reads::{App, Version};
use crate::states::Standing;
use crate::{PLATFORM, PROVIDER, review};
use chrono::{DateTime, SecondsFormat};
use delivr_domain::effect::{Reference, ReleaseTiming, RolloutChange, StoreVersion, StoreWrite};
use delivr_domain::ports::error::{Certainty, ProviderError, ProviderErrorKind};
use delivr_domain::ports::vendor::Lookup;
use delivr_provider_kit::Method;
use serde_json::{Value, json};

/// What the state says about a write.
#[derive(Debug)]
pub(crate) enum State {
    /// It is so.
    Done(Reference),
    /// It is not so, and can be made so.
    Open,
    /// It was so, and the review has refused it; it can be made so again.
    Over(Reference),
    /// Something stands in the way that is not ours to change.
    Foreign(String),
    /// It cannot be so now, but later.
    NotYet(String),
}

impl From<State> for Lookup {
    fn from(state: State) -> Self {
        match state {
            State::Done(reference) => Self::Found(vec![reference]),
            State::Over(reference) => Self::Over(reference),
            State::Open | State::NotYet(_) => Self::Found(Vec::new()),
            State::Foreign(sentence) => Self::Foreign(sentence),
        }
    }
}

pub(crate) fn error(
    operation: &'static str,
    kind: ProviderErrorKind,
    sentence: impl Into<String>,
) -> ProviderError {
    ProviderError::new(PROVIDER, operation, kind, sentence)
}

/// Apple's words for how a version is released.
fn timing(timing: &ReleaseTiming) -> (&'static str, Option<String>) {
    match timing {
        ReleaseTiming::AfterApproval => ("AFTER_APPROVAL", None),
        ReleaseTiming::Manual => ("MANUAL", None),
        // Apple takes full hours and refuses finer dates in its console; seconds are enough for the API.
        ReleaseTiming::At { at } => ("SCHEDULED", Some(at.to_rfc3339_opts(SecondsFormat::Secs, true))),
    }
}

fn timed_so(version: &Version, wanted: &ReleaseTiming) -> bool {
    let (kind, date) = timing(wanted);
    let instant = |text: &str| DateTime::parse_from_rfc3339(text).ok();
    version.release_type == kind && date.is_none_or(|date| instant(&date) == instant(&version.earliest))
}

/// Whether a version that can no longer be edited is the one we mean: it ships our build.
fn fixed(found: &Version, wanted: &StoreVersion) -> State {
    if found.ships(&wanted.build_number) {
        State::Done(found.reference())
    } else {
        State::Foreign(format!(
            "Version {} exists in App Store Connect in state {} with build {}, not {}; withdraw or release it there, \
             or choose a higher version.",
            found.string,
            found.word,
            found.shipped(),
            wanted.build_number
        ))
    }
}

impl App {
    /// The state of a write.
    pub(crate) async fn state(&self, write: &StoreWrite) -> Result<State, ProviderError> {
        match write {
            StoreWrite::EnsureVersion { version, timing } => self.version_state(version, timing).await,
            StoreWrite::AttachBuild { version } => self.build_state(version).await,
            StoreWrite::SetNotes { version } => self.notes_state(version).await,
            StoreWrite::EnablePhasedRelease { version } => self.phased_state(version).await,
            StoreWrite::Submit { version, .. } => self.submit_state(version).await,
            StoreWrite::Withdraw { version } => self.withdraw_state(version).await,
            StoreWrite::ReleaseToUsers { version } => self.release_state(version).await,
            StoreWrite::ChangeRollout { version, change } => self.rollout_state(version, *change).await,
        }
    }

    /// Makes it so.
    pub(crate) async fn make(&self, write: &StoreWrite) -> Result<Reference, ProviderError> {
        const NAME: &str = "write";
        match self.state(write).await.map_err(before)? {
            State::Done(reference) => return Ok(reference),
            State::Foreign(sentence) => return Err(error(NAME, ProviderErrorKind::Conflict, sentence)),
            State::NotYet(sentence) => return Err(error(NAME, ProviderErrorKind::Precondition, sentence)),
            State::Open | State::Over(_) => {}
        }
        match write {
            StoreWrite::EnsureVersion { version, timing } => self.make_version(version, timing).await,
            StoreWrite::AttachBuild { version } => self.attach(version).await,
            StoreWrite::SetNotes { version } => self.set_notes(version).await,
            StoreWrite::EnablePhasedRelease { version } => self.enable_phased(version).await,
            StoreWrite::Submit { version, .. } => self.submit(version).await,
            StoreWrite::Withdraw { version } => self.withdraw(version).await,
            StoreWrite::ReleaseToUsers { version } => self.release(version).await,
            StoreWrite::ChangeRollout { version, change } => self.change_rollout(version, *change).await,
        }
    }

    async fn version_state(
        &self,
        wanted: &StoreVersion,
        timing: &ReleaseTiming,
    ) -> Result<State, ProviderError> {
        let all = self.versions("find_version", None).await?;
        if let Some(found) = all.iter().find(|it| it.string == wanted.version) {
            return Ok(match found.standing() {
                Standing::Editable if timed_so(found, timing) => State::Done(found.reference()),
                Standing::Editable => State::Open,
                Standing::InReview
                | Standing::AwaitsUs
                | Standing::AwaitsApple
                | Standing::Live
                | Standing::Past
                | Standing::Unknown => fixed(found, wanted),
            });
        }
        // Apple keeps one unreleased version at a time.
        let other = all.iter().find(|it| match it.standing() {
            Standing::Editable | Standing::InReview | Standing::AwaitsUs | Standing::AwaitsApple => true,
            Standing::Live | Standing::Past | Standing::Unknown => false,
        });
        Ok(other.map_or(State::Open, |other| {
            State::Foreign(format!(
                "Version {} is under way in App Store Connect ({}), and Apple allows one at a time; finish, release or \
                 delete it there, then try again.",
                other.string, other.word
            ))
        }))
    }

    async fn make_version(
        &self,
        wanted: &StoreVersion,
        when: &ReleaseTiming,
    ) -> Result<Reference, ProviderError> {
        let (kind, date) = timing(when);
        if let Some(found) = self
            .version("find_version", &wanted.version)
            .await
            .map_err(before)?
        {
            let attributes = json!({"releaseType": kind, "earliestReleaseDate": date});
            let body = document("appStoreVersions", Some(&found.id), attributes, &[]);
            let path = format!("v1/appStoreVersions/{}", found.id);
            self.client
                .write("update_version", Method::PATCH, &path, body)
                .await?;
            return Ok(found.reference());
        }
        self.foresee(wanted).await.map_err(before)?;
        let app = self.app_id().await.map_err(before)?;
        let mut attributes =
            json!({"platform": PLATFORM, "versionString": wanted.version, "releaseType": kind});
        if let (Some(map), Some(date)) = (attributes.as_object_mut(), date) {
            map.insert("earliestReleaseDate".to_owned(), json!(date));
        }
        let body = document("appStoreVersions", None, attributes, &[("app", "apps", app)]);
        match self
            .client
            .write("create_version", Method::POST, "v1/appStoreVersions", body)
            .await
        {
            Ok(made) => {
                Ok(Reference::id(made.map(|it| it.id).unwrap_or_default()).with("version", &wanted.version))
            }
            // Lists lag behind writes: what we did not see a moment ago may be our own earlier version.
            Err(refused) if refused.certainty == Certainty::NotDone => {
                match self
                    .version("find_version", &wanted.version)
                    .await
                    .map_err(before)?
                {
                    Some(found) if found.standing() == Standing::Editable && timed_so(&found, when) => {
                        Ok(found.reference())
                    }
                    Some(_) => Err(refused),
                    None if refused.kind == ProviderErrorKind::Conflict => Err(error(
                        "create_version",
                        ProviderErrorKind::Precondition,
                        format!(
                            "App Store Connect says that version {} was used, but does not list it (yet); it is \
                             looked up again, else choose a higher version.",
                            wanted.version
                        ),
                    )),
                    None => Err(refused),
                }
            }
            Err(other) => Err(other),
        }
    }

    async fn build_state(&self, wanted: &StoreVersion) -> Result<State, ProviderError> {
        let found = self
            .expect_version("find_attached_build", &wanted.version)
            .await?;
        Ok(match found.standing() {
            Standing::Editable if found.ships(&wanted.build_number) => State::Done(found.reference()),
            Standing::Editable => State::Open,
            Standing::InReview
            | Standing::AwaitsUs
            | Standing::AwaitsApple
            | Standing::Live
            | Standing::Past
            | Standing::Unknown => fixed(&found, wanted),
        })
    }

    async fn attach(&self, wanted: &StoreVersion) -> Result<Reference, ProviderError> {
        let found = self
            .expect_version("attach_build", &wanted.version)
            .await
            .map_err(before)?;
        let number = wanted.build_number.as_str();
        let builds = self
            .builds("find_build", &wanted.version, Some(number))
            .await
            .map_err(before)?;
        let Some(build) = builds.iter().find(|it| it.text("processingState") == "VALID") else {
            return Err(error(
                "attach_build",
                ProviderErrorKind::Precondition,
                format!(
                    "Build {number} of version {} is not processed by App Store Connect (yet).",
                    wanted.version
                ),
            ));
        };
        let body = json!({"data": {"type": "builds", "id": build.id}});
        let path = format!("v1/appStoreVersions/{}/relationships/build", found.id);
        self.client
            .write("attach_build", Method::PATCH, &path, body)
            .await?;
        Ok(found.reference().with("build", number))
    }

    async fn phased_state(&self, wanted: &StoreVersion) -> Result<State, ProviderError> {
        let found = self
            .expect_version("find_phased_release", &wanted.version)
            .await?;
        if found.phased.is_some() {
            return Ok(State::Done(found.reference()));
        }
        Ok(match found.standing() {
            Standing::Live | Standing::Past => State::Foreign(format!(
                "Version {} is released to everybody already; a phased release must be set before.",
                found.string
            )),
            Standing::Editable
            | Standing::InReview
            | Standing::AwaitsUs
            | Standing::AwaitsApple
            | Standing::Unknown => State::Open,
        })
    }

    async fn enable_phased(&self, wanted: &StoreVersion) -> Result<Reference, ProviderError> {
        const KIND: &str = "appStoreVersionPhasedReleases";
        let found = self
            .expect_version("enable_phased_release", &wanted.version)
            .await
            .map_err(before)?;
        let of = [("appStoreVersion", "appStoreVersions", found.id.as_str())];
        let body = document(KIND, None, json!({"phasedReleaseState": "INACTIVE"}), &of);
        self.client
            .write("enable_phased_release", Method::POST, &format!("v1/{KIND}"), body)
            .await?;
        Ok(found.reference())
    }

    async fn release_state(&self, wanted: &StoreVersion) -> Result<State, ProviderError> {
        let found = self.expect_version("find_release", &wanted.version).await?;
        Ok(match found.standing() {
            Standing::AwaitsUs => State::Open,
            Standing::Live | Standing::Past => State::Done(found.reference()),
            Standing::InReview | Standing::AwaitsApple | Standing::Unknown => State::NotYet(format!(
                "Version {} is in state {} in App Store Connect; it can be released once it waits for us.",
                found.string, found.word
            )),
            Standing::Editable => State::Foreign(format!(
                "Version {} is in state {} in App Store Connect and must pass the review before it is released.",
                found.string, found.word
            )),
        })
    }

    async fn release(&self, wanted: &StoreVersion) -> Result<Reference, ProviderError> {
        const KIND: &str = "appStoreVersionReleaseRequests";
        let found = self
            .expect_version("release", &wanted.version)
            .await
            .map_err(before)?;
        let of = [("appStoreVersion", "appStoreVersions", found.id.as_str())];
        let body = document(KIND, None, Value::Null, &of);
        self.client
            .write("release", Method::POST, &format!("v1/{KIND}"), body)
            .await?;
        Ok(found.reference())
    }

    async fn rollout_state(
        &self,
        wanted: &StoreVersion,
        change: RolloutChange,
    ) -> Result<State, ProviderError> {
        review::possible(change)?;
        let found = self.expect_version("find_rollout", &wanted.version).await?;
        Ok(review::rollout(&found, change))
    }

    async fn change_rollout(
        &self,
        wanted: &StoreVersion,
        change: RolloutChange,
    ) -> Result<Reference, ProviderError> {
        const KIND: &str = "appStoreVersionPhasedReleases";
        let word = review::possible(change)?;
        let found = self
            .expect_version("change_rollout", &wanted.version)
            .await
            .map_err(before)?;
        let Some((id, ..)) = &found.phased else {
            return Err(error(
                "change_rollout",
                ProviderErrorKind::Precondition,
                format!(
                    "Version {} has no phased release in App Store Connect.",
                    found.string
                ),
            ));
        };
        let body = document(KIND, Some(id), json!({"phasedReleaseState": word}), &[]);
        match self
            .client
            .write("change_rollout", Method::PATCH, &format!("v1/{KIND}/{id}"), body)
            .await
        {
            Ok(_) => Ok(found.reference().with("phased", word)),
            // Somebody (or our lost request) was faster.
            Err(refused) if already(&refused) => Ok(found.reference().with("phased", word)),
            Err(other) => Err(other),
        }
    }
}

fn already(refused: &ProviderError) -> bool {
    let words = refused.vendor.as_deref().unwrap_or_default();
    words.contains("already has this value")
}

/// Before anything was sent that changes something, a failed look leaves nothing in doubt.
pub(crate) fn before(failed: ProviderError) -> ProviderError {
    failed.certain(Certainty::NotDone)
}
