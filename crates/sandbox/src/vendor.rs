//! The contract of a simulated vendor, and how to add one.
//!
//! 1. Make a folder `src/<name>/` with `mod.rs`; name it in `lib.rs` (`mod <name>;`).
//! 2. Write a struct that holds the vendor's whole state and implement [`Vendor`] for it. Handlers are plain
//!    functions under one lock: no awaiting, no threads, and so no surprises in their order.
//! 3. Add one line to `registry`. The prefix `/<name>`, faults, journal, `_reset`, revoking of credentials
//!    and `_credentials` then work without further code.
//! 4. In `handle`: check credentials first (`ctx.access("<name>")` tells whether they were revoked or lack a
//!    permission), match on `(call.method.as_str(), call.parts().as_slice())`, validate, change state, and
//!    call `ctx.effect(vendor, operation, subject, key, detail)` for every change the real vendor would have
//!    kept. `subject` is the natural subject without any key of the caller, so that a duplicate is seen even
//!    when the caller changes its key. Call `ctx.spend(vendor, operation, subject)` once that thing failed,
//!    was cancelled or rejected, so doing it again is not a duplicate.
//! 5. `operation` names a call for fault matching; give writes the same names the journal shows.
//! 6. `tick` runs before every call and ten times a second: let things happen there when
//!    `ctx.due(vendor, step)` says so (auto mode).
//! 7. Vendors meet through [`Event`] only: emit with `ctx.emit`, receive in `on_event`. Refs and commits of
//!    the simulated repository are shared through `ctx.refs` (full ref name to commit).
//! 8. Webhooks: `ctx.receivers(vendor)` gives `(url, secret)` pairs, `ctx.send` queues a delivery.

use std::fmt::Debug;

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::call::Call;
use crate::look::Page;
use crate::world::Context;

/// Something that happened at one vendor and matters to others.
#[derive(Debug, Clone)]
pub enum Event {
    /// A CI job handed an iOS build to App Store Connect.
    IosBuild {
        /// Marketing version.
        version: String,
        /// CFBundleVersion.
        build: String,
        /// Bundle identifier where the job named one.
        bundle_id: Option<String>,
    },
    /// A CI job uploaded an Android bundle to Play's internal track.
    AndroidBundle {
        /// Version name.
        version: String,
        /// Version code.
        version_code: i64,
        /// Package where the job named one.
        package: Option<String>,
    },
    /// A CI job ran automated tests.
    TestsFinished {
        /// Version under test.
        version: String,
        /// Platform under test, where the job named one.
        platform: Option<String>,
        /// Whether they passed.
        passed: bool,
    },
}

/// A simulated vendor.
pub trait Vendor: Send + Debug {
    /// Prefix and name.
    fn name(&self) -> &'static str;

    /// Stable name of what a call asks for, used by faults.
    fn operation(&self, call: &Call) -> &'static str;

    /// Performs a call.
    fn handle(&mut self, ctx: &mut Context, call: &Call) -> Answer;

    /// What a person sees at this address in a browser, where the vendor has such a page here. Nothing is changed, and no
    /// credential is needed: all of it is made up.
    fn page(&self, call: &Call) -> Option<Page> {
        let _ = call;
        None
    }

    /// Performs an action of `/_advance`.
    ///
    /// # Errors
    /// A sentence when the action or its arguments are unknown.
    fn advance(&mut self, ctx: &mut Context, action: &str, args: &Value) -> Result<Value, String>;

    /// Lets due things happen.
    fn tick(&mut self, ctx: &mut Context) {
        let _ = ctx;
    }

    /// Takes notice of another vendor's event.
    fn on_event(&mut self, ctx: &mut Context, event: &Event) {
        let _ = (ctx, event);
    }

    /// `{"config": {...}, "credentials": {...}}` under the names an integration uses. `base` ends with the
    /// prefix and without a slash.
    fn credentials(&self, base: &str) -> Value;

    /// The vendor's throttling answer.
    fn throttled(&self, retry_after: Option<u64>) -> Answer {
        let answer = Answer::json(429, &json!({"message": "Too many requests"}));
        match retry_after {
            Some(seconds) => answer.header("retry-after", seconds.to_string()),
            None => answer,
        }
    }

    /// The vendor's answer when it fails or refuses for reasons of its own.
    fn refused(&self, status: u16) -> Answer {
        Answer::json(status, &json!({"message": "The service is unavailable"}))
    }
}

/// Every vendor the sandbox serves, fresh.
#[must_use]
pub(crate) fn registry() -> Vec<Box<dyn Vendor>> {
    vec![
        Box::new(crate::appstore::AppStore::new()),
        Box::new(crate::github::GitHub::new()),
        Box::new(crate::jenkins::Jenkins::new()),
        Box::new(crate::playstore::PlayStore::new()),
        Box::new(crate::jira::Jira::new()),
        Box::new(crate::checkmate::Checkmate::new()),
        Box::new(crate::slack::Slack::new()),
    ]
}
