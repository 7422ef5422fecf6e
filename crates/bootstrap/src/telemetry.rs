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
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)
        .context("bounds of the histograms")?
        .install_recorder()
        .context("installing the metrics")?;
    describe();
    metrics::gauge!("delivr_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    Ok(handle)
}

/// The help text of every metric there is. Labels are words of closed sets: routes as templates, kinds, outcomes,
/// provider keys; never ids, never tenants.
const HELP: &[(&str, Kind, &str)] = &[
    (
        "delivr_build_info",
        Kind::Gauge,
        "1, with the version of the program as label.",
    ),
    (
        "delivr_http_requests_total",
        Kind::Counter,
        "Requests answered, by route template, method and status.",
    ),
    (
        "delivr_http_request_duration_seconds",
        Kind::Histogram,
        "Time to the head of the answer.",
    ),
    (
        "delivr_http_requests_in_flight",
        Kind::Gauge,
        "Requests being answered.",
    ),
    (
        "delivr_http_rate_limited_total",
        Kind::Counter,
        "Requests refused with 429, by limit: token, address, inbound or failures.",
    ),
    (
        "delivr_effects_total",
        Kind::Counter,
        "Attempts at effects, by kind and outcome.",
    ),
    (
        "delivr_effect_duration_seconds",
        Kind::Histogram,
        "Duration of an attempt at an effect, look-ups included.",
    ),
    (
        "delivr_effects_due",
        Kind::Gauge,
        "Effects that are due and not claimed, by kind; counted up to 10000, without those of stopped tenants.",
    ),
    (
        "delivr_effect_oldest_due_age_seconds",
        Kind::Gauge,
        "For how long the oldest due effect of a kind has been due.",
    ),
    (
        "delivr_lease_lost_total",
        Kind::Counter,
        "Attempts whose lease another worker had taken over.",
    ),
    (
        "delivr_worker_last_tick_timestamp_seconds",
        Kind::Gauge,
        "When this process's worker last swept, as Unix time.",
    ),
    (
        "delivr_worker_claims",
        Kind::Gauge,
        "Effects under way in this process.",
    ),
    (
        "delivr_worker_store_errors_total",
        Kind::Counter,
        "Sweeps that the database did not answer.",
    ),
    (
        "delivr_provider_requests_total",
        Kind::Counter,
        "HTTP calls of vendors, by provider, operation and outcome.",
    ),
    (
        "delivr_provider_request_duration_seconds",
        Kind::Histogram,
        "Duration of a vendor's HTTP call with its whole answer.",
    ),
    (
        "delivr_webhooks_received_total",
        Kind::Counter,
        "Deliveries stored, by provider; repetitions of one included.",
    ),
    (
        "delivr_webhook_rejections_total",
        Kind::Counter,
        "Deliveries refused, by provider and reason.",
    ),
    (
        "delivr_inbox_pending",
        Kind::Gauge,
        "Deliveries stored and not worked off yet; counted up to 10000.",
    ),
    (
        "delivr_inbox_oldest_age_seconds",
        Kind::Gauge,
        "For how long the oldest of them has been waiting.",
    ),
    (
        "delivr_outbox_pending",
        Kind::Gauge,
        "Messages to people that are not posted yet; counted up to 10000.",
    ),
    (
        "delivr_outbox_oldest_due_age_seconds",
        Kind::Gauge,
        "For how long the oldest of them has been due.",
    ),
    (
        "delivr_releases",
        Kind::Gauge,
        "Releases under way, by phase and status.",
    ),
    (
        "delivr_db_pool_connections",
        Kind::Gauge,
        "Connections to the database, by state: busy or idle.",
    ),
    (
        "delivr_forgotten_total",
        Kind::Counter,
        "Rows deleted after the retention, by what they were.",
    ),
];

/// What a metric is.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

fn describe() {
    for (name, kind, help) in HELP {
        match kind {
            Kind::Counter => metrics::describe_counter!(*name, *help),
            Kind::Gauge => metrics::describe_gauge!(*name, *help),
            Kind::Histogram => metrics::describe_histogram!(*name, *help),
        }
    }
}

/// Serves the metrics in Prometheus' text format at `/metrics` until the process ends; returns the address. Also where that
/// fails, what is measured takes no more and more memory.
///
/// # Errors
/// When the address is taken.
pub fn serve_metrics(handle: PrometheusHandle, listen: SocketAddr) -> anyhow::Result<SocketAddr> {
    let upkeep = handle.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            upkeep.run_upkeep();
        }
    });
    let listener = TcpListener::bind(listen).with_context(|| format!("the metrics' address {listen}"))?;
    let address = listener.local_addr().context("the metrics' address")?;
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(handle.clone()))
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
    tracing::info!(%address, "metrics");
    Ok(address)
}

async fn text(handle: web::Data<PrometheusHandle>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(handle.render())
}
