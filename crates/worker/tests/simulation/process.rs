//! A process of a run, and what wakes, stalls and ends it.

use crate::time::lock;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Wake, Waker};
use std::time::Duration;

/// Workers of a run.
pub const WORKERS: usize = 3;
/// People's processes.
pub const PEOPLE: usize = 2;
/// All processes; the last one is the door for webhooks.
pub const PROCESSES: usize = WORKERS + PEOPLE + 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Worker,
    People,
    Gateway,
}

pub fn role(number: usize) -> Role {
    if number < WORKERS {
        Role::Worker
    } else if number < WORKERS + PEOPLE {
        Role::People
    } else {
        Role::Gateway
    }
}

pub struct Flag(pub AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[derive(Default)]
pub struct Stop {
    asked: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Stop {
    pub fn ask(&self) {
        self.asked.store(true, Ordering::Relaxed);
        if let Some(waker) = lock(&self.waker).take() {
            waker.wake();
        }
    }
    pub async fn asked(self: Arc<Self>) {
        std::future::poll_fn(|context| {
            if self.asked.load(Ordering::Relaxed) {
                return Poll::Ready(());
            }
            *lock(&self.waker) = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

pub struct Process {
    pub future: Option<Pin<Box<dyn Future<Output = ()>>>>,
    pub flag: Arc<Flag>,
    pub starts_at: Duration,
    pub stalled_until: Duration,
    pub stop: Arc<Stop>,
    pub stop_by: Option<Duration>,
}

impl Process {
    pub fn new() -> Self {
        Self {
            future: None,
            flag: Arc::new(Flag(AtomicBool::new(true))),
            starts_at: Duration::ZERO,
            stalled_until: Duration::ZERO,
            stop: Arc::default(),
            stop_by: None,
        }
    }
    pub fn ready(&self, now: Duration) -> bool {
        self.future.is_some() && self.flag.0.load(Ordering::Relaxed) && self.stalled_until <= now
    }
    /// When it may go on, if that is a matter of time only.
    pub fn goes_on_at(&self) -> Option<Duration> {
        if self.future.is_none() {
            Some(self.starts_at)
        } else if self.flag.0.load(Ordering::Relaxed) {
            Some(self.stalled_until)
        } else {
            None
        }
    }
    /// Nothing of it goes on from here.
    pub fn kill(&mut self, starts_at: Duration) {
        self.future = None;
        self.starts_at = starts_at;
        self.stalled_until = Duration::ZERO;
    }
}
