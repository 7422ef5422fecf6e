//! How a regression cycle went, said by a person.

use super::{Page, subject};
use crate::api::Call;
use crate::fields::{Choice, Field, Kind, Section, Sheet};
use crate::model::{Cycle, Release};
use crate::visit::{Paged, Stop, Visit, no};
use actix_web::http::StatusCode;
use actix_web::web;

fn sheet() -> Sheet {
    let verdicts = [
        ("", "Choose"),
        ("PASSED", "It passed"),
        ("FAILED", "It failed"),
        ("UNKNOWN", "Nobody can say: takes back what was said"),
    ];
    let verdicts = verdicts.map(|(word, label)| Choice::new(word, label));
    let count = |pointer: &str, label: &str| {
        let kind = Kind::Number {
            least: Some(0),
            most: Some(i64::from(u32::MAX)),
        };
        Field::new(pointer, label, kind)
    };
    Sheet::new(vec![
        Section::new(
            "Verdict",
            vec![
                Field::choice("/verdict", "How the cycle went", verdicts.to_vec()).must(),
                Field::new("/note", "What is to be said about it", Kind::Long)
                    .must()
                    .about("It stays in the history, with your name."),
                Field::new("/link", "Where the results are", Kind::Address),
            ],
        ),
        Section::new(
            "Test cases",
            vec![
                count("/totals/total", "All of them"),
                count("/totals/passed", "Passed"),
                count("/totals/failed", "Failed"),
                count("/totals/untested", "Without a result"),
            ],
        )
        .about("If they were counted."),
    ])
}

/// The cycle of the address.
async fn found(visit: &Visit) -> Result<(Release, Cycle), Stop> {
    let wanted = visit.segment("cycle")?;
    let release = subject(visit, "cycles").await?;
    let cycle = release.cycles.iter().find(|it| it.number.to_string() == wanted);
    let cycle = cycle.cloned();
    match cycle {
        Some(cycle) => Ok((release, cycle)),
        None => Err(visit.refuse(no(StatusCode::NOT_FOUND, "there is no such cycle"))),
    }
}

fn asking(visit: &Visit, release: &Release, cycle: &Cycle, sheet: Sheet) -> Page {
    let part = format!("cycles/{}/verdict", cycle.number);
    let title = format!("How regression cycle {} went", cycle.number);
    let mut page = Page::of(visit, release, title, &part, sheet);
    page.lead = "The gate into pre-release reads the newest cycle's verdict. Where that stage starts by itself, a cycle \
                 that passed lets it start."
        .to_owned();
    page.button = "Record the verdict";
    if cycle.status == "ABANDONED" {
        page.blocked = Some("This cycle was abandoned; it has no verdict.".to_owned());
    }
    page
}

pub(super) async fn ask(visit: Visit) -> Paged {
    let (release, cycle) = found(&visit).await?;
    asking(&visit, &release, &cycle, sheet()).show(StatusCode::OK)
}

pub(super) async fn record(visit: Visit, body: web::Bytes) -> Paged {
    let form = visit.form(&body)?;
    let (release, cycle) = found(&visit).await?;
    let mut sheet = sheet();
    let wanted = sheet.take(&form);
    if let Some(counts) = wanted.as_ref().and_then(|it| it.get("totals")) {
        for (name, pointer) in [
            ("total", "/totals/total"),
            ("passed", "/totals/passed"),
            ("failed", "/totals/failed"),
        ] {
            if counts.get(name).is_none() {
                sheet.blame(pointer, "must be filled in where others of the counts are");
            }
        }
    }
    let good = sheet.mistakes.is_empty();
    let page = asking(&visit, &release, &cycle, sheet);
    let Some(wanted) = wanted.filter(|_| good) else {
        return page.show(StatusCode::BAD_REQUEST);
    };
    let key = &release.key;
    let call = Call::post(format!("/releases/{key}/cycles/{}/result", cycle.number), wanted);
    let led = format!("/releases/{key}?done=verdict#regression");
    page.send(&visit, &form, call, &led).await
}
