//! What people may ask of a rollout, and when it is refused.

use super::{Command, EVERYBODY, Event, Rollout, Status, is_decision};
use crate::board::{Task, TaskEvent, TaskState};
use crate::child;
use crate::key::{Channel, TaskKind};
use crate::release::command::Rejection;

impl Command {
    /// Whether more users get the version by it. What is under way is not asked here: a retry waits like its task.
    const fn moves_forward(&self) -> bool {
        match self {
            Self::Advance { .. } | Self::Resume { .. } | Self::Complete { .. } => true,
            Self::Pause { .. } | Self::Halt { .. } | Self::Retry { .. } => false,
        }
    }
}

impl Rollout {
    /// Events of a command.
    ///
    /// # Errors
    /// [`Rejection`], with the state untouched.
    pub fn decide_command(&self, command: &Command) -> Result<Vec<Event>, Rejection> {
        let illegal = |code, sentence: String| Err(Rejection::Illegal { code, sentence });
        if self.terminal() {
            return illegal("rollout_completed", "the rollout is complete".to_owned());
        }
        if let Command::Retry { task } = command {
            let event = child::retry(&self.board, task)?;
            return Ok(vec![Event::Task { event }]);
        }
        if command.moves_forward() {
            child::refuse_if_held(&self.held)?;
        }
        // A halt never waits for another decision: it overtakes it. A pause overtakes one that a hold keeps back, or it
        // would be carried out in spite of the pause once the hold is lifted.
        let halts = matches!(command, Command::Halt { .. });
        let pauses = matches!(command, Command::Pause { .. });
        let overtaken = |task: &Task| halts || (pauses && matches!(task.state, TaskState::Pending));
        if let Some(open) = self.decision_under_way().filter(|open| !overtaken(open)) {
            return illegal("decision_open", format!("{} is still under way", open.key));
        }
        // A decision that failed is superseded by the next one, whatever that is.
        let superseded = self
            .board
            .iter()
            .filter(|task| is_decision(task) && (overtaken(task) || task.failure().is_some()));
        let mut events: Vec<Event> = superseded
            .map(|task| Event::Task {
                event: TaskEvent::Cancelled { task: task.key },
            })
            .collect();
        events.extend(self.decide_change(command)?);
        Ok(events)
    }

    fn decide_change(&self, command: &Command) -> Result<Vec<Event>, Rejection> {
        let illegal = |code, sentence: String| Err(Rejection::Illegal { code, sentence });
        let play = self.start.target.channel() == Channel::PlayStore;
        match command {
            Command::Advance { .. } if !play => illegal(
                "fixed_steps",
                "the App Store raises by itself over seven days; complete it instead".to_owned(),
            ),
            Command::Advance { .. } if self.status != Status::Active => illegal(
                "not_active",
                format!("the rollout is {}; resume it first", self.status),
            ),
            Command::Advance { bps, reason } => {
                let Some(to) = bps.or_else(|| self.next_step()) else {
                    return illegal("no_further_step", "there is no further step".to_owned());
                };
                if to <= self.exposure || to > EVERYBODY {
                    return Err(Rejection::Unsuitable {
                        pointer: "/exposure",
                        sentence: format!(
                            "the share of users can only rise: more than {}.{:02} %, and up to 100 %",
                            self.exposure / 100,
                            self.exposure % 100
                        ),
                    });
                }
                Ok(Self::decided(
                    if to == EVERYBODY {
                        TaskKind::CompleteRollout
                    } else {
                        TaskKind::SetExposure
                    },
                    to,
                    reason,
                ))
            }
            Command::Pause { reason } if self.status == Status::Active => Ok(if play {
                vec![Event::RaisingStopped {
                    status: Status::Paused,
                    reason: reason.clone(),
                }]
            } else {
                Self::decided(TaskKind::PauseRollout, self.exposure, reason)
            }),
            Command::Pause { .. } => illegal("not_active", format!("the rollout is {}", self.status)),
            Command::Resume { reason } => match self.status {
                Status::Paused if play => Ok(vec![Event::RaisingStopped {
                    status: Status::Active,
                    reason: reason.clone(),
                }]),
                Status::Paused | Status::Halted => {
                    Ok(Self::decided(TaskKind::ResumeRollout, self.exposure, reason))
                }
                Status::Active | Status::Completed => {
                    illegal("not_paused", format!("the rollout is {}", self.status))
                }
            },
            Command::Halt { .. } if !play => illegal(
                "halt_unsupported",
                "the App Store cannot halt a release: pause it, or remove the app from sale in its console"
                    .to_owned(),
            ),
            Command::Halt { .. } if self.status == Status::Halted => {
                illegal("already_halted", "the rollout is halted".to_owned())
            }
            Command::Halt { reason } => Ok(Self::decided(TaskKind::HaltRollout, self.exposure, reason)),
            Command::Complete { .. } if self.status == Status::Halted => {
                illegal("halted", "resume the rollout before completing it".to_owned())
            }
            Command::Complete { reason } => Ok(Self::decided(TaskKind::CompleteRollout, EVERYBODY, reason)),
            Command::Retry { .. } => Ok(Vec::new()),
        }
    }

    fn decided(kind: TaskKind, bps: u16, reason: &str) -> Vec<Event> {
        vec![Event::Decided {
            kind,
            bps,
            reason: reason.to_owned(),
        }]
    }
}
