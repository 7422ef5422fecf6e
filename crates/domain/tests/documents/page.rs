//! Writes `docs/state-machine.md` from the notebook.

use super::lab::{Moves, Outcome, Seen};
use super::source::{self, meaning};
use super::tables::{self, Table, code, codes};
use delivr_domain::plan::GatedStage;
use delivr_domain::release::state::{Phase, Stage};
use delivr_domain::report::ReviewWord;
use delivr_domain::rollout::Status as RolloutStatus;
use std::collections::{BTreeMap, BTreeSet};

/// The whole document.
pub(crate) fn write(seen: &Seen) -> String {
    let parts = [
        head(),
        stages(seen),
        release_commands(seen),
        tables::tasks_of_stages(seen),
        tasks(seen),
        tables::holds(seen),
        tables::gates(seen),
        submissions(seen),
        rollouts(seen),
        tables::effects(seen),
        tables::messages(seen),
        tables::waits(),
        gaps(seen),
    ];
    parts.map(|part| part.trim().to_owned()).join("\n\n") + "\n"
}

fn head() -> String {
    "\
# State machine

Generated from the code by `cargo xtask docs generate`; a test compares it with the code, so do not edit it.
Everything below was observed: the generator drives real machines through every stage and tries each command and each bad answer at every kind of place.
The words are those of the API, the database and the events; the [glossary](glossary.md) explains them.

A release moves through stages.
Within a stage its tasks run side by side, as far as their order allows.
Between stages stand gates.
Holds keep work from starting, never from being recorded.
Each store target has a submission, and each accepted submission a rollout; both are machines of their own that report to the release.
"
    .to_owned()
}

/// What no scenario met.
fn gaps(seen: &Seen) -> String {
    let gaps = seen.gaps();
    if gaps.is_empty() {
        return "## What was not met\n\nNothing: every command, refusal, blocker, operation, stage, task state and effect of the code appears above.\n".to_owned();
    }
    let mut table = Table::new(&["What", "In the code, but met by no scenario of the generator"]);
    for (what, missing) in gaps {
        table.row([what.to_owned(), codes(missing)]);
    }
    format!("## What was not met\n\n{}", table.text())
}

fn stages(seen: &Seen) -> String {
    let mut table = Table::new(&["Stage", "Phase", "Board status", "Meaning"]);
    for (stage, phase, status) in &seen.places {
        let doc = meaning(source::STATE, "Phase", phase.word());
        table.row([code(stage), code(phase), code(status), doc]);
    }
    let edges = &seen.stages;
    let mut text = String::from(
        "\n## Stages, phases and board status\n\n\
         The stage is what the machine keeps; phase and board status follow from it.\n\
         The phase tells a regression with a running cycle from one that waits for the next; the board status of a release in distribution becomes `DEPLOYED` when every target is live.\n\n",
    );
    text.push_str(&table.text());
    text.push_str("\n### How stages follow each other\n\n");
    text.push_str(&diagram(
        "[*] --> NOT_STARTED",
        edges,
        &[Stage::Archived.word(), Stage::RolledBack.word()],
        &BTreeSet::new(),
    ));
    text.push_str(&format!(
        "\nLeft out of the picture: `ARCHIVE` leads to `ARCHIVED` from {}.\n\
         `CLOSE_ROLLED_BACK` leads to `ROLLED_BACK` from {}.\n\
         Neither of the two is left again.\n\
         A command that ends the last open task of a stage (an upload, a skip, a completion by hand) moves the stage on as a report does.\n\n",
        into(edges, Stage::Archived.word()),
        into(edges, Stage::RolledBack.word()),
    ));
    text.push_str(&transitions(
        edges,
        &Stage::ALL.iter().map(ToString::to_string).collect::<Vec<_>>(),
    ));
    text
}

fn into(edges: &Moves, to: &str) -> String {
    let from: BTreeSet<String> = edges
        .keys()
        .filter(|(_, it)| it == to)
        .map(|(from, _)| from.clone())
        .collect();
    let ordered = Stage::ALL
        .iter()
        .map(ToString::to_string)
        .filter(|it| from.contains(it));
    codes(ordered)
}

