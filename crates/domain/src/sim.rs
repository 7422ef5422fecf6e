//! Rules that a test build switches off, to see that the simulation notices: in no other build does this exist.

use std::cell::Cell;

/// A rule of the engine that lies inside the machine. What a port keeps is left out by a port of the simulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// A spent object gets a new generation.
    GenerationRises,
    /// An object that is not known to be spent keeps its generation.
    GenerationStays,
    /// After every event, settle is asked until nothing follows.
    Settle,
    /// What came to exist and nobody waits for is recorded.
    LateResult,
    /// Old news of a child does not replace newer news.
    NewsInOrder,
    /// A report whose commit was not answered is repeated.
    RepeatUnanswered,
}

thread_local! {
    static OFF: Cell<Option<Rule>> = const { Cell::new(None) };
}

/// Whether the rule is switched off in this thread.
#[must_use]
pub fn off(rule: Rule) -> bool {
    OFF.get() == Some(rule)
}

/// Runs without the rule.
pub fn without<T>(rule: Rule, run: impl FnOnce() -> T) -> T {
    let before = OFF.replace(Some(rule));
    let done = run();
    OFF.set(before);
    done
}
