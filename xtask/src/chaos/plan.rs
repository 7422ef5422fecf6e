//! What one run does, as its seed says: who releases what, what people do meanwhile, which calls of which vendor go
//! wrong, and who is struck down when. The same seed plans the same; what comes of it still depends on the machine.

use serde_json::{Value, json};

/// A small generator whose numbers follow from the seed alone (SplitMix64).
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// Begins at a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
    /// From `least` to `most`, both included.
    pub(crate) fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.next() % (most.saturating_sub(least) + 1)
    }
    /// True this often in a hundred.
    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.between(1, 100) <= percent
    }
    /// One of them; the default of an empty list.
    pub(crate) fn pick<T: Copy + Default>(&mut self, from: &[T]) -> T {
        let last = u64::try_from(from.len().saturating_sub(1)).unwrap_or(0);
        let at = usize::try_from(self.between(0, last)).unwrap_or(0);
        from.get(at).copied().unwrap_or_default()
    }
}

/// Somebody or something that is struck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blow {
    /// kill -9 of this worker; it comes back after so many milliseconds.
    Worker(usize, u64),
    /// kill -9 of the API (and of the worker inside it, if there is one).
    Api(u64),
    /// kill -9 of everything at once.
    All(u64),
    /// This worker stands still for so many milliseconds, as a paused machine does, and goes on as if nothing was.
    Stall(usize, u64),
    /// The database server is shut down in the way that makes it recover, and started again.
    Database,
}

/// A blow and how long after the one before it falls.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timed {
    pub(crate) after_ms: u64,
    pub(crate) blow: Blow,
}

/// What a person does besides the release itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Pauses and resumes after so many milliseconds.
    Pause(u64),
    /// Blocks and unblocks.
    Block(u64),
    /// Stops the tenant's line and lets it go on.
    StopLine(u64),
    /// Plans one more regression cycle, soon.
    AddSlot,
    /// Plans one far away and brings it forward.
    MoveSlot,
    /// Plans one far away and drops it again.
    DropSlot,
    /// Runs one more regression cycle at once.
    NewCycle,
    /// Commits a fix onto the release branch.
    Commit,
    /// Uses each trigger twice, under two keys at the same time.
    DoubleClick,
    /// Pauses the rollout and resumes it.
    PauseRollout,
    /// Halts the rollout and resumes it.
    HaltRollout,
    /// Gives the release up, and has its tickets closed and its branch deleted.
    Archive,
}

/// A deed and the phase in which it comes to mind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Whim {
    pub(crate) phase: &'static str,
    pub(crate) deed: Deed,
}

/// One release.
#[derive(Debug, Clone)]
pub(crate) struct ReleasePlan {
    pub(crate) version: String,
    pub(crate) whims: Vec<Whim>,
}

/// A service and the releases it gets, one after the other.
#[derive(Debug, Clone)]
pub(crate) struct LanePlan {
    pub(crate) slug: &'static str,
    /// Whether it goes into the App Store.
    pub(crate) apple: bool,
    /// Whether it goes into Google Play.
    pub(crate) play: bool,
    pub(crate) releases: Vec<ReleasePlan>,
}

/// A tenant, with vendors of its own.
#[derive(Debug, Clone)]
pub(crate) struct TenantPlan {
    pub(crate) slug: &'static str,
    pub(crate) lanes: Vec<LanePlan>,
    /// Faults as the sandbox takes them.
    pub(crate) faults: Vec<Value>,
}

/// The whole run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) tenants: Vec<TenantPlan>,
    /// Whether the API's process works too.
    pub(crate) embedded: bool,
    pub(crate) blows: Vec<Timed>,
}

/// What the caller of the command may say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) releases: u64,
    pub(crate) workers: usize,
    /// Calls in a hundred that go wrong.
    pub(crate) faults: u64,
    /// Whether the database is a server that can be restarted.
    pub(crate) server: bool,
}

const VENDORS: [&str; 6] = ["jenkins", "jira", "slack", "checkmate", "appstore", "playstore"];

/// Writes that answer with a body, which can be slow.
const SLOW: [(&str, &str); 13] = [
    ("jenkins", "trigger"),
    ("jira", "create_issue"),
    ("slack", "post_message"),
    ("checkmate", "create_run"),
    ("appstore", "create_version"),
    ("appstore", "create_submission"),
    ("appstore", "add_item"),
    ("appstore", "submit"),
    ("appstore", "release"),
    ("appstore", "create_phased"),
    ("appstore", "set_phased"),
    ("playstore", "put_track"),
    ("playstore", "commit"),
];

