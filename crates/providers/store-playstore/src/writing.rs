//! Reading and changing a track: each read and each write in an edit of its own.

use crate::client::{InReview, Track};
use crate::edit::{Desk, Edit};
use crate::store::App;
use crate::track::{self, Note, Release, State, Wanted};
use crate::{PROVIDER, errors, notes, review};
use delivr_domain::effect::{Reference, RolloutChange, StoreVersion};
use delivr_domain::ports::error::{Certainty, ProviderError, ProviderErrorKind};
use delivr_domain::ports::lease::Taking;
use delivr_domain::ports::vendor::{Lookup, StoreLanguages};
use delivr_domain::report::ReviewWord;

/// An error of ours, with nothing of Google's in it.
pub(crate) fn error(
    operation: &'static str,
    kind: ProviderErrorKind,
    sentence: impl Into<String>,
) -> ProviderError {
    ProviderError::new(PROVIDER, operation, kind, sentence)
}

/// The version code of a version.
pub(crate) fn code_of(version: &StoreVersion) -> Result<i64, ProviderError> {
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
pub(crate) enum Ask<'a> {
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
    /// A halt protects users: it waits for nothing of ours.
    fn taking(&self) -> Taking {
        if self.halts() {
            Taking::AtOnce
        } else {
            Taking::WhenFree
        }
    }
    fn halts(&self) -> bool {
        matches!(self, Self::Change(_, RolloutChange::Halt))
    }
    /// What the track says about it; a submission takes these notes along.
    fn state(
        &self,
        app: &App,
        releases: &[Release],
        refused: &[i64],
        notes: &[Note],
    ) -> Result<State, ProviderError> {
        let code = self.code()?;
        Ok(match self {
            Self::Submit(_, bps) => {
                let wanted = Wanted {
                    code,
                    bps: *bps,
                    notes,
                    settings: &app.settings,
                    refused,
                };
                track::submit(releases, &wanted)
            }
            Self::Change(_, change) => track::change(releases, code, *change),
        })
    }
    /// Refuses texts that Play takes in no language, before anything is read.
    fn check(&self) -> Result<(), ProviderError> {
        match self {
            Self::Submit(version, _) => notes::check(version),
            Self::Change(..) => Ok(()),
        }
    }
    /// The notes as they go into the edit, for which the app's languages are read there.
    async fn notes(&self, edit: &Edit<'_>) -> Result<Vec<Note>, ProviderError> {
        match self {
            Self::Submit(version, _) if notes::any(version) => notes::of(version, &edit.languages().await?),
            Self::Submit(..) | Self::Change(..) => Ok(Vec::new()),
        }
    }
}

/// What is read in an edit.
pub(crate) enum Read<'a> {
    Track(&'a str),
    Tracks,
    Bundles,
    /// What a build is found by.
    Uploads,
    Languages,
    /// What notes are tried on.
    BundlesAndLanguages,
}

/// What was read.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) tracks: Vec<Track>,
    pub(crate) bundles: Vec<i64>,
    pub(crate) languages: StoreLanguages,
}

impl App {
    fn reference(&self, releases: &[Release], code: i64) -> Reference {
        let known = track::of(releases, code);
        known.map_or_else(
            || Reference::id(code.to_string()),
            |it| it.reference(code, &self.desk.client.package, &self.track),
        )
    }

    /// Reads in an edit of its own, which is thrown away. Somebody else's commit ends it; then it is read anew.
    pub(crate) async fn read(
        &self,
        operation: &'static str,
        how: Taking,
        what: &Read<'_>,
    ) -> Result<Seen, ProviderError> {
        let mut times = 0;
        loop {
            let edit = self.desk.open(operation, how, false).await?;
            let seen = look(&edit, what).await;
            edit.leave(false).await;
            match seen {
                Err(gone) if errors::edit_is_gone(&gone) => Desk::anew(operation, &mut times, gone)?,
                seen => return seen,
            }
        }
    }

    pub(crate) async fn releases(
        &self,
        operation: &'static str,
        how: Taking,
    ) -> Result<Vec<Release>, ProviderError> {
        let seen = self.read(operation, how, &Read::Track(&self.track)).await?;
        Ok(seen.tracks.into_iter().flat_map(|it| it.releases).collect())
    }

