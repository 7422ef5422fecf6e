//! Releases in distribution are listed anew: what stands still in a store counts as needing somebody.

use crate::sql::run;
use sea_orm_migration::prelude::*;

#[derive(Debug, DeriveMigrationName)]
pub(crate) struct Migration;

const UP: &[&str] = &["update releases set listed = null where phase = 'DISTRIBUTION' and not terminal"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }
    /// An older version lists them as it did when it next saves them; until then more of them need somebody.
    async fn down(&self, _manager: &SchemaManager) -> Result<(), DbErr> {
        Ok(())
    }
}
