//! The schema of Delivr's database, as migrations that go up and down on SQLite and PostgreSQL.
//!
//! They import no entity and none of our types: a migration must mean tomorrow what it means today.
//!
//! Conventions of the schema: instants are microseconds since 1970 UTC in a BIGINT (exact, indexable, the same in both
//! databases); JSON is `jsonb` on PostgreSQL and text on SQLite; every row of a tenant has `tenant_id`, and references
//! between a tenant's rows carry it, so that a row of one tenant can never point at another's.
//!
//! Processes of an older version go on working while and after a migration runs: it adds tables, indexes, and columns that
//! may be left out of an insert. What is to go is first no longer used (one version), and taken away by a later one, which
//! raises [`WORKS_FROM`]. A test holds every migration against this.

#![allow(
    elided_lifetimes_in_paths,
    reason = "`MigrationTrait` elides the manager's lifetime, and an implementation must match it"
)]

mod m20261121_000001_directory;
mod m20261121_000002_aggregates;
mod m20261121_000003_queue;
mod m20261121_000004_people;
mod m20261121_000005_upkeep;
mod m20261121_000006_builds;
mod m20261121_000007_leases;
mod m20261121_000009_lists;
mod m20261121_000010_line;
mod m20261122_000011_words;
mod m20261122_000012_stops;
mod m20261122_000013_status_links;
mod m20261122_000014_exchanges;
mod m20261122_000015_listing;
mod m20261122_000016_views;
mod m20261122_000017_health;
mod m20261122_000018_audit;
mod m20261122_000019_troubled;
mod m20261122_000020_lanes;
mod m20261122_000021_steps;
mod sql;

pub use sea_orm_migration::prelude::MigratorTrait;
use sea_orm_migration::prelude::*;

/// The newest migration of the oldest version that still works on this schema.
pub const WORKS_FROM: &str = "m20261121_000001_directory";

/// Applies and reverts the migrations.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261121_000001_directory::Migration),
            Box::new(m20261121_000002_aggregates::Migration),
            Box::new(m20261121_000003_queue::Migration),
            Box::new(m20261121_000004_people::Migration),
            Box::new(m20261121_000005_upkeep::Migration),
            Box::new(m20261121_000006_builds::Migration),
            Box::new(m20261121_000007_leases::Migration),
            Box::new(m20261121_000009_lists::Migration),
            Box::new(m20261121_000010_line::Migration),
            Box::new(m20261122_000011_words::Migration),
            Box::new(m20261122_000012_stops::Migration),
            Box::new(m20261122_000013_status_links::Migration),
            Box::new(m20261122_000014_exchanges::Migration),
            Box::new(m20261122_000015_listing::Migration),
            Box::new(m20261122_000016_views::Migration),
            Box::new(m20261122_000017_health::Migration),
            Box::new(m20261122_000018_audit::Migration),
            Box::new(m20261122_000019_troubled::Migration),
            Box::new(m20261122_000020_lanes::Migration),
            Box::new(m20261122_000021_steps::Migration),
        ]
    }
}