/// A mermaid diagram; edges into the closed states are told beside it.
fn diagram(first: &str, edges: &Moves, without: &[&str], group: &BTreeSet<String>) -> String {
    let mut text = format!("```mermaid\nstateDiagram-v2\n    {first}\n");
    if edges.keys().any(|(from, _)| from == AT_THE_STORE) {
        let entered = edges.keys().filter(|(from, _)| from != AT_THE_STORE);
        let named: BTreeSet<&String> = entered
            .map(|(_, to)| to)
            .filter(|to| group.contains(*to))
            .collect();
        text.push_str(&format!("    state {AT_THE_STORE} {{\n"));
        for state in named {
            text.push_str(&format!("        {state}\n"));
        }
        text.push_str("    }\n");
    }
    for ((from, to), why) in edges {
        if without.contains(&to.as_str()) {
            continue;
        }
        let commands: Vec<&str> = why.commands.iter().map(String::as_str).collect();
        let by_itself = !why.reports.is_empty();
        let label = match (by_itself, commands.len()) {
            (true, 0) => "by itself".to_owned(),
            (true, 1 | 2) => format!("by itself, or {}", commands.join(", ")),
            (true, _) => "by itself, or by command".to_owned(),
            (false, 1 | 2) => commands.join(", "),
            (false, _) => "by command".to_owned(),
        };
        text.push_str(&format!("    {from} --> {to}: {label}\n"));
    }
    text.push_str("```\n");
    text
}

fn transitions(edges: &Moves, order: &[String]) -> String {
    let place = |word: &str| order.iter().position(|it| it == word);
    let mut rows: Vec<_> = edges.iter().collect();
    rows.sort_by_key(|((from, to), _)| (place(from), place(to)));
    let mut table = Table::new(&["From", "To", "By itself when", "By command", "Directly after"]);
    for ((from, to), why) in rows {
        let by_itself: Vec<&str> = why.reports.iter().map(String::as_str).collect();
        table.row([
            code(from),
            code(to),
            by_itself.join(", "),
            codes(&why.commands),
            codes(&why.after),
        ]);
    }
    table.text()
}

/// Commands against columns: accepted, without effect, or the letter of a refusal.
fn matrix(seen: &Seen, columns: &[(String, String)], rows: &[String]) -> String {
    let mut letters: BTreeMap<String, String> = BTreeMap::new();
    let refusals = rows
        .iter()
        .flat_map(|row| columns.iter().map(move |(_, column)| (row, column)));
    for (row, column) in refusals {
        for outcome in seen
            .commands
            .get(&(row.clone(), column.clone()))
            .into_iter()
            .flatten()
        {
            if let Outcome::Refused { code, sentence } = outcome {
                let known = letters.entry(code.clone()).or_insert_with(|| sentence.clone());
                if sentence < known {
                    known.clone_from(sentence);
                }
            }
        }
    }
    let letter = |code: &str| {
        let at = letters.keys().position(|it| it == code).expect("a known code");
        char::from(b'a' + u8::try_from(at).expect("few codes")).to_string()
    };
    let mut heads = vec!["Command"];
    heads.extend(columns.iter().map(|(name, _)| name.as_str()));
    let mut table = Table::new(&heads);
    for row in rows {
        let mut cells = vec![code(row)];
        for (_, column) in columns {
            let outcomes = seen.commands.get(&(row.clone(), column.clone()));
            let cell: BTreeSet<String> = outcomes
                .into_iter()
                .flatten()
                .map(|outcome| match outcome {
                    Outcome::Accepted => "yes".to_owned(),
                    Outcome::NoChange => "=".to_owned(),
                    Outcome::Refused { code, .. } => letter(code),
                })
                .collect();
            // What is accepted comes first.
            let mut cell: Vec<String> = cell.into_iter().collect();
            cell.sort_by_key(|it| (it != "yes", it != "="));
            cells.push(cell.join(" "));
        }
        table.row(cells);
    }
    let mut text = table.text();
    text.push_str("\n`yes`: accepted. `=`: accepted, and nothing changes. Empty: there is nothing to name in such a state. A letter: refused.\n\n");
    let mut legend = Table::new(&["", "Code", "For example"]);
    for (code_word, sentence) in &letters {
        legend.row([letter(code_word), code(code_word), sentence.clone()]);
    }
    text.push_str(&legend.text());
    text
}

/// The commands tried in the columns, in the order of the source.
fn rows_of(seen: &Seen, columns: &[(String, String)], source: &str) -> Vec<String> {
    let known: BTreeSet<&String> = columns.iter().map(|(_, column)| column).collect();
    let tried = seen.commands.keys().filter(|(_, column)| known.contains(column));
    let rows: BTreeSet<String> = tried.map(|(row, _)| row.clone()).collect();
    let order: Vec<String> = source::members(source, "Command")
        .iter()
        .map(source::Member::tag)
        .collect();
    let stages: Vec<&str> = GatedStage::ALL.iter().map(|stage| stage.word()).collect();
    let mut rows: Vec<String> = rows.into_iter().collect();
    rows.sort_by_key(|row| {
        let (command, of) = row.split_once(' ').unwrap_or((row, ""));
        let place = order.iter().position(|it| it == command);
        (place, stages.iter().position(|it| *it == of))
    });
    rows
}

