//! Taking bodies in: whole, of a size, in time, before anybody answers.
//!
//! An answer to a request that is still being sent would end in a reset connection, and the sender would never read
//! why it was refused. So even of a body that is too large some is read and thrown away.

use crate::LIMIT;
use crate::body::too_large;
use crate::places;
use crate::problem::Problem;
use actix_web::HttpMessage as _;
use actix_web::dev::{Payload, ServiceRequest};
use actix_web::http::{StatusCode, Version, header};
use bytes::{Bytes, BytesMut};
use delivr_app::usecases::limit::within;
use delivr_domain::ports::clock::Clock;
use futures_util::StreamExt as _;
use std::time::Duration;

/// How long a body may take. A sender that never ends would hold its connection forever.
const TIME: Duration = Duration::from_secs(30);
/// Of a body over the limit so much is read, in bytes, before the connection is given up.
const PATIENCE: usize = 8 * LIMIT;

/// The exact bytes of a request's body.
#[derive(Debug, Clone, Default)]
pub(crate) struct Received(pub(crate) Bytes);

/// Takes the body in, and leaves it for handlers to read.
pub(crate) async fn receive(request: &mut ServiceRequest, clock: &dyn Clock) -> Result<(), Problem> {
    // Streamed by its handler, which has limits of its own.
    if places::streamed(request.method(), request.path()) {
        return Ok(());
    }
    let headers = request.headers();
    let has_body = headers.contains_key(header::TRANSFER_ENCODING)
        || headers
            .get(header::CONTENT_LENGTH)
            .is_some_and(|length| length.as_bytes() != b"0");
    if !has_body && request.version() != Version::HTTP_2 {
        return Ok(());
    }
    let coded = headers
        .get(header::CONTENT_ENCODING)
        .is_some_and(|coding| coding != "identity");
    let body = within(clock, TIME, read(request.take_payload()))
        .await
        .ok_or_else(|| {
            Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "body_too_slow",
                format!("the body did not arrive within {} s", TIME.as_secs()),
            )
        })??;
    if coded {
        // Signatures are over the bytes as sent, and limits would have to hold before and after.
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_content_encoding",
            "send the body without Content-Encoding",
        ));
    }
    request.extensions_mut().insert(Received(body.clone()));
    request.set_payload(Payload::from(body));
    Ok(())
}

async fn read(mut payload: Payload) -> Result<Bytes, Problem> {
    let mut body = BytesMut::new();
    let mut length: usize = 0;
    while let Some(chunk) = payload.next().await {
        let chunk =
            chunk.map_err(|_ignored| Problem::malformed_at("", "the body could not be read to its end"))?;
        length = length.saturating_add(chunk.len());
        if length <= LIMIT {
            body.extend_from_slice(&chunk);
        } else if length > PATIENCE {
            break;
        }
    }
    if length > LIMIT {
        return Err(too_large());
    }
    Ok(body.freeze())
}
