//! The whole simulated world: vendors, journal, faults, receivers of webhooks, clock.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::auto::{Auto, Step};
use crate::call::Call;
use crate::exchanges::Exchanges;
use crate::faults::{Fault, Faults};
use crate::hooks::{Delivered, Delivery, Receiver};
use crate::ids::Ids;
use crate::journal::Journal;
use crate::vendor::{Event, Vendor, registry};

/// What a vendor still grants to its fixed credentials.
#[derive(Debug, Clone, Copy, Default)]
pub struct Access {
    /// The credential was revoked: the vendor answers as for an unknown one.
    pub revoked: bool,
    /// The credential is known but lacks the permission to write.
    pub forbidden: bool,
}

/// What vendors share: everything but their own states.
#[derive(Debug)]
pub struct Context {
    /// Source of ids.
    pub ids: Ids,
    /// Full ref name (`refs/heads/x`, `refs/tags/y`) to commit in the simulated repository.
    pub refs: BTreeMap<String, String>,
    /// Where the sandbox is reached, without a trailing slash.
    pub base: String,
    pub(crate) journal: Journal,
    pub(crate) faults: Faults,
    pub(crate) access: BTreeMap<String, Access>,
    pub(crate) auto: BTreeMap<String, Auto>,
    pub(crate) hooks: Vec<Receiver>,
    pub(crate) delivered: Vec<Delivered>,
    pub(crate) offset_ms: i64,
    pub(crate) exchanges: Exchanges,
    outbox: Vec<Delivery>,
    events: VecDeque<Event>,
}

impl Context {
    fn new(base: &str, seed: u64) -> Self {
        Self {
            ids: Ids::new(seed),
            refs: BTreeMap::new(),
            base: base.to_owned(),
            journal: Journal::default(),
            faults: Faults::default(),
            access: BTreeMap::new(),
            auto: BTreeMap::new(),
            hooks: Vec::new(),
            delivered: Vec::new(),
            offset_ms: 0,
            exchanges: Exchanges::default(),
            outbox: Vec::new(),
            events: VecDeque::new(),
        }
    }

    /// The sandbox's time in milliseconds since the epoch.
    #[must_use]
    pub fn now(&self) -> i64 {
        Utc::now().timestamp_millis() + self.offset_ms
    }

    /// The sandbox's time.
    #[must_use]
    pub fn instant(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.now()).unwrap_or_default()
    }

    /// The sandbox's time as RFC 3339 with milliseconds.
    #[must_use]
    pub fn timestamp(&self) -> String {
        self.instant().to_rfc3339_opts(SecondsFormat::Millis, true)
    }

    /// Writes an effect into the journal.
    pub fn effect(&mut self, vendor: &str, operation: &str, subject: &str, key: Option<&str>, detail: Value) {
        let at = self.timestamp();
        self.journal
            .record(at, vendor, operation, subject, key.map(str::to_owned), detail);
    }

    /// Says that a subject's object is spent: repeating the operation is right from here on.
    pub fn spend(&mut self, vendor: &str, operation: &str, subject: &str) {
        self.journal.spend(vendor, operation, subject);
    }

    /// What the fixed credentials of a vendor are still worth.
    #[must_use]
    pub fn access(&self, vendor: &str) -> Access {
        self.access.get(vendor).copied().unwrap_or_default()
    }

    /// Whether auto mode says that a step of this vendor is over.
    #[must_use]
    pub fn due(&self, vendor: &str, step: Step) -> bool {
        self.auto
            .get(vendor)
            .is_some_and(|auto| auto.due(step, self.now()))
    }

    /// Whether auto mode says that a simulated day is over.
    #[must_use]
    pub fn day_due(&self, vendor: &str, step: Step) -> bool {
        self.auto
            .get(vendor)
            .is_some_and(|auto| auto.day_due(step, self.now()))
    }

    /// Receivers of a vendor's webhooks: URL and secret.
    #[must_use]
    pub fn receivers(&self, vendor: &str) -> Vec<(String, String)> {
        let of_vendor = self.hooks.iter().filter(|receiver| receiver.vendor == vendor);
        of_vendor
            .map(|receiver| (receiver.url.clone(), receiver.secret.clone()))
            .collect()
    }

    /// Queues a webhook.
    pub fn send(&mut self, vendor: &str, url: &str, headers: Vec<(String, String)>, body: Vec<u8>) {
        self.outbox.push(Delivery {
            vendor: vendor.to_owned(),
            url: url.to_owned(),
            headers,
            body,
        });
    }

    /// Tells the other vendors.
    pub fn emit(&mut self, event: Event) {
        self.events.push_back(event);
    }
}

/// Context and vendors.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) ctx: Context,
    vendors: Vec<Box<dyn Vendor>>,
}

