//! Backups: taken while others write, whole or refused, and put into nothing but an empty database.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod common;

use common::{Fresh, on_postgres, open, sqlite_url};
use delivr_domain::ports::provider::Port;
use delivr_domain::ports::store::{Directory, PutBack, Queue, RowEnd, RowState, Store};
use delivr_persistence::{Backup, BackupError, Options, SqlStore, connect};
use delivr_testkit::clock::FakeClock;
use delivr_testkit::conformance::store::samples;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

fn options(of: &Fresh) -> Options {
    let mut options = Options::new(Arc::new(FakeClock::default()));
    options.clock_offset = Arc::clone(&of.offset);
    options
}

/// A database with something of everything that is hard to carry: bytes, JSON, texts with odd characters, no value.
async fn filled(here: &Fresh) {
    let tenant = samples::tenant(here, "one").await;
    here.store.install().await.unwrap();
    here.store
        .put_setting("odd", "a 'quoted' \"word\", ü, \u{1f680}\nline")
        .await
        .unwrap();
    here.store
        .insert_token(&samples::token(tenant, "t"))
        .await
        .unwrap();
    let integration = samples::integration(tenant, Port::Scm, "github");
    here.store.insert_integration(&integration).await.unwrap();
    here.store
        .insert_service(&samples::service(tenant, "shop"))
        .await
        .unwrap();
    let row = samples::release(tenant, "app", 1);
    samples::insert(here, &row).await;
    for sequence in 1..=3 {
        samples::append(here, tenant, row.id, sequence).await;
    }
    // One write was done, one is under way, one waits, one waits for ever, and a look is no write.
    samples::enqueue(here, tenant, &[samples::perform(row.id, 0)]).await;
    let claim = samples::claim_one(here).await;
    let mut unit = here.store.begin().await.unwrap();
    unit.finish(&claim, RowEnd::Done).await.unwrap();
    unit.commit().await.unwrap();
    samples::enqueue(here, tenant, &[samples::perform(row.id, 1)]).await;
    let _under_way = samples::claim_one(here).await;
    // One stands still, since a person stopped its release.
    samples::enqueue(here, tenant, &[samples::perform(row.id, 4)]).await;
    let stopped = samples::claim_one(here).await;
    let mut unit = here.store.begin().await.unwrap();
    unit.finish(&stopped, RowEnd::Parked).await.unwrap();
    unit.commit().await.unwrap();
    samples::enqueue(
        here,
        tenant,
        &[
            samples::perform(row.id, 2),
            samples::message(row.id, 0),
            samples::watch(row.id, 3, 60),
        ],
    )
    .await;
    here.store.beat("worker").await.unwrap();
}

/// The database's address for a second, empty one.
fn beside(of: &Fresh, server: Option<&'static delivr_testkit::postgres::Server>) -> String {
    match server {
        Some(server) => server.fresh().unwrap(),
        None => of.url.replace("delivr.db", "restored.db"),
    }
}

async fn restored(backup: &Backup, of: &Fresh, url: &str) -> SqlStore {
    backup
        .restore(url, options(of), |now| vec![("quiet_floor", now.to_rfc3339())])
        .await
        .unwrap();
    let store = connect(url, options(of)).await.unwrap();
    store.migrate().await.unwrap();
    store.ready().await.unwrap();
    store
}

