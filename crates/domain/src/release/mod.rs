//! The release: one coordinated version bump of one service, from kickoff into the stores.
//!
//! `state` holds what it is, `event` what can happen to it, `command` what people may ask, `settle` what follows by
//! itself (`remind` what people are told again), `react` what the world must now do, `store_notes` what users read. One file
//! tells each story.

pub mod catalogue;
pub mod children;
pub mod command;
pub mod event;
pub mod gate;
pub mod hold;
pub mod lane;
pub mod left;
pub mod notes;
pub mod react;
pub mod remind;
pub mod report;
pub mod settle;
pub mod state;
pub mod store_notes;
pub mod view;
pub mod work;

pub use command::{Command, decide_command};
pub use event::Event;
pub use state::{Phase, Release, Stage};
