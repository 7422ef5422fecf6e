//! Vendors simulated over real HTTP, from their documented behaviour, deterministic under a seed.
//!
//! Each vendor lives under its own prefix (`/jenkins`, `/appstore`, ...). Control routes start with an
//! underscore: `/_journal`, `/_faults`, `/_advance`, `/_webhooks`, `/_credentials`, `/_reset`. The README
//! documents them. How to add a vendor is written at [`vendor`].

mod advance;
mod answer;
mod appstore;
mod auto;
mod call;
mod checkmate;
mod exchanges;
mod faults;
mod github;
mod hooks;
mod ids;
mod jenkins;
mod jira;
mod journal;
mod jwt;
mod look;
mod playstore;
mod server;
mod slack;
pub mod vendor;
mod world;

/// The hand-written description (OpenAPI) of a vendor that publishes none.
#[must_use]
pub fn description(vendor: &str) -> Option<&'static str> {
    match vendor {
        "checkmate" => Some(include_str!("../schemas/checkmate.json")),
        "jenkins" => Some(include_str!("../schemas/jenkins.json")),
        "slack" => Some(include_str!("../schemas/slack.json")),
        _ => None,
    }
}

pub use answer::Answer;
pub use auto::Step;
pub use call::Call;
pub use ids::Ids;
pub use journal::Effect;
pub use look::Page;
pub use server::{Running, Sandbox};
pub use world::{Access, Context};
