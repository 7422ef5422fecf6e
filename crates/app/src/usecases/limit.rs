//! A limit on how long a person waits for a vendor.

use delivr_domain::ports::clock::Clock;
use futures_util::future::{Either, select};
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

/// The future's outcome; none when it takes longer than the span.
pub async fn within<T>(clock: &dyn Clock, span: Duration, work: impl Future<Output = T>) -> Option<T> {
    let end = clock.sleep_until(clock.monotonic().plus(span));
    match select(pin!(work), pin!(end)).await {
        Either::Left((outcome, _)) => Some(outcome),
        Either::Right(((), _)) => None,
    }
}
