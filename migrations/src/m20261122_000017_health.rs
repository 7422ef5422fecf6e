//! How it goes with integrations, as their calls tell: one row for each, which goes with it.

use crate::sql::{drop_tables, run};
use sea_orm_migration::prelude::*;

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

const UP: &[&str] = &[
    "create unique index integrations_of_tenant on integrations (id, tenant_id)",
    "create table integration_health (
        integration_id {uuid} primary key not null,
        tenant_id {uuid} not null,
        health {json} not null,
        foreign key (integration_id, tenant_id) references integrations (id, tenant_id) on delete cascade)",
    "create index integration_health_by_tenant on integration_health (tenant_id)",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["integration_health"]).await?;
        run(manager, &["drop index integrations_of_tenant"]).await
    }
}
