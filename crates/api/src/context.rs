//! What every handler knows of its request: the application, who asks, and under which conditions.

use crate::answer::{Answer, Answered, json};
use crate::check::micros;
use crate::explain;
use crate::limit::{Guard, RateLimits};
use crate::problem::Problem;
use crate::routes::releases::ticket;
use crate::seats::{Seat, Seats};
use crate::storage::Storage;
use crate::tags::{self, Named};
use crate::told::DeliveryLog;
use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, web};
use chrono::TimeDelta;
use delivr_app::App;
use delivr_app::apply::{ApplyError, Remember};
use delivr_app::usecases::access::{self, Principal, Role};
use delivr_domain::aggregate::Aggregate;
use delivr_domain::ids::{TenantId, derive_uuid};
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::{By, Change, StoredAnswer};
use delivr_domain::time::Timestamp;
use delivr_web::Practice;
use futures_util::future::{FutureExt as _, LocalBoxFuture};
use serde::Serialize;
use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::{OnceCell, watch};
use url::Url;
use uuid::Uuid;

/// How long a stored answer is replayed.
const REMEMBERED: TimeDelta = TimeDelta::hours(24);

/// What the server hands to every request.
#[derive(Clone)]
pub struct Shared {
    /// The application.
    pub app: App,
    /// How people and vendors reach the API.
    pub public_url: Option<Url>,
    flights: Arc<Mutex<BTreeMap<Vec<u8>, Weak<Turn>>>>,
    closing: Arc<watch::Sender<bool>>,
    /// Live streams that are open.
    pub(crate) seats: Seats,
    /// Where artifacts are kept, if they are.
    pub(crate) storage: Option<Arc<dyn Storage>>,
    /// Size of an artifact in bytes, at most.
    pub(crate) upload_limit: u64,
    pub(crate) guard: Option<Arc<Guard>>,
    /// What tells the versions given since the last restore from earlier ones.
    epoch: Arc<OnceCell<Option<Arc<str>>>>,
    log: Option<Arc<dyn DeliveryLog>>,
    /// What is open without a credential, in practice alone.
    pub(crate) practice: Option<Practice>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

/// Requests with one idempotency key take turns.
type Turn = tokio::sync::Mutex<()>;

impl Shared {
    /// The application under its public address.
    #[must_use]
    pub fn new(app: App, public_url: Option<Url>) -> Self {
        Self {
            app,
            public_url,
            flights: Arc::default(),
            closing: Arc::new(watch::Sender::new(false)),
            seats: Seats::default(),
            storage: None,
            upload_limit: 0,
            guard: None,
            epoch: Arc::new(OnceCell::new_with(Some(None))),
            log: None,
            practice: None,
        }
    }

    /// After a restore: versions that somebody saw before it, or in an earlier epoch, match nothing. See
    /// [`delivr_app::usecases::access::epoch`].
    #[must_use]
    pub fn in_epoch(mut self, epoch: Option<String>) -> Self {
        self.epoch = Arc::new(OnceCell::new_with(Some(epoch.map(Arc::from))));
        self
    }

    /// With an epoch that is to be read with the first request that needs it: the database has no schema yet.
    #[must_use]
    pub fn in_unknown_epoch(mut self) -> Self {
        self.epoch = Arc::default();
        self
    }

    /// The epoch, as far as it is known.
    pub(crate) fn epoch(&self) -> Option<&str> {
        self.epoch.get().and_then(Option::as_deref)
    }

    /// The epoch, read unless it is known.
    pub(crate) async fn learn_epoch(&self) -> Result<Option<&str>, Problem> {
        let read = async || access::epoch(&self.app).await.map(|it| it.map(Arc::from));
        let epoch = self.epoch.get_or_try_init(read).await;
        Ok(epoch.map_err(Problem::from)?.as_deref())
    }

    /// With the log of what was told to people; without it there is none to be seen.
    #[must_use]
    pub fn telling(mut self, log: Arc<dyn DeliveryLog>) -> Self {
        self.log = Some(log);
        self
    }

    /// With a storage for artifacts of so many bytes at most; without it none are taken.
    #[must_use]
    pub fn storing(mut self, storage: Arc<dyn Storage>, limit: u64) -> Self {
        self.storage = Some(storage);
        self.upload_limit = limit;
        self
    }

    /// With limits on how often somebody may ask. Without them nobody is refused for asking often.
    #[must_use]
    pub fn limited(mut self, limits: RateLimits) -> Self {
        self.guard = Some(Arc::new(Guard::new(limits, self.app.clock.clone())));
        self
    }

