//! Rate limits: how often one token, one address and one sender of webhooks may ask, and how often an address may
//! come with credentials that are none.
//!
//! Token buckets (governor) that hold one minute's worth and fill evenly. Their number is bounded: a key falls into one
//! of [`SLOTS`] buckets by a hash that nobody outside can compute, so that a hundred thousand addresses cost no more
//! memory than these, and strangers rarely share one. Time comes from the application's clock.

use crate::context::caller;
use crate::document;
use crate::places;
use crate::problem::Problem;
use actix_web::HttpRequest;
use actix_web::dev::ServiceRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap};
use delivr_app::App;
use delivr_app::usecases::access::{self, Principal};
use delivr_domain::ports::clock::Clock;
use governor::clock::Clock as Ticking;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use ipnet::IpNet;
use std::fmt;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Buckets of one limit.
const SLOTS: u64 = 1 << 16;
/// Credentials remembered as good, so that their holders are not refused for what others do at their address.
const KNOWN: usize = 1 << 12;

/// How often somebody may ask, a minute; 0 is no limit.
#[derive(Debug, Clone, Default)]
pub struct RateLimits {
    /// Requests with one token.
    pub per_token: u32,
    /// Requests from one address (of IPv6, one /64 network). This machine itself has no limit.
    pub per_address: u32,
    /// Webhooks and callbacks from one address, apart from the other requests.
    pub inbound: u32,
    /// Failed authentications from one address.
    pub failures: u32,
    /// Proxies whose `X-Forwarded-For` is believed; of anybody else it is no more than a text.
    pub trusted_proxies: Vec<IpNet>,
}

/// The application's monotonic clock as governor reads it.
struct Ticks(Arc<dyn Clock>);

impl Ticking for Ticks {
    type Instant = Duration;
    fn now(&self) -> Duration {
        self.0.monotonic().0
    }
}

/// One limit's buckets.
struct Buckets {
    seed: RandomState,
    clock: Arc<dyn Clock>,
    limiter: RateLimiter<u64, HashMapStateStore<u64>, Ticks, NoOpMiddleware<Duration>>,
}

impl Buckets {
    /// None when there is no limit.
    fn new(a_minute: u32, clock: &Arc<dyn Clock>) -> Option<Self> {
        let quota = Quota::per_minute(NonZeroU32::new(a_minute)?);
        Some(Self {
            seed: RandomState::new(),
            clock: clock.clone(),
            limiter: RateLimiter::hashmap_with_clock(quota, Ticks(clock.clone())),
        })
    }

    fn slot(&self, key: &impl Hash) -> u64 {
        self.seed.hash_one(key) % SLOTS
    }

    /// Takes one from the key's bucket; how long to wait when it is empty.
    fn take(&self, key: &impl Hash) -> Result<(), Duration> {
        let now = self.clock.monotonic().0;
        self.limiter
            .check_key(&self.slot(key))
            .map_err(|not_before| not_before.wait_time_from(now))
    }
}

/// The limits at work.
pub(crate) struct Guard {
    clock: Arc<dyn Clock>,
    trusted: Vec<IpNet>,
    tokens: Option<Buckets>,
    addresses: Option<Buckets>,
    inbound: Option<Buckets>,
    failures: Option<Buckets>,
    /// Until when (microseconds of the monotonic clock) an address that failed too often is not listened to, by slot.
    blocked: Box<[AtomicU64]>,
    /// Hashes of credentials that were good.
    known: Box<[AtomicU64]>,
    seed: RandomState,
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guard")
    }
}

/// An address as limits see it: whoever has an IPv6 address has all of its /64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Origin {
    V4([u8; 4]),
    V6([u16; 4]),
}

impl From<IpAddr> for Origin {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(it) => Self::V4(it.octets()),
            IpAddr::V6(it) => {
                let [a, b, c, d, ..] = it.segments();
                Self::V6([a, b, c, d])
            }
        }
    }
}

