//! Whether this machine's clock and the database's say the same.
//!
//! What becomes due, and leases, go by the database's clock; what a release decides (until when it waits, when a rollout
//! goes on, when somebody is reminded) is dated by the process. As long as both say the same, nobody notices. Where the
//! database is ahead, waits end early by as much, and by more than they last not one of them would be waited for; where
//! it is behind, everything that is timed comes late.

use chrono::TimeDelta;
use delivr_domain::time::Timestamp;

/// What is less is a busy machine's, or a network's that takes its time.
const LIKE: TimeDelta = TimeDelta::seconds(60);

/// Why somebody should set a clock right, as a sentence; none where the two are together.
#[must_use]
pub fn apart(ours: Timestamp, databases: Timestamp) -> Option<String> {
    let by = databases - ours;
    let (way, so) = if by > TimeDelta::zero() {
        ("behind", "waits for builds and stores end too early")
    } else {
        ("ahead of", "what is timed comes too late")
    };
    (by.abs() > LIKE).then(|| {
        format!(
            "this machine's clock is {} s {way} the database's: {so}; let both be set by the same time service (NTP)",
            by.num_seconds().abs()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::apart;
    use chrono::{DateTime, TimeDelta};

    #[test]
    fn clocks_that_are_more_than_a_minute_apart_are_told_of() {
        let ours = DateTime::UNIX_EPOCH;
        for near in [-60, -1, 0, 59, 60] {
            assert_eq!(apart(ours, ours + TimeDelta::seconds(near)), None, "{near}");
        }
        let said = |by| apart(ours, ours + TimeDelta::seconds(by)).unwrap();
        assert!(said(2_040).starts_with("this machine's clock is 2040 s behind the database's: waits"));
        assert!(said(-61).starts_with("this machine's clock is 61 s ahead of the database's: what is timed"));
    }
}
