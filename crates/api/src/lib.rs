//! The HTTP API: routes over the use cases, problems as documents, and a description of it all that is checked.
//!
//! A handler reads, asks a use case, and answers. It must never decide anything about a release: what may be done and
//! what follows from it is the domain's, and what stands in which table is the store's.

mod answer;
mod body;
mod check;
mod compressed;
mod context;
mod document;
mod explain;
mod front;
mod inside;
mod limit;
mod line_of_log;
mod places;
mod problem;
mod query;
mod range;
mod receive;
mod routes;
mod seats;
mod server;
mod storage;
mod tags;
mod told;
mod words;

pub use body::LIMIT;
pub use context::Shared;
pub use delivr_web::Practice;
pub use document::text as document;
pub use inside::Inside;
pub use limit::RateLimits;
pub use seats::SEATS;
pub use server::{serve, serve_tls};
pub use storage::{About, Content, Files, Incoming, Kept, Key, Storage, StorageError};
pub use told::{DeliveryLog, Message, MessagesOf};