impl Guard {
    pub(crate) fn new(limits: RateLimits, clock: Arc<dyn Clock>) -> Self {
        let zeros = |count: usize| (0..count).map(|_| AtomicU64::new(0)).collect();
        Self {
            tokens: Buckets::new(limits.per_token, &clock),
            addresses: Buckets::new(limits.per_address, &clock),
            inbound: Buckets::new(limits.inbound, &clock),
            failures: Buckets::new(limits.failures, &clock),
            trusted: limits.trusted_proxies,
            blocked: zeros(usize::try_from(SLOTS).unwrap_or_default()),
            known: zeros(KNOWN),
            seed: RandomState::new(),
            clock,
        }
    }

    /// Lets a request pass, or says why not and for how long.
    pub(crate) async fn admit(&self, request: &ServiceRequest) -> Result<(), Problem> {
        let origin = self.origin(request);
        if probes(request.path()) {
            return Ok(());
        }
        let inbound = places::signed(request.path());
        if let Some(origin) = &origin {
            if inbound {
                return taken(
                    self.inbound.as_ref(),
                    origin,
                    "inbound",
                    "deliveries from this address",
                );
            }
            taken(
                self.addresses.as_ref(),
                origin,
                "address",
                "requests from this address",
            )?;
        }
        let Some(credential) = credential(request.headers()).filter(|_| !inbound) else {
            return Ok(());
        };
        if let Some(origin) = &origin {
            self.listened_to(origin, credential)?;
        }
        match caller(request.request()).await {
            Ok(who) => {
                self.remember(credential);
                taken(
                    self.tokens.as_ref(),
                    &who.token.uuid(),
                    "token",
                    "requests with this token",
                )
            }
            // Open routes answer whoever asks; others are refused here already, so that the database is asked once.
            Err(problem)
                if problem.status() == StatusCode::UNAUTHORIZED
                    && document::needs_credential(request.method(), request.path()) =>
            {
                if let Some(origin) = &origin {
                    self.failed(origin);
                }
                Err(problem)
            }
            // Whatever else is wrong, the handler says it, in its own order.
            Err(_) => Ok(()),
        }
    }

    /// Who signs in with the token, under the limit of failed authentications; none when it is not valid.
    pub(crate) async fn sign_in(
        &self,
        app: &App,
        request: &HttpRequest,
        token: &str,
    ) -> Result<Option<Principal>, Problem> {
        let origin = self.origin_of(request.peer_addr(), request.headers());
        // The same words that a program would send with the token, so that both are known by them.
        let credential = format!("Bearer {token}");
        if let Some(origin) = &origin {
            self.listened_to(origin, credential.as_bytes())?;
        }
        let found = access::authenticate(app, token).await?;
        match (&found, &origin) {
            (Some(_), _) => self.remember(credential.as_bytes()),
            (None, Some(origin)) => self.failed(origin),
            (None, None) => {}
        }
        Ok(found)
    }

    /// Counts a page against the limit of its visitor's token.
    pub(crate) fn visit(&self, who: &Principal) -> Result<(), Problem> {
        taken(
            self.tokens.as_ref(),
            &who.token.uuid(),
            "token",
            "requests with this token",
        )
    }

