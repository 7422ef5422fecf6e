//! Serving: the API, its metrics and the embedded worker, from start to the last answer.

use super::log::Log;
use super::say;
use crate::wiring::settings::WorkerMode;
use crate::wiring::wire::{Installation, SqlStore};
use crate::wiring::{Settings, shutdown, telemetry, upkeep, wire};
use actix_web::dev::Server;
use anyhow::Context as _;
use delivr_api::{Files, RateLimits, Shared};
use delivr_app::App;
use delivr_app::usecases::{access, callbacks};
use delivr_worker::{Worker, WorkerSettings};
use futures_util::future::join;
use std::net::TcpListener;
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Serves until the process is asked to end.
pub(super) async fn serve(settings: &Settings) -> anyhow::Result<()> {
    let metrics = telemetry::metrics()?;
    wire::install_tls();
    let tls = wire::tls(settings)?;
    // Whether it can serve at all is known before the database is touched.
    let listener =
        TcpListener::bind(settings.listen).with_context(|| format!("the address {}", settings.listen))?;
    let address = listener.local_addr().context("the address")?;
    if let Some(address) = settings.metrics_listen {
        match telemetry::serve_metrics(metrics, address) {
            Ok(_address) => {}
            Err(error) if !settings.metrics_wanted => {
                let error = format!("{error:#}");
                tracing::warn!(
                    error,
                    "no metrics are served; `metrics_listen` sets another address for them"
                );
            }
            Err(error) => return Err(error),
        }
    }
    let Installation { app, store } = wire::open(settings).await?;
    let ready = app.store.ready().await.is_ok();
    if ready {
        callbacks::prepare(&app).await?;
    }
    let shared = shared(settings, &app, &store)?;
    let shared = if ready {
        shared.in_epoch(access::epoch(&app).await.context("reading the epoch")?)
    } else {
        shared.in_unknown_epoch()
    };
    let (scheme, server) = match tls {
        None => ("http", delivr_api::serve(shared.clone(), listener)),
        Some(tls) => ("https", delivr_api::serve_tls(shared.clone(), listener, tls)),
    };
    let server = server.context("serving the API")?;
    let worker = Embedded::start(settings, app, store);
    // Listened for before anybody is told that it is there, so that whoever hears of it can end it well.
    let asked = shutdown::asked();
    tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "the API is served");
    say(&format!("listening on {scheme}://{address}"));
    run(server, &shared, worker, asked).await
}

/// What the server hands to every request.
pub(super) fn shared(settings: &Settings, app: &App, store: &SqlStore) -> anyhow::Result<Shared> {
    let artifacts = Files::open(settings.storage.clone()).with_context(|| {
        let folder = settings.storage.display();
        format!("the folder {folder} for artifacts (set `storage_url` to another one)")
    })?;
    Ok(Shared::new(app.clone(), settings.public_url.clone())
        .limited(limits(settings))
        .telling(Arc::new(Log(store.clone())))
        .storing(Arc::new(artifacts), settings.upload_limit))
}

/// Serves until it is asked to end, to the last answer and the last work under way.
pub(super) async fn run(
    server: Server,
    shared: &Shared,
    worker: Embedded,
    asked: impl Future<Output = std::io::Result<()>>,
) -> anyhow::Result<()> {
    let handle = server.handle();
    let mut server = tokio::spawn(server);
    let ended = tokio::select! {
        asked = asked => {
            asked.context("listening for signals")?;
            tracing::info!("asked to end: answering what was asked, then ending");
            shared.close();
            handle.stop(true).await;
            server.await
        }
        ended = &mut server => ended,
    };
    // The worker ends last: what the last answers set in motion may still be begun, and what is under way finishes.
    worker.stop().await?;
    ended.context("the server")?.context("serving the API")
}

fn limits(settings: &Settings) -> RateLimits {
    let limits = settings.rate_limits;
    RateLimits {
        per_token: limits.per_token,
        per_address: limits.per_address,
        inbound: limits.inbound,
        failures: limits.failures,
        trusted_proxies: settings.trusted_proxies.clone(),
    }
}

/// What goes on inside this process beside the answers: a worker, or what a process without one does too.
pub(super) struct Embedded {
    stop: oneshot::Sender<()>,
    running: JoinHandle<()>,
}

impl Embedded {
    pub(super) fn start(settings: &Settings, app: App, store: SqlStore) -> Self {
        match settings.worker {
            WorkerMode::None => {
                let (stop, stopped) = oneshot::channel();
                let running = tokio::spawn(async move {
                    upkeep::health(&app, async {
                        // A sender that has gone away means the same as one that sent.
                        let _either = stopped.await;
                    })
                    .await;
                });
                Self { stop, running }
            }
            WorkerMode::Embedded => {
                let worker = Worker::new(
                    app.clone(),
                    WorkerSettings {
                        name: format!("api-{}", std::process::id()),
                        concurrency: settings.worker_concurrency,
                        lease: settings.lease,
                        ..WorkerSettings::default()
                    },
                );
                let retention = settings.retention;
                let (stop, stopped) = oneshot::channel();
                let running = tokio::spawn(async move {
                    let (ended, over) = oneshot::channel();
                    let working = async {
                        worker
                            .run(async {
                                // A sender that has gone away means the same as one that sent.
                                let _either = stopped.await;
                            })
                            .await;
                        let _unheard = ended.send(());
                    };
                    let upkeep = upkeep::run(&app, &store, retention, async {
                        let _either = over.await;
                    });
                    join(working, upkeep).await;
                });
                Self { stop, running }
            }
        }
    }

    async fn stop(self) -> anyhow::Result<()> {
        // The worker may have ended already; then nobody listens.
        let _listening = self.stop.send(());
        self.running.await.context("the embedded worker")
    }
}