    /// With an organisation that whoever reaches the pages on this machine opens without a credential. Only for a server
    /// behind which nothing is real, on an address that nobody else reaches.
    #[must_use]
    pub fn practising(mut self, practice: Practice) -> Self {
        self.practice = Some(practice);
        self
    }

    /// The same without limits on how often somebody may ask.
    pub(crate) fn unguarded(&self) -> Self {
        Self {
            guard: None,
            ..self.clone()
        }
    }

    /// Asks answers without end (live streams) to end. Comes before stopping the server, which waits for answers.
    pub fn close(&self) {
        self.closing.send_replace(true);
    }

    /// The turns of an idempotency key. Keys of different tokens may share them; that costs time and nothing else.
    pub(crate) fn flight(&self, key: &HeaderValue) -> Arc<Turn> {
        // A panic while the map is held leaves it whole: every change is one insert or one removal.
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = flights.get(key.as_bytes()).and_then(Weak::upgrade) {
            return turn;
        }
        flights.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::new(Turn::default());
        flights.insert(key.as_bytes().to_vec(), Arc::downgrade(&turn));
        turn
    }
}

/// Who asks, found out at most once per request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Caller(Arc<OnceCell<Principal>>);

impl Caller {
    /// Somebody whom the pages have signed in already.
    pub(crate) fn known(who: Principal) -> Self {
        Self(Arc::new(OnceCell::new_with(Some(who))))
    }
    /// Whose things the request is about, once it is known who asks.
    pub(crate) fn tenant(&self) -> Option<TenantId> {
        self.0.get().map(|who| who.tenant.id)
    }
}

/// The tenant that the request's own path names.
#[derive(Debug, Clone)]
pub(crate) struct NamedTenant(pub(crate) String);

/// The request is a HEAD, answered as the GET of the same path without its body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeadAlone;

/// Who asks: a valid credential whose tenant is the one that the path names, if it names one.
pub(crate) async fn caller(request: &HttpRequest) -> Result<Principal, Problem> {
    let shared = shared(request)?;
    let cell = request.extensions().get::<Caller>().cloned().unwrap_or_default();
    let who = cell
        .0
        .get_or_try_init(|| async {
            match ticket::brought(request) {
                Some((word, release)) => ticket::redeem(&shared.app, word, &release).await,
                None => principal(&shared.app, request.headers()).await,
            }
        })
        .await?
        .clone();
    let named = request.extensions().get::<NamedTenant>().cloned();
    match named {
        Some(NamedTenant(named))
            if named.parse::<TenantId>().ok() != Some(who.tenant.id) && named != who.tenant.slug =>
        {
            Err(Problem::missing("tenant"))
        }
        Some(_) | None => Ok(who),
    }
}

/// A request that names an idempotency key.
#[derive(Debug, Clone)]
pub(crate) struct Repeat {
    /// The key as stored: token and the caller's key.
    pub(crate) key: String,
    /// Digest of method, path and body.
    pub(crate) request: String,
    /// The answer lies in the database already, put there by the change's own transaction.
    pub(crate) stored: Arc<AtomicBool>,
    /// The answer holds a secret that is shown once.
    pub(crate) secret: Arc<AtomicBool>,
}

/// The context of one request.
#[derive(Clone)]
pub(crate) struct Context {
    /// The application.
    pub(crate) app: App,
    /// Who asks.
    pub(crate) who: Principal,
    /// The version the caller saw, if it names one.
    pub(crate) if_match: Option<u64>,
    /// Nothing is changed: the answer says what would be done.
    pub(crate) explain: bool,
    /// The version this request has looked at itself, and decided by.
    seen: Option<u64>,
    /// The idempotency key, if there is one.
    pub(crate) repeat: Option<Repeat>,
    /// How people and vendors reach the API.
    pub(crate) public_url: Option<Url>,
    pub(crate) closing: watch::Receiver<bool>,
    pub(crate) log: Option<Arc<dyn DeliveryLog>>,
    pub(crate) request: HttpRequest,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Context")
    }
}

