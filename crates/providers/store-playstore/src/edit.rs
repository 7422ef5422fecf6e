//! Edits, one at a time per app over all our processes.
//!
//! An edit is a working copy of the whole app. A commit of anybody ends all other edits of the app, so a read, a change
//! and a commit within one edit are atomic against everybody. Against ourselves that is not enough: opening an edit ends
//! the account's edit before it, so that each look would end somebody's write; and two that are opened within seconds
//! may be one and the same, so that one would commit the other's half-done change. Hence the lease: whoever opens an
//! edit holds the app's lease and notes the edit there. A successor of one that died, or was overtaken, ends the noted
//! edit before anything else, so that nothing of it can be committed any more.

use crate::client::{Client, InReview, Track};
use crate::track::Release;
use crate::{PROVIDER, errors};
use delivr_domain::ports::error::{Certainty, ProviderError, ProviderErrorKind, StoreError};
use delivr_domain::ports::lease::{Lease, Leases, Taking};
use delivr_domain::ports::vendor::StoreLanguages;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long the lease is held without a word: as long as a call may take. Should it end under one all the same, the next
/// holder ends the edit, and nothing is committed.
const SPAN: Duration = Duration::from_secs(20);
/// How often an edit is opened within one call of the engine. Whoever is in the way longer is waited for by the engine,
/// which counts no failure.
const TIMES: usize = 2;

/// After how long the engine asks again where one of us is at work, who is done in a moment.
const SOON: Duration = Duration::from_secs(1);
/// The same where somebody else is, or Google gives out an old edit.
const LATER: Duration = Duration::from_secs(5);

const BUSY: &str =
    "Another change of this app in Google Play is under way here; this one follows as soon as it has ended.";
const OVERTAKEN: &str =
    "Something more urgent changed the app in Google Play meanwhile; this is tried again after it.";
const CROWDED: &str = "Somebody else keeps changing the app in Google Play (a person in Play Console, or another tool); it is tried again \
     with their changes.";

/// The place where edits of one app are opened.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) client: Client,
    leases: Arc<dyn Leases>,
    /// Name of the lease.
    name: String,
    /// An edit that a look-up left for its write, with nothing put into it.
    parked: Arc<Mutex<Option<String>>>,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Desk({})", self.name)
    }
}

/// An open edit. It must be left, or it stays until it expires and its lease until that runs out.
#[derive(Debug)]
pub(crate) struct Edit<'a> {
    desk: &'a Desk,
    operation: &'static str,
    lease: Lease,
    id: String,
}

impl Desk {
    /// Of the client's app and account: Google keeps the edits of two accounts apart.
    pub(crate) fn new(client: Client, leases: Arc<dyn Leases>) -> Self {
        let name = format!("{PROVIDER} {} {}", client.package, client.tokens.email);
        Self {
            client,
            leases,
            name,
            parked: Arc::default(),
        }
    }

    /// Opens an edit if nobody else of us has one open, or at once. What is more, a write goes on in the edit that its
    /// look-up has parked: of two that are opened within seconds Google may give out the first one again, at its end.
    pub(crate) async fn open(
        &self,
        operation: &'static str,
        how: Taking,
        parked: bool,
    ) -> Result<Edit<'_>, ProviderError> {
        // Who cannot log in shall not keep others waiting.
        self.client.tokens.current().await?;
        let taken = self.leases.take(&self.name, how, SPAN).await;
        let lease = taken
            .map_err(|error| trouble(operation, error))?
            .ok_or_else(|| errors::not_now(operation, BUSY, SOON, None))?;
        let ours = self.parked().take();
        let opened = match lease.left() {
            Some(left) if parked && ours.as_deref() == Some(left) => {
                self.keep(operation, &lease, left).await.map(|()| left.to_owned())
            }
            Some(_) | None => self.fresh(operation, &lease).await,
        };
        match opened {
            Ok(id) => Ok(Edit {
                desk: self,
                operation,
                lease,
                id,
            }),
            Err(failed) => {
                self.let_in(&lease, lease.left()).await;
                Err(failed)
            }
        }
    }

    /// Whether to open an edit anew, because somebody else's change ended the one before. An error when that happened
    /// often enough for one call.
    pub(crate) fn anew(
        operation: &'static str,
        times: &mut usize,
        gone: ProviderError,
    ) -> Result<(), ProviderError> {
        *times += 1;
        if *times < TIMES {
            return Ok(());
        }
        Err(errors::not_now(operation, CROWDED, LATER, Some(gone)))
    }

    fn parked(&self) -> MutexGuard<'_, Option<String>> {
        // A panic while it is held leaves it whole: every change is one assignment.
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An edit with nothing of anybody in it.
    async fn fresh(&self, operation: &'static str, lease: &Lease) -> Result<String, ProviderError> {
        if let Some(left) = lease.left() {
            let _ended = self.client.discard(operation, left).await;
        }
        let id = self.client.open(operation).await?;
        if lease.left() == Some(id.as_str()) {
            // Still the one that was left behind, with whatever was put into it.
            let _ended = self.client.discard(operation, &id).await;
            return Err(errors::not_now(operation, BUSY, LATER, None));
        }
        self.keep(operation, lease, &id).await?;
        Ok(id)
    }

    async fn keep(&self, operation: &'static str, lease: &Lease, edit: &str) -> Result<(), ProviderError> {
        let kept = self.leases.keep(lease, SPAN, Some(edit)).await;
        kept.map_err(|error| trouble(operation, error))
    }

    /// Ends the lease. An edit that may still be open stays noted, for the next holder to end.
    async fn let_in(&self, lease: &Lease, open: Option<&str>) {
        // A lease that cannot be ended runs out, with the note that it has.
        let _runs_out = match open {
            Some(edit) => self.leases.keep(lease, Duration::ZERO, Some(edit)).await,
            None => self.leases.give_back(lease).await,
        };
    }
}

