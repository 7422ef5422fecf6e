//! Regression: planned slots and executed cycles.

use super::actions::{NothingBody, ReasonBody};
use super::create::SlotBody;
use super::load::{Success, act_on, find};
use super::parts::{CycleView, SlotView, cycle, cycles, slot, slots};
use super::view::as_release;
use crate::answer::{Answer, Answered};
use crate::body::{Body, Maybe};
use crate::check::{Checks, micros, syntax};
use crate::context::Context;
use crate::problem::Problem;
use crate::query::{Paging, Query};
use actix_web::{delete, get, patch, post};
use chrono::{DateTime, Utc};
use delivr_app::usecases::access::Role;
use delivr_domain::aggregate::{Aggregate, Command};
use delivr_domain::ids::{CycleId, SlotId};
use delivr_domain::release::state::{Slot, Verdict};
use delivr_domain::release::{Command as ReleaseCommand, Release};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Slots.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SlotList {
    items: Vec<SlotView>,
    next_cursor: Option<String>,
}

/// Slots not used yet, the earliest first.
#[utoipa::path(tag = "Regression",
    params(("limit" = Option<u16>, Query, description = "1 to 200; 50 if left out"), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "Slots", body = SlotList)))]
#[get("/releases/{releaseId}/slots")]
pub(crate) async fn list_slots(cx: Context, paging: Query<Paging>) -> Answered {
    let (row, release) = find(&cx).await?;
    let (items, next_cursor) = paging.0.page(slots(&release), |it| it.id.clone())?;
    Ok(Answer::ok(&SlotList { items, next_cursor }).version(row.version))
}

fn slot_of(state: &Aggregate, id: SlotId) -> Option<SlotView> {
    as_release(state)
        .and_then(|release| release.slots.get(&id))
        .map(slot)
}

/// Plans a slot for a regression cycle. One that is due at once may be used up before the answer is read: its cycle tells.
#[utoipa::path(tag = "Regression", request_body = SlotBody, responses((status = 201, description = "The slot", body = SlotView)))]
#[post("/releases/{releaseId}/slots")]
pub(crate) async fn add_slot(cx: Context, body: Body<SlotBody>) -> Answered {
    cx.at_least(Role::Member)?;
    let wanted = body.0.read("")?;
    let (row, release) = find(&cx).await?;
    let id = SlotId::from_uuid(cx.fresh().await?);
    let added = Slot {
        id,
        at: wanted.at,
        builds: wanted.builds,
        automation: wanted.automation,
        missed: wanted.missed,
    };
    let place = cx.place(&format!("/releases/{}/slots/{id}", release.draft.id));
    let command = Command::Release(ReleaseCommand::AddSlot { slot: added.clone() });
    act_on(&cx, row.id, &command, Success::Created(place), &|_state| {
        slot(&added)
    })
    .await
}

/// What of a slot is changed; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SlotEditBody {
    at: Option<DateTime<Utc>>,
    builds: Option<String>,
    automation: Option<String>,
    missed: Option<String>,
}

/// Changes a slot that was not used yet.
#[utoipa::path(tag = "Regression", request_body = SlotEditBody, responses((status = 200, description = "The slot", body = SlotView)))]
#[patch("/releases/{releaseId}/slots/{slotId}")]
pub(crate) async fn change_slot(cx: Context, body: Body<SlotEditBody>) -> Answered {
    cx.at_least(Role::Member)?;
    let Body(body) = body;
    let id: SlotId = cx.id("slotId", "slot")?;
    let (row, release) = find(&cx).await?;
    let mut changed = release
        .slots
        .get(&id)
        .cloned()
        .ok_or_else(|| Problem::missing("slot"))?;
    if let Some(at) = body.at {
        changed.at = micros(at);
    }
    if let Some(text) = &body.builds {
        changed.builds = syntax("/builds", text)?;
    }
    if let Some(text) = &body.automation {
        changed.automation = syntax("/automation", text)?;
    }
    if let Some(text) = &body.missed {
        changed.missed = syntax("/missed", text)?;
    }
    // The fields that stay were read at this version.
    let seen = cx.looked_at(row.version);
    let command = Command::Release(ReleaseCommand::ChangeSlot { slot: changed });
    act_on(&seen, row.id, &command, Success::Ok, &|state| slot_of(state, id)).await
}

/// Drops a slot.
#[utoipa::path(tag = "Regression", responses((status = 204, description = "It is gone")))]
#[delete("/releases/{releaseId}/slots/{slotId}")]
pub(crate) async fn remove_slot(cx: Context) -> Answered {
    cx.at_least(Role::Member)?;
    let slot: SlotId = cx.id("slotId", "slot")?;
    let (row, _release) = find(&cx).await?;
    let command = Command::Release(ReleaseCommand::RemoveSlot { slot });
    act_on(&cx, row.id, &command, Success::Nothing, &|_state| ()).await
}

/// Cycles.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CycleList {
    items: Vec<CycleView>,
    next_cursor: Option<String>,
}

/// Cycles, the oldest first.
#[utoipa::path(tag = "Regression",
    params(("limit" = Option<u16>, Query, description = "1 to 200; 50 if left out"), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "Cycles", body = CycleList)))]
#[get("/releases/{releaseId}/cycles")]
pub(crate) async fn list_cycles(cx: Context, paging: Query<Paging>) -> Answered {
    let (row, release) = find(&cx).await?;
    let (items, next_cursor) = paging.0.page(cycles(&release), |it| it.id.clone())?;
    Ok(Answer::ok(&CycleList { items, next_cursor }).version(row.version))
}