fn release_commands(seen: &Seen) -> String {
    let columns: Vec<(String, String)> = Phase::ALL
        .iter()
        .map(|phase| (format!("`{phase}`"), phase.to_string()))
        .collect();
    let rows = rows_of(seen, &columns, source::COMMAND);
    let mut text = String::from(
        "\n## What people can ask of a release\n\n\
         Columns are phases.\n\
         Commands that lift something were tried with something to lift; gates were tried with fresh facts.\n\
         `TRIGGER` with an override reason passes a closed gate, and the blockers it passed are in the event.\n\n",
    );
    text.push_str(&matrix(seen, &columns, &rows));
    text
}

fn tasks(seen: &Seen) -> String {
    let states = source::members(source::BOARD, "TaskState");
    let columns: Vec<(String, String)> = states
        .iter()
        .map(|it| (format!("`{}`", it.tag()), format!("TASK {}", it.tag())))
        .collect();
    let mut text = String::from("\n## How a task moves\n\n");
    let mut table = Table::new(&["State", "Meaning"]);
    for state in &states {
        table.row([code(state.tag()), state.doc.clone()]);
    }
    text.push_str(&table.text());
    text.push_str(
        "\nThe API shows `AWAITING_CHILD` as `RUNNING`.\n\
         A task whose capability the plan's provider lacks is planned as `SKIPPED`, with the reason.\n\n",
    );
    text.push_str("```mermaid\nstateDiagram-v2\n");
    for ((from, to), events) in &seen.tasks {
        let label: Vec<&str> = events.iter().map(String::as_str).collect();
        text.push_str(&format!("    {from} --> {to}: {}\n", label.join(", ")));
    }
    text.push_str("```\n\n");
    let order: Vec<String> = std::iter::once("[*]".to_owned())
        .chain(states.iter().map(source::Member::tag))
        .collect();
    let place = |word: &str| order.iter().position(|it| it == word);
    let mut rows: Vec<_> = seen.tasks.iter().collect();
    rows.sort_by_key(|((from, to), _)| (place(from), place(to)));
    let mut moves = Table::new(&["From", "To", "Event", "Meaning"]);
    for ((from, to), events) in rows {
        let docs: Vec<String> = events
            .iter()
            .map(|event| meaning(source::BOARD, "TaskEvent", event))
            .collect();
        moves.row([code(from), code(to), codes(events), docs.join(" ")]);
    }
    text.push_str(&moves.text());
    text.push_str(
        "\n### What people can ask of a task\n\n\
         Columns are states; a cell holds everything that happened over all kinds of tasks of a release that is not closed.\n\
         A skip of something whose outcome is unknown looks it up first and completes the task when it is there.\n\
         A completion by hand looks first as well: what is found is the task's own, or comes to the clean-up list where the person \
         named another thing.\n\
         So does a retry that would not send the same again: an early build, whose head is read anew, and a build that people make now.\n\
         A build that is handed in counts at once; what may have been sent before is looked for later.\n\
         Where the vendor has said that it cannot tell (`unsure`), a person has looked, and their word counts at once.\n\n",
    );
    text.push_str(&matrix(seen, &columns, &rows_of(seen, &columns, source::COMMAND)));
    text.push_str("\n### Why tasks fail by the machine's own judgement\n\n");
    let own: BTreeSet<String> = seen
        .causes
        .iter()
        .filter(|code| *code != "refused" && *code != "credential_rejected")
        .cloned()
        .collect();
    text.push_str(&format!(
        "{}.\nEvery other cause is the vendor's answer, with its own code and the sentence what to do.\n",
        codes(&own)
    ));
    text
}

/// A child machine's moves and commands, below its introduction.
fn child(
    seen: &Seen,
    head: &str,
    edges: &Moves,
    group: &BTreeSet<String>,
    order: &[String],
    columns: &[(String, String)],
    source: &str,
) -> String {
    let mut text = format!("{head}\n");
    text.push_str(&diagram(&format!("[*] --> {}", order[0]), edges, &[], group));
    text.push('\n');
    text.push_str(&transitions(edges, order));
    text.push_str("\n### What people can ask of it\n\n");
    text.push_str(&matrix(seen, columns, &rows_of(seen, columns, source)));
    text
}

/// Name of the states between which the store alone decides, where every move was seen.
const AT_THE_STORE: &str = "AT_THE_STORE";

