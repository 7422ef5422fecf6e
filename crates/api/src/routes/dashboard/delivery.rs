//! What was shipped, how long releases took, and whether they were out when they should be: counted from what happened, so
//! that a release which is archived or rolled back later stays one that was shipped.

use super::{CountView, MOST, capped};
use crate::answer::{Answer, Answered};
use crate::context::Context;
use actix_web::get;
use chrono::{DateTime, Datelike as _, Days, Months, NaiveDate, NaiveTime, TimeDelta, Utc};
use delivr_domain::ports::store::{Due, ON_THE_WAY, ReleaseFilter, Shipped};
use delivr_domain::release::Stage;
use delivr_domain::spread::Spread;
use futures_util::future;
use serde::Serialize;
use utoipa::ToSchema;

/// Figures of how long things take are of what was shipped in so many days.
const DAYS: i64 = 90;
/// And of the newest so many.
const NEWEST: u16 = 100;
/// Weeks that are counted.
const WEEKS: u64 = 12;

/// How many were shipped in a span.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShippedInView {
    /// Its first instant.
    from: DateTime<Utc>,
    /// The first instant after it.
    to: DateTime<Utc>,
    #[serde(flatten)]
    count: CountView,
}

/// What is usual. With fewer than three releases to tell it from, nothing is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UsualView {
    /// It is told from so many releases.
    releases: usize,
    /// Half of them took no longer, in seconds.
    median_seconds: Option<i64>,
    /// Nine of ten took no longer, in seconds.
    ninetieth_seconds: Option<i64>,
}

/// What is usual in a stage.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StageUsualView {
    /// KICKOFF, REGRESSION, PRE_RELEASE or DISTRIBUTION; waiting for a stage counts as being in it, and a release that was
    /// sent back was there as long as all its visits took together. Distribution ends with being shipped.
    stage: &'static str,
    #[serde(flatten)]
    usual: UsualView,
}

/// What is usual in a phase.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PhaseUsualView {
    /// A phase on the way to users. REGRESSION and REGRESSION_AWAITING_NEXT_CYCLE are one stage, and have the same figures.
    phase: &'static str,
    #[serde(flatten)]
    usual: UsualView,
}

/// How many were out when they should be.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PunctualView {
    /// Of those shipped, so many had a target date.
    releases: usize,
    /// Those of them that were shipped at it or before.
    met: usize,
}

/// What was shipped. A release is shipped when every one of its targets is live: when its status comes to DEPLOYED.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeliveryView {
    /// The time zone that months and weeks are of.
    zone: &'static str,
    /// Shipped since this month began.
    this_month: ShippedInView,
    /// Shipped in the month before.
    last_month: ShippedInView,
    /// Shipped in each of the last twelve weeks, the oldest first; weeks begin on Monday, and the last one is under way.
    weeks: Vec<ShippedInView>,
    /// Shipped in the last 90 days. The figures below are of the newest 100 of those, each of which counts when it was
    /// shipped for the first time.
    shipped: ShippedInView,
    /// From kickoff to shipped.
    lead_time: UsualView,
    /// In each stage.
    stages: Vec<StageUsualView>,
    /// In each phase.
    phases: Vec<PhaseUsualView>,
    /// By the target date, as it stands now.
    on_time: PunctualView,
    /// Not shipped, not given up, and the target date has passed: `GET /releases?due=LATE`.
    late: CountView,
    /// What a version of the program that knows nothing of this has written is being taken up, and may be missing until
    /// then.
    settling: bool,
}

/// The stages as people count them, with what belongs to each.
const STAGES: [(&str, &[Stage]); 4] = [
    ("KICKOFF", &[Stage::Kickoff]),
    ("REGRESSION", &[Stage::AwaitingRegression, Stage::Regression]),
    ("PRE_RELEASE", &[Stage::AwaitingPreRelease, Stage::PreRelease]),
    (
        "DISTRIBUTION",
        &[Stage::AwaitingDistribution, Stage::Distribution],
    ),
];

type Span = (DateTime<Utc>, DateTime<Utc>);

fn midnight(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc()
}

/// This month and the one before.
fn months(now: DateTime<Utc>) -> [Span; 2] {
    let today = now.date_naive();
    let first = today.with_day(1).unwrap_or(today);
    let next = first + Months::new(1);
    let before = first - Months::new(1);
    [
        (midnight(first), midnight(next)),
        (midnight(before), midnight(first)),
    ]
}

/// The last weeks, the oldest first.
fn weeks(now: DateTime<Utc>) -> Vec<Span> {
    let today = now.date_naive();
    let monday = today - Days::new(u64::from(today.weekday().num_days_from_monday()));
    (0..WEEKS)
        .rev()
        .map(|back| {
            let from = monday - Days::new(7 * back);
            (midnight(from), midnight(from + Days::new(7)))
        })
        .collect()
}

fn usual(spans: Vec<TimeDelta>) -> UsualView {
    let releases = spans.len();
    let found = Spread::of(spans);
    UsualView {
        releases,
        median_seconds: found.map(|it| it.median.num_seconds()),
        ninetieth_seconds: found.map(|it| it.ninetieth.num_seconds()),
    }
}

