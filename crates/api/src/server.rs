//! The server: routes and middleware put together.

use crate::compressed::compressed;
use crate::context::Shared;
use crate::document;
use crate::front::front;
use crate::inside::Inside;
use crate::places::{self, BASE};
use crate::problem::Problem;
use crate::{LIMIT, routes};
use actix_web::dev::Server;
use actix_web::http::header;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use rustls::ServerConfig;
use std::net::TcpListener;
use std::rc::Rc;
use utoipa_actix_web::service_config::ServiceConfig;
use utoipa_swagger_ui::{Config, SwaggerUi};

/// How many seconds a stopping server lets requests under way end.
const DRAIN: u64 = 20;

/// Serves the API on the listener. The caller awaits the server and stops it by its handle.
///
/// # Errors
/// When the listener cannot be used.
pub fn serve(shared: Shared, listener: TcpListener) -> std::io::Result<Server> {
    listening(shared, listener, None)
}

/// Serves the API over TLS (HTTP/1.1 and HTTP/2).
///
/// # Errors
/// When the listener cannot be used.
pub fn serve_tls(shared: Shared, listener: TcpListener, tls: ServerConfig) -> std::io::Result<Server> {
    listening(shared, listener, Some(tls))
}

fn listening(shared: Shared, listener: TcpListener, tls: Option<ServerConfig>) -> std::io::Result<Server> {
    let shared = web::Data::new(shared);
    // Built before the first request needs it.
    let _built = document::text();
    let server = HttpServer::new(move || {
        let pages: Rc<dyn delivr_web::Api> = Rc::new(Inside::new(&shared));
        App::new()
            .app_data(shared.clone())
            .app_data(pages)
            .app_data(web::PayloadConfig::new(LIMIT))
            .wrap(from_fn(front))
            .wrap(from_fn(compressed))
            .configure(api)
            .configure(delivr_web::configure)
            .configure(|config| routes::system::probes(&mut ServiceConfig::new(config)))
            .route("/docs", web::get().to(to_docs))
            .service(SwaggerUi::new("/docs/{_:.*}").config(Config::new([format!("{BASE}/openapi.json")])))
            .default_service(web::to(nowhere))
    })
    .workers(workers())
    .shutdown_timeout(DRAIN)
    .disable_signals();
    let server = match tls {
        None => server.listen(listener)?,
        Some(tls) => server.listen_rustls_0_23(listener, tls)?,
    };
    Ok(server.run())
}

/// Every route of the API, under its canonical path.
pub(crate) fn api(config: &mut web::ServiceConfig) {
    config.service(
        web::scope(BASE)
            .configure(|config| routes::all(&mut ServiceConfig::new(config)))
            .route("/openapi.json", web::get().to(description)),
    );
}

/// One thread per core, at most four: the database is the limit, not the threads.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(2, |cores| cores.get().clamp(1, 4))
}

async fn description() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .body(document::text())
}

async fn to_docs() -> HttpResponse {
    HttpResponse::PermanentRedirect()
        .insert_header((header::LOCATION, "/docs/"))
        .finish()
}

/// 404, or 405 where the path knows other methods.
pub(crate) async fn nowhere(request: HttpRequest) -> Result<HttpResponse, Problem> {
    if places::place(request.path()).is_none() && delivr_web::wants_page(&request) {
        return Ok(delivr_web::missing(&request));
    }
    let methods = places::place(request.path()).and_then(|place| document::methods(&place.path));
    match methods {
        Some(methods) => Err(Problem::of_method(
            "method_not_allowed",
            format!("this path answers to {}", methods.join(", ")),
            methods,
        )),
        None => Err(Problem::missing("route")),
    }
}