/// Trouble with the lease: nothing was sent that counts.
fn trouble(operation: &'static str, error: StoreError) -> ProviderError {
    if matches!(error, StoreError::Fenced) {
        return errors::not_now(operation, OVERTAKEN, SOON, None);
    }
    let mut failed = ProviderError::new(
        PROVIDER,
        operation,
        ProviderErrorKind::Unavailable,
        "Who may change the app in Google Play could not be read from our own database; it is tried again.",
    )
    .certain(Certainty::NotDone);
    failed.source = Some(Box::new(error));
    failed
}

impl Edit<'_> {
    /// Releases of a track.
    pub(crate) async fn track(&self, track: &str) -> Result<Vec<Release>, ProviderError> {
        self.desk.client.track(self.operation, &self.id, track).await
    }

    /// All tracks.
    pub(crate) async fn tracks(&self) -> Result<Vec<Track>, ProviderError> {
        self.desk.client.tracks(self.operation, &self.id).await
    }

    /// Version codes of the bundles.
    pub(crate) async fn bundles(&self) -> Result<Vec<i64>, ProviderError> {
        self.desk.client.bundles(self.operation, &self.id).await
    }

    /// Languages of the app.
    pub(crate) async fn languages(&self) -> Result<StoreLanguages, ProviderError> {
        self.desk.client.languages(self.operation, &self.id).await
    }

    /// Puts releases on a track.
    pub(crate) async fn put(&self, track: &str, releases: &[Release]) -> Result<(), ProviderError> {
        // Nothing of ours may come into an edit that somebody else of us has taken over.
        self.held().await?;
        let client = &self.desk.client;
        client.put(self.operation, &self.id, track, releases).await
    }

    /// Has Google try it.
    pub(crate) async fn validate(&self) -> Result<(), ProviderError> {
        self.desk.client.validate(self.operation, &self.id).await
    }

    /// Makes it real.
    pub(crate) async fn commit(&self, reviews: InReview, unsent: bool) -> Result<(), ProviderError> {
        self.held().await?;
        let client = &self.desk.client;
        client.commit(self.operation, &self.id, reviews, unsent).await
    }

    async fn held(&self) -> Result<(), ProviderError> {
        self.desk.keep(self.operation, &self.lease, &self.id).await
    }

    /// Throws it away and lets the next one in. In doubt about a commit that gets no answer, the next one is let in only
    /// when Google says that the edit is at its end: a commit still on its way is done before whatever follows, or never.
    pub(crate) async fn leave(self, in_doubt: bool) {
        if self.desk.client.discard(self.operation, &self.id).await {
            self.desk.let_in(&self.lease, None).await;
        } else if !in_doubt {
            self.desk.let_in(&self.lease, Some(&self.id)).await;
        }
    }

    /// Leaves it open for the write that follows, and lets others in, who end it: it stays noted in the lease.
    pub(crate) async fn park(self) {
        let Self { desk, lease, id, .. } = self;
        let noted = desk.leases.keep(&lease, Duration::ZERO, Some(&id)).await;
        // Where it cannot be noted, whoever took the lease has ended it, or it expires.
        if noted.is_ok() {
            *desk.parked() = Some(id);
        }
    }

    /// Lets the next one in; a commit has used the edit up.
    pub(crate) async fn committed(self) {
        self.desk.let_in(&self.lease, None).await;
    }
}