    /// Version, build and notes have no object of their own in Play: they are there when the bundle is.
    pub(crate) async fn bundle(&self, version: &StoreVersion) -> Result<Option<Reference>, ProviderError> {
        let code = code_of(version)?;
        let seen = self.read("find_bundle", Taking::WhenFree, &Read::Bundles).await?;
        Ok(self.bundle_of(code, &seen))
    }

    /// Notes are there when the bundle is, and when Play would take them with it: refused here, they are refused before
    /// anybody hands the version in.
    pub(crate) async fn noted(&self, version: &StoreVersion) -> Result<Option<Reference>, ProviderError> {
        if !notes::any(version) {
            return self.bundle(version).await;
        }
        let code = code_of(version)?;
        notes::check(version)?;
        let seen = self.read("find_notes", Taking::WhenFree, &Read::BundlesAndLanguages);
        let seen = seen.await?;
        notes::of(version, &seen.languages)?;
        Ok(self.bundle_of(code, &seen))
    }

    fn bundle_of(&self, code: i64, seen: &Seen) -> Option<Reference> {
        let there = seen.bundles.contains(&code);
        there.then(|| Reference::id(code.to_string()).with("package", &self.desk.client.package))
    }

    /// Version codes whose review refused them, where a write has to know: the track alone does not tell them from those
    /// that are out.
    async fn refused(&self, ask: &Ask<'_>) -> Result<Vec<i64>, ProviderError> {
        match ask {
            Ask::Submit(..) => {
                let client = &self.desk.client;
                let all = client.lifecycles(ask.operation(), &self.track).await?;
                let all = all.unwrap_or_default().into_iter();
                let refused = all.filter(|it| review::review(&it.word).word == ReviewWord::Rejected);
                Ok(refused.flat_map(|it| it.codes).collect())
            }
            Ask::Change(..) => Ok(Vec::new()),
        }
    }

    /// Releases of the track in the edit, and what is made of them. The review is read while the edit is open: a commit of
    /// somebody else after that ends it, so that what was read is what is committed on.
    async fn compared(&self, ask: &Ask<'_>, edit: &Edit<'_>) -> Result<(State, Vec<Release>), ProviderError> {
        let releases = edit.track(&self.track).await?;
        let refused = self.refused(ask).await?;
        Ok((ask.state(self, &releases, &refused, &[])?, releases))
    }

    /// What stands there already. Where nothing does, the edit waits for the write.
    pub(crate) async fn look(&self, ask: &Ask<'_>) -> Result<Lookup, ProviderError> {
        let (operation, code) = (ask.operation(), ask.code()?);
        ask.check()?;
        let mut times = 0;
        loop {
            let edit = self.desk.open(operation, ask.taking(), false).await?;
            match self.compared(ask, &edit).await {
                Ok((State::Open(_), _)) => {
                    edit.park().await;
                    return Ok(Lookup::Found(Vec::new()));
                }
                Ok((State::Refused(_), releases)) => {
                    edit.park().await;
                    return Ok(Lookup::Over(self.reference(&releases, code)));
                }
                Ok((State::Done, releases)) => {
                    edit.leave(false).await;
                    return Ok(Lookup::Found(vec![self.reference(&releases, code)]));
                }
                Ok((State::Foreign(sentence), _)) => {
                    edit.leave(false).await;
                    return Ok(Lookup::Foreign(sentence));
                }
                Err(failed) => {
                    edit.leave(false).await;
                    if !errors::edit_is_gone(&failed) {
                        return Err(failed);
                    }
                    Desk::anew(operation, &mut times, failed)?;
                }
            }
        }
    }

    pub(crate) async fn make(&self, ask: &Ask<'_>) -> Result<Reference, ProviderError> {
        let mut unsent = false;
        let mut times = 0;
        loop {
            match self.attempt(ask, unsent).await {
                // A refused commit changed nothing, and Google says which value it wants (vendor-apis 18.2). The release
                // is then shown as not sent, for a person to send.
                Err(refused) if !unsent && errors::other_review_flag(&refused) == Some(true) => unsent = true,
                // Nothing was committed: the change is worked out anew from what stands there now.
                Err(gone) if errors::edit_is_gone(&gone) => {
                    Desk::anew(ask.operation(), &mut times, gone)?;
                }
                other => return other,
            }
        }
    }

