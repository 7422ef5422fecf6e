//! How the story is told: people who ask the API, vendors that move, and time that goes by.

use crate::wiring::practice::CatchingUp;
use actix_web::web;
use anyhow::{Context as _, bail};
use chrono::TimeDelta;
use delivr_api::{Inside, Shared};
use delivr_app::App;
use delivr_app::usecases::access::{self, NewToken, Principal, Role};
use delivr_domain::ids::TokenId;
use delivr_domain::ports::store::Tenant;
use delivr_sandbox::Running as Vendors;
use delivr_web::{Api as _, Call};
use delivr_worker::{Worker, WorkerSettings};
use serde_json::{Value, json};

/// The longest that is waited for anything, in the story's own time.
const PATIENCE: TimeDelta = TimeDelta::days(3);
/// How time goes by while something is waited for: a little longer than a vendor's step takes.
const STEP: TimeDelta = TimeDelta::minutes(10);
/// How long a vendor's step takes, in milliseconds.
const VENDOR_STEP: i64 = 9 * 60_000;
/// No moment has more work than this in it.
const ROUNDS: usize = 500;

/// The organisation while its past is lived.
pub(super) struct Office<'a> {
    app: App,
    api: Inside,
    vendors: &'a Vendors,
    clock: &'a CatchingUp,
    worker: Worker,
    pub(super) tenant: Tenant,
}

/// The text at a JSON pointer.
pub(super) fn text(value: &Value, pointer: &str) -> anyhow::Result<String> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    let found = found.with_context(|| format!("no text at {pointer} in {value}"))?;
    Ok(found.to_owned())
}

/// The id of what was made.
pub(super) fn id(value: &Value) -> anyhow::Result<String> {
    text(value, "/id")
}

/// The list at a JSON pointer.
pub(super) fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    let found = value.pointer(pointer).and_then(Value::as_array);
    found.map_or(&[], Vec::as_slice)
}

/// Whether the text at a JSON pointer is this.
pub(super) fn is(value: &Value, pointer: &str, word: &str) -> bool {
    value.pointer(pointer).and_then(Value::as_str) == Some(word)
}

impl<'a> Office<'a> {
    /// An empty organisation on a new database.
    pub(super) async fn open(
        shared: &Shared,
        vendors: &'a Vendors,
        clock: &'a CatchingUp,
    ) -> anyhow::Result<Self> {
        let app = shared.app.clone();
        let tenant = Tenant {
            id: access::ensure_tenant(&app, "practice").await?.id,
            slug: "practice".to_owned(),
            name: "Practice".to_owned(),
        };
        app.store
            .rename_tenant(tenant.id, &tenant.slug, &tenant.name)
            .await?;
        let office = Self {
            worker: Worker::new(app.clone(), WorkerSettings::default()),
            api: Inside::new(&web::Data::new(shared.clone())),
            app,
            vendors,
            clock,
            tenant,
        };
        office.vendor(&json!({
            "vendor": "*", "action": "auto", "on": true, "afterMs": VENDOR_STEP, "dayMs": 86_400_000,
        }))?;
        Ok(office)
    }

    /// Somebody of the organisation.
    pub(super) async fn person(&self, address: &str, role: Role) -> anyhow::Result<Principal> {
        let id = self.app.entropy.uuid();
        let person = address.parse().map_err(anyhow::Error::msg)?;
        let new = NewToken {
            name: "browser",
            person: Some(&person),
            role,
            expires_at: None,
        };
        // The secret is dropped: nobody ever has it.
        access::issue(&self.app, self.tenant.id, id, &new).await?;
        let found = access::by_token(&self.app, self.tenant.id, TokenId::from_uuid(id)).await?;
        found.context("the token was made just now")
    }

    /// Asks the API; a refusal ends the story.
    pub(super) async fn ask(&self, who: &Principal, call: Call) -> anyhow::Result<Value> {
        let told = format!("{} {}", call.method, call.path);
        let reply = self.api.call(who, call).await;
        if !reply.status.is_success() {
            bail!("{told}: {} {}", reply.status, reply.document());
        }
        Ok(reply.document())
    }

    /// Asks for something.
    pub(super) async fn post(&self, who: &Principal, path: &str, body: Value) -> anyhow::Result<Value> {
        self.ask(who, Call::post(path, body)).await
    }

    /// Reads.
    pub(super) async fn get(&self, who: &Principal, path: &str) -> anyhow::Result<Value> {
        self.ask(who, Call::get(path)).await
    }

    /// What happens at a vendor.
    pub(super) fn vendor(&self, body: &Value) -> anyhow::Result<()> {
        let done = self.vendors.advance(body);
        done.map(drop).with_context(|| format!("the vendors: {body}"))
    }

    /// What a vendor's integration is entered with.
    pub(super) fn offered(&self) -> Value {
        self.vendors.credentials()
    }

    /// A commit on a branch, by a colleague.
    pub(super) fn push(&self, branch: &str, author: &str, message: &str) -> anyhow::Result<()> {
        self.vendor(&json!({
            "vendor": "github", "action": "push", "branch": branch, "author": author, "message": message,
        }))
    }

    /// An instant so far from the story's present.
    pub(super) fn at(&self, span: TimeDelta) -> String {
        (self.app.clock.now() + span).to_rfc3339()
    }

    /// Does everything that is due, and what follows from it.
    async fn work(&self) -> anyhow::Result<()> {
        for _ in 0..ROUNDS {
            if self.worker.run_due_once().await? == 0 {
                return Ok(());
            }
        }
        bail!("the work of one moment has no end")
    }

    /// Lets time go by in steps, at most until now.
    pub(super) async fn pass(&self, span: TimeDelta, step: TimeDelta) -> anyhow::Result<()> {
        self.work().await?;
        let mut left = span;
        while left > TimeDelta::zero() {
            let passed = self.clock.pass(left.min(step));
            if passed == TimeDelta::zero() {
                return Ok(());
            }
            self.vendor(&json!({"vendor": "*", "action": "time", "seconds": passed.num_seconds()}))?;
            self.work().await?;
            left -= passed;
        }
        Ok(())
    }

    /// Lets time go by until it is so long ago.
    pub(super) async fn reach(&self, ago: TimeDelta) -> anyhow::Result<()> {
        let left = self.clock.left() - ago;
        if left < TimeDelta::zero() {
            bail!("the story is {left} late");
        }
        self.pass(left, TimeDelta::hours(4)).await
    }

    /// Lets time go by until the release is so.
    pub(super) async fn until(
        &self,
        who: &Principal,
        release: &str,
        what: &str,
        is_so: impl Fn(&Value) -> bool,
    ) -> anyhow::Result<Value> {
        let path = format!("/releases/{release}?include=tasks,cycles,builds,slots,approvals");
        let mut waited = TimeDelta::zero();
        loop {
            self.work().await?;
            let seen = self.get(who, &path).await?;
            if is_so(&seen) {
                return Ok(seen);
            }
            if waited > PATIENCE || self.clock.left() == TimeDelta::zero() {
                bail!("{release} never: {what}: {seen}");
            }
            self.pass(STEP, STEP).await?;
            waited += STEP;
        }
    }

    /// Lets time go by until the release is in a phase.
    pub(super) async fn phase(&self, who: &Principal, release: &str, phase: &str) -> anyhow::Result<Value> {
        self.until(who, release, phase, |it| is(it, "/phase", phase))
            .await
    }
}
