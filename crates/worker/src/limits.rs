//! Per-integration limits: calls at the same time, and a circuit that opens when a vendor is down.
//!
//! Both only make the worker leave rows unclaimed; waiting costs no failures.

use delivr_app::run_effect::Ran;
use delivr_domain::ids::IntegrationId;
use delivr_domain::ports::clock::Monotonic;
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

    /// Whether one more call may go through the integration now. One claim may bring more rows than there is room for.
    pub(crate) fn admits(&self, integration: Option<IntegrationId>, now: Monotonic) -> bool {
        let gauge = integration.and_then(|id| self.gauges.get(&id));
        gauge.is_none_or(|gauge| !self.shut(gauge, now))
    }

    fn shut(&self, gauge: &Gauge, now: Monotonic) -> bool {
        let open = gauge
            .open_until
            .is_some_and(|until| now < until || gauge.running > 0);
        open || gauge.running >= self.per_integration
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

    /// Integrations that get no call now. A circuit whose time is over lets one call through.
    pub(crate) fn closed(&self, now: Monotonic) -> Vec<IntegrationId> {
        self.gauges
            .iter()
            .filter(|(_, gauge)| self.shut(gauge, now))
            .map(|(id, _)| *id)
            .collect()
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

    #[test]
    fn a_busy_integration_gets_no_further_call() {
        let mut limits = Limits::new(2);
        limits.started(Some(id(1)));
        assert!(limits.closed(at(0)).is_empty());
        limits.started(Some(id(1)));
        assert_eq!(limits.closed(at(0)), vec![id(1)]);
        limits.ended(Some(id(1)), Ran::Done, at(1));
        assert!(limits.closed(at(1)).is_empty());
    }

    #[test]
    fn five_troubles_open_the_circuit_and_one_success_closes_it() {
        let mut limits = Limits::new(4);
        for second in 0..u64::from(BREAKER_FAILURES) {
            limits.started(Some(id(1)));
            limits.ended(Some(id(1)), Ran::VendorTrouble, at(second));
        }
        assert_eq!(limits.closed(at(5)), vec![id(1)]);
        assert!(limits.closed(at(40)).is_empty(), "one call may try again");
        limits.started(Some(id(1)));
        assert_eq!(limits.closed(at(40)), vec![id(1)], "but only one");
        limits.ended(Some(id(1)), Ran::Done, at(41));
        assert!(limits.closed(at(41)).is_empty());
    }

    #[test]
    fn others_are_not_affected() {
        let mut limits = Limits::new(1);
        limits.started(Some(id(1)));
        limits.started(Some(id(2)));
        limits.ended(Some(id(2)), Ran::Done, at(1));
        assert_eq!(limits.closed(at(1)), vec![id(1)]);
    }
}