    async fn attempt(&self, ask: &Ask<'_>, unsent: bool) -> Result<Reference, ProviderError> {
        let edit = self.desk.open(ask.operation(), ask.taking(), true).await?;
        match self.within(ask, &edit, unsent).await {
            Ok((reference, true)) => {
                edit.committed().await;
                Ok(reference)
            }
            Ok((reference, false)) => {
                edit.leave(false).await;
                Ok(reference)
            }
            Err(failed) => {
                edit.leave(failed.certainty == Certainty::Unknown).await;
                Err(failed)
            }
        }
    }

    /// Read, compare, put, try, commit; whether the edit was used up.
    async fn within(
        &self,
        ask: &Ask<'_>,
        edit: &Edit<'_>,
        unsent: bool,
    ) -> Result<(Reference, bool), ProviderError> {
        let (operation, code) = (ask.operation(), ask.code()?);
        let before = edit.track(&self.track).await?;
        let refused = self.refused(ask).await?;
        let mut state = ask.state(self, &before, &refused, &[])?;
        // What stands there already needs no notes, and no read more for them.
        if matches!(state, State::Open(_) | State::Refused(_)) {
            let notes = ask.notes(edit).await?;
            state = ask.state(self, &before, &refused, &notes)?;
        }
        let releases = match state {
            State::Done => return Ok((self.reference(&before, code), false)),
            State::Foreign(sentence) => {
                return Err(error(operation, ProviderErrorKind::Conflict, sentence));
            }
            State::Open(releases) | State::Refused(releases) => releases,
        };
        edit.put(&self.track, &releases).await?;
        // Trying has no parameter about the review, and would be refused where a person must send the changes.
        if !unsent {
            edit.validate().await?;
        }
        match edit.commit(InReview::Stays, unsent).await {
            // This refusal leaves the edit as it is.
            Err(refused) if errors::in_review(&refused) => {
                if !(ask.halts() && self.halt_cancels_review) {
                    return Err(self.told(ask, edit, refused).await);
                }
                edit.commit(InReview::Cancelled, unsent).await?;
            }
            other => other?,
        }
        Ok((self.reference(&releases, code), true))
    }

    /// Which changes are in review, for the person who has to choose.
    async fn told(&self, ask: &Ask<'_>, edit: &Edit<'_>, mut refused: ProviderError) -> ProviderError {
        let mut under_review = Vec::new();
        // A list that cannot be read is left out: the refusal says enough by itself.
        for track in edit.tracks().await.unwrap_or_default() {
            let client = &self.desk.client;
            let releases = client.lifecycles(ask.operation(), &track.track).await;
            for release in releases.ok().flatten().unwrap_or_default() {
                if review::review(&release.word).word == ReviewWord::InReview {
                    let codes: Vec<String> = release.codes.iter().map(i64::to_string).collect();
                    under_review.push(format!("version code {} on {}", codes.join(" and "), track.track));
                }
            }
        }
        if !under_review.is_empty() {
            refused.sentence = format!("{} In review: {}.", refused.sentence, under_review.join(", "));
        }
        if ask.halts() {
            refused.sentence = format!(
                "{} To halt at once all the same, halt it in Play Console, or allow halts to cancel a review in the \
                 integration's settings.",
                refused.sentence
            );
        }
        refused
    }
}

async fn look(edit: &Edit<'_>, what: &Read<'_>) -> Result<Seen, ProviderError> {
    let mut seen = Seen::default();
    match what {
        Read::Track(name) => {
            seen.tracks.push(Track {
                track: (*name).to_owned(),
                releases: edit.track(name).await?,
            });
        }
        Read::Tracks => seen.tracks = edit.tracks().await?,
        Read::Bundles => seen.bundles = edit.bundles().await?,
        Read::Uploads => {
            seen.tracks = edit.tracks().await?;
            seen.bundles = edit.bundles().await?;
        }
        Read::Languages => seen.languages = edit.languages().await?,
        Read::BundlesAndLanguages => {
            seen.bundles = edit.bundles().await?;
            seen.languages = edit.languages().await?;
        }
    }
    Ok(seen)
}
