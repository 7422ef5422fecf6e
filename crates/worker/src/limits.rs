//! Per-integration limits: calls at the same time, and a circuit that opens when a vendor is down.
//!
//! Both only make the worker leave rows unclaimed; waiting costs no failures.

use delivr_app::run_effect::Ran;
use delivr_domain::ids::IntegrationId;
use delivr_domain::ports::clock::Monotonic;
use delivr_domain::ports::store::Rooms;
use std::collections::BTreeMap;
use std::time::Duration;

/// Vendor troubles in a row that open the circuit.
pub const BREAKER_FAILURES: u16 = 5;
/// How long an open circuit stays open before one call tries again.
pub const BREAKER_OPEN: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
struct Gauge {
    running: u16,
    troubles: u16,
    open_until: Option<Monotonic>,
}

/// What is under way through which integration.
#[derive(Debug)]
pub(crate) struct Limits {
    per_integration: u16,
    gauges: BTreeMap<IntegrationId, Gauge>,
}

impl Limits {
    pub(crate) const fn new(per_integration: u16) -> Self {
        Self {
            per_integration,
            gauges: BTreeMap::new(),
        }
    }

    /// Whether one more call may go through the integration now.
    pub(crate) fn admits(&self, integration: Option<IntegrationId>, now: Monotonic) -> bool {
        let gauge = integration.and_then(|id| self.gauges.get(&id));
        gauge.is_none_or(|gauge| self.room(gauge, now) > 0)
    }

    /// Whether a call that is at its end may be followed by another one in its place.
    pub(crate) fn goes_on(&self, integration: Option<IntegrationId>) -> bool {
        let gauge = integration.and_then(|id| self.gauges.get(&id));
        gauge.is_none_or(|gauge| gauge.open_until.is_none())
    }

    /// How many more calls may go through it. A circuit whose time is over lets one call through.
    fn room(&self, gauge: &Gauge, now: Monotonic) -> u16 {
        match gauge.open_until {
            Some(until) if now < until => 0,
            Some(_over) => u16::from(gauge.running == 0),
            None => self.per_integration.saturating_sub(gauge.running),
        }
    }

    pub(crate) fn started(&mut self, integration: Option<IntegrationId>) {
        if let Some(id) = integration {
            let gauge = self.gauges.entry(id).or_default();
            gauge.running = gauge.running.saturating_add(1);
        }
    }

    pub(crate) fn ended(&mut self, integration: Option<IntegrationId>, ran: Ran, now: Monotonic) {
        let Some(gauge) = integration.and_then(|id| self.gauges.get_mut(&id)) else {
            return;
        };
        gauge.running = gauge.running.saturating_sub(1);
        match ran {
            Ran::VendorTrouble => {
                gauge.troubles = gauge.troubles.saturating_add(1);
                if gauge.troubles >= BREAKER_FAILURES {
                    gauge.open_until = Some(now.plus(BREAKER_OPEN));
                }
            }
            Ran::Done => {
                gauge.troubles = 0;
                gauge.open_until = None;
            }
            Ran::PutBack | Ran::Fenced | Ran::StoreTrouble => {}
        }
        if gauge.running == 0 && gauge.troubles == 0 {
            self.gauges
                .retain(|_, gauge| gauge.running > 0 || gauge.troubles > 0);
        }
    }

    /// What each integration admits now.
    pub(crate) fn rooms(&self, now: Monotonic) -> Rooms {
        let of = self.gauges.iter().map(|(id, gauge)| (*id, self.room(gauge, now)));
        Rooms {
            each: self.per_integration,
            of: of.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Monotonic {
        Monotonic(Duration::from_secs(seconds))
    }
    fn id(n: u128) -> IntegrationId {
        IntegrationId::derived(&[&n.to_be_bytes()])
    }

    fn closed(limits: &Limits, seconds: u64) -> Vec<IntegrationId> {
        limits.rooms(at(seconds)).full().collect()
    }

    #[test]
    fn a_busy_integration_gets_no_further_call() {
        let mut limits = Limits::new(2);
        limits.started(Some(id(1)));
        assert_eq!(limits.rooms(at(0)).left(Some(id(1))), 1);
        limits.started(Some(id(1)));
        assert_eq!(closed(&limits, 0), vec![id(1)]);
        limits.ended(Some(id(1)), Ran::Done, at(1));
        assert!(closed(&limits, 1).is_empty());
    }

    #[test]
    fn five_troubles_open_the_circuit_and_one_success_closes_it() {
        let mut limits = Limits::new(4);
        for second in 0..u64::from(BREAKER_FAILURES) {
            limits.started(Some(id(1)));
            limits.ended(Some(id(1)), Ran::VendorTrouble, at(second));
        }
        assert_eq!(closed(&limits, 5), vec![id(1)]);
        assert_eq!(
            limits.rooms(at(40)).left(Some(id(1))),
            1,
            "one call may try again"
        );
        limits.started(Some(id(1)));
        assert_eq!(closed(&limits, 40), vec![id(1)], "but only one");
        limits.ended(Some(id(1)), Ran::Done, at(41));
        assert!(closed(&limits, 41).is_empty());
    }

    #[test]
    fn a_call_is_followed_by_another_in_its_place_while_the_vendor_is_well() {
        let mut limits = Limits::new(1);
        limits.started(Some(id(1)));
        assert!(!limits.admits(Some(id(1)), at(0)) && limits.goes_on(Some(id(1))));
        for _ in 0..BREAKER_FAILURES {
            limits.ended(Some(id(1)), Ran::VendorTrouble, at(0));
            limits.started(Some(id(1)));
        }
        assert!(!limits.goes_on(Some(id(1))));
    }

    #[test]
    fn others_are_not_affected() {
        let mut limits = Limits::new(1);
        limits.started(Some(id(1)));
        limits.started(Some(id(2)));
        limits.ended(Some(id(2)), Ran::Done, at(1));
        assert_eq!(closed(&limits, 1), vec![id(1)]);
    }
}
