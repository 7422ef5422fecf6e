//! What the CI system says about a pipeline's job, and whether a release could start it.

use super::find;
use super::view::{ParameterList, ParameterView, TestView};
use crate::answer::{Answer, Answered};
use crate::context::Context;
use crate::problem::Problem;
use actix_web::{get, post};
use delivr_app::usecases::access::Role;
use delivr_app::usecases::limit::within;
use delivr_app::usecases::pipelines::{READ_LIMIT, undeclared};
use delivr_domain::ports::provider::Connection;
use delivr_domain::ports::store::Pipeline;
use delivr_domain::ports::vendor::JobParameter;

async fn declared(cx: &Context, found: &Pipeline) -> Result<Vec<JobParameter>, Problem> {
    let app = &cx.app;
    let connection = app
        .connections
        .open(
            app.store.as_ref(),
            &app.registry,
            &app.vault,
            cx.tenant(),
            found.integration,
        )
        .await?;
    let read = match connection {
        Connection::Cicd(ci) => within(app.clock.as_ref(), READ_LIMIT, ci.job_parameters(&found.job)).await,
        Connection::Scm(_)
        | Connection::Tracker(_)
        | Connection::Chat(_)
        | Connection::Testing(_)
        | Connection::Store(_) => return Err(Problem::missing("ci-cd integration")),
    };
    Ok(read.ok_or_else(Problem::vendor_slow)??)
}

fn view(found: &Pipeline, declared: Vec<JobParameter>) -> Vec<ParameterView> {
    let one = |it: JobParameter| ParameterView {
        value: found.parameters.get(&it.name).cloned(),
        name: it.name,
        kind: it.kind,
        default: it.default,
    };
    declared.into_iter().map(one).collect()
}

/// Parameters that the job declares, read from the CI system now.
#[utoipa::path(tag = "Pipelines", responses((status = 200, description = "Parameters", body = ParameterList)))]
#[get("/integrations/pipelines/{pipelineId}/parameters")]
pub(crate) async fn parameters(cx: Context) -> Answered {
    // It spends a call of the tenant's at the vendor.
    cx.at_least(Role::Member)?;
    let found = find(&cx).await?;
    let declared = declared(&cx, &found).await?;
    Ok(Answer::ok(&ParameterList {
        items: view(&found, declared),
        next_cursor: None,
    }))
}

/// Whether a release could start the job: reads it, starts nothing. Names what is missing.
#[utoipa::path(tag = "Pipelines", responses((status = 200, description = "What was found", body = TestView)))]
#[post("/integrations/pipelines/{pipelineId}/test")]
pub(crate) async fn test(cx: Context) -> Answered {
    cx.at_least(Role::Member)?;
    let found = find(&cx).await?;
    let declared = declared(&cx, &found).await?;
    let ci = cx.app.store.integration(cx.tenant(), found.integration).await?;
    let key = ci
        .and_then(|ci| cx.app.registry.find(ci.port, &ci.provider).cloned())
        .and_then(|provider| Some(provider.capabilities.get("keyParameter")?.as_str()?.to_owned()));
    let problems = undeclared(key.as_deref(), &found.parameters, &declared);
    Ok(Answer::ok(&TestView {
        usable: problems.is_empty(),
        problems,
        parameters: view(&found, declared),
    }))
}