async fn what_was_is_there_again(here: Fresh, server: Option<&'static delivr_testkit::postgres::Server>) {
    filled(&here).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("night.backup");
    let info = here.store.back_up(&file).await.unwrap();
    assert_eq!(
        info.install.parse::<delivr_domain::ids::InstallId>().unwrap(),
        here.store.install().await.unwrap()
    );
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing but the backup");
    // What happens after the backup is not in it.
    here.store.put_setting("odd", "later").await.unwrap();
    let backup = Backup::open(&file).unwrap();
    assert_eq!(backup.info(), &info);
    let odd = "a 'quoted' \"word\", ü, \u{1f680}\nline";
    assert_eq!(backup.read_setting("odd").await.unwrap().as_deref(), Some(odd));
    let url = beside(&here, server);
    let there = restored(&backup, &here, &url).await;
    let tenant = here.store.tenants().await.unwrap()[0].id;
    assert_eq!(
        there.install().await.unwrap(),
        here.store.install().await.unwrap()
    );
    assert_eq!(there.setting("odd").await.unwrap().as_deref(), Some(odd));
    assert!(there.setting("quiet_floor").await.unwrap().is_some());
    assert_eq!(
        there.tenants().await.unwrap(),
        here.store.tenants().await.unwrap()
    );
    assert_eq!(
        there.tokens(tenant).await.unwrap(),
        here.store.tokens(tenant).await.unwrap()
    );
    assert_eq!(
        there.all_integrations().await.unwrap(),
        here.store.all_integrations().await.unwrap()
    );
    let release = samples::release_id("app");
    assert_eq!(
        there.peek(release).await.unwrap(),
        here.store.peek(release).await.unwrap()
    );
    assert_eq!(
        there.events(tenant, release, 0, 9).await.unwrap(),
        here.store.events(tenant, release, 0, 9).await.unwrap()
    );
    assert!(
        there.last_beat().await.unwrap().is_none(),
        "the worker works on another database"
    );

    // What was to be written may have been written since: it is looked up first. A look is free.
    let rows = there.rows(release, true).await.unwrap();
    assert_eq!(rows.len(), 6);
    for row in rows {
        let waits = matches!(row.state, RowState::Ready | RowState::Claimed | RowState::Parked);
        let writes = matches!(row.effect.word(), "PERFORM" | "MESSAGE");
        assert_eq!(row.unknown_since.is_some(), waits && writes, "{row:?}");
    }
    // Positions that were given after the backup are not given again.
    let mut unit = there.begin().await.unwrap();
    unit.append(tenant, &[samples::event(release, 4)]).await.unwrap();
    unit.commit().await.unwrap();
    let feed = there.feed(tenant, 0, 9).await.unwrap();
    assert!(feed[3].position > feed[2].position + 100_000, "{feed:?}");
    // And it is a database like any other: work goes on.
    let claimed = there.claim(&samples::request(10)).await.unwrap();
    let mut claims = claimed.into_iter().filter_map(|one| one.claim);
    let how = PutBack {
        after: Duration::ZERO,
        failures: 0,
        unknown: false,
        trouble: None,
    };
    there.put_back(&claims.next().unwrap(), &how).await.unwrap();

    // Nothing is put over anything.
    for taken in [&url, &here.url] {
        let refused = backup
            .restore(taken, options(&here), |_| Vec::new())
            .await
            .unwrap_err();
        assert!(matches!(refused, BackupError::Target(_)), "{refused}");
    }
    assert_eq!(here.store.setting("odd").await.unwrap().as_deref(), Some("later"));
    let again = here.store.back_up(&file).await.unwrap_err();
    assert!(again.to_string().contains("not written over"), "{again}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_comes_back_as_it_was() {
    let (url, directory) = sqlite_url();
    what_was_is_there_again(open(url, Some(directory)).await, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_comes_back_as_it_was() {
    on_postgres(|server| async move {
        what_was_is_there_again(open(server.fresh().unwrap(), None).await, Some(server)).await;
    })
    .await;
}

async fn taken(folder: &Path) -> (Fresh, PathBuf) {
    let (url, directory) = sqlite_url();
    let here = open(url, Some(directory)).await;
    filled(&here).await;
    let file = folder.join("good.backup");
    here.store.back_up(&file).await.unwrap();
    (here, file)
}

#[tokio::test]
async fn what_is_not_whole_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (_here, good) = taken(folder.path()).await;
    let whole = std::fs::read(&good).unwrap();
    let bad = folder.path().join("bad.backup");
    let middle = whole.len() / 2;
    let mut changed = whole.clone();
    changed[middle] ^= 1;
    let mut renamed = whole.clone();
    let at = whole.windows(7).position(|it| it == b"install").unwrap();
    renamed[at] ^= 1;
    let mut longer = whole.clone();
    longer.push(b'0');
    for (bytes, why) in [
        (&whole[..middle], "cut off"),
        (&whole[..whole.len() - 1], "cut off"),
        (&whole[..20], "no backup"),
        (&changed, "changed"),
        (&renamed, "changed"),
        (&longer, "changed"),
        (b"delivr-backup 1\n".as_slice(), "no backup"),
        (b"SQLite format 3\0".as_slice(), "no backup"),
        (b"".as_slice(), "no backup"),
    ] {
        std::fs::write(&bad, bytes).unwrap();
        let refused = Backup::open(&bad).unwrap_err();
        assert!(matches!(refused, BackupError::Unusable { .. }), "{refused}");
        assert!(refused.to_string().contains(why), "{why}: {refused}");
    }
    assert!(Backup::open(&folder.path().join("none")).is_err());
    Backup::open(&good).unwrap();
}

/// Writes a copy whose header says something else, with a right checksum.
fn forged(good: &Path, to: &Path, change: impl Fn(&str) -> String) {
    use std::io::Write as _;
    let whole = std::fs::read(good).unwrap();
    let body = &whole[..whole.len() - 65];
    let mut lines = body.splitn(3, |byte| *byte == b'\n');
    let (magic, header, data) = (
        lines.next().unwrap(),
        lines.next().unwrap(),
        lines.next().unwrap(),
    );
    let mut made = magic.to_vec();
    made.push(b'\n');
    writeln!(made, "{}", change(std::str::from_utf8(header).unwrap())).unwrap();
    made.extend_from_slice(data);
    use sha2::Digest as _;
    let digest: String = sha2::Sha256::digest(&made)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    write!(made, "\n{digest}").unwrap();
    std::fs::write(to, made).unwrap();
}

#[tokio::test]
async fn a_newer_schema_and_another_database_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (here, good) = taken(folder.path()).await;
    let newer = folder.path().join("newer.backup");
    forged(&good, &newer, |header| {
        header.replacen(
            "\"migrations\":[",
            "\"migrations\":[\"m20990101_000001_tomorrow\",",
            1,
        )
    });
    let refused = Backup::open(&newer).unwrap_err().to_string();
    assert!(refused.contains("m20990101_000001_tomorrow"), "{refused}");
    let other = folder.path().join("other.backup");
    forged(&good, &other, |header| {
        header.replacen("\"sqlite\"", "\"postgres\"", 1)
    });
    let backup = Backup::open(&other).unwrap();
    let refused = backup
        .restore(&here.url, options(&here), |_| Vec::new())
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("PostgreSQL"), "{refused}");
    // The log of a database that was removed would be read as the restored one's.
    let url = here.url.replace("delivr.db", "gone.db");
    let path = url
        .trim_start_matches("sqlite://")
        .split('?')
        .next()
        .unwrap()
        .to_owned();
    std::fs::write(format!("{path}-wal"), "x").unwrap();
    let refused = Backup::open(&good)
        .unwrap()
        .restore(&url, options(&here), |_| Vec::new())
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("gone.db-wal"), "{refused}");
}

