//! Reads the sources' own doc comments and words, so that the document says what the code says.

/// One member of an enum: its name, its word where the enum is a word list, and its doc comment.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) word: Option<String>,
    pub(crate) doc: String,
}

impl Member {
    /// The stored word: the list's own, or the name as serde writes it.
    pub(crate) fn tag(&self) -> String {
        self.word.clone().unwrap_or_else(|| screaming(&self.name))
    }
}

/// `AwaitingCallback` as serde's `SCREAMING_SNAKE_CASE` writes it.
pub(crate) fn screaming(name: &str) -> String {
    let mut text = String::new();
    for (at, letter) in name.chars().enumerate() {
        if letter.is_ascii_uppercase() && at > 0 {
            text.push('_');
        }
        text.push(letter.to_ascii_uppercase());
    }
    text
}

/// Members of `pub enum Name` or of the word list `Name`, in the order of the source.
pub(crate) fn members(source: &str, name: &str) -> Vec<Member> {
    let plain = format!("pub enum {name} {{");
    let words = format!("    {name} (\"");
    let mut lines = source.lines();
    let start = lines
        .find(|line| *line == plain || line.starts_with(&words))
        .unwrap_or_else(|| panic!("no enum {name} in this source"));
    let indent = start.len() - start.trim_start().len();
    let end = format!("{}}}", " ".repeat(indent));
    let member = " ".repeat(indent + 4);
    let mut found = Vec::new();
    let mut doc = String::new();
    for line in lines.take_while(|line| *line != end) {
        let Some(rest) = line.strip_prefix(&member) else {
            continue;
        };
        if let Some(text) = rest.strip_prefix("///") {
            if !doc.is_empty() {
                doc.push(' ');
            }
            doc.push_str(text.trim());
        } else if rest.starts_with(|first: char| first.is_ascii_uppercase()) {
            let name: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
            let word = rest.split('"').nth(1).map(str::to_owned);
            found.push(Member {
                name,
                word,
                doc: std::mem::take(&mut doc),
            });
        }
    }
    assert!(!found.is_empty(), "{name} has members");
    found
}

/// The doc comment of one member.
pub(crate) fn meaning(source: &str, name: &str, tag: &str) -> String {
    members(source, name)
        .into_iter()
        .find(|member| member.tag() == tag)
        .map_or_else(|| panic!("{name} has no {tag}"), |member| member.doc)
}

/// Words that follow a call in the source, such as the codes of refusals.
pub(crate) fn words_after(source: &str, call: &str) -> Vec<String> {
    let joined = source.lines().map(str::trim).collect::<String>();
    let mut found: Vec<String> = joined
        .split(call)
        .skip(1)
        .filter_map(|rest| rest.strip_prefix('"')?.split('"').next().map(str::to_owned))
        .collect();
    found.sort();
    found.dedup();
    found
}

pub(crate) const BOARD: &str = include_str!("../../src/board.rs");
pub(crate) const COMMAND: &str = include_str!("../../src/release/command.rs");
pub(crate) const EDIT: &str = include_str!("../../src/release/command/edit.rs");
pub(crate) const EFFECT: &str = include_str!("../../src/effect.rs");
pub(crate) const GATE: &str = include_str!("../../src/release/gate.rs");
pub(crate) const HOLD: &str = include_str!("../../src/release/hold.rs");
pub(crate) const KEY: &str = include_str!("../../src/key.rs");
pub(crate) const RELEASE_EVENT: &str = include_str!("../../src/release/event.rs");
pub(crate) const REPLAN: &str = include_str!("../../src/release/command/replan.rs");
pub(crate) const REWORK: &str = include_str!("../../src/release/command/rework.rs");
pub(crate) const REPORT: &str = include_str!("../../src/report.rs");
pub(crate) const ROLLOUT: &str = include_str!("../../src/rollout.rs");
pub(crate) const ROLLOUT_COMMAND: &str = include_str!("../../src/rollout/command.rs");
pub(crate) const STATE: &str = include_str!("../../src/release/state.rs");
pub(crate) const SUBMISSION: &str = include_str!("../../src/submission.rs");
pub(crate) const VENDOR: &str = include_str!("../../src/ports/vendor.rs");
