//! The effects queue with its record, stops and heartbeats; inbox, idempotency and the log of what was told.

use crate::sql::{drop_tables, run};
use sea_orm_migration::prelude::*;

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

const UP: &[&str] = &[
    "create table effects (
        id {uuid} primary key not null,
        tenant_id {uuid} not null references tenants (id),
        owner_kind text not null,
        owner_id {uuid} not null,
        kind text not null,
        correlation text,
        integration_id {uuid},
        every_seconds bigint not null,
        effect {json} not null,
        state text not null,
        due_at bigint not null,
        attempt bigint not null,
        lease_until bigint,
        failures bigint not null,
        give_up_at bigint not null,
        unknown_since bigint,
        trouble text,
        worker text)",
    // Partial: ended rows stay for the record and must not weigh on the claim.
    "create index effects_ready on effects (tenant_id, due_at) where state = 'READY'",
    "create index effects_claimed on effects (tenant_id, lease_until) where state = 'CLAIMED'",
    "create index effects_due on effects (state, due_at)",
    "create index effects_by_owner on effects (owner_kind, owner_id)",
    "create index effects_by_correlation on effects (tenant_id, correlation) where correlation is not null",
    "create table effect_attempts (
        position {serial},
        tenant_id {uuid} not null references tenants (id),
        effect_id {uuid} not null references effects (id),
        attempt bigint not null,
        outcome text not null,
        reference text,
        detail text,
        at bigint not null)",
    "create index effect_attempts_by_effect on effect_attempts (effect_id)",
    "create table outbox (
        position {serial},
        tenant_id {uuid} not null references tenants (id),
        effect_id {uuid} not null references effects (id),
        channel text not null,
        reference text,
        at bigint not null)",
    // Scope is the tenant's id as text, or `*` for the whole installation.
    "create table stops (scope text primary key not null, reason text not null, at bigint not null)",
    "create table worker_beats (worker text primary key not null, at bigint not null)",
    "create table inbox (
        position {serial},
        id {uuid} not null unique,
        tenant_id {uuid} not null references tenants (id),
        integration_id {uuid},
        source text not null,
        external text not null,
        payload {json} not null,
        at bigint not null,
        processed boolean not null)",
    // NULL is never equal to NULL in a unique index, hence one index for each case.
    "create unique index inbox_once on inbox (integration_id, source, external) where integration_id is not null",
    "create unique index inbox_once_bare on inbox (tenant_id, source, external) where integration_id is null",
    "create index inbox_open on inbox (position) where not processed",
    "create table idempotency_keys (
        tenant_id {uuid} not null references tenants (id),
        key text not null,
        request text not null,
        status bigint not null,
        body text not null,
        expires_at bigint not null,
        primary key (tenant_id, key))",
    "create index idempotency_keys_expiry on idempotency_keys (expires_at)",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let tables = [
            "idempotency_keys",
            "inbox",
            "worker_beats",
            "stops",
            "outbox",
            "effect_attempts",
            "effects",
        ];
        drop_tables(manager, &tables).await
    }
}
