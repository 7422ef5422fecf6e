//! Logs and metrics of the process.

use crate::settings::{LogFormat, Settings};
use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::Context as _;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;
use tracing_subscriber::EnvFilter;

/// Bounds of duration histograms, in seconds.
const SECONDS: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];

/// Sends log lines to standard error. Later calls in one process change nothing.
///
/// # Errors
/// When the filter is not one.
pub fn logs(settings: &Settings) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&settings.log).context("the log filter (`log`) is not one")?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // The error says that a subscriber is there already, as in tests: then that one stays.
    let _already = match settings.log_format {
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    Ok(())
}

/// Installs the recorder of the process's metrics.
///
/// # Errors
/// When a recorder is there already.
pub fn metrics() -> anyhow::Result<PrometheusHandle> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)
        .context("bounds of the histograms")?
        .install_recorder()
        .context("installing the metrics")
}

/// Serves the metrics in Prometheus' text format at `/metrics` until the process ends; returns the address.
///
/// # Errors
/// When the address is taken.
pub fn serve_metrics(handle: PrometheusHandle, listen: SocketAddr) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind(listen).with_context(|| format!("the metrics' address {listen}"))?;
    let address = listener.local_addr().context("the metrics' address")?;
    let rendering = handle.clone();
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(rendering.clone()))
            .route("/metrics", web::get().to(text))
    })
    .workers(1)
    .disable_signals()
    .listen(listener)
    .context("serving the metrics")?
    .run();
    tokio::spawn(async move {
        if let Err(error) = server.await {
            tracing::error!(%error, "the metrics are no longer served");
        }
    });
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            handle.run_upkeep();
        }
    });
    tracing::info!(%address, "metrics");
    Ok(address)
}

async fn text(handle: web::Data<PrometheusHandle>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(handle.render())
}
