//! Seats for answers without end: a token has so many, and a stream gives its seat back when it ends, however it ends.

use crate::problem::Problem;
use delivr_domain::ids::TokenId;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Live streams of one token, at most: enough for a screen per release on the way, too few to hold the server.
pub const SEATS: usize = 16;

/// Who has how many seats, in this process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seats(Arc<Mutex<BTreeMap<TokenId, usize>>>);

impl Seats {
    fn taken(&self) -> MutexGuard<'_, BTreeMap<TokenId, usize>> {
        // A panic while the map is held leaves it whole: every change is one insert or one removal.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A seat for the token: 429 when all of its seats are taken.
    pub(crate) fn take(&self, token: TokenId) -> Result<Seat, Problem> {
        let mut taken = self.taken();
        let count = taken.entry(token).or_default();
        if *count >= SEATS {
            return Err(Problem::too_many_streams(SEATS));
        }
        *count = count.saturating_add(1);
        Ok(Seat {
            seats: self.clone(),
            token,
        })
    }
}

/// One seat, until it is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    seats: Seats,
    token: TokenId,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken();
        if let Some(count) = taken.get_mut(&self.token) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                // Tokens come and go: the map must not remember them all.
                taken.remove(&self.token);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{SEATS, Seats};
    use delivr_domain::ids::TokenId;
    use uuid::Uuid;

    #[test]
    fn a_seat_is_given_back_and_forgotten() {
        let seats = Seats::default();
        let (one, other) = (
            TokenId::from_uuid(Uuid::from_u128(1)),
            TokenId::from_uuid(Uuid::from_u128(2)),
        );
        let mut held: Vec<_> = (0..SEATS).map(|_| seats.take(one).unwrap()).collect();
        assert!(seats.take(one).is_err());
        drop(seats.take(other).unwrap());
        held.pop();
        drop(seats.take(one).unwrap());
        held.clear();
        assert!(seats.taken().is_empty());
    }
}
