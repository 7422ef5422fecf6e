//! A world with app stores, for tests of what reaches a release's submissions and rollouts.

#![allow(dead_code, reason = "not every test binary has stores")]

use super::{World, plan, run_row};
use delivr_domain::aggregate::{Aggregate, Command as AnyCommand, Input};
use delivr_domain::board::Permit;
use delivr_domain::effect::{Effect, Operation, Reading, RolloutChange, StoreWrite, Watched};
use delivr_domain::key::{AggregateId, AggregateKind, EffectId, EffectKey, TargetKey, TaskKind};
use delivr_domain::plan::SubmitMode;
use delivr_domain::release::command::{Command, Rejection};
use delivr_domain::release::gate::Context;
use delivr_domain::report::{Exposure, ExposureWord, Finding, Performed, Report, Resolved, Sighting};
use delivr_domain::rollout::{self, EVERYBODY, Rollout};
use delivr_domain::submission::Submission;
use std::collections::BTreeMap;

/// A world with a store that remembers what it was asked for.
#[derive(Clone)]
pub struct Shop {
    pub world: World,
    /// Where the store has each rollout, once anything has changed it there.
    pub exposure: BTreeMap<AggregateId, (ExposureWord, u16)>,
}

impl Shop {
    pub fn new(targets: &[TargetKey], step_minutes: Option<u32>, submit: SubmitMode) -> Self {
        let mut settings = plan(targets);
        for target in settings.targets.values_mut() {
            target.settings.step_minutes = step_minutes;
            target.settings.submit = submit;
        }
        Self {
            world: World::new(settings),
            exposure: BTreeMap::new(),
        }
    }

    pub fn stands(&self, rollout: AggregateId) -> Exposure {
        let known = self.exposure.get(&rollout).copied();
        let first = |it: &Rollout| (ExposureWord::Active, it.start.exposure);
        let (word, bps) = known.unwrap_or_else(|| first(self.rollout(rollout)));
        Exposure {
            word,
            bps,
            store_word: word.to_string(),
        }
    }

    pub fn rollout(&self, id: AggregateId) -> &Rollout {
        match &self.world.aggregates[&id] {
            Aggregate::Rollout(rollout) => rollout,
            _ => panic!("not a rollout"),
        }
    }

    pub fn submission(&self, id: AggregateId) -> &Submission {
        match &self.world.aggregates[&id] {
            Aggregate::Submission(submission) => submission,
            _ => panic!("not a submission"),
        }
    }

    /// The newest child of the kind.
    pub fn find(&self, kind: AggregateKind) -> Option<AggregateId> {
        let mut of_kind: Vec<&Aggregate> = self
            .world
            .aggregates
            .values()
            .filter(|it| it.id().kind == kind)
            .collect();
        of_kind.sort_by_key(|it| match it {
            Aggregate::Submission(it) => !it.terminal(),
            Aggregate::Rollout(it) => !it.terminal(),
            Aggregate::Release(_) => false,
        });
        of_kind.last().map(|it| it.id())
    }

    pub fn row(&self, wanted: impl Fn(&Effect) -> bool) -> Option<EffectId> {
        self.world
            .live
            .iter()
            .find(|(_, effect)| wanted(effect))
            .map(|(row, _)| *row)
    }

    pub fn task_row(&self, kind: TaskKind) -> Option<(EffectId, EffectKey)> {
        let row = self.row(|effect| {
            matches!(effect, Effect::Perform { .. }) && effect.key().is_some_and(|key| key.task.kind == kind)
        })?;
        Some((row, *self.world.live[&row].key().unwrap()))
    }

    pub fn permit(&self, key: &EffectKey) -> Permit {
        self.world.aggregates[&key.owner].permit(key)
    }

    /// What a worker makes of the row now: a hold parks what was not sent, and the store does the rest.
    pub fn serve(&mut self, row: EffectId) {
        let effect = self.world.live[&row].clone();
        if let Effect::Perform { key, .. } | Effect::Resolve { key, .. } = &effect {
            match self.permit(key) {
                Permit::Write => {}
                Permit::Stale | Permit::LookAgain => return,
                Permit::LookUpOnly => return self.park(row),
            }
        }
        match &effect {
            Effect::Perform {
                key,
                operation: Operation::Store(StoreWrite::ChangeRollout { change, .. }),
                ..
            } => {
                let now = self.stands(key.owner);
                let then = match change {
                    RolloutChange::SetExposure { bps } => (ExposureWord::Active, *bps),
                    RolloutChange::Pause => (ExposureWord::Paused, now.bps),
                    RolloutChange::Resume => (ExposureWord::Active, now.bps),
                    RolloutChange::Halt => (ExposureWord::Halted, now.bps),
                    RolloutChange::Complete => (ExposureWord::Completed, EVERYBODY),
                };
                self.exposure.insert(key.owner, then);
                run_row(&mut self.world, row);
            }
            Effect::Resolve {
                key,
                reading: Reading::Exposure { .. },
                ..
            } => {
                let exposure = self.stands(key.owner);
                let finding = Finding::Exposure { exposure };
                let report = Report::Resolved {
                    key: *key,
                    resolved: Resolved::Found { finding },
                };
                self.world.input(key.owner, Input::Report(&report), Some(row));
            }
            Effect::Watch {
                key,
                watched: Watched::Rollout { .. },
                ..
            } => {
                let exposure = self.stands(key.owner);
                let sighting = Sighting::Rollout { exposure };
                let report = Report::Seen { key: *key, sighting };
                self.world.input(key.owner, Input::Report(&report), None);
            }
            _ => run_row(&mut self.world, row),
        }
    }

