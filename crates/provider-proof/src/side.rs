//! The vendor as a proof sees it: what it really did, and how it is made to fail.

use async_trait::async_trait;
use delivr_sandbox::{Running, Sandbox};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// How the vendor, or the way to it, fails at one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The effect is performed, then the connection breaks without an answer.
    AnswerLost,
    /// The effect is performed, then a 500 is answered.
    ErrorAfter,
    /// The effect is performed, and no answer ever comes.
    Silence,
    /// Nothing is performed; the vendor asks to come back after 17 seconds.
    Throttle,
    /// Nothing is performed; a page for people is answered.
    Page,
    /// Nothing is performed; 100 MB are answered.
    Flood,
    /// The effect is performed; half of the answer comes, the rest not within a minute.
    Trickle,
    /// Nothing is performed; the caller is sent to another host.
    Elsewhere(SocketAddr),
}

/// Seconds after which a throttling vendor asks to be called again.
pub const HINT: u64 = 17;

/// What the vendor really did: how often, by operation; and how often that was once too much for its natural subject.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Done {
    /// Effects by operation.
    pub effects: BTreeMap<String, usize>,
    /// Effects beyond the first of one natural subject, by operation and subject.
    pub surplus: Vec<String>,
}

impl Done {
    /// Effects of the operation.
    #[must_use]
    pub fn of(&self, operation: &str) -> usize {
        self.effects.get(operation).copied().unwrap_or(0)
    }
}

/// A vendor under proof.
#[async_trait]
pub trait Side: Send + Sync {
    /// Configuration and credentials of an integration with it.
    fn settings(&self) -> (Value, Value);
    /// Makes the next call of this name (or of any) fail so.
    ///
    /// # Errors
    /// Why this vendor cannot fail in this way: a few words for the table in `docs/testing.md`.
    fn trouble(&self, call: Option<&str>, trouble: Trouble) -> Result<(), &'static str>;
    /// What it did so far.
    fn done(&self) -> Done;
    /// Its time goes on.
    fn pass(&self, span: Duration);
}

/// A vendor of the sandbox.
#[derive(Debug)]
pub struct SandboxSide {
    /// The sandbox.
    pub running: Running,
    vendor: &'static str,
    config: Value,
    credentials: Value,
}

impl SandboxSide {
    /// A fresh sandbox and what its vendor says an integration is configured with.
    pub async fn start(vendor: &'static str) -> Self {
        let running = Sandbox::start("127.0.0.1:0".parse().unwrap(), 7).await.unwrap();
        running.record();
        let mut settings = running.credentials()[vendor].take();
        Self {
            running,
            vendor,
            config: settings["config"].take(),
            credentials: settings["credentials"].take(),
        }
    }
    /// The same, configured otherwise.
    #[must_use]
    pub fn with(mut self, config: Value, credentials: Value) -> Self {
        self.config = config;
        self.credentials = credentials;
        self
    }
    /// Performs an action of the sandbox's `/_advance` on the vendor.
    pub fn advance(&self, mut body: Value) -> Value {
        body["vendor"] = json!(self.vendor);
        self.running.advance(&body).unwrap()
    }
    /// Queues a fault of the sandbox's `/_faults` for the vendor.
    pub fn fault(&self, mut body: Value) {
        body["vendor"] = json!(self.vendor);
        self.running.fault(&body).unwrap();
    }
}

#[async_trait]
impl Side for SandboxSide {
    fn settings(&self) -> (Value, Value) {
        (self.config.clone(), self.credentials.clone())
    }
    fn trouble(&self, call: Option<&str>, trouble: Trouble) -> Result<(), &'static str> {
        let mut fault = match trouble {
            Trouble::AnswerLost => json!({"fault": "response_lost"}),
            Trouble::ErrorAfter => json!({"fault": "status_after", "status": 500}),
            Trouble::Silence => json!({"fault": "silence"}),
            Trouble::Throttle => json!({"fault": "throttle", "retryAfter": HINT}),
            Trouble::Page => json!({"fault": "html"}),
            Trouble::Flood => json!({"fault": "huge"}),
            Trouble::Trickle => json!({"fault": "slow_body", "delayMs": 60_000}),
            Trouble::Elsewhere(host) => json!({"fault": "redirect", "location": format!("http://{host}/")}),
        };
        fault["operation"] = json!(call);
        self.fault(fault);
        Ok(())
    }
    fn done(&self) -> Done {
        let journal = self.running.journal();
        let mut done = Done::default();
        for effect in journal["effects"].as_array().into_iter().flatten() {
            if effect["vendor"] == self.vendor {
                let operation = effect["operation"].as_str().unwrap_or_default().to_owned();
                *done.effects.entry(operation).or_default() += 1;
            }
        }
        for surplus in journal["duplicates"].as_array().into_iter().flatten() {
            done.surplus.push(surplus.to_string());
        }
        done
    }
    fn pass(&self, span: Duration) {
        let seconds = span.as_secs();
        self.running
            .advance(&json!({"vendor": "*", "action": "time", "seconds": seconds}))
            .unwrap();
    }
}

impl Drop for SandboxSide {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            crate::description::hold(&self.running, self.vendor);
        }
    }
}