/// What the server does with a vendor call.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) answer: Answer,
    pub(crate) fault: Option<Fault>,
}

impl World {
    pub(crate) fn new(base: &str, seed: u64) -> Self {
        Self {
            ctx: Context::new(base, seed),
            vendors: registry(),
        }
    }

    pub(crate) fn reset(&mut self) {
        let (base, seed) = (self.ctx.base.clone(), self.ctx.ids.seed());
        *self = Self::new(&base, seed);
    }

    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.vendors.iter().map(|vendor| vendor.name()).collect()
    }

    /// Performs a call on a vendor; nothing when no vendor has that name.
    pub(crate) fn call(&mut self, name: &str, call: &Call) -> Option<Outcome> {
        self.tick();
        let vendor = self.vendors.iter_mut().find(|vendor| vendor.name() == name)?;
        if crate::look::is_person(call)
            && let Some(page) = vendor.page(call)
        {
            return Some(Outcome {
                answer: page.shown(name),
                fault: None,
            });
        }
        self.ctx.journal.requests += 1;
        let operation = vendor.operation(call);
        let fault = self.ctx.faults.take(name, operation, call);
        let answer = match &fault {
            Some(fault) if !fault.fault.performs() => refusal(vendor.as_ref(), fault),
            Some(_) | None => vendor.handle(&mut self.ctx, call),
        };
        let answer = match &fault {
            Some(fault) if fault.fault == crate::faults::Kind::StatusAfter => {
                vendor.refused(fault.status.unwrap_or(500))
            }
            Some(_) | None => answer,
        };
        // What no vendor answers is no exchange of its protocol.
        if fault.as_ref().is_none_or(|fault| fault.fault.speaks()) {
            self.ctx.exchanges.keep(name, call, &answer);
        }
        // Callers with a wrong clock learn the time from this, so it must be the sandbox's own.
        let date = self.ctx.instant().format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let answer = answer.header("date", date);
        self.settle();
        Some(Outcome { answer, fault })
    }

    /// Queues a fault of a vendor that exists.
    pub(crate) fn add_fault(&mut self, fault: Fault) -> Result<(), String> {
        if fault.vendor != "*" && !self.names().contains(&fault.vendor.as_str()) {
            return Err(format!("no vendor is called {}", fault.vendor));
        }
        self.ctx.faults.add(fault);
        Ok(())
    }

    pub(crate) fn advance(&mut self, name: &str, action: &str, args: &Value) -> Result<Value, String> {
        let vendor = self.vendors.iter_mut().find(|vendor| vendor.name() == name);
        let vendor = vendor.ok_or_else(|| format!("no vendor is called {name}"))?;
        let result = vendor.advance(&mut self.ctx, action, args);
        self.settle();
        result
    }

    /// Lets due things happen everywhere.
    pub(crate) fn tick(&mut self) {
        for vendor in &mut self.vendors {
            vendor.tick(&mut self.ctx);
        }
        self.settle();
    }

    fn settle(&mut self) {
        while let Some(event) = self.ctx.events.pop_front() {
            for vendor in &mut self.vendors {
                vendor.on_event(&mut self.ctx, &event);
            }
        }
    }

    pub(crate) fn credentials(&self, base: &str) -> Value {
        let of = |vendor: &dyn Vendor| vendor.credentials(&format!("{base}/{}", vendor.name()));
        let entries = self
            .vendors
            .iter()
            .map(|vendor| (vendor.name().to_owned(), of(vendor.as_ref())));
        json!(entries.collect::<BTreeMap<String, Value>>())
    }

    pub(crate) fn take_outbox(&mut self) -> Vec<Delivery> {
        std::mem::take(&mut self.ctx.outbox)
    }
}

fn refusal(vendor: &dyn Vendor, fault: &Fault) -> Answer {
    use crate::faults::Kind;
    match fault.fault {
        Kind::Throttle => vendor.throttled(fault.retry_after),
        Kind::StatusBefore => {
            let answer = vendor.refused(fault.status.unwrap_or(503));
            match fault.retry_after {
                Some(seconds) => answer.header("retry-after", seconds.to_string()),
                None => answer,
            }
        }
        Kind::Html => Answer::html(
            200,
            "<!DOCTYPE html><html><body><h1>Please sign in</h1></body></html>",
        ),
        Kind::Redirect => Answer::empty(302).header(
            "location",
            fault
                .location
                .clone()
                .unwrap_or_else(|| "http://127.0.0.1:1/".to_owned()),
        ),
        Kind::Huge
        | Kind::Reset
        | Kind::ResponseLost
        | Kind::StatusAfter
        | Kind::SlowBody
        | Kind::Silence => Answer::empty(200),
    }
}
