//! Tenants and what people configure: tokens, services, profiles, integrations, pipelines, settings.

use crate::sql::{drop_tables, run};
use sea_orm_migration::prelude::*;

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

const UP: &[&str] = &[
    "create table settings (name text primary key not null, value text not null)",
    "create table tenants (id {uuid} primary key not null, slug text not null unique, name text not null)",
    "create table api_tokens (
        id {uuid} primary key not null,
        tenant_id {uuid} not null references tenants (id),
        name text not null,
        role text not null,
        digest text not null unique,
        expires_at bigint,
        revoked_at bigint,
        created_at bigint not null)",
    "create index api_tokens_by_tenant on api_tokens (tenant_id, created_at)",
    "create table services (
        id {uuid} primary key not null,
        tenant_id {uuid} not null references tenants (id),
        slug text not null,
        name text not null,
        detail {json} not null,
        version bigint not null,
        created_at bigint not null,
        unique (tenant_id, slug),
        unique (id, tenant_id))",
    "create table release_profiles (
        id {uuid} not null,
        tenant_id {uuid} not null references tenants (id),
        name text not null,
        service_id {uuid},
        revision bigint not null,
        settings {json} not null,
        created_at bigint not null,
        primary key (id, revision),
        unique (tenant_id, name, revision),
        foreign key (service_id, tenant_id) references services (id, tenant_id))",
    "create table integrations (
        id {uuid} primary key not null,
        tenant_id {uuid} not null references tenants (id),
        port text not null,
        provider text not null,
        name text not null,
        config {json} not null,
        sealed {bytes} not null,
        hints {json} not null,
        status text not null,
        status_detail {json},
        verified_at bigint,
        version bigint not null,
        created_at bigint not null,
        updated_at bigint not null,
        unique (tenant_id, port, name),
        unique (id, tenant_id, port))",
    // The category columns are constants: they make the references to integrations typed, so that a pipeline can
    // only run on a CI/CD integration, read from a source-control one and ship to a store.
    "create table pipelines (
        id {uuid} primary key not null,
        tenant_id {uuid} not null references tenants (id),
        name text not null,
        integration_id {uuid} not null,
        integration_port text not null default 'ci-cd' check (integration_port = 'ci-cd'),
        scm_id {uuid},
        scm_port text not null default 'scm' check (scm_port = 'scm'),
        store_id {uuid},
        store_port text not null default 'stores' check (store_port = 'stores'),
        platform text not null,
        purpose text not null,
        job text not null,
        parameters {json} not null,
        version bigint not null,
        created_at bigint not null,
        unique (tenant_id, name),
        foreign key (integration_id, tenant_id, integration_port) references integrations (id, tenant_id, port),
        foreign key (scm_id, tenant_id, scm_port) references integrations (id, tenant_id, port),
        foreign key (store_id, tenant_id, store_port) references integrations (id, tenant_id, port))",
    "create index pipelines_by_integration on pipelines (integration_id)",
    "create index pipelines_by_scm on pipelines (scm_id)",
    "create index pipelines_by_store on pipelines (store_id)",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let tables = [
            "pipelines",
            "integrations",
            "release_profiles",
            "services",
            "api_tokens",
            "tenants",
            "settings",
        ];
        drop_tables(manager, &tables).await
    }
}
