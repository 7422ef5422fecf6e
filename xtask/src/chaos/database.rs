//! Looking into the database behind the product's back: what chaos checks must not come from what it checks.
//!
//! Only reads. Every column comes as text, so that both databases look the same from here.

use anyhow::{Context, Result};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _, SqliteConnection};
use std::path::Path;
use std::str::FromStr as _;
use std::time::Duration;

/// One connection, made anew after it broke.
pub(crate) struct Reader {
    runtime: tokio::runtime::Runtime,
    url: String,
    open: Option<Open>,
}

enum Open {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// A row's columns.
pub(crate) type Columns = Vec<String>;

/// How long a question may take.
const PATIENCE: Duration = Duration::from_secs(20);

impl Reader {
    /// Looks into the database of the URL, later.
    ///
    /// # Errors
    /// When no runtime can be made.
    pub(crate) fn new(url: &str) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        Ok(Self {
            runtime,
            url: url.to_owned(),
            open: None,
        })
    }

    /// Asks; `{hex:column}` stands for an id in hexadecimal and `{text:column}` for anything as text.
    ///
    /// # Errors
    /// When the database does not answer; the next question connects again.
    pub(crate) fn rows(&mut self, question: &str) -> Result<Vec<Columns>> {
        let open = self.open.take();
        let url = self.url.clone();
        let asked = async {
            let mut open = match open {
                Some(open) => open,
                None => connect(&url).await?,
            };
            let rows = open.ask(question).await?;
            Ok::<_, anyhow::Error>((open, rows))
        };
        let (open, rows) = self
            .runtime
            .block_on(async { tokio::time::timeout(PATIENCE, asked).await })
            .context("the database does not answer")??;
        self.open = Some(open);
        Ok(rows)
    }

    /// One number.
    ///
    /// # Errors
    /// When the database does not answer, or not with a number.
    pub(crate) fn number(&mut self, question: &str) -> Result<u64> {
        let rows = self.rows(question)?;
        let text = rows.first().and_then(|row| row.first()).context("no row")?;
        text.parse().with_context(|| format!("{text} is no number"))
    }
}

async fn connect(url: &str) -> Result<Open> {
    if url.starts_with("postgres") {
        return Ok(Open::Postgres(PgConnection::connect(url).await?));
    }
    let options = SqliteConnectOptions::from_str(url)?
        .create_if_missing(false)
        .busy_timeout(Duration::from_secs(10))
        .pragma("query_only", "on");
    Ok(Open::Sqlite(SqliteConnection::connect_with(&options).await?))
}

impl Open {
    async fn ask(&mut self, question: &str) -> Result<Vec<Columns>> {
        match self {
            Self::Sqlite(on) => {
                let text = filled(question, |column| format!("lower(hex({column}))"));
                let rows = sqlx::query(AssertSqlSafe(text)).fetch_all(on).await?;
                let row = |row: sqlx::sqlite::SqliteRow| {
                    (0..row.len())
                        .map(|at| Ok(row.try_get::<Option<String>, _>(at)?.unwrap_or_default()))
                        .collect()
                };
                rows.into_iter().map(row).collect()
            }
            Self::Postgres(on) => {
                let text = filled(question, |column| format!("replace({column}::text, '-', '')"));
                let rows = sqlx::query(AssertSqlSafe(text)).fetch_all(on).await?;
                let row = |row: sqlx::postgres::PgRow| {
                    (0..row.len())
                        .map(|at| Ok(row.try_get::<Option<String>, _>(at)?.unwrap_or_default()))
                        .collect()
                };
                rows.into_iter().map(row).collect()
            }
        }
    }
}

/// The question in a database's own words.
fn filled(question: &str, id: impl Fn(&str) -> String) -> String {
    let mut text = String::new();
    let mut rest = question;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let (inner, behind) = after.split_once('}').unwrap_or((after, ""));
        match inner.split_once(':') {
            Some(("hex", column)) => text.push_str(&id(column)),
            Some((_, column)) => text.push_str(&format!("cast({column} as text)")),
            None => text.push_str(inner),
        }
        rest = behind;
    }
    text.push_str(rest);
    text
}

/// Makes an empty database on a server and tells its URL.
///
/// # Errors
/// When the server refuses.
pub(crate) fn fresh(server: &str, name: &str) -> Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut on = PgConnection::connect(server).await?;
        sqlx::query(AssertSqlSafe(format!("create database {name}")))
            .execute(&mut on)
            .await?;
        on.close().await?;
        Ok::<_, anyhow::Error>(())
    })?;
    let (base, _) = server.rsplit_once('/').context("a server's URL")?;
    Ok(format!("{base}/{name}"))
}

/// The address of a database in a file.
pub(crate) fn in_file(path: &Path) -> String {
    format!("sqlite://{}?mode=rwc", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_put_in_the_databases_own_words() {
        let question = "select {hex:a.id}, {text:b} from c where d = 'e'";
        assert_eq!(
            filled(question, |column| format!("hex({column})")),
            "select hex(a.id), cast(b as text) from c where d = 'e'"
        );
    }
}