fn number(cx: &Context, release: &Release) -> Result<u16, Problem> {
    let text = cx.segment("cycleId");
    let id = text.parse::<CycleId>().ok();
    let number = text.parse::<u16>().ok();
    release
        .cycles
        .iter()
        .find(|it| Some(it.id) == id || Some(it.number) == number)
        .map(|it| it.number)
        .ok_or_else(|| Problem::missing("cycle"))
}

fn cycle_of(state: &Aggregate, number: u16) -> Option<CycleView> {
    let release = as_release(state)?;
    release
        .cycles
        .iter()
        .find(|it| it.number == number)
        .map(|it| cycle(release, it))
}

/// Runs a regression cycle now.
#[utoipa::path(tag = "Regression", request_body = inline(Option<NothingBody>), responses((status = 201, description = "The cycle", body = CycleView)))]
#[post("/releases/{releaseId}/cycles")]
pub(crate) async fn start_cycle(cx: Context, _body: Maybe<NothingBody>) -> Answered {
    cx.at_least(Role::Member)?;
    let (row, release) = find(&cx).await?;
    let place = cx.place(&format!("/releases/{}/cycles", release.draft.id));
    let newest = |state: &Aggregate| {
        as_release(state).and_then(|release| release.cycles.last().map(|it| cycle(release, it)))
    };
    let command = Command::Release(ReleaseCommand::StartCycle);
    act_on(&cx, row.id, &command, Success::Created(place), &newest).await
}

/// One cycle, by its id or number.
#[utoipa::path(tag = "Regression", responses((status = 200, description = "The cycle", body = CycleView)))]
#[get("/releases/{releaseId}/cycles/{cycleId}")]
pub(crate) async fn read_cycle(cx: Context) -> Answered {
    let (row, release) = find(&cx).await?;
    let number = number(&cx, &release)?;
    let found = release.cycles.iter().find(|it| it.number == number);
    found
        .map(|it| Answer::ok(&cycle(&release, it)).version(row.version))
        .ok_or_else(|| Problem::missing("cycle"))
}

/// Gives up the running cycle; its runs are cancelled.
#[utoipa::path(tag = "Regression", request_body = ReasonBody, responses((status = 200, description = "The cycle", body = CycleView)))]
#[post("/releases/{releaseId}/cycles/{cycleId}/abandon")]
pub(crate) async fn abandon_cycle(cx: Context, body: Body<ReasonBody>) -> Answered {
    cx.at_least(Role::Member)?;
    let reason = body.0.read()?;
    let (row, release) = find(&cx).await?;
    let cycle = number(&cx, &release)?;
    let command = Command::Release(ReleaseCommand::AbandonCycle { cycle, reason });
    act_on(&cx, row.id, &command, Success::Ok, &|state| {
        cycle_of(state, cycle)
    })
    .await
}

/// How a cycle went.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ResultBody {
    /// PASSED, FAILED or UNKNOWN.
    verdict: String,
    /// What to say about it.
    note: String,
    /// Counts, if there are any.
    totals: Option<TotalsBody>,
    /// Where the results are.
    link: Option<String>,
}

/// Counts of test cases.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TotalsBody {
    total: u32,
    passed: u32,
    failed: u32,
    #[serde(default)]
    untested: u32,
}

fn note(body: &ResultBody) -> Result<String, Problem> {
    let mut checks = Checks::new();
    checks
        .text("/note", &body.note, 1, 2_000)
        .text_if("/link", body.link.as_deref(), 1, 2_000);
    if let Some(link) = &body.link {
        let web = url::Url::parse(link).is_ok_and(|it| matches!(it.scheme(), "http" | "https"));
        checks.holds("/link", web, "must be an http or https address");
    }
    if let Some(it) = &body.totals {
        let sum = u64::from(it.passed) + u64::from(it.failed) + u64::from(it.untested);
        checks.holds(
            "/totals",
            sum <= u64::from(it.total),
            "passed, failed and untested together must not exceed total",
        );
    }
    checks.done()?;
    let mut note = body.note.clone();
    if let Some(it) = &body.totals {
        note.push_str(&format!(
            " ({} of {} passed, {} failed)",
            it.passed, it.total, it.failed
        ));
    }
    if let Some(link) = &body.link {
        note.push_str(&format!(" {link}"));
    }
    Ok(note)
}

/// Records how a cycle went; the gate into PRE_RELEASE reads the newest cycle's verdict.
#[utoipa::path(tag = "Regression", request_body = ResultBody, responses((status = 200, description = "The cycle", body = CycleView)))]
#[post("/releases/{releaseId}/cycles/{cycleId}/result")]
pub(crate) async fn record_result(cx: Context, body: Body<ResultBody>) -> Answered {
    cx.at_least(Role::Member)?;
    let Body(body) = body;
    let verdict: Verdict = syntax("/verdict", &body.verdict)?;
    let note = format!("{} by {}", note(&body)?, cx.who.actor());
    let (row, release) = find(&cx).await?;
    let cycle = number(&cx, &release)?;
    let command = Command::Release(ReleaseCommand::RecordVerdict { cycle, verdict, note });
    act_on(&cx, row.id, &command, Success::Ok, &|state| {
        cycle_of(state, cycle)
    })
    .await
}