    /// Whether the address is a proxy whose words about its clients are believed.
    pub(crate) fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.trusted.iter().any(|network| network.contains(&peer))
    }

    /// Who asks, as far as limits go; none is not limited: this machine itself, unless it is a proxy that tells for whom.
    fn origin(&self, request: &ServiceRequest) -> Option<Origin> {
        self.origin_of(request.peer_addr(), request.headers())
    }

    fn origin_of(&self, peer: Option<SocketAddr>, headers: &HeaderMap) -> Option<Origin> {
        let address = client(peer?.ip().to_canonical(), headers, &self.trusted);
        (!address.is_loopback()).then(|| address.into())
    }

    fn micros(&self) -> u64 {
        u64::try_from(self.clock.monotonic().0.as_micros()).unwrap_or(u64::MAX)
    }

    fn block_of(&self, failures: &Buckets, origin: &Origin) -> Option<&AtomicU64> {
        self.blocked.get(usize::try_from(failures.slot(origin)).ok()?)
    }

    fn listened_to(&self, origin: &Origin, credential: &[u8]) -> Result<(), Problem> {
        let Some(failures) = &self.failures else {
            return Ok(());
        };
        let until = self
            .block_of(failures, origin)
            .map_or(0, |until| until.load(Ordering::Relaxed));
        let left = until.saturating_sub(self.micros());
        if left == 0 || self.is_known(credential) {
            return Ok(());
        }
        Err(refusal(
            "failures",
            "failed authentications from this address",
            Duration::from_micros(left),
        ))
    }

    fn failed(&self, origin: &Origin) {
        let Some(failures) = &self.failures else {
            return;
        };
        if let Err(wait) = failures.take(origin)
            && let Some(until) = self.block_of(failures, origin)
        {
            let wait = u64::try_from(wait.as_micros()).unwrap_or(u64::MAX);
            until.fetch_max(self.micros().saturating_add(wait), Ordering::Relaxed);
        }
    }

    fn place(&self, credential: &[u8]) -> (Option<&AtomicU64>, u64) {
        let hash = self.seed.hash_one(credential);
        let place = usize::try_from(hash).unwrap_or_default() % KNOWN;
        // Zero is an empty place.
        (self.known.get(place), hash.max(1))
    }

    fn remember(&self, credential: &[u8]) {
        if let (Some(place), hash) = self.place(credential) {
            place.store(hash, Ordering::Relaxed);
        }
    }

    fn is_known(&self, credential: &[u8]) -> bool {
        let (place, hash) = self.place(credential);
        place.is_some_and(|place| place.load(Ordering::Relaxed) == hash)
    }
}

fn taken(buckets: Option<&Buckets>, key: &impl Hash, limit: &'static str, what: &str) -> Result<(), Problem> {
    match buckets.map_or(Ok(()), |buckets| buckets.take(key)) {
        Ok(()) => Ok(()),
        Err(wait) => Err(refusal(limit, what, wait)),
    }
}

fn refusal(limit: &'static str, what: &str, wait: Duration) -> Problem {
    metrics::counter!("delivr_http_rate_limited_total", "limit" => limit).increment(1);
    Problem::too_many(what, wait)
}

/// Supervisors ask as often as they like.
fn probes(path: &str) -> bool {
    matches!(path, "/health" | "/ready")
        || places::place(path).is_some_and(|place| matches!(place.path.as_str(), "/health" | "/ready"))
}

/// What the caller sends to be known by.
fn credential(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers
        .get(header::AUTHORIZATION)
        .or_else(|| headers.get("x-api-key"))?;
    Some(value.as_bytes())
}

/// The client's address: the peer's, or what trusted proxies say. Each proxy appends whom it heard, so that the list is
/// read from its end, and what stands before the first address that is no trusted proxy may be anybody's invention.
fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut address = peer;
    let lines: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .filter_map(|value| value.to_str().ok())
        .collect();
    let mut heard = lines.iter().flat_map(|line| line.split(',')).rev();
    while is_trusted(&address)
        && let Some(before) = heard.next().and_then(read)
    {
        address = before;
    }
    address
}