impl Context {
    /// Whose things are seen and touched.
    pub(crate) const fn tenant(&self) -> TenantId {
        self.who.tenant.id
    }
    /// The time.
    pub(crate) fn now(&self) -> Timestamp {
        micros(self.app.clock.now())
    }
    /// Refuses a role below.
    pub(crate) fn at_least(&self, role: Role) -> Result<(), Problem> {
        if self.who.role >= role {
            Ok(())
        } else {
            Err(Problem::forbidden(format!(
                "this needs the role {role}; the token has {}",
                self.who.role
            )))
        }
    }
    /// The id of something this request makes. Under an idempotency key it follows from the key and the request, so
    /// that a repetition after a crash finds what the first one made instead of making a second one. It also follows
    /// from a seed that is kept as long as answers are: the same key a day later names something new.
    pub(crate) async fn fresh(&self) -> Result<Uuid, Problem> {
        let Some(repeat) = &self.repeat else {
            return Ok(self.app.entropy.uuid());
        };
        // No caller's key can be this one: theirs begin with the id of their token.
        let name = format!("seed/{}", repeat.key);
        let mine = StoredAnswer {
            request: repeat.request.clone(),
            status: 0,
            body: self.app.entropy.uuid().to_string(),
            expires_at: self.now() + REMEMBERED,
        };
        let store = &self.app.store;
        let seed = match store.insert_answer(self.tenant(), &name, &mine).await {
            Ok(()) => mine.body,
            Err(StoreError::Duplicate(_)) => {
                let kept = store.answer(self.tenant(), &name).await?;
                // Forgotten between the two: as good as a lost race.
                kept.ok_or(StoreError::Conflict)?.body
            }
            Err(error) => return Err(error.into()),
        };
        Ok(derive_uuid(&[
            b"made under an idempotency key",
            self.tenant().uuid().as_bytes(),
            repeat.key.as_bytes(),
            repeat.request.as_bytes(),
            seed.as_bytes(),
        ]))
    }
    /// Whether [`Self::fresh`] may name something that an earlier, interrupted request made.
    pub(crate) const fn may_repeat(&self) -> bool {
        self.repeat.is_some()
    }
    /// What is there now: `mine`, if it was inserted, or its twin, which a request with the same key has made at the
    /// same time in another process. Both have the same id and the same content.
    pub(crate) async fn made<T>(
        &self,
        inserted: Result<(), StoreError>,
        mine: T,
        twin: impl Future<Output = Result<Option<T>, StoreError>>,
    ) -> Result<T, Problem> {
        match inserted {
            Ok(()) => Ok(mine),
            Err(taken @ (StoreError::Duplicate(_) | StoreError::Conflict)) if self.may_repeat() => {
                twin.await?.ok_or_else(|| taken.into())
            }
            Err(error) => Err(error.into()),
        }
    }
    /// A place for an answer without end.
    pub(crate) fn seat(&self) -> Result<Seat, Problem> {
        shared(&self.request)?.seats.take(self.who.token)
    }
    /// Becomes true when the server stops: answers without end must end then.
    pub(crate) fn closing(&self) -> watch::Receiver<bool> {
        self.closing.clone()
    }
    /// Whether only the head of the answer is wanted. An answer without end has none that could be waited for alone.
    pub(crate) fn head_alone(&self) -> bool {
        self.request.extensions().get::<HeadAlone>().is_some()
    }
    /// A segment of the path.
    pub(crate) fn segment(&self, name: &str) -> &str {
        self.request.match_info().get(name).unwrap_or_default()
    }
    /// An id in the path: 404 when it cannot be one.
    pub(crate) fn id<T: FromStr>(&self, name: &str, what: &str) -> Result<T, Problem> {
        self.segment(name)
            .parse()
            .map_err(|_ignored| Problem::missing(what))
    }
    /// Refuses when the caller saw another version.
    pub(crate) fn unchanged(&self, stored: u64) -> Result<(), Problem> {
        match self.if_match {
            Some(seen) if seen != stored => Err(Problem::stale(stored)),
            Some(_) | None => Ok(()),
        }
    }
    /// The same request, which must change exactly the version it has looked at.
    pub(crate) fn looked_at(&self, version: u64) -> Self {
        Self {
            seen: Some(version),
            ..self.clone()
        }
    }
    /// The version that must be stored for a change.
    pub(crate) fn expected(&self) -> Option<u64> {
        self.if_match.or(self.seen)
    }
    /// What a change that came too late is answered with: 412 is for callers who named a version, whoever else lost a
    /// race gets 409.
    pub(crate) fn too_late(&self, error: ApplyError) -> Problem {
        match (error, self.if_match) {
            (ApplyError::Stale { .. }, None) => StoreError::Conflict.into(),
            (error, Some(_) | None) => error.into(),
        }
    }
    /// The same where the store itself compares versions.
    pub(crate) fn lost(&self, error: StoreError) -> Problem {
        match (error, self.if_match) {
            (StoreError::Conflict, Some(_)) => Problem::outdated(),
            (error, Some(_) | None) => error.into(),
        }
    }
    /// How a deletion is answered.
    pub(crate) fn gone(&self, what: &str, deleted: Result<bool, StoreError>) -> Answered {
        match deleted {
            Ok(true) => Ok(Answer::none()),
            Ok(false) => Err(Problem::missing(what)),
            Err(error) => Err(self.lost(error)),
        }
    }
    /// Changes the set-up as whoever asks, with a line in the audit; false when there is nothing that could be changed.
    pub(crate) async fn set_up(&self, change: &Change<'_>) -> Result<bool, StoreError> {
        let by = By {
            actor: self.who.actor(),
            at: self.now(),
        };
        self.app.store.set_up(change, by).await
    }
    /// The same for what is made.
    pub(crate) async fn set_up_new(&self, change: &Change<'_>) -> Result<(), StoreError> {
        self.set_up(change).await.map(|_made| ())
    }
    /// The canonical place of something.
    pub(crate) fn place(&self, path: &str) -> String {
        format!("/api/v1{path}")
    }
    /// Says that the answer holds a secret: a repetition must not show it again.
    pub(crate) fn shows_a_secret(&self) {
        if let Some(repeat) = &self.repeat {
            repeat.secret.store(true, Ordering::Relaxed);
        }
    }
    /// Says that the answer was stored with the change.
    pub(crate) fn stored_with_the_change(&self) {
        if let Some(repeat) = &self.repeat {
            repeat.stored.store(true, Ordering::Relaxed);
        }
    }
    /// The answer to remember for the state after a change.
    pub(crate) fn stored_answer<T: Serialize>(&self, status: u16, view: &T) -> StoredAnswer {
        StoredAnswer {
            request: self
                .repeat
                .as_ref()
                .map(|repeat| repeat.request.clone())
                .unwrap_or_default(),
            status,
            body: json(view),
            expires_at: self.now() + REMEMBERED,
        }
    }
    /// What `apply` remembers in the transaction of the change, if the caller named a key.
    pub(crate) fn remember<'a>(
        &'a self,
        answer: &'a (dyn Fn(&Aggregate) -> StoredAnswer + Send + Sync),
    ) -> Option<Remember<'a>> {
        self.repeat.as_ref().map(|repeat| Remember {
            key: &repeat.key,
            answer,
        })
    }
}

