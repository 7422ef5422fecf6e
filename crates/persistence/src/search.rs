//! Searching releases by the beginnings of words: where few have such a word they are found by the words' index; where
//! many have it, the newest releases are asked one after the other until a page is full. Either way it takes no longer the
//! more is stored.

use crate::aggregates::projection;
use crate::batch::{self, Write};
use crate::connect::{Dialect, SqlStore};
use crate::parts::{self, At, Part};
use crate::sql::{Row, all, one, run, values};
use delivr_domain::ids::TenantId;
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::{Projection, search};
use sea_orm::{ConnectionTrait, DbBackend, Value};
use uuid::Uuid;

const WHAT: &str = "word of a release";
/// Rows of a word that are few.
const FEW: i64 = 1_000;
/// Stands after every letter: a text and this is behind all words that begin with the text.
const LAST: char = '\u{10ffff}';
/// Releases whose words are written in one transaction.
const PAGE: i64 = 100;

/// A word that a release is found by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WordRow {
    word: String,
    number: i64,
}

impl Part for WordRow {
    const TABLE: &'static str = "release_words";
    const COLUMNS: &'static [&'static str] = &["word", "number"];
    fn name(&self) -> String {
        self.word.clone()
    }
    fn values(&self) -> Vec<Value> {
        values![self.word.as_str(), self.number]
    }
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            word: row.text("word")?,
            number: row.long("number")?,
        })
    }
}

/// The rows of a release.
pub(crate) fn words(it: &Projection) -> Vec<WordRow> {
    let number = it.number;
    let words = search::words(it).into_iter();
    words.map(|word| WordRow { word, number }).collect()
}

/// Words of a search that count: each is a question of its own to the index.
const MOST_WORDS: usize = 10;

/// Adds to the conditions of a list of releases, which is of the tenant `$1`, that the text finds them; false when it finds
/// nothing at all.
pub(crate) async fn narrow<C: ConnectionTrait>(
    on: &C,
    tenant: TenantId,
    text: &str,
    values: &mut Vec<Value>,
    conditions: &mut String,
) -> Result<bool, StoreError> {
    let asked = search::asked(text);
    if asked.is_empty() {
        return Ok(false);
    }
    for word in asked.into_iter().take(MOST_WORDS) {
        let Met { few, unworded } = meet(on, tenant, &word).await?;
        let from = values.len();
        values.extend(values![word.as_str(), format!("{word}{LAST}")]);
        let [first, behind] = [from + 1, from + 2].map(|place| format!("${place}"));
        let numbers = format!(
            "select number from release_words where tenant_id = $1 and word >= {first} and word < {behind}"
        );
        let mut condition = if !few {
            // `offset 0` keeps it a question to each release, in the order of the list.
            format!(
                "exists (select 1 from release_words w where w.release_id = releases.id
                    and w.word >= {first} and w.word < {behind} limit 1 offset 0)"
            )
        } else if on.get_database_backend() == DbBackend::Postgres {
            // As an array they are looked up one by one, whatever a plan expects of them.
            format!("number = any(array({numbers}))")
        } else {
            format!("number in ({numbers})")
        };
        if let Ok(number) = word.parse::<i64>() {
            // A number alone is also the one of the key.
            values.push(Value::from(number));
            condition.push_str(&format!(" or number = ${}", values.len()));
        }
        if unworded {
            values.push(Value::from(pattern(&word)));
            condition.push_str(&format!(
                " or ({UNWORDED} and search like ${} escape '\\')",
                values.len()
            ));
        }
        conditions.push_str(&format!(" and ({condition})"));
    }
    Ok(true)
}

/// Releases whose words are still to be written: see the migration.
const UNWORDED: &str = "(worded is null or worded <> version)";

/// What there is to be looked through for a word.
struct Met {
    /// Few releases have it.
    few: bool,
    /// There are releases whose words are still to be written.
    unworded: bool,
}

async fn meet<C: ConnectionTrait>(on: &C, tenant: TenantId, word: &str) -> Result<Met, StoreError> {
    let text = format!(
        "select (select number from release_words where tenant_id = $1 and word >= $2 and word < $3
                limit 1 offset {FEW}) as many,
            (select number from releases where tenant_id = $1 and {UNWORDED} order by number limit 1) as unworded"
    );
    let values = values![tenant.uuid(), word, format!("{word}{LAST}")];
    let Some(row) = one(on, WHAT, &text, values).await? else {
        return Err(StoreError::Conflict);
    };
    Ok(Met {
        few: row.opt_long("many")?.is_none(),
        unworded: row.opt_long("unworded")?.is_some(),
    })
}

/// A `like` pattern for a text that may contain its special characters.
fn pattern(text: &str) -> String {
    let mut pattern = String::from("%");
    for letter in text.chars() {
        if matches!(letter, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}

impl SqlStore {
    /// Writes the words of releases that a version of the program without them has saved last. Any number of processes may
    /// do so at once, and each may end at any time.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer; what is written by then stays written.
    pub async fn word_releases(&self) -> Result<u64, StoreError> {
        let mut done: u64 = 0;
        let mut last = (Uuid::nil(), 0);
        loop {
            let text = format!(
                "select tenant_id, number from releases
                where {UNWORDED} and (tenant_id, number) > ($1, $2)
                order by tenant_id, number limit $3"
            );
            let page = all(&self.inner.read, WHAT, &text, values![last.0, last.1, PAGE]).await?;
            let Some(end) = page.last() else {
                return Ok(done);
            };
            let end = (end.uuid("tenant_id")?, end.long("number")?);
            done = done.saturating_add(self.word_some(last, end).await?);
            last = end;
        }
    }

    /// Those after the first, up to the last.
    async fn word_some(&self, after: (Uuid, i64), end: (Uuid, i64)) -> Result<u64, StoreError> {
        let unit = self.transaction().await?;
        // What somebody is working on is left to him: he writes its words.
        let lock = match self.inner.dialect {
            Dialect::Sqlite => "",
            Dialect::Postgres => " for no key update skip locked",
        };
        let text = format!(
            "select id, tenant_id, version, key, number, title, version_text, state from releases
            where {UNWORDED}
                and (tenant_id, number) > ($1, $2) and (tenant_id, number) <= ($3, $4){lock}"
        );
        let rows = all(&*unit, WHAT, &text, values![after.0, after.1, end.0, end.1]).await?;
        for row in &rows {
            let (release, tenant) = (row.uuid("id")?, row.uuid("tenant_id")?);
            // A state that this build cannot read still has its columns.
            let derived = projection(&row.json("state")?).unwrap_or_default();
            let of = Projection {
                key: row.text("key")?,
                number: row.long("number")?,
                title: row.text("title")?,
                version: row.text("version_text")?,
                line: derived.line,
                ..Projection::default()
            };
            let mut writes: Vec<Write> = Vec::new();
            let at = At {
                tenant,
                release,
                writes: &mut writes,
            };
            let wanted = words(&of);
            parts::sync(&*unit, at, None, &wanted).await?;
            for write in writes {
                batch::make(&*unit, vec![write]).await?;
            }
            let text = "update releases set worded = version where id = $1";
            run(&*unit, WHAT, text, values![release]).await?;
        }
        unit.commit().await?;
        Ok(u64::try_from(rows.len()).unwrap_or_default())
    }
}
