//! The store port on SQLite and PostgreSQL.
//!
//! One set of statements serves both databases; where they differ (locks, the clock, the wake-up) the difference is a
//! `match` on `connect::Dialect` in one place. Nothing of the database library is public.
//!
//! * SQLite: one writer connection that begins with BEGIN IMMEDIATE, commits for several units at once (`group`), and has
//!   a pool of readers beside it; WAL with synchronous = FULL, because an effect's intent must be on disk before the
//!   vendor is called. **A task that holds a unit of work must not call another writing method of the store before it
//!   has committed or dropped it**: the writer is taken.
//! * PostgreSQL: any number of processes; claims skip locked rows, aggregates are locked by `load_for_update`.

mod aggregates;
mod attempts;
mod audit;
mod backup;
mod batch;
mod bounded;
mod claim;
mod connect;
mod directory;
mod effects;
mod error;
mod family;
mod group;
mod health;
mod history;
mod inbox;
mod integrations;
mod leases;
mod line;
mod links;
mod listing;
mod narrow;
mod number;
mod parts;
mod queue;
mod reach;
mod schema;
mod search;
mod services;
mod shipping;
mod sql;
mod tenants;
mod unit;
mod upkeep;
mod views;
mod wake;
mod workload;

pub use backup::{Backup, BackupError, BackupInfo, Kind, Mark};
pub use connect::{Options, SqlStore, connect};
pub use schema::migrate;
pub use upkeep::{Backlog, Connections, Due, Forgotten, MessagesOf, SHORTEST, Stray, Waiting};