/// When an answer given now is forgotten.
pub(crate) fn forgotten_at(app: &App) -> Timestamp {
    micros(app.clock.now()) + REMEMBERED
}

impl FromRequest for Context {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        async move {
            let shared = shared(&request)?;
            let who = caller(&request).await?;
            let if_match = if_match(&request, shared.learn_epoch().await?)?;
            let explain = explain::asked(&request)?;
            let repeat = request.extensions().get::<Repeat>().cloned();
            Ok(Self {
                app: shared.app.clone(),
                who,
                if_match,
                explain,
                seen: None,
                repeat,
                public_url: shared.public_url.clone(),
                closing: shared.closing.subscribe(),
                log: shared.log.clone(),
                request,
            })
        }
        .boxed_local()
    }
}

/// What the server handed to the request.
pub(crate) fn shared(request: &HttpRequest) -> Result<web::Data<Shared>, Problem> {
    request.app_data::<web::Data<Shared>>().cloned().ok_or_else(|| {
        Problem::new(
            actix_web::http::StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "not wired",
        )
    })
}

/// Who asks.
pub(crate) async fn principal(app: &App, headers: &header::HeaderMap) -> Result<Principal, Problem> {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = text(header::AUTHORIZATION).and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    let token = bearer.or_else(|| text(header::HeaderName::from_static("x-api-key")));
    let token = token
        .filter(|token| !token.is_empty())
        .ok_or_else(Problem::unauthenticated)?;
    access::authenticate(app, token)
        .await?
        .ok_or_else(Problem::unauthenticated)
}

fn if_match(request: &HttpRequest, epoch: Option<&str>) -> Result<Option<u64>, Problem> {
    let named = tags::named(request.headers(), &header::IF_MATCH).map_err(|_ignored| {
        Problem::malformed_at("", "If-Match must be the ETag of an earlier answer, like \"3\"")
    })?;
    let tags = match named {
        None | Some(Named::Any) => return Ok(None),
        Some(Named::These(tags)) => tags,
    };
    // A weak tag is never the same as another. Of several versions only the newest can still be the stored one, because
    // they rise.
    let versions = tags.iter().filter(|tag| !tag.weak);
    let newest = versions.filter_map(|tag| version(&tag.opaque, epoch)).max();
    Ok(Some(newest.unwrap_or(NEVER)))
}

/// The version that a tag of ours, of this epoch, names: it stands before whatever else the tag says.
fn version(opaque: &str, epoch: Option<&str>) -> Option<u64> {
    let bare = opaque.split_once('.').map_or(opaque, |(bare, _look)| bare);
    let (version, of) = match bare.split_once('-') {
        Some((version, of)) => (version, Some(of)),
        None => (bare, None),
    };
    version.parse().ok().filter(|_version| of == epoch)
}

/// No version is this one: the first is 1.
const NEVER: u64 = 0;
