//! Reads: facts that a later write names, watches, probes of gates; and the best-effort cancelling of runs.

use super::call::guarded;
use super::{
    BUDGET, CallLimits, Ended, Next, Verdict, after_failure, connection, is_vendor_trouble, left_to_others,
    state_of, store_trouble,
};
use crate::App;
use crate::connections::ConnectError;
use crate::usecases::access::SYSTEM;
use delivr_domain::aggregate::Input;
use delivr_domain::board::Permit;
use delivr_domain::effect::{FactKind, Reading, RunRef, Watched};
use delivr_domain::ids::IntegrationId;
use delivr_domain::key::{AggregateId, EffectKey};
use delivr_domain::names::RefName;
use delivr_domain::ports::error::{Certainty, ProviderError, ProviderErrorKind};
use delivr_domain::ports::provider::Connection;
use delivr_domain::ports::store::{Claimed, Fact, PutBack, RowEnd};
use delivr_domain::release::gate::Context;
use delivr_domain::report::{Cause, Class, Finding, Report, Resolved, Sighting};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a read that is not answered yet (a store still processing) waits.
const NOT_YET: Duration = Duration::from_secs(5);

fn mismatch() -> ProviderError {
    ProviderError::new(
        "delivr",
        "read",
        ProviderErrorKind::Misconfigured,
        "the integration is of another category than this step needs",
    )
}

fn report(key: &EffectKey, resolved: Resolved, end: RowEnd, word: &'static str) -> Ended {
    Ended::new(
        Verdict::Report(
            key.owner,
            Box::new(Report::Resolved { key: *key, resolved }),
            end,
            None,
        ),
        word,
    )
}

fn failed(key: &EffectKey, cause: Cause) -> Ended {
    let detail = Some(cause.sentence.clone());
    Ended {
        detail,
        ..report(key, Resolved::Failed { cause }, RowEnd::Dead, "failed")
    }
}

pub(super) async fn resolve(
    app: &App,
    claimed: &Claimed,
    limits: CallLimits,
    key: &EffectKey,
    integration: IntegrationId,
    reading: &Reading,
) -> Ended {
    match state_of(app, key.owner).await {
        Ok(Some(state)) => match state.permit(key) {
            Permit::Write => {}
            Permit::LookUpOnly => return report(key, Resolved::Parked, RowEnd::Parked, "parked"),
            // Only a write is looked for once more.
            Permit::Stale | Permit::LookAgain => return Ended::new(Verdict::Stale(*key), "stale"),
        },
        Ok(None) => return Ended::new(Verdict::Stale(*key), "stale"),
        Err(error) => return store_trouble(&error),
    }
    if claimed.row.failures >= BUDGET {
        let sentence = format!("no attempt came back with an answer ({BUDGET} tries); try again");
        return failed(key, Cause::new("budget_exhausted", sentence, Class::NeedsHuman));
    }
    let connection = match connection(app, claimed, integration).await {
        Ok(connection) => connection,
        Err(ConnectError::Provider(error)) => return failed(key, super::cause_of(&error, integration)),
        Err(ConnectError::NotHere(error)) => return left_to_others(&error.to_string()),
        Err(ConnectError::Store(error)) => return store_trouble(&error),
    };
    match guarded(app, limits, read(&connection, reading)).await {
        Ok(Some(finding)) => report(key, Resolved::Found { finding }, RowEnd::Done, "read"),
        Ok(None) => not_there(claimed, key, reading),
        Err(error) => {
            let vendor_trouble = is_vendor_trouble(&error);
            // A read that failed on the way is repeated: it changes nothing.
            let retryable = error.certainty == Certainty::Unknown;
            let ended = match after_failure(app, claimed, &error, integration, false) {
                Next::Fail(cause, _) if !(retryable && claimed.row.failures + 1 < BUDGET) => {
                    failed(key, cause)
                }
                Next::Fail(_, _) => back(Duration::from_secs(1), 1, &error.to_string()),
                Next::Back(how) => Ended {
                    detail: Some(error.to_string()),
                    ..Ended::new(Verdict::Back(how), "not_done")
                },
            };
            Ended {
                vendor_trouble,
                ..ended
            }
        }
    }
}

fn back(after: Duration, failures: u16, trouble: &str) -> Ended {
    Ended::new(
        Verdict::Back(PutBack {
            after,
            failures,
            unknown: false,
            trouble: Some(trouble.to_owned()),
        }),
        "waiting",
    )
}

