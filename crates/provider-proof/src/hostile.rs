//! Answers that no vendor documents: pages for people, floods, trickles, and redirects to somebody else. Whatever comes
//! instead of an answer, the write is done once or a person is asked, and no credential leaves for another host.

use crate::cases::{Stage, stage_with};
use crate::engine::Ended;
use crate::enrol::{Enrolment, Write};
use crate::side::{Side, Trouble};
use delivr_domain::ports::store::RowState;
use delivr_domain::report::Class;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Patience with a vendor where one is slow on purpose.
const HASTE: Duration = Duration::from_millis(700);

/// Each call of the write that changes something, and whichever call comes first (the look-up).
fn calls(write: &Write) -> impl Iterator<Item = Option<&'static str>> {
    std::iter::once(None).chain(write.sends.iter().map(|(send, _)| Some(*send)))
}

/// Done once after all; or, where a lost answer cannot be looked up, at most once and said to be unknown; or a person is
/// asked, where that is declared.
fn settled<S: Side>(stage: &Stage<S>, write: &Write, ended: &Ended, performed: bool) -> Result<(), String> {
    if stage.nameless() && ended.row.state == RowState::Dead {
        return stage.unknown(write, ended, usize::from(performed));
    }
    if stage.asks() && ended.row.state == RowState::Dead {
        return stage.asked(write, ended, usize::from(performed));
    }
    stage.done(write, ended)
}

/// A page and a flood in place of each answer.
pub async fn odd_answers<E: Enrolment>(enrolled: &E) {
    for write in enrolled.writes() {
        for call in calls(&write) {
            for trouble in [Trouble::Page, Trouble::Flood] {
                let stage = stage_with(enrolled, &write, &Arc::default(), Duration::from_secs(20)).await;
                if stage.side().trouble(call, trouble).is_err() {
                    return;
                }
                let ended = stage.drive(&stage.engine.worker("one")).await.unwrap();
                assert!(
                    !ended.details.is_empty(),
                    "{}: {call:?} did not fail: {ended:?}",
                    write.name
                );
                if let Err(why) = settled(&stage, &write, &ended, false) {
                    panic!("{} / {} / {call:?} / {trouble:?}: {why}", E::NAME, write.name);
                }
            }
        }
    }
}

/// Half an answer, and the rest much later.
pub async fn trickles<E: Enrolment>(enrolled: &E) {
    for write in enrolled.writes() {
        for call in calls(&write) {
            let stage = stage_with(enrolled, &write, &Arc::default(), HASTE).await;
            if stage.side().trouble(call, Trouble::Trickle).is_err() {
                return;
            }
            let one = stage.engine.worker("one");
            let claimed = one.claim().await.unwrap();
            let began = Instant::now();
            one.run(claimed).await;
            assert!(
                began.elapsed() < Duration::from_secs(15),
                "{}: {call:?} was waited for",
                write.name
            );
            let ended = stage.drive(&one).await.unwrap();
            if let Err(why) = settled(&stage, &write, &ended, true) {
                panic!("{} / {} / {call:?}: {why}", E::NAME, write.name);
            }
        }
    }
}

/// A redirect to a host of which the integration says nothing.
pub async fn redirects<E: Enrolment>(enrolled: &E) {
    let trap = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = trap.local_addr().unwrap();
    for write in enrolled.writes() {
        for call in calls(&write) {
            let stage = stage_with(enrolled, &write, &Arc::default(), Duration::from_secs(20)).await;
            if stage.side().trouble(call, Trouble::Elsewhere(host)).is_err() {
                return;
            }
            let driven = stage.engine.worker("one");
            let ended = tokio::select! {
                ended = stage.drive(&driven) => ended.unwrap(),
                _ = trap.accept() => panic!("{} / {} / {call:?}: the other host was called", E::NAME, write.name),
            };
            match (&ended.row.state, &ended.cause) {
                // Where a person is asked in doubt, that comes first.
                (RowState::Dead, Some(cause)) if !(stage.asks() && cause.code == "unsure") => {
                    assert_eq!(cause.class, Class::NeedsHuman, "{cause:?}");
                    assert_eq!(cause.code, "address_refused", "{cause:?}");
                }
                // A message fails nobody's task.
                (RowState::Dead, None) => assert!(!ended.details.is_empty(), "{ended:?}"),
                _ => settled(&stage, &write, &ended, false)
                    .unwrap_or_else(|why| panic!("{} / {} / {call:?}: {why}", E::NAME, write.name)),
            }
        }
    }
}
