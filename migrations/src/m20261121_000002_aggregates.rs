//! Releases, submissions and rollouts with the rows derived from their state, their history and their facts.

use crate::sql::{drop_tables, run};
use sea_orm_migration::prelude::*;

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

/// An aggregate table; `{name}` and `{parent}` (the table its parent stands in) are filled in.
const AGGREGATE: &str = "create table {name} (
        id {uuid} primary key not null,
        tenant_id {uuid} not null references tenants (id),
        version bigint not null,
        wake_at bigint,
        state {json} not null,
        key text not null,
        number bigint not null,
        title text not null,
        status text not null,
        phase text not null,
        parent_id {uuid},
        version_text text not null,
        terminal boolean not null,
        created_at bigint,
        kickoff_at bigint,
        target_date bigint,
        integrations {json} not null,
        search text not null,
        unique (id, tenant_id),
        foreign key (parent_id, tenant_id) references {parent} (id, tenant_id))";

const REST: &[&str] = &[
    "create unique index releases_number on releases (tenant_id, number)",
    "create index submissions_by_parent on submissions (parent_id)",
    "create index rollouts_by_parent on rollouts (parent_id)",
    "create index releases_by_service on releases (parent_id)",
    "create table release_tasks (
        release_id {uuid} not null,
        tenant_id {uuid} not null,
        id {uuid} not null,
        ordinal bigint not null,
        key text not null,
        kind text not null,
        stage text not null,
        status text not null,
        external_id text,
        external_data {json} not null,
        primary key (release_id, id),
        foreign key (release_id, tenant_id) references releases (id, tenant_id))",
    "create table regression_cycles (
        release_id {uuid} not null,
        tenant_id {uuid} not null,
        id {uuid} not null,
        ordinal bigint not null,
        number bigint not null,
        status text not null,
        tag text,
        sha text,
        primary key (release_id, id),
        foreign key (release_id, tenant_id) references releases (id, tenant_id))",
    "create table builds (
        release_id {uuid} not null,
        tenant_id {uuid} not null,
        id {uuid} not null,
        ordinal bigint not null,
        target text not null,
        status text not null,
        build_number text,
        sha text,
        correlation text,
        primary key (release_id, id),
        foreign key (release_id, tenant_id) references releases (id, tenant_id))",
    "create table platform_releases (
        release_id {uuid} not null,
        tenant_id {uuid} not null,
        target text not null,
        ordinal bigint not null,
        version text not null,
        status text not null,
        exposure bigint not null,
        primary key (release_id, target),
        foreign key (release_id, tenant_id) references releases (id, tenant_id))",
    // Rows exist while the release lives; the reference keeps an integration from being deleted under it.
    "create table release_integrations (
        release_id {uuid} not null,
        tenant_id {uuid} not null,
        integration_id {uuid} not null references integrations (id),
        primary key (release_id, integration_id),
        foreign key (release_id, tenant_id) references releases (id, tenant_id))",
    "create index release_integrations_by_integration on release_integrations (integration_id)",
    "create table state_history (
        position {serial},
        tenant_id {uuid} not null references tenants (id),
        owner_kind text not null,
        owner_id {uuid} not null,
        sequence bigint not null,
        kind text not null,
        payload {json} not null,
        actor text not null,
        at bigint not null,
        unique (owner_kind, owner_id, sequence))",
    "create index state_history_feed on state_history (tenant_id, position)",
    "create table state_history_items (
        tenant_id {uuid} not null references tenants (id),
        owner_kind text not null,
        owner_id {uuid} not null,
        sequence bigint not null,
        field text not null,
        old_value text,
        new_value text,
        primary key (owner_kind, owner_id, sequence, field))",
    "create table facts (
        tenant_id {uuid} not null references tenants (id),
        owner_kind text not null,
        owner_id {uuid} not null,
        kind text not null,
        value text not null,
        observed_at bigint not null,
        primary key (owner_kind, owner_id, kind))",
    "create table counters (
        tenant_id {uuid} not null references tenants (id),
        name text not null,
        value bigint not null,
        primary key (tenant_id, name))",
];

/// Each aggregate's table and where its parent stands.
const AGGREGATES: [(&str, &str); 3] = [
    ("releases", "services"),
    ("submissions", "releases"),
    ("rollouts", "releases"),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, parent) in AGGREGATES {
            let table = AGGREGATE.replace("{name}", name).replace("{parent}", parent);
            let wake = format!("create index {name}_wake on {name} (wake_at) where wake_at is not null");
            run(manager, &[&table, &wake]).await?;
        }
        run(manager, REST).await
    }
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let tables = [
            "counters",
            "facts",
            "state_history_items",
            "state_history",
            "release_integrations",
            "platform_releases",
            "builds",
            "regression_cycles",
            "release_tasks",
            "rollouts",
            "submissions",
            "releases",
        ];
        drop_tables(manager, &tables).await
    }
}
