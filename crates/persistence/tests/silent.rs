//! A database that refuses, that hangs, and one that is only busy: who asks it has an answer in time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod common;

use common::{on_postgres, open, sqlite_url};
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::{Queue, Store};
use delivr_persistence::{Options, SqlStore, connect};
use delivr_testkit::clock::FakeClock;
use delivr_testkit::conformance::store::samples;
use sqlx::postgres::PgConnectOptions;
use std::error::Error as _;
use std::future::Future;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Far more than any bound of these tests, and far less than for ever.
const PATIENCE: Duration = Duration::from_secs(20);

fn hasty() -> Options {
    Options {
        acquire_timeout: Duration::from_millis(500),
        answer_timeout: Duration::from_millis(500),
        start_timeout: Duration::from_millis(500),
        max_connections: 3,
        ..Options::new(Arc::new(FakeClock::default()))
    }
}

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work)
        .await
        .expect("an answer in time")
}

fn is_unavailable<T>(done: &Result<T, StoreError>) -> bool {
    matches!(done, Err(StoreError::Unavailable { .. }))
}

/// The way to a server, which can be made to carry nothing.
struct Way {
    url: String,
    open: watch::Sender<bool>,
}

impl Way {
    async fn to(url: &str) -> Self {
        let server = PgConnectOptions::from_str(url).unwrap();
        let there = format!("{}:{}", server.get_host(), server.get_port());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap().to_string();
        let (open, gate) = watch::channel(true);
        let url = url.replacen(&there, &here, 1);
        assert!(url.contains(&here), "{url} names {there}");
        tokio::spawn(async move {
            loop {
                let (near, _) = listener.accept().await.unwrap();
                let far = TcpStream::connect(&there).await.unwrap();
                let (near_in, near_out) = near.into_split();
                let (far_in, far_out) = far.into_split();
                tokio::spawn(carry(near_in, far_out, gate.clone()));
                tokio::spawn(carry(far_in, near_out, gate.clone()));
            }
        });
        Self { url, open }
    }

    /// From now on nothing arrives; nobody is told.
    fn hang(&self) {
        self.open.send_replace(false);
    }

    fn go_on(&self) {
        self.open.send_replace(true);
    }
}

async fn carry(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut gate: watch::Receiver<bool>,
) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let Ok(read @ 1..) = from.read(&mut buffer).await else {
            return;
        };
        if gate.wait_for(|open| *open).await.is_err() || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

async fn beats(store: &SqlStore) -> Result<(), StoreError> {
    store.beat("somebody").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_that_hangs_is_given_up_and_used_again() {
    on_postgres(|server| async move {
        let fresh = open(server.fresh().unwrap(), None).await;
        let way = Way::to(&fresh.url).await;
        let store = connect(&way.url, hasty()).await.unwrap();
        let mut asking = store.begin().await.unwrap();
        let mut ending = store.begin().await.unwrap();
        let _drawn = ending.now().await.unwrap();
        asking.now().await.unwrap();

        way.hang();
        let began = Instant::now();
        assert!(
            is_unavailable(&in_time(asking.load_for_update(samples::release_id("app"))).await),
            "in a transaction"
        );
        assert!(
            is_unavailable(&in_time(ending.commit()).await),
            "a commit is unknown"
        );
        drop(asking);
        assert!(is_unavailable(&in_time(store.ready()).await));
        assert!(is_unavailable(&in_time(beats(&store)).await));
        assert!(is_unavailable(&in_time(store.begin()).await.map(drop)));
        assert!(began.elapsed() >= Duration::from_millis(500), "it had its time");

        way.go_on();
        // What was given up takes no place of those that come later.
        in_time(async {
            while store.ready().await.is_err() || beats(&store).await.is_err() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let units = (store.begin().await, store.begin().await, store.begin().await);
        assert!(
            matches!(units, (Ok(_), Ok(_), Ok(_))),
            "all three places are free again"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_ends_a_statement_that_nobody_waits_for() {
    on_postgres(|server| async move {
        let fresh = open(server.fresh().unwrap(), None).await;
        let store = connect(&fresh.url, hasty()).await.unwrap();
        let tenant = samples::tenant(&fresh, "shop").await;
        let release = samples::release(tenant, "app", 1);
        let mut unit = store.begin().await.unwrap();
        unit.save(&release, None).await.unwrap();
        unit.commit().await.unwrap();
        let mut holder = store.begin().await.unwrap();
        holder.load_for_update(release.id).await.unwrap();
        let mut other = store.begin().await.unwrap();
        let waited = in_time(other.load_for_update(release.id)).await;
        let Err(StoreError::Unavailable { source }) = waited else {
            panic!("{waited:?}");
        };
        assert!(source.to_string().contains("statement timeout"), "{source}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_refuses_is_named_with_its_refusal() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    drop(taken);
    let refused = in_time(connect(&format!("postgres://postgres@{address}/delivr"), hasty())).await;
    let source = refused.unwrap_err().source().unwrap().to_string();
    assert!(source.contains("refused"), "{source}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_that_is_busy_is_waited_for() {
    let (url, _directory) = sqlite_url();
    let options = Options {
        answer_timeout: Duration::from_millis(1),
        ..Options::new(Arc::new(FakeClock::default()))
    };
    let store = connect(&url, options).await.unwrap();
    store.migrate().await.unwrap();
    let holder = store.begin().await.unwrap();
    let other = beats(&store);
    tokio::pin!(other);
    let early = tokio::time::timeout(Duration::from_millis(1_500), &mut other).await;
    assert!(early.is_err(), "the writer is taken");
    in_time(store.ready()).await.unwrap();
    drop(holder);
    in_time(other).await.unwrap();
}