/// How long releases were in some stages together, of those that were there at all.
fn stayed(shipped: &[Shipped], stages: &[Stage]) -> Vec<TimeDelta> {
    let of = |it: &Shipped| -> TimeDelta { stages.iter().filter_map(|stage| it.stayed.get(stage)).sum() };
    let spans = shipped.iter().map(of);
    spans.filter(|span| *span > TimeDelta::zero()).collect()
}

fn stage_figures(shipped: &[Shipped]) -> Vec<StageUsualView> {
    let of = |(stage, parts): &(&'static str, &[Stage])| StageUsualView {
        stage,
        usual: usual(stayed(shipped, parts)),
    };
    STAGES.iter().map(of).collect()
}

fn phase_figures(shipped: &[Shipped]) -> Vec<PhaseUsualView> {
    let of = |(stage, phases): &(Stage, &'static [delivr_domain::release::Phase])| {
        let spans = stayed(shipped, std::slice::from_ref(stage));
        let view = move |phase: &delivr_domain::release::Phase| PhaseUsualView {
            phase: phase.word(),
            usual: usual(spans.clone()),
        };
        phases.iter().map(view).collect::<Vec<_>>()
    };
    ON_THE_WAY.iter().flat_map(of).collect()
}

fn punctual(shipped: &[Shipped]) -> PunctualView {
    let dated: Vec<bool> = shipped.iter().filter_map(Shipped::on_time).collect();
    PunctualView {
        releases: dated.len(),
        met: dated.iter().filter(|met| **met).count(),
    }
}

/// What was shipped, how long it took, and whether it was in time.
///
/// Counted from what happened: what becomes of a release afterwards changes nothing here.
#[utoipa::path(tag = "Releases", responses((status = 200, description = "The figures", body = DeliveryView)))]
#[get("/dashboard/delivery")]
pub(crate) async fn delivery(cx: Context) -> Answered {
    let now = cx.app.clock.now();
    let since = now - TimeDelta::days(DAYS);
    let mut spans: Vec<Span> = months(now).into();
    spans.push((since, now + TimeDelta::seconds(1)));
    spans.extend(weeks(now));
    let late = ReleaseFilter {
        due: Some((Due::Late, now)),
        ..ReleaseFilter::default()
    };
    let store = &cx.app.store;
    let most = MOST.saturating_add(1);
    let (counts, shipped, late, settling) = future::try_join4(
        store.count_shipped(cx.tenant(), &spans, most),
        store.shipped(cx.tenant(), since, NEWEST),
        store.count_releases(cx.tenant(), std::slice::from_ref(&late), most),
        store.undated(cx.tenant()),
    )
    .await?;
    // As many as were asked for, in their order.
    let mut counted = spans
        .into_iter()
        .zip(counts)
        .map(|((from, to), count)| ShippedInView {
            from,
            to,
            count: capped(count),
        });
    let mut next = || {
        counted.next().unwrap_or(ShippedInView {
            from: now,
            to: now,
            count: capped(0),
        })
    };
    let (this_month, last_month, of_days) = (next(), next(), next());
    Ok(Answer::ok(&DeliveryView {
        zone: "UTC",
        this_month,
        last_month,
        weeks: counted.collect(),
        shipped: of_days,
        lead_time: usual(shipped.iter().filter_map(Shipped::lead).collect()),
        stages: stage_figures(&shipped),
        phases: phase_figures(&shipped),
        on_time: punctual(&shipped),
        late: capped(late.first().copied().unwrap_or_default()),
        settling,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(of: &[Span]) -> Vec<(String, String)> {
        let day = |at: &DateTime<Utc>| at.format("%F %R").to_string();
        of.iter().map(|(from, to)| (day(from), day(to))).collect()
    }

    fn pair(from: &str, to: &str) -> (String, String) {
        (format!("{from} 00:00"), format!("{to} 00:00"))
    }

    #[test]
    fn months_begin_with_their_first_day() {
        for (now, this, before) in [
            (
                "2026-03-31T23:59:59Z",
                ("2026-03-01", "2026-04-01"),
                ("2026-02-01", "2026-03-01"),
            ),
            (
                "2026-01-01T00:00:00Z",
                ("2026-01-01", "2026-02-01"),
                ("2025-12-01", "2026-01-01"),
            ),
        ] {
            let found = months(now.parse().unwrap());
            assert_eq!(
                spans(&found),
                [pair(this.0, this.1), pair(before.0, before.1)],
                "{now}"
            );
        }
    }

    #[test]
    fn weeks_begin_on_monday_and_the_last_one_is_under_way() {
        for now in ["2026-11-16T00:00:00Z", "2026-11-22T23:59:59Z"] {
            let found = weeks(now.parse().unwrap());
            assert_eq!(found.len(), 12);
            let shown = spans(&found);
            assert_eq!(shown[11], pair("2026-11-16", "2026-11-23"), "{now}");
            assert_eq!(shown[0], pair("2026-08-31", "2026-09-07"));
            assert!(found.windows(2).all(|two| two[0].1 == two[1].0));
        }
    }
}