fn not_there(claimed: &Claimed, key: &EffectKey, reading: &Reading) -> Ended {
    match reading {
        Reading::RefHead { name } => {
            let sentence = format!(
                "`{name}` does not exist in the repository (or this credential may not see it); create it, then try again"
            );
            failed(key, Cause::new("ref_missing", sentence, Class::NeedsHuman))
        }
        Reading::StoreBuild { version, .. } if claimed.now >= claimed.row.give_up_at => {
            let sentence = format!(
                "the store has not shown a processed build of {version} within a day; look at its console"
            );
            failed(
                key,
                Cause::new("store_build_missing", sentence, Class::NeedsHuman),
            )
        }
        Reading::StoreBuild { .. } => back(NOT_YET, 0, "the store does not show the processed build yet"),
        Reading::Notes { .. } | Reading::TestTotals { .. } | Reading::Exposure { .. } => {
            back(NOT_YET, 1, "the vendor has no answer yet")
        }
    }
}

async fn read(connection: &Connection, reading: &Reading) -> Result<Option<Finding>, ProviderError> {
    match (connection, reading) {
        (Connection::Scm(it), Reading::RefHead { name }) => {
            Ok(it.resolve(name).await?.map(|sha| Finding::Head { sha }))
        }
        (Connection::Scm(it), Reading::Notes { previous, current }) => it
            .release_notes(previous.as_ref(), current)
            .await
            .map(|text| Some(Finding::Notes { text })),
        (Connection::Testing(it), Reading::TestTotals { run }) => it
            .totals(run)
            .await
            .map(|totals| Some(Finding::Totals { totals })),
        (
            Connection::Store(it),
            Reading::StoreBuild {
                version,
                build_number,
            },
        ) => Ok(it
            .find_build(version, build_number.as_deref())
            .await?
            .map(|build| Finding::StoreBuild { build })),
        (Connection::Store(it), Reading::Exposure { version }) => it
            .exposure(version)
            .await
            .map(|exposure| Some(Finding::Exposure { exposure })),
        (
            _,
            Reading::RefHead { .. }
            | Reading::Notes { .. }
            | Reading::TestTotals { .. }
            | Reading::StoreBuild { .. }
            | Reading::Exposure { .. },
        ) => Err(mismatch()),
    }
}

pub(super) async fn watch(
    app: &App,
    claimed: &Claimed,
    limits: CallLimits,
    key: &EffectKey,
    integration: IntegrationId,
    watched: &Watched,
) -> Ended {
    let connection = match connection(app, claimed, integration).await {
        Ok(connection) => connection,
        Err(ConnectError::Provider(error) | ConnectError::NotHere(error)) => return watch_trouble(&error),
        Err(ConnectError::Store(error)) => return store_trouble(&error),
    };
    let sighting = match guarded(app, limits, look(&connection, watched)).await {
        Ok(sighting) => sighting,
        Err(error) => return watch_trouble(&error),
    };
    let report = Report::Seen { key: *key, sighting };
    // Most looks see nothing new: that is found out without a transaction.
    match state_of(app, key.owner).await {
        Ok(Some(state)) => {
            let facts = BTreeMap::new();
            let cx = Context {
                now: app.clock.now(),
                actor: SYSTEM,
                facts: &facts,
            };
            let news = state
                .step(Input::Report(&report), &cx)
                .is_ok_and(|stepped| !stepped.events.is_empty());
            if !news {
                return Ended::new(Verdict::Leave, "unchanged");
            }
        }
        Ok(None) => return Ended::new(Verdict::Leave, "stale"),
        Err(error) => return store_trouble(&error),
    }
    Ended::new(
        Verdict::Report(key.owner, Box::new(report), RowEnd::Done, None),
        "changed",
    )
}

/// A watch goes on looking whatever happens: its deadline, not a failed look, ends it.
fn watch_trouble(error: &ProviderError) -> Ended {
    Ended {
        detail: Some(error.to_string()),
        vendor_trouble: is_vendor_trouble(error),
        ..Ended::new(Verdict::Leave, "look_failed")
    }
}

async fn look(connection: &Connection, watched: &Watched) -> Result<Sighting, ProviderError> {
    match (connection, watched) {
        (Connection::Cicd(it), Watched::Run { run }) => {
            it.run_state(run).await.map(|state| Sighting::Run { state })
        }
        (Connection::Store(it), Watched::Review { version }) => it
            .review_state(version)
            .await
            .map(|state| Sighting::Review { state }),
        (Connection::Store(it), Watched::Rollout { version }) => it
            .exposure(version)
            .await
            .map(|exposure| Sighting::Rollout { exposure }),
        (_, Watched::Run { .. } | Watched::Review { .. } | Watched::Rollout { .. }) => Err(mismatch()),
    }
}