    pub fn park(&mut self, row: EffectId) {
        let report = match &self.world.live[&row] {
            Effect::Resolve { key, .. } => Report::Resolved {
                key: *key,
                resolved: Resolved::Parked,
            },
            Effect::Perform { key, .. } => Report::Performed {
                key: *key,
                performed: Performed::Parked,
            },
            _ => return,
        };
        let to = *match &report {
            Report::Resolved { key, .. } | Report::Performed { key, .. } => &key.owner,
            _ => return,
        };
        self.world.input(to, Input::Report(&report), None);
    }

    /// Everything that can change: events folded so far, and the rows there are.
    pub fn mark(&self) -> (u64, Vec<EffectId>) {
        let versions = self.world.aggregates.values().map(Aggregate::version).sum();
        (versions, self.world.live.keys().copied().collect())
    }

    /// Serves one row from which something follows; whether there was one.
    pub fn advance(&mut self) -> bool {
        let mark = self.mark();
        for row in mark.1.clone() {
            self.serve(row);
            if self.mark() != mark {
                return true;
            }
        }
        false
    }

    /// Serves rows until the world is as wished; lets time pass only with `patience`.
    pub fn until(&mut self, patience: bool, wished: impl Fn(&Self) -> bool) -> bool {
        for _ in 0..2_000 {
            self.world.tick();
            if wished(self) {
                return true;
            }
            if self.advance() {
                continue;
            }
            match self.world.next_wake() {
                Some(at) if patience => self.world.now = self.world.now.max(at),
                Some(_) | None => return false,
            }
        }
        false
    }

    /// Delivers every Tell, and what follows from it.
    pub fn deliver(&mut self) {
        while let Some(row) = self.row(|effect| matches!(effect, Effect::Tell { .. })) {
            run_row(&mut self.world, row);
        }
    }

    pub fn ask(&mut self, of: AggregateId, command: &AnyCommand) -> Result<(), String> {
        let cx = Context {
            now: self.world.now,
            actor: "pat",
            facts: &BTreeMap::new(),
        };
        let asked = self.world.aggregates[&of]
            .clone()
            .step(Input::Command(command), &cx);
        if let Err(rejection) = asked {
            return Err(match rejection {
                Rejection::Illegal { code, sentence } => format!("{code}: {sentence}"),
                other => other.to_string(),
            });
        }
        assert!(self.world.input(of, Input::Command(command), None));
        Ok(())
    }

    pub fn rolling(targets: &[TargetKey], step_minutes: Option<u32>) -> (Self, AggregateId) {
        let mut shop = Self::new(targets, step_minutes, SubmitMode::Auto);
        let heard = |it: &Self| {
            let rollout = it.find(AggregateKind::Rollout);
            rollout.is_some_and(|id| it.rollout(id).store_word.is_some())
        };
        // On the App Store a person releases what was approved; the sample store releases at once.
        assert!(shop.until(true, heard), "{}", shop.world.release().phase());
        shop.deliver();
        let rollout = shop.find(AggregateKind::Rollout).unwrap();
        (shop, rollout)
    }

    pub fn pause_release(&mut self) {
        assert!(self.world.command(Command::Pause {
            note: Some("a bug".to_owned())
        }));
    }

    pub fn resume_release(&mut self) {
        assert!(self.world.command(Command::Resume));
    }
}

pub fn reason() -> String {
    "because".to_owned()
}

pub fn raise(bps: Option<u16>) -> AnyCommand {
    AnyCommand::Rollout(rollout::Command::Advance {
        bps,
        reason: reason(),
    })
}

pub fn pause() -> AnyCommand {
    AnyCommand::Rollout(rollout::Command::Pause { reason: reason() })
}

pub fn go_on() -> AnyCommand {
    AnyCommand::Rollout(rollout::Command::Resume { reason: reason() })
}

pub fn complete() -> AnyCommand {
    AnyCommand::Rollout(rollout::Command::Complete { reason: reason() })
}

pub fn halt() -> AnyCommand {
    AnyCommand::Rollout(rollout::Command::Halt { reason: reason() })
}
