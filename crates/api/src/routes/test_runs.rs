//! Test runs, by the vendor's own ids.

use crate::answer::{Answer, Answered};
use crate::body::Maybe;
use crate::context::Context;
use crate::problem::Problem;
use crate::routes::releases::actions::NothingBody;
use actix_web::http::StatusCode;
use actix_web::post;
use delivr_app::usecases::access::Role;
use delivr_app::usecases::testing::{self, ResetError};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

/// Registers the routes. They come before those of integrations, whose category would take their first segment.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(reset);
}

/// A test run after its reset.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ResetView {
    /// The vendor's id of the run.
    run_id: String,
    /// Key of the release that has it.
    release: String,
    /// Whether it had results that were reset now; false when there was nothing to reset.
    reset: bool,
}

impl From<ResetError> for Problem {
    fn from(error: ResetError) -> Self {
        let sentence = error.to_string();
        match error {
            ResetError::Missing => Self::missing("test run of a live release"),
            ResetError::InUse { .. } => Self::conflict("test_run_in_use", sentence),
            ResetError::Slow => Self::new(StatusCode::GATEWAY_TIMEOUT, "vendor_slow", sentence),
            ResetError::Connect(error) => error.into(),
        }
    }
}

/// Resets the results of a test run of a live release, as the next regression cycle would. Refused while a cycle counts
/// them (409). A repetition finds it done, as long as nobody has tested on.
#[utoipa::path(tag = "Integrations", request_body = inline(Option<NothingBody>),
    responses((status = 200, description = "The run", body = ResetView)))]
#[post("/integrations/test-management/test-runs/{runId}/reset")]
pub(crate) async fn reset(cx: Context, _body: Maybe<NothingBody>) -> Answered {
    cx.at_least(Role::Member)?;
    let run = cx.segment("runId").to_owned();
    let (reset, release) = testing::reset(&cx.app, cx.tenant(), &run).await?;
    tracing::info!(
        run,
        release,
        by = cx.who.actor(),
        reset,
        "a test run was reset by a person"
    );
    Ok(Answer::ok(&ResetView {
        run_id: run,
        release,
        reset,
    }))
}
