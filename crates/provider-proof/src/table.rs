//! What is proved, as a table in `docs/testing.md`: one row per write, one column per case.
//!
//! Each provider's suite owns its rows. A cell is what [`expected`] says of the case, and each case's test holds its
//! outcome against that, so that a row cannot claim what no test shows.

use crate::cases::{Case, Verdict, declaration, expected, prove};
use crate::enrol::Enrolment;
use crate::spy::{Broken, Spy};
use delivr_domain::ports::vendor::{InDoubt, Recognition};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Proves a case of every write.
pub async fn prove_all<E: Enrolment>(enrolled: &E, case: Case) {
    let mut wrong = Vec::new();
    for write in enrolled.writes() {
        let expected = expected(enrolled, &write, case).await;
        match prove(enrolled, &write, case, &Arc::default()).await {
            Err(why) => wrong.push(why),
            Ok(verdict) => assert_eq!(verdict, expected, "{}: the table says otherwise", write.name),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The proof is sharp: an adapter whose look-up finds nothing is caught at every write that is looked up.
pub async fn catches_the_blind<E: Enrolment>(enrolled: &E) {
    for write in enrolled.writes() {
        let recognition = declaration(enrolled, &write).await.recognition;
        if recognition == Recognition::None {
            continue;
        }
        let mut caught = Vec::new();
        for case in [Case::AnswerLost, Case::Ours] {
            let spy = Arc::new(Spy::broken(Broken::Blind));
            if let Err(why) = prove(enrolled, &write, case, &spy).await {
                caught.push(why);
            }
        }
        assert!(
            !caught.is_empty(),
            "{}: nobody noticed that nothing is found",
            write.name
        );
        if matches!(recognition, Recognition::ByMarker { .. }) {
            let twice = caught
                .iter()
                .any(|why| why.contains("twice") || why.contains("performed 2 times"));
            assert!(twice, "{}: the duplicate was not counted: {caught:?}", write.name);
        }
    }
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/testing.md")
}

fn word(recognition: Recognition) -> String {
    match recognition {
        Recognition::ByName => "name".to_owned(),
        Recognition::ByMarker { visible_after } => format!("mark, seen within {} s", visible_after.as_secs()),
        Recognition::ByState => "state".to_owned(),
        Recognition::Window => "window".to_owned(),
        Recognition::None => "none".to_owned(),
    }
}

/// The provider's rows in `docs/testing.md` are what its proof says; with `DELIVR_WRITE_DOCS=1` they are written.
pub async fn check<E: Enrolment>(enrolled: &E) {
    let mut rows = String::new();
    for write in enrolled.writes() {
        let declared = declaration(enrolled, &write).await;
        let recognition = declared.recognition;
        // Only an attempt that was lost without a trace leaves a doubt that no state resolves.
        let asks = |case: Case| {
            declared.in_doubt == InDoubt::AskAPerson && matches!(case, Case::ProcessDies | Case::WorkersRace)
        };
        rows.push_str(&format!(
            "| {} | {} | {} |",
            E::NAME,
            write.name,
            word(recognition)
        ));
        for case in Case::ALL {
            let cell = match expected(enrolled, &write, case).await {
                Verdict::Holds if recognition == Recognition::None && case != Case::Throttled => {
                    "at most once"
                }
                Verdict::Holds if asks(case) => "once, or a person is asked",
                Verdict::Holds => "once",
                Verdict::CannotBe(why) => why,
            };
            rows.push_str(&format!(" {cell} |"));
        }
        rows.push('\n');
    }
    let write = std::env::var_os("DELIVR_WRITE_DOCS").is_some();
    let lock = File::open(path()).unwrap();
    if write {
        // Several suites write their rows, each in a process of its own.
        lock.lock().unwrap();
    }
    let text = std::fs::read_to_string(path()).unwrap();
    let new = replaced(&text, E::NAME, &rows);
    if write {
        std::fs::write(path(), new).unwrap();
    } else {
        assert!(
            new == text,
            "docs/testing.md does not say what {} proves; run `cargo xtask docs generate`",
            E::NAME
        );
    }
}

/// The text with these rows in place of the provider's old ones, which stand together.
fn replaced(text: &str, name: &str, rows: &str) -> String {
    let start = format!("| {name} | ");
    let title = "| Provider | Write |";
    let mut lines: Vec<&str> = text.lines().filter(|line| !line.starts_with(&start)).collect();
    let table = lines
        .iter()
        .position(|line| line.starts_with(title))
        .unwrap_or_else(|| {
            panic!("docs/testing.md has no table that starts with `{title}`");
        });
    let place = lines
        .iter()
        .enumerate()
        .skip(table + 2)
        .find(|(_, line)| !line.starts_with("| ") || **line > start.as_str())
        .map_or(lines.len(), |(place, _)| place);
    for row in rows.lines().rev() {
        lines.insert(place, row);
    }
    lines.join("\n") + "\n"
}

/// Enrols a provider: one test per case, one that the proof is sharp, one that the table in `docs/testing.md` is right.
#[macro_export]
macro_rules! prove {
    ($enrolled:expr) => {
        #[tokio::test]
        async fn done_once_when_the_answer_is_lost() {
            $crate::table::prove_all(&$enrolled, $crate::cases::Case::AnswerLost).await;
        }
        #[tokio::test]
        async fn done_once_when_the_process_dies() {
            $crate::table::prove_all(&$enrolled, $crate::cases::Case::ProcessDies).await;
        }
        #[tokio::test]
        async fn done_once_when_two_workers_race() {
            $crate::table::prove_all(&$enrolled, $crate::cases::Case::WorkersRace).await;
        }
        #[tokio::test]
        async fn done_once_when_the_vendor_answers_500_after_doing_it() {
            $crate::table::prove_all(&$enrolled, $crate::cases::Case::ErrorAfter).await;
        }
        #[tokio::test]
        async fn done_once_and_without_a_failure_when_the_vendor_throttles() {
            $crate::table::prove_all(&$enrolled, $crate::cases::Case::Throttled).await;
        }
        #[tokio::test]
        async fn what_is_ours_is_adopted() {
            $crate::table::prove_all(&$enrolled, $crate::cases::Case::Ours).await;
        }
        #[tokio::test]
        async fn what_is_not_ours_goes_to_a_person() {
            $crate::table::prove_all(&$enrolled, $crate::cases::Case::Foreign).await;
        }
        #[tokio::test]
        async fn no_page_and_no_flood_in_place_of_an_answer_harms() {
            $crate::hostile::odd_answers(&$enrolled).await;
        }
        #[tokio::test]
        async fn an_answer_that_trickles_ends_in_time() {
            $crate::hostile::trickles(&$enrolled).await;
        }
        #[tokio::test]
        async fn nothing_follows_a_redirect_to_another_host() {
            $crate::hostile::redirects(&$enrolled).await;
        }
        #[tokio::test]
        async fn a_look_up_that_finds_nothing_is_caught() {
            $crate::table::catches_the_blind(&$enrolled).await;
        }
        #[tokio::test]
        async fn docs_are_current() {
            $crate::table::check(&$enrolled).await;
        }
    };
}