/// An address as proxies write it: some add the port.
fn read(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.trim_matches(['[', ']']).parse::<IpAddr>().ok();
    bare.or_else(|| text.parse::<SocketAddr>().ok().map(|it| it.ip()))
        .map(|it| it.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use delivr_testkit::clock::FakeClock;

    fn forwarded(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(
                header::HeaderName::from_static("x-forwarded-for"),
                header::HeaderValue::from_str(line).unwrap(),
            );
        }
        headers
    }

    #[test]
    fn only_trusted_proxies_say_who_asks() {
        let trusted: Vec<IpNet> = ["10.0.0.0/8", "::1/128"].map(|it| it.parse().unwrap()).to_vec();
        for (peer, lines, found) in [
            ("192.0.2.9", &["198.51.100.1"][..], "192.0.2.9"),
            ("10.1.1.1", &[], "10.1.1.1"),
            ("10.1.1.1", &["198.51.100.1"], "198.51.100.1"),
            // A client that sends the header itself: what its proxy appended counts.
            ("10.1.1.1", &["203.0.113.7, 198.51.100.1"], "198.51.100.1"),
            ("10.1.1.1", &["198.51.100.1, 10.2.2.2"], "198.51.100.1"),
            ("10.1.1.1", &["203.0.113.7", "198.51.100.1:4711"], "198.51.100.1"),
            ("::1", &["[2001:db8::5]:443"], "2001:db8::5"),
            ("10.1.1.1", &["::ffff:198.51.100.1"], "198.51.100.1"),
            ("10.1.1.1", &["198.51.100.1, unknown"], "10.1.1.1"),
        ] {
            let address = client(peer.parse().unwrap(), &forwarded(lines), &trusted);
            assert_eq!(address, found.parse::<IpAddr>().unwrap(), "{peer} {lines:?}");
        }
    }

    #[test]
    fn a_bucket_empties_and_fills_again() {
        let clock = Arc::new(FakeClock::default());
        let shared: Arc<dyn Clock> = clock.clone();
        let buckets = Buckets::new(60, &shared).unwrap();
        for _ in 0..60 {
            buckets.take(&1).unwrap();
        }
        let wait = buckets.take(&1).unwrap_err();
        assert!(
            wait > Duration::ZERO && wait <= Duration::from_secs(1),
            "{wait:?}"
        );
        clock.advance(wait);
        buckets.take(&1).unwrap();
        assert!(buckets.take(&1).is_err(), "one a second, and no more");
        clock.advance(Duration::from_secs(3_600));
        assert_eq!(
            (0..100).filter(|_| buckets.take(&1).is_ok()).count(),
            60,
            "a minute's worth"
        );
        assert!(Buckets::new(0, &shared).is_none());
    }

    #[test]
    fn a_hundred_thousand_addresses_cost_no_more_than_the_buckets_there_are() {
        let clock: Arc<dyn Clock> = Arc::new(FakeClock::default());
        let buckets = Buckets::new(1_000, &clock).unwrap();
        for number in 0..200_000_u32 {
            buckets.take(&number).unwrap();
        }
        assert!(buckets.limiter.len() <= usize::try_from(SLOTS).unwrap());
    }

    #[test]
    fn neighbours_in_one_network_are_one() {
        let origin = |text: &str| Origin::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(origin("2001:db8::1"), origin("2001:db8::ffff:1"));
        assert_ne!(origin("2001:db8::1"), origin("2001:db8:0:1::1"));
        assert_eq!(origin("::ffff:192.0.2.1"), origin("192.0.2.1"));
        assert_ne!(origin("192.0.2.1"), origin("192.0.2.2"));
    }

    #[test]
    fn who_fails_too_often_waits_and_who_is_known_does_not() {
        let clock = Arc::new(FakeClock::default());
        let limits = RateLimits {
            failures: 2,
            ..RateLimits::default()
        };
        let guard = Guard::new(limits, clock.clone());
        let (here, there) = (Origin::V4([192, 0, 2, 1]), Origin::V4([192, 0, 2, 2]));
        guard.remember(b"Bearer good");
        for _ in 0..3 {
            guard.listened_to(&here, b"Bearer bad").unwrap();
            guard.failed(&here);
        }
        assert!(guard.listened_to(&here, b"Bearer bad").is_err());
        guard.listened_to(&here, b"Bearer good").unwrap();
        guard.listened_to(&there, b"Bearer bad").unwrap();
        clock.advance(Duration::from_secs(30));
        guard.listened_to(&here, b"Bearer bad").unwrap();
    }
}
