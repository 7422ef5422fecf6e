//! What the CI system says about a pipeline's job, and whether a release could start it.

use super::find;
use super::view::{ParameterList, ParameterView, TestView};
use crate::answer::{Answer, Answered};
use crate::context::Context;
use crate::problem::Problem;
use actix_web::{get, post};
use delivr_app::usecases::access::Role;
use delivr_app::usecases::pipelines::{self, JobError};
use delivr_domain::ports::store::Pipeline;
use delivr_domain::ports::vendor::JobParameter;

impl From<JobError> for Problem {
    fn from(error: JobError) -> Self {
        match error {
            JobError::Connect(error) => error.into(),
            JobError::Vendor(error) => error.into(),
            JobError::Slow => Self::vendor_slow(),
            JobError::NoCi => Self::missing("ci-cd integration"),
            JobError::Store(error) => error.into(),
        }
    }
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
    let declared = pipelines::declared(&cx.app, cx.tenant(), &found).await?;
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
    let tested = pipelines::test(&cx.app, cx.tenant(), &found).await?;
    Ok(Answer::ok(&TestView {
        usable: tested.problems.is_empty(),
        problems: tested.problems,
        parameters: view(&found, tested.declared),
    }))
}
