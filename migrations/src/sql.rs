//! One SQL text for both databases: a few type words are replaced by what the database calls them.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

/// Runs the statements, with `{uuid}`, `{json}`, `{bytes}`, `{ordered}` and `{serial}` replaced.
pub(crate) async fn run(manager: &SchemaManager<'_>, statements: &[&str]) -> Result<(), DbErr> {
    let words: [(&str, &str); 5] = if manager.get_database_backend() == DbBackend::Postgres {
        [
            ("{uuid}", "uuid"),
            ("{json}", "jsonb"),
            ("{bytes}", "bytea"),
            // Texts in the order of their bytes, whatever the database's language.
            ("{ordered}", "text collate \"C\""),
            ("{serial}", "bigserial primary key"),
        ]
    } else {
        [
            ("{uuid}", "blob"),
            ("{json}", "text"),
            ("{bytes}", "blob"),
            ("{ordered}", "text"),
            // AUTOINCREMENT: a position is never given twice, also after its row was deleted.
            ("{serial}", "integer primary key autoincrement"),
        ]
    };
    for statement in statements {
        let mut text = (*statement).to_owned();
        for (word, meaning) in words {
            text = text.replace(word, meaning);
        }
        manager.get_connection().execute_unprepared(&text).await?;
    }
    Ok(())
}

/// Drops the tables, in the order given.
pub(crate) async fn drop_tables(manager: &SchemaManager<'_>, tables: &[&str]) -> Result<(), DbErr> {
    for table in tables {
        manager
            .get_connection()
            .execute_unprepared(&format!("drop table {table}"))
            .await?;
    }
    Ok(())
}