impl Plan {
    /// The plan of a seed.
    pub(crate) fn random(seed: u64, wanted: Wanted) -> Self {
        let mut random = Random::new(seed);
        let mut plan = Self::still(wanted);
        plan.embedded = wanted.workers == 0 || random.chance(30);
        for tenant in &mut plan.tenants {
            tenant.faults = faults(&mut random, wanted.faults);
            for lane in &mut tenant.lanes {
                for release in &mut lane.releases {
                    release.whims = whims(&mut random, lane.play);
                }
            }
        }
        plan.blows = blows(&mut random, wanted);
        plan
    }

    /// The releases alone, at vendors whose answers to writes take a while: whoever strikes when an effect shows hits
    /// the time between the effect and its answer.
    pub(crate) fn slow(wanted: Wanted) -> Self {
        let mut plan = Self::still(wanted);
        for tenant in &mut plan.tenants {
            for (vendor, operation) in SLOW {
                tenant.faults.push(json!({
                    "vendor": vendor, "operation": operation, "fault": "slow_body", "delayMs": 80,
                    "times": 1_000_000,
                }));
            }
        }
        plan
    }

    /// The releases alone: nobody is struck, nothing goes wrong, and people do what must be done.
    pub(crate) fn still(wanted: Wanted) -> Self {
        let lane = |slug, apple, play| LanePlan {
            slug,
            apple,
            play,
            releases: Vec::new(),
        };
        // Two tenants; one of them has two services, which share everything but their repositories and stores.
        let mut tenants = vec![
            TenantPlan {
                slug: "acme",
                lanes: vec![lane("shop", true, true)],
                faults: Vec::new(),
            },
            TenantPlan {
                slug: "globex",
                lanes: vec![lane("phone", true, false), lane("tablet", false, true)],
                faults: Vec::new(),
            },
        ];
        for number in 0..wanted.releases {
            let (tenant, lane) = match number % 3 {
                0 => (0, 0),
                1 => (1, 0),
                _ => (1, 1),
            };
            let release = ReleasePlan {
                // One version for one release of the whole run: no subject may name two of them.
                version: format!("1.{}.0", number + 1),
                whims: Vec::new(),
            };
            if let Some(lane) = tenants.get_mut(tenant).and_then(|it| it.lanes.get_mut(lane)) {
                lane.releases.push(release);
            }
        }
        for tenant in &mut tenants {
            tenant.lanes.retain(|lane| !lane.releases.is_empty());
        }
        tenants.retain(|tenant| !tenant.lanes.is_empty());
        Self {
            tenants,
            embedded: wanted.workers == 0,
            blows: Vec::new(),
        }
    }
}

fn faults(random: &mut Random, percent: u64) -> Vec<Value> {
    let mut all = Vec::new();
    if percent == 0 {
        return all;
    }
    for vendor in VENDORS {
        for _ in 0..12 {
            let mut skip = 0;
            while skip < 200 && !random.chance(percent) {
                skip += 1;
            }
            let mut fault = json!({ "vendor": vendor, "skip": skip });
            let kind = random.pick(&[
                "response_lost",
                "response_lost",
                "status_after",
                "status_before",
                "throttle",
                "slow_body",
                "reset",
                "html",
            ]);
            let more = match kind {
                "throttle" => json!({ "retryAfter": random.between(1, 2) }),
                "status_before" => json!({ "status": random.pick(&[500, 502, 503]) }),
                // Some come in time, others after the caller has given up.
                "slow_body" => json!({ "delayMs": random.between(100, 3_000) }),
                _ => json!({}),
            };
            if let (Some(fault), Some(more)) = (fault.as_object_mut(), more.as_object()) {
                fault.insert("fault".to_owned(), json!(kind));
                fault.extend(more.clone());
            }
            all.push(fault);
        }
    }
    all
}