/// Reads a gate's fact through an open connection.
///
/// # Errors
/// What the vendor says.
pub async fn read_fact(
    connection: &Connection,
    fact: FactKind,
    subject: &[String],
) -> Result<String, ProviderError> {
    match (connection, fact) {
        (Connection::Scm(it), FactKind::BranchHead) => {
            let name: Option<RefName> = subject.first().and_then(|name| name.parse().ok());
            let name = name.ok_or_else(mismatch)?;
            Ok(it
                .resolve(&name)
                .await?
                .map_or_else(|| "missing".to_owned(), |sha| sha.to_string()))
        }
        (Connection::Tracker(it), FactKind::TicketsApproved) => {
            let states = it.approvals(subject).await?;
            let waiting: Vec<String> = subject
                .iter()
                .zip(&states)
                .filter(|(_, (_, approved))| !approved)
                .map(|(ticket, (word, _))| format!("{ticket} ({word})"))
                .collect();
            Ok(if waiting.is_empty() && states.len() == subject.len() {
                "approved".to_owned()
            } else {
                waiting.join(", ")
            })
        }
        (_, FactKind::BranchHead | FactKind::TicketsApproved) => Err(mismatch()),
    }
}

pub(super) async fn probe(
    app: &App,
    claimed: &Claimed,
    limits: CallLimits,
    owner: AggregateId,
    integration: IntegrationId,
    fact: FactKind,
    subject: &[String],
) -> Ended {
    // A stage that was left while the row was claimed could not end it; without this a vendor that does not answer
    // would be asked about it for ever. `apply` keeps the row when the gate waits again by then.
    match state_of(app, owner).await {
        Ok(Some(state)) if state.outstanding().iter().any(|it| it.id() == claimed.row.id) => {}
        Ok(_) => {
            let nothing = Verdict::Report(owner, Box::new(Report::Tick), RowEnd::Done, None);
            return Ended::new(nothing, "stale");
        }
        Err(error) => return store_trouble(&error),
    }
    let connection = match connection(app, claimed, integration).await {
        Ok(connection) => connection,
        Err(ConnectError::Provider(error) | ConnectError::NotHere(error)) => return probe_trouble(&error),
        Err(ConnectError::Store(error)) => return store_trouble(&error),
    };
    match guarded(app, limits, read_fact(&connection, fact, subject)).await {
        Ok(value) => {
            let observed = Fact {
                value,
                observed_at: app.clock.now(),
            };
            Ended::new(
                Verdict::Report(
                    owner,
                    Box::new(Report::Tick),
                    RowEnd::Done,
                    Some((fact, observed)),
                ),
                "probed",
            )
        }
        Err(error) => probe_trouble(&error),
    }
}

/// An unreadable fact grows old and closes its gate; the probe itself goes on.
fn probe_trouble(error: &ProviderError) -> Ended {
    let after = error.retry_after.unwrap_or(Duration::from_secs(30));
    let how = PutBack {
        after,
        failures: 0,
        unknown: false,
        trouble: Some(error.to_string()),
    };
    Ended {
        detail: Some(error.to_string()),
        vendor_trouble: is_vendor_trouble(error),
        ..Ended::new(Verdict::Back(how), "probe_failed")
    }
}

pub(super) async fn cancel_run(
    app: &App,
    claimed: &Claimed,
    limits: CallLimits,
    key: &EffectKey,
    integration: IntegrationId,
    run: &RunRef,
) -> Ended {
    let cicd = match connection(app, claimed, integration).await {
        Ok(Connection::Cicd(cicd)) => cicd,
        Ok(_) => {
            return Ended {
                detail: Some(mismatch().to_string()),
                ..Ended::new(Verdict::End(RowEnd::Dead), "not_cancelled")
            };
        }
        Err(ConnectError::Provider(error)) => {
            return Ended {
                detail: Some(error.to_string()),
                ..Ended::new(Verdict::End(RowEnd::Dead), "not_cancelled")
            };
        }
        Err(ConnectError::NotHere(error)) => return left_to_others(&error.to_string()),
        Err(ConnectError::Store(error)) => return store_trouble(&error),
    };
    match guarded(app, limits, cicd.cancel(run)).await {
        Ok(()) => {
            let report = Report::RunCancelled {
                key: *key,
                run: run.clone(),
            };
            Ended::new(
                Verdict::Report(key.owner, Box::new(report), RowEnd::Done, None),
                "cancelled",
            )
        }
        Err(error) => {
            let vendor_trouble = is_vendor_trouble(&error);
            // Best effort: when it cannot be cancelled the row ends and the attempt's line says why.
            let ended = match after_failure(app, claimed, &error, integration, false) {
                Next::Fail(cause, _) => Ended {
                    detail: Some(cause.sentence),
                    ..Ended::new(Verdict::End(RowEnd::Dead), "not_cancelled")
                },
                Next::Back(how) => Ended {
                    detail: Some(error.to_string()),
                    ..Ended::new(Verdict::Back(how), "not_done")
                },
            };
            Ended {
                vendor_trouble,
                ..ended
            }
        }
    }
}
