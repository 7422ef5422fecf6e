//! What every provider crate needs: a guarded HTTP client, the address guard, error classes, form schemas,
//! webhook signatures and paging.
//!
//! A provider crate exports `pub fn descriptor(deps: &Deps) -> delivr_domain::ports::provider::Descriptor` and makes
//! all its HTTP calls through [`http::HttpClient`]. Nothing here ever repeats a call.

pub mod address;
pub mod classify;
pub mod deps;
pub mod exchange;
mod gauge;
pub mod http;
mod mask;
pub mod paging;
pub mod redact;
pub mod schema;
pub mod signature;

pub use address::{AddressPolicy, PolicyError, Refusal};
pub use deps::{Deps, SystemClock};
pub use gauge::{Limits, ReadLimits, Teller, header_number, plain_limits};
pub use http::{Answer, Body, Call, HttpClient, HttpSettings, Intent};
pub use redact::Redactor;
pub use reqwest::{Method, StatusCode, header};