fn whims(random: &mut Random, play: bool) -> Vec<Whim> {
    let mut all = Vec::new();
    let mut add = |phase, deed| all.push(Whim { phase, deed });
    if random.chance(12) {
        let phase = random.pick(&["REGRESSION", "PRE_RELEASE", "DISTRIBUTION"]);
        add(phase, Deed::Archive);
    }
    for _ in 0..random.between(0, 2) {
        let phase = random.pick(&["KICKOFF", "REGRESSION", "PRE_RELEASE", "DISTRIBUTION"]);
        let ms = random.between(200, 4_000);
        let deed = match random.between(0, 2) {
            0 => Deed::Pause(ms),
            1 => Deed::Block(ms),
            _ => Deed::StopLine(ms),
        };
        add(phase, deed);
    }
    if random.chance(40) {
        let phase = random.pick(&["KICKOFF", "REGRESSION"]);
        let deed = match random.between(0, 2) {
            0 => Deed::AddSlot,
            1 => Deed::MoveSlot,
            _ => Deed::DropSlot,
        };
        add(phase, deed);
    }
    if random.chance(30) {
        let deed = if random.chance(50) {
            Deed::NewCycle
        } else {
            Deed::Commit
        };
        add("AWAITING_PRE_RELEASE", deed);
    }
    if random.chance(50) {
        add("AWAITING_PRE_RELEASE", Deed::DoubleClick);
    }
    if play && random.chance(40) {
        let deed = if random.chance(50) {
            Deed::PauseRollout
        } else {
            Deed::HaltRollout
        };
        add("DISTRIBUTION", deed);
    }
    all
}

fn blows(random: &mut Random, wanted: Wanted) -> Vec<Timed> {
    let last = u64::try_from(wanted.workers.saturating_sub(1)).unwrap_or(0);
    let mut all = Vec::new();
    for number in 0..random.between(8, 20) {
        let worker = usize::try_from(random.between(0, last)).unwrap_or(0);
        let down = random.between(0, 2_500);
        let blow = match random.between(1, 100) {
            // A run on a server has it restarted, whatever else befalls it.
            _ if wanted.server && number == 2 => Blow::Database,
            _ if wanted.workers == 0 => Blow::Api(down),
            1..=50 => Blow::Worker(worker, down),
            51..=70 => Blow::Api(down),
            71..=76 => Blow::All(down),
            // Past the lease of three seconds and the margin of two, or not.
            77..=90 => Blow::Stall(worker, random.between(500, 9_000)),
            _ if wanted.server => Blow::Database,
            _ => Blow::Worker(worker, down),
        };
        all.push(Timed {
            after_ms: random.between(200, 3_500),
            blow,
        });
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: Wanted = Wanted {
        releases: 5,
        workers: 2,
        faults: 10,
        server: true,
    };

    #[test]
    fn a_seed_plans_the_same_every_time_and_another_one_something_else() {
        let told = |seed| format!("{:?}", Plan::random(seed, WANTED));
        assert_eq!(told(7), told(7));
        assert_ne!(told(7), told(8));
    }

    #[test]
    fn every_release_has_a_version_of_its_own_and_every_kind_of_blow_is_planned() {
        let plan = Plan::random(1, WANTED);
        let mut versions: Vec<&str> = plan
            .tenants
            .iter()
            .flat_map(|it| &it.lanes)
            .flat_map(|it| &it.releases)
            .map(|it| it.version.as_str())
            .collect();
        versions.sort_unstable();
        versions.dedup();
        assert_eq!(versions.len(), 5);

        let all: Vec<Blow> = (0..50)
            .flat_map(|seed| Plan::random(seed, WANTED).blows)
            .map(|it| it.blow)
            .collect();
        let kinds: [fn(&Blow) -> bool; 5] = [
            |it| matches!(it, Blow::Worker(1, _)),
            |it| matches!(it, Blow::Api(_)),
            |it| matches!(it, Blow::All(_)),
            |it| matches!(it, Blow::Stall(0, ms) if *ms > 5_000),
            |it| matches!(it, Blow::Database),
        ];
        for kind in kinds {
            assert!(all.iter().any(kind));
        }
        assert!((0..50).all(|seed| {
            let blows = Plan::random(seed, WANTED).blows;
            blows.iter().any(|it| it.blow == Blow::Database)
        }));
        let server = Wanted {
            server: false,
            ..WANTED
        };
        let without = (0..50).flat_map(|seed| Plan::random(seed, server).blows);
        assert!(without.into_iter().all(|it| it.blow != Blow::Database));
    }
}