/// A backup is one moment: of two rows that are always written together it never holds one.
async fn one_moment(here: Fresh) {
    let store = here.store.clone();
    let tenant = samples::tenant(&here, "one").await;
    let writer = async {
        for version in 1..=40 {
            let mut unit = store.begin().await.unwrap();
            for (number, name) in (1..).zip(["a", "b"]) {
                let mut row = samples::release(tenant, name, number);
                row.version = version;
                unit.save(&row, (version > 1).then(|| version - 1)).await.unwrap();
            }
            unit.commit().await.unwrap();
        }
    };
    let folder = tempfile::tempdir().unwrap();
    let copies = async {
        let mut files = Vec::new();
        for number in 0..4 {
            let file = folder.path().join(number.to_string());
            here.store.back_up(&file).await.unwrap();
            files.push(file);
        }
        files
    };
    let ((), files) = tokio::join!(writer, copies);
    for file in files {
        let text = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned();
        if !text.contains("\"postgres\"") {
            continue;
        }
        let releases = text
            .lines()
            .find(|line| line.starts_with("{\"table\":\"releases\""));
        if let Some(line) = releases {
            let rows: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(rows["rows"].as_array().unwrap().len(), 2, "{line}");
            assert_eq!(rows["rows"][0]["version"], rows["rows"][1]["version"], "{line}");
        }
    }
    Backup::open(&folder.path().join("0")).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_is_copied_while_others_write() {
    let (url, directory) = sqlite_url();
    one_moment(open(url, Some(directory)).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_is_copied_while_others_write() {
    on_postgres(|server| async move { one_moment(open(server.fresh().unwrap(), None).await).await }).await;
}
