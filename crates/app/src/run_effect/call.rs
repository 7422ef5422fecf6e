//! One vendor call under a time-out and a net for panics.

use super::CallLimits;
use crate::App;
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use futures_util::FutureExt as _;
use futures_util::future::{Either, select};
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;

/// Awaits a vendor call; too slow or panicking means that its outcome is unknown.
pub(super) async fn guarded<T>(
    app: &App,
    limits: CallLimits,
    call: impl Future<Output = Result<T, ProviderError>>,
) -> Result<T, ProviderError> {
    let until = app.clock.monotonic().plus(limits.call_timeout);
    let guarded = pin!(AssertUnwindSafe(call).catch_unwind());
    let timer = pin!(app.clock.sleep_until(until));
    match select(guarded, timer).await {
        Either::Left((Ok(outcome), _)) => outcome,
        Either::Left((Err(_panic), _)) => Err(unknown("the provider's code panicked; please report this")),
        Either::Right(((), _)) => Err(unknown("the vendor did not answer in time")),
    }
}

fn unknown(sentence: &str) -> ProviderError {
    ProviderError::new("delivr", "call", ProviderErrorKind::Unavailable, sentence)
}
