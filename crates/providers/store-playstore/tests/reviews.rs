//! What Google's review says, and what may be done after it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod common;

use common::{Play, perform, submit, version};
use delivr_domain::effect::StoreWrite;
use delivr_domain::ports::error::{Certainty, ProviderErrorKind};
use delivr_domain::ports::vendor::Lookup;
use delivr_domain::report::ReviewWord;
use delivr_provider_proof::key;
use serde_json::json;

/// With version code 101 handed in for five per cent, and refused.
async fn refused() -> Play {
    let play = Play::start().await;
    perform(&play.process(), &submit(101, 500)).await.unwrap();
    play.advance(json!({"action": "reject"}));
    play
}

fn mended() -> StoreWrite {
    let StoreWrite::Submit {
        mut version,
        exposure,
        timing,
    } = submit(101, 500)
    else {
        panic!("it is a hand-in");
    };
    version.notes.insert("en-US".into(), "Mended.".into());
    StoreWrite::Submit {
        version,
        exposure,
        timing,
    }
}

#[tokio::test]
async fn the_same_build_is_handed_in_anew_after_a_rejection() {
    let play = refused().await;
    let store = play.process();
    let before = play.bench.effects("commit");
    let looked = store.find(&key(8), &mended()).await.unwrap();
    assert!(
        matches!(looked, Lookup::Over(_)),
        "of before or of an earlier send of this one, which Google does not tell: {looked:?}"
    );
    perform(&store, &mended()).await.unwrap();
    assert_eq!(play.bench.effects("commit") - before, 1);
    assert_eq!(play.track("production")[0]["releaseNotes"][0]["text"], "Mended.");
    let state = store.review_state(&version(101)).await.unwrap();
    assert_eq!(
        state.word,
        ReviewWord::ActionRequired,
        "after a rejection a person sends it"
    );
    // Handed in it is, so that nothing is sent a second time.
    let looked = store.find(&key(8), &mended()).await.unwrap();
    assert!(
        matches!(&looked, Lookup::Found(found) if found.len() == 1),
        "{looked:?}"
    );
    store.create(&key(8), &mended()).await.unwrap();
    assert_eq!(play.bench.effects("commit") - before, 1);
    play.advance(json!({"action": "send_for_review"}));
    play.advance(json!({"action": "approve"}));
    let state = store.review_state(&version(101)).await.unwrap();
    assert_eq!(state.word, ReviewWord::Live);
    play.bench.assert_no_duplicates();
}

#[tokio::test]
async fn a_lost_answer_of_handing_in_anew_is_adopted() {
    let play = refused().await;
    let store = play.process();
    let before = play.bench.effects("commit");
    play.bench
        .fault(json!({"operation": "commit", "fault": "response_lost"}));
    let lost = store.create(&key(8), &mended()).await.unwrap_err();
    assert_eq!(
        (lost.kind, lost.certainty),
        (ProviderErrorKind::Unavailable, Certainty::Unknown)
    );
    perform(&store, &mended()).await.unwrap();
    assert_eq!(play.bench.effects("commit") - before, 1);
    play.bench.assert_no_duplicates();
}

#[tokio::test]
async fn a_new_build_supersedes_one_that_was_refused() {
    for exposure in [500, 10_000] {
        let play = refused().await;
        play.upload(102, "1.1.1");
        let store = play.process();
        let before = play.bench.effects("commit");
        perform(&store, &submit(102, exposure)).await.unwrap();
        assert_eq!(play.bench.effects("commit") - before, 1);
        let track = play.track("production");
        let codes: Vec<&str> = track
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["versionCodes"][0].as_str().unwrap())
            .collect();
        let expected: &[&str] = if exposure == 500 {
            &["102", "100"]
        } else {
            &["102"]
        };
        assert_eq!(codes, expected);
        play.assert_no_open_edit();
        play.bench.assert_no_duplicates();
    }
}

#[tokio::test]
async fn one_that_is_in_review_or_out_is_not_superseded() {
    let play = Play::start().await;
    let store = play.process();
    perform(&store, &submit(101, 500)).await.unwrap();
    play.upload(102, "1.1.1");
    for step in ["in review", "out"] {
        let looked = store.find(&key(8), &submit(102, 500)).await.unwrap();
        assert!(
            matches!(&looked, Lookup::Foreign(why) if why.contains("complete or halt it first")),
            "{step}: {looked:?}"
        );
        play.advance(json!({"action": "approve"}));
    }
}

#[tokio::test]
async fn one_that_the_list_does_not_hold_yet_is_not_taken_for_published() {
    let play = Play::start().await;
    let store = play.process();
    perform(&store, &submit(101, 500)).await.unwrap();
    play.advance(json!({"action": "without_newest", "on": true}));
    let state = store.review_state(&version(101)).await.unwrap();
    assert_eq!(
        (state.word, state.store_word.as_str()),
        (ReviewWord::Unknown, "NOT_LISTED")
    );
    let released = StoreWrite::ReleaseToUsers {
        version: version(101),
    };
    let looked = store.find(&key(8), &released).await.unwrap();
    assert_eq!(looked, Lookup::Found(Vec::new()), "it is not out for all we know");
    play.advance(json!({"action": "without_newest", "on": false}));
    let state = store.review_state(&version(101)).await.unwrap();
    assert_eq!(state.word, ReviewWord::InReview);
    play.assert_no_open_edit();
}

#[tokio::test]
async fn only_what_is_surely_not_in_review_counts_as_withdrawn() {
    let play = Play::start().await;
    let store = play.process();
    let withdraw = StoreWrite::Withdraw {
        version: version(101),
    };
    // Never handed in: it is not on the track.
    let looked = store.find(&key(8), &withdraw).await.unwrap();
    assert!(
        matches!(&looked, Lookup::Found(found) if found.len() == 1),
        "{looked:?}"
    );
    perform(&store, &submit(101, 500)).await.unwrap();
    for lag in [
        json!({"action": "lifecycle_word", "word": "WITH_THE_REVIEWERS"}),
        json!({"action": "lifecycle_word", "word": ""}),
        json!({"action": "without_newest", "on": true}),
    ] {
        play.advance(lag.clone());
        let refused = store.find(&key(8), &withdraw).await.unwrap_err();
        assert_eq!(refused.kind, ProviderErrorKind::Unsupported, "{lag}");
        assert!(refused.sentence.contains("Publishing overview"), "{refused}");
    }
}
