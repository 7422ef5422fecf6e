//! Who changed what of an organisation's set-up: lines without gap, each with a digest of itself and of the one before it,
//! and the end of each tenant's lines. A line is never changed and never taken away: the database refuses both.

use crate::sql::{drop_tables, run};
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

const UP: &[&str] = &[
    "create table audit_heads (
        tenant_id {uuid} primary key not null references tenants (id),
        number bigint not null,
        digest text not null)",
    "create table audit_lines (
        tenant_id {uuid} not null references tenants (id),
        number bigint not null,
        at bigint not null,
        actor text not null,
        subject text not null,
        subject_id text not null,
        name text not null,
        deed text not null,
        changes text not null,
        digest text not null,
        primary key (tenant_id, number))",
    "create index audit_lines_by_subject on audit_lines (tenant_id, subject, number)",
];

const STAY_SQLITE: &[&str] = &[
    "create trigger audit_lines_are_not_changed before update on audit_lines
        begin select raise(abort, 'a line of the audit is never changed'); end",
    "create trigger audit_lines_are_not_taken_away before delete on audit_lines
        begin select raise(abort, 'a line of the audit is never taken away'); end",
];

const STAY_POSTGRES: &[&str] = &[
    "create function audit_lines_stay() returns trigger language plpgsql as
        $$ begin raise exception 'a line of the audit is never changed or taken away'; end $$",
    "create trigger audit_lines_stay before update or delete on audit_lines
        for each row execute function audit_lines_stay()",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await?;
        let postgres = manager.get_database_backend() == DbBackend::Postgres;
        run(manager, if postgres { STAY_POSTGRES } else { STAY_SQLITE }).await
    }
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["audit_lines", "audit_heads"]).await?;
        if manager.get_database_backend() == DbBackend::Postgres {
            run(manager, &["drop function audit_lines_stay()"]).await?;
        }
        Ok(())
    }
}
