//! The HTTP server around the world: vendor calls, control routes, faults on the wire.

use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
#[cfg(unix)]
use std::os::fd::AsFd as _;
#[cfg(windows)]
use std::os::windows::io::AsSocket as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::dev::{Extensions, ServerHandle};
use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use anyhow::{Context as _, Result};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use serde::Deserialize as _;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::advance;
use crate::answer::Answer;
use crate::call::{Call, decode_segment, pairs};
use crate::faults::{Fault, Kind};
use crate::hooks::{Receiver, deliver};
use crate::world::{Outcome, World};

/// Size of the body of the `huge` fault.
const HUGE: usize = 100 * 1024 * 1024;
const CHUNK: usize = 64 * 1024;
/// Biggest body a vendor takes here; bundles of tests are small.
const LIMIT: usize = 64 * 1024 * 1024;

type Shared = Arc<Mutex<World>>;

/// Starts sandboxes.
#[derive(Debug, Clone, Copy)]
pub struct Sandbox;

impl Sandbox {
    /// Starts a sandbox; port 0 takes a free port.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn start(listen: SocketAddr, seed: u64) -> Result<Running> {
        Self::start_behind(listen, seed, 0).await
    }

    /// Starts a sandbox whose clock is so many seconds behind; the `time` action brings it forward.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn start_behind(listen: SocketAddr, seed: u64, seconds: i64) -> Result<Running> {
        // Another part of the process may have installed it already; either is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind(listen).with_context(|| format!("cannot listen on {listen}"))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let url = format!("http://{address}");
        let mut world = World::new(&url, seed);
        world.ctx.offset_ms = seconds.saturating_mul(-1000);
        let world: Shared = Arc::new(Mutex::new(world));
        let shared = web::Data::new(Arc::clone(&world));
        let server = HttpServer::new(move || {
            App::new()
                .app_data(shared.clone())
                .app_data(web::PayloadConfig::new(LIMIT))
                .default_service(web::to(serve))
        })
        .on_connect(keep_connection)
        .workers(2)
        .disable_signals()
        .shutdown_timeout(1)
        .listen(listener)?
        .run();
        let handle = server.handle();
        let tasks = vec![tokio::spawn(async move {
            if let Err(error) = server.await {
                tracing::error!(%error, "the sandbox server ended");
            }
        })];
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(5))
            .no_proxy()
            .build()?;
        let clock = tokio::spawn(run_clock(Arc::clone(&world), client));
        Ok(Running {
            url,
            address,
            world,
            handle,
            tasks,
            clock,
        })
    }
}

/// A started sandbox; it stops when dropped.
#[derive(Debug)]
pub struct Running {
    url: String,
    address: SocketAddr,
    world: Shared,
    handle: ServerHandle,
    tasks: Vec<JoinHandle<()>>,
    clock: JoinHandle<()>,
}

impl Running {
    /// Root URL without a trailing slash; vendors are below it.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The journal as `/_journal` shows it.
    #[must_use]
    pub fn journal(&self) -> Value {
        lock(&self.world).ctx.journal.show(None, None)
    }

    /// Performs an action as `POST /_advance` does.
    ///
    /// # Errors
    /// A sentence when the action or its arguments are unknown.
    pub fn advance(&self, body: &Value) -> Result<Value> {
        advance::perform(&mut lock(&self.world), body).map_err(anyhow::Error::msg)
    }

    /// What `GET /_credentials` shows.
    #[must_use]
    pub fn credentials(&self) -> Value {
        lock(&self.world).credentials(&self.url)
    }

    /// Queues a fault as `POST /_faults` does.
    ///
    /// # Errors
    /// A sentence when it is no fault or its vendor is unknown.
    pub fn fault(&self, body: &Value) -> Result<()> {
        let mut world = lock(&self.world);
        let fault = Fault::deserialize(body)?;
        world.add_fault(fault).map_err(anyhow::Error::msg)
    }

    /// Keeps every exchange with a vendor from here on, up to 20 000.
    pub fn record(&self) {
        lock(&self.world).ctx.exchanges.start();
    }

    /// Takes what was kept of a vendor since the last time: method, path, query, content types, bodies and status.
    #[must_use]
    pub fn exchanges(&self, vendor: &str) -> Vec<Value> {
        lock(&self.world).ctx.exchanges.take(vendor)
    }

