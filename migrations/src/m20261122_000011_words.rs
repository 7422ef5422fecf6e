//! The words that a release is found by, in an order in which the beginning of a word has its place.
//!
//! They are derived from key, title, version and names, which SQL does not cut into words. `worded` is the version of the
//! release that they were written with. A release from before has none, and one that an older version of the program has
//! saved since has stale ones: the upkeep writes them anew, and until then what it was searched by before is looked
//! through for it.

use crate::sql::{drop_tables, run};
use sea_orm_migration::prelude::*;

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

const UP: &[&str] = &[
    // First, so that the strongest lock is taken at once: taken after the weaker one that a foreign key needs, it and a
    // running process that has read a release to change it would each wait for the other.
    "alter table releases add column worded bigint",
    "create table release_words (
        release_id {uuid} not null,
        tenant_id {uuid} not null,
        word {ordered} not null,
        ordinal bigint not null,
        number bigint not null,
        primary key (release_id, word),
        foreign key (release_id, tenant_id) references releases (id, tenant_id))",
    "create index release_words_found on release_words (tenant_id, word, number)",
    "create index releases_unworded on releases (tenant_id, number) where worded is null or worded <> version",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let gone = [
            "drop index releases_unworded",
            "alter table releases drop column worded",
        ];
        run(manager, &gone).await?;
        drop_tables(manager, &["release_words"]).await
    }
}