/// States between which every move was seen, and no command made one: they are one place to a reader.
fn undirected(edges: &Moves, order: &[String]) -> BTreeSet<String> {
    let free = |one: &String, other: &String| {
        let edge = |from: &String, to: &String| {
            edges
                .get(&(from.clone(), to.clone()))
                .is_some_and(|why| why.commands.is_empty())
        };
        edge(one, other) && edge(other, one)
    };
    let mut group: Vec<String> = Vec::new();
    for word in order {
        if group.iter().all(|it| free(it, word)) && order.iter().any(|it| it != word && free(it, word)) {
            group.push(word.clone());
        }
    }
    group.into_iter().collect()
}

/// Moves that every state of the group has, as moves of the group.
fn gathered(edges: &Moves, group: &BTreeSet<String>) -> Moves {
    let mut all: Moves = BTreeMap::new();
    for ((from, to), why) in edges {
        let within = group.contains(from) && group.contains(to);
        let shared = group.contains(from)
            && group
                .iter()
                .all(|it| edges.contains_key(&(it.clone(), to.clone())));
        let edge = match (within, shared) {
            (true, _) => continue,
            (false, true) => (AT_THE_STORE.to_owned(), to.clone()),
            (false, false) => (from.clone(), to.clone()),
        };
        let known = all.entry(edge).or_default();
        known.commands.extend(why.commands.iter().cloned());
        known.reports.extend(why.reports.iter().cloned());
        known.after.extend(why.after.iter().cloned());
    }
    all
}

fn submissions(seen: &Seen) -> String {
    let mut table = Table::new(&["Status", "Meaning"]);
    let mut columns = Vec::new();
    for word in ReviewWord::ALL {
        table.row([code(word), meaning(source::REPORT, "ReviewWord", word.word())]);
        columns.push((format!("`{word}`"), format!("SUBMISSION {word}")));
    }
    columns.retain(|(_, column)| seen.commands.keys().any(|(_, it)| it == column));
    let intro = format!(
        "## Submission\n\n\
         One try of one target in a store.\n\
         It prepares the version, hands it to review (by itself, or when a person says `SUBMIT`, as the plan says) and follows the review.\n\
         A hold that reaches the target's lane of the release reaches it too: then nothing is prepared, handed in or released, and withdrawing goes on.\n\
         A refused, withdrawn or taken-down one fails the release's `SUBMIT_TO_STORE`; retrying that task makes a new submission.\n\n{}",
        table.text()
    );
    let mut order: Vec<String> = ReviewWord::ALL.iter().map(ToString::to_string).collect();
    let group = undirected(&seen.submissions, &order);
    let edges = gathered(&seen.submissions, &group);
    let members = order.iter().filter(|it| group.contains(*it));
    let intro = format!(
        "{intro}\n{} means any of {}: between these the store decides, and every move from one to another was seen.\n",
        code(AT_THE_STORE),
        codes(members)
    );
    order.insert(1, AT_THE_STORE.to_owned());
    child(seen, &intro, &edges, &group, &order, &columns, source::SUBMISSION)
}

fn rollouts(seen: &Seen) -> String {
    let mut table = Table::new(&["Status", "Meaning"]);
    for word in RolloutStatus::ALL {
        table.row([code(word), meaning(source::ROLLOUT, "Status", word.word())]);
    }
    let mut columns = Vec::new();
    for channel in ["PLAY_STORE", "APP_STORE"] {
        for word in RolloutStatus::ALL {
            columns.push((format!("{channel} `{word}`"), format!("ROLLOUT {channel} {word}")));
        }
    }
    columns.retain(|(_, column)| seen.commands.keys().any(|(_, it)| it == column));
    let intro = format!(
        "## Rollout\n\n\
         How an accepted version reaches its users.\n\
         Every decision is a write and a read-back; nothing is believed before it is read back.\n\
         A hold that reaches the target's lane of the release reaches it too: then nothing is raised, resumed or completed, by people or by time; pausing, halting, reading back and watching go on, and lifting the hold never resumes what a person paused here.\n\
         What somebody changes in the store's console shows as drift, and nothing is raised by itself until a person decides.\n\
         On Google Play a pause is ours alone (the store keeps its exposure) and a halt is the store's; the App Store raises by itself over seven days, can be paused, and cannot be halted.\n\n{}",
        table.text()
    );
    let order: Vec<String> = RolloutStatus::ALL.iter().map(ToString::to_string).collect();
    child(
        seen,
        &intro,
        &seen.rollouts,
        &BTreeSet::new(),
        &order,
        &columns,
        source::ROLLOUT,
    )
}