    /// Turns auto mode on for every vendor.
    pub fn auto(&self, after_ms: i64) {
        // All vendors know the action, so it cannot be refused.
        let _ = self.advance(&json!({"vendor": "*", "action": "auto", "on": true, "afterMs": after_ms}));
    }

    /// Stops the server and waits for its end.
    pub async fn stop(mut self) {
        self.clock.abort();
        self.handle.stop(false).await;
        for task in self.tasks.drain(..) {
            // The task only ends; a panic in it was reported already.
            let _ = task.await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.clock.abort();
        // The command is sent at once; the future only waits for the end.
        drop(self.handle.stop(false));
    }
}

fn lock(world: &Shared) -> MutexGuard<'_, World> {
    // A panic in a handler must not take the sandbox down for the tests that follow.
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Moves the world and delivers webhooks, in order.
async fn run_clock(world: Shared, client: reqwest::Client) {
    let mut interval = tokio::time::interval(Duration::from_millis(50));
    loop {
        interval.tick().await;
        let outbox = {
            let mut world = lock(&world);
            world.tick();
            world.take_outbox()
        };
        for delivery in outbox {
            let delivered = deliver(&client, delivery).await;
            lock(&world).ctx.delivered.push(delivered);
        }
    }
}

/// A second handle on the connection, so that faults can drop it.
struct Connection(TcpStream);

fn keep_connection(connection: &dyn std::any::Any, extensions: &mut Extensions) {
    if let Some(stream) = connection.downcast_ref::<actix_web::rt::net::TcpStream>()
        && let Ok(second) = second(stream)
    {
        extensions.insert(Connection(second));
    }
}

fn second(stream: &actix_web::rt::net::TcpStream) -> std::io::Result<TcpStream> {
    #[cfg(unix)]
    let handle = stream.as_fd().try_clone_to_owned();
    #[cfg(windows)]
    let handle = stream.as_socket().try_clone_to_owned();
    handle.map(TcpStream::from)
}

async fn serve(request: HttpRequest, body: Bytes, world: web::Data<Shared>) -> HttpResponse {
    let path = request.path().to_owned();
    let (first, rest) = match path.trim_start_matches('/').split_once('/') {
        Some((first, rest)) => (first.to_owned(), format!("/{rest}")),
        None => (path.trim_start_matches('/').to_owned(), "/".to_owned()),
    };
    if first.is_empty() || first.starts_with('_') {
        return control(&first, &request, &body, &world)
            .unwrap_or_else(|message| HttpResponse::BadRequest().json(json!({"error": message})));
    }
    let call = call_of(&request, &first, rest, body);
    let outcome = lock(&world).call(&first, &call);
    match outcome {
        Some(outcome) => {
            if let Some(fault) = outcome.fault.as_ref().filter(|it| it.fault == Kind::Silence) {
                tokio::time::sleep(Duration::from_millis(fault.delay_ms.unwrap_or(60_000))).await;
            }
            wire(&request, outcome)
        }
        None => HttpResponse::NotFound().json(json!({"error": format!("no vendor is called {first}")})),
    }
}

fn call_of(request: &HttpRequest, vendor: &str, path: String, body: Bytes) -> Call {
    let headers = request.headers().iter();
    let headers = headers.map(|(name, value)| {
        (
            name.as_str().to_owned(),
            String::from_utf8_lossy(value.as_bytes()).into_owned(),
        )
    });
    let segments = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .map(decode_segment)
        .collect();
    Call {
        method: request.method().as_str().to_owned(),
        segments,
        path,
        query: pairs(request.query_string().as_bytes()),
        raw_query: request.query_string().to_owned(),
        headers: headers.collect(),
        body,
        base: format!("{}/{vendor}", root(request)),
    }
}

fn root(request: &HttpRequest) -> String {
    let info = request.connection_info();
    format!("{}://{}", info.scheme(), info.host())
}

/// Turns an outcome into bytes, or into the lack of them.
fn wire(request: &HttpRequest, outcome: Outcome) -> HttpResponse {
    let Outcome { answer, fault } = outcome;
    let Some(fault) = fault else {
        return response(answer);
    };
    match fault.fault {
        Kind::ResponseLost | Kind::Reset | Kind::Silence => {
            if let Some(Connection(stream)) = request.conn_data::<Connection>() {
                // The peer may have gone already; then there is nothing to drop.
                let _ = stream.shutdown(Shutdown::Both);
            }
            HttpResponse::InternalServerError().finish()
        }
        Kind::Huge => {
            let chunk = Bytes::from(vec![b' '; CHUNK]);
            let chunks = stream::iter((0..HUGE / CHUNK).map(move |_| Ok::<_, std::io::Error>(chunk.clone())));
            HttpResponse::Ok()
                .content_type("application/json")
                .streaming(chunks)
        }
        Kind::SlowBody => slow(answer, &fault),
        Kind::StatusAfter | Kind::StatusBefore | Kind::Throttle | Kind::Html | Kind::Redirect => {
            response(answer)
        }
    }
}

fn slow(mut answer: Answer, fault: &Fault) -> HttpResponse {
    let delay = Duration::from_millis(fault.delay_ms.unwrap_or(1000));
    let first = answer.body.split_to(answer.body.len() / 2);
    let rest = answer.body.clone();
    let chunks =
        stream::once(async move { Ok::<_, std::io::Error>(first) }).chain(stream::once(async move {
            tokio::time::sleep(delay).await;
            Ok(rest)
        }));
    builder(&answer).streaming(chunks)
}

fn response(answer: Answer) -> HttpResponse {
    builder(&answer).body(answer.body)
}

fn builder(answer: &Answer) -> actix_web::HttpResponseBuilder {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut builder = HttpResponse::build(status);
    if !answer.content_type.is_empty() {
        builder.content_type(answer.content_type.as_str());
    }
    for (name, value) in &answer.headers {
        builder.append_header((name.as_str(), value.as_str()));
    }
    builder
}

/// The routes that steer and observe the sandbox.
fn control(name: &str, request: &HttpRequest, body: &[u8], world: &Shared) -> Result<HttpResponse, String> {
    let document = || serde_json::from_slice::<Value>(body).map_err(|error| error.to_string());
    let mut world = lock(world);
    let query = pairs(request.query_string().as_bytes());
    let filter = |wanted: &str| {
        query
            .iter()
            .find(|(key, _)| key == wanted)
            .map(|(_, value)| value.as_str())
    };
    Ok(match (request.method().as_str(), name) {
        ("GET", "") => HttpResponse::Ok().json(json!({"vendors": world.names()})),
        ("GET", "_journal") => {
            HttpResponse::Ok().json(world.ctx.journal.show(filter("vendor"), filter("operation")))
        }
        ("GET", "_faults") => HttpResponse::Ok().json(json!({"faults": world.ctx.faults.list()})),
        ("POST", "_faults") => {
            let fault: Fault = serde_json::from_slice(body).map_err(|error| error.to_string())?;
            world.add_fault(fault)?;
            HttpResponse::Created().json(json!({"faults": world.ctx.faults.list()}))
        }
        ("DELETE", "_faults") => {
            world.ctx.faults.clear();
            HttpResponse::NoContent().finish()
        }
        ("POST", "_advance") => HttpResponse::Ok().json(advance::perform(&mut world, &document()?)?),
        ("GET", "_webhooks") => {
            HttpResponse::Ok().json(json!({"receivers": world.ctx.hooks, "deliveries": world.ctx.delivered}))
        }
        ("POST", "_webhooks") => {
            let receiver: Receiver = serde_json::from_slice(body).map_err(|error| error.to_string())?;
            world
                .ctx
                .hooks
                .retain(|old| old.vendor != receiver.vendor || old.url != receiver.url);
            world.ctx.hooks.push(receiver);
            HttpResponse::Created().json(json!({"receivers": world.ctx.hooks}))
        }
        ("DELETE", "_webhooks") => {
            world.ctx.hooks.clear();
            HttpResponse::NoContent().finish()
        }
        ("GET", "_credentials") => HttpResponse::Ok().json(world.credentials(&root(request))),
        ("POST", "_reset") => {
            world.reset();
            HttpResponse::NoContent().finish()
        }
        (method, other) => {
            HttpResponse::NotFound().json(json!({"error": format!("no route {method} /{other}")}))
        }
    })
}
