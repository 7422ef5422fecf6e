//! What a workflow's file declares: GitHub's API tells neither inputs nor run name.

use crate::KEY_INPUT;
use crate::yaml::{self, Node};
use std::collections::BTreeMap;

/// Most inputs of a dispatch (GitHub's description of the API; ten until late 2025).
pub(crate) const MOST_INPUTS: usize = 25;
/// Most characters of all inputs together (GitHub's documentation of `workflow_dispatch`).
const LONGEST: usize = 65_535;

/// A workflow's file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Definition {
    /// Whether it has the trigger `workflow_dispatch`.
    pub(crate) dispatch: bool,
    /// The trigger's inputs.
    pub(crate) inputs: Vec<Input>,
    /// The template of its runs' names.
    pub(crate) run_name: Option<String>,
}

/// An input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Input {
    pub(crate) name: String,
    /// `string`, `choice`, `boolean`, `number` or `environment`.
    pub(crate) kind: String,
    pub(crate) required: bool,
    pub(crate) default: Option<String>,
    /// Of a choice.
    pub(crate) options: Vec<String>,
}

impl Definition {
    /// Reads a file.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        const TRIGGER: &str = "workflow_dispatch";
        let file = yaml::read(text)?;
        let on = file.get("on");
        let run_name = file.get("run-name").and_then(Node::text).map(str::to_owned);
        let named = |node: &Node| node.text() == Some(TRIGGER);
        let trigger = on.and_then(|on| on.get(TRIGGER));
        let dispatch = trigger.is_some()
            || on.is_some_and(|on| named(on) || on.items().iter().any(|item| named(item.as_ref())));
        let inputs = trigger.and_then(|trigger| trigger.get("inputs"));
        let inputs = inputs.map(Node::entries).unwrap_or_default();
        let one = |(name, node): &(String, std::sync::Arc<Node>)| {
            let text = |key: &str| node.get(key).and_then(Node::text);
            let options = node.get("options").map(Node::items).unwrap_or_default();
            Input {
                name: name.clone(),
                kind: text("type").unwrap_or("string").to_owned(),
                required: text("required").is_some_and(|word| word.eq_ignore_ascii_case("true")),
                default: text("default").map(str::to_owned),
                options: options
                    .iter()
                    .filter_map(|it| it.text().map(str::to_owned))
                    .collect(),
            }
        };
        Ok(Self {
            dispatch,
            inputs: inputs.iter().map(one).collect(),
            run_name,
        })
    }

    fn input(&self, name: &str) -> Option<&Input> {
        self.inputs.iter().find(|input| input.name == name)
    }

    /// Whether it takes our key.
    pub(crate) fn takes_key(&self) -> bool {
        self.input(KEY_INPUT).is_some()
    }

    /// Whether its runs' names show our key whenever it is given.
    pub(crate) fn shows_key(&self) -> bool {
        let mut rest = self.run_name.as_deref().unwrap_or_default();
        while let Some((_, after)) = rest.split_once("${{") {
            let Some((expression, tail)) = after.split_once("}}") else {
                return false;
            };
            if is_key(expression) {
                return true;
            }
            rest = tail;
        }
        false
    }

    /// Why its runs could not be found again, with the lines to paste; none where they can.
    pub(crate) fn lacks(&self, file: &str) -> Option<String> {
        if !self.dispatch {
            return Some(format!(
                "{file} has no `workflow_dispatch` trigger; add to it: {}",
                lines()
            ));
        }
        if !self.takes_key() {
            return Some(format!(
                "{file} does not take the input `{KEY_INPUT}`, without which its runs cannot be found again; add to it: {}",
                lines()
            ));
        }
        (!self.shows_key()).then(|| {
            format!(
                "the runs of {file} do not show `{KEY_INPUT}` in their name, without which they cannot be found again; \
                 add at the top of the file: run-name: ${{{{ github.workflow }}}} ${{{{ inputs.{KEY_INPUT} }}}}"
            )
        })
    }

    /// What GitHub would refuse in these inputs, said before anything is sent.
    pub(crate) fn refuses(&self, file: &str, given: &BTreeMap<String, String>) -> Option<String> {
        if given.len() > MOST_INPUTS {
            return Some(format!(
                "{file} would get {} inputs, and GitHub takes {MOST_INPUTS}; take some out of the pipeline's parameters",
                given.len()
            ));
        }
        let long: usize = given.values().map(|value| value.chars().count()).sum();
        if long > LONGEST {
            return Some(format!(
                "the parameters for {file} have {long} characters, and GitHub takes {LONGEST}; shorten them"
            ));
        }
        let unknown: Vec<&str> = given
            .keys()
            .map(String::as_str)
            .filter(|name| self.input(name).is_none())
            .collect();
        if !unknown.is_empty() {
            return Some(format!(
                "{file} declares no input {}; declare it below `workflow_dispatch`, or take it out of the pipeline's \
                 parameters",
                unknown.join(", ")
            ));
        }
        self.inputs.iter().find_map(|input| {
            let name = &input.name;
            let value = given.get(name).or(input.default.as_ref()).filter(|it| !it.is_empty());
            match value {
                None if input.required => Some(format!(
                    "{file} requires the input {name}; add it to the pipeline's parameters"
                )),
                Some(value) if !input.options.is_empty() && !input.options.contains(value) => Some(format!(
                    "`{value}` is none of the choices of the input {name} of {file} ({}); correct the pipeline's parameters",
                    input.options.join(", ")
                )),
                Some(_) | None => None,
            }
        })
    }
}

/// Whether an expression's value is our key, whenever that is given. GitHub's expressions know no letter case.
fn is_key(expression: &str) -> bool {
    let plain: String = expression
        .split("||")
        .next()
        .unwrap_or_default()
        .chars()
        .filter(|c| !c.is_whitespace())
        .collect();
    let plain = plain.to_ascii_lowercase();
    let input = plain.strip_prefix("github.event.").unwrap_or(&plain);
    input == format!("inputs.{KEY_INPUT}") || input == format!("inputs['{KEY_INPUT}']")
}

fn lines() -> String {
    format!(
        "at the top `run-name: ${{{{ github.workflow }}}} ${{{{ inputs.{KEY_INPUT} }}}}`, and below `on:` \
         `workflow_dispatch: {{ inputs: {{ {KEY_INPUT}: {{ type: string, description: Set by Delivr }} }} }}`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "
# A comment
name: iOS
run-name: Release ${{ inputs.version }} ${{ inputs.delivr_key }}
on:
  push: { branches: [main] }
  workflow_dispatch:
    inputs:
      version: { description: Version, type: string, required: true }
      lane:
        type: choice
        options: [beta, 1.0]
        default: 1.0
      delivr_key:
jobs: { build: { runs-on: ubuntu-latest, steps: [] } }
";

    #[test]
    fn a_file_says_what_it_takes() {
        let read = Definition::read(FILE).unwrap();
        assert!(read.dispatch && read.takes_key() && read.shows_key());
        assert_eq!(read.lacks("x"), None);
        let lane = read.input("lane").unwrap();
        assert_eq!((lane.kind.as_str(), lane.required), ("choice", false));
        assert_eq!(
            (lane.default.as_deref(), lane.options[1].as_str()),
            (Some("1.0"), "1.0")
        );
        assert!(read.input("version").unwrap().required);
        for (on, dispatch) in [
            ("on: workflow_dispatch", true),
            ("on: [push, workflow_dispatch]", true),
            ("on: {workflow_dispatch: }", true),
            ("'on': {push: }", false),
            ("on: push", false),
            ("name: x", false),
        ] {
            assert_eq!(Definition::read(on).unwrap().dispatch, dispatch, "{on}");
        }
        assert!(Definition::read("on: [").is_err());
    }

    #[test]
    fn only_names_that_always_show_the_key_count() {
        for (name, shows) in [
            ("${{ inputs.delivr_key }}", true),
            ("a ${{inputs.x}} ${{ GitHub.event.inputs.Delivr_Key }} b", true),
            ("${{ inputs['delivr_key'] || github.sha }}", true),
            ("${{ inputs.delivr_key && 'mine' }}", false),
            ("${{ inputs.delivr_key2 }}", false),
            ("inputs.delivr_key", false),
            ("${{ inputs.delivr_key", false),
            ("", false),
        ] {
            let read = Definition {
                run_name: Some(name.to_owned()),
                ..Definition::default()
            };
            assert_eq!(read.shows_key(), shows, "{name}");
        }
    }

    #[test]
    fn the_lines_to_paste_are_what_was_missing() {
        let bare = Definition::read("on: {push: }").unwrap();
        let said = bare.lacks("x.yml").unwrap();
        let pasted: Vec<&str> = said.split('`').filter(|it| it.contains("delivr_key")).collect();
        let file = format!("{}\non:\n  {}\n", pasted[0], pasted[1]);
        assert_eq!(Definition::read(&file).unwrap().lacks("x.yml"), None, "{file}");
        let nameless = Definition::read("on: {workflow_dispatch: {inputs: {delivr_key: }}}").unwrap();
        let said = nameless.lacks("x.yml").unwrap();
        let line = said.split_once("file: ").unwrap().1;
        let file = format!("{line}\non: {{workflow_dispatch: {{inputs: {{delivr_key: }}}}}}\n");
        assert_eq!(Definition::read(&file).unwrap().lacks("x.yml"), None, "{file}");
    }

    #[test]
    fn what_github_would_refuse_is_said_before() {
        let read = Definition::read(FILE).unwrap();
        let given = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            let pairs = pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned()));
            pairs.collect()
        };
        assert_eq!(
            read.refuses("x", &given(&[("version", "1"), ("lane", "beta")])),
            None
        );
        let said = |pairs: &[(&str, &str)]| read.refuses("x", &given(pairs)).unwrap_or_default();
        assert!(said(&[]).contains("requires the input version"));
        assert!(said(&[("version", "")]).contains("requires the input version"));
        assert!(said(&[("version", "1"), ("lane", "gamma")]).contains("beta, 1.0"));
        assert!(said(&[("version", "1"), ("other", "x")]).contains("no input other"));
        assert!(said(&[("version", &"x".repeat(65_536))]).contains("65535"));
        let many: Vec<String> = (0..26).map(|number| format!("i{number}")).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "x")).collect();
        assert!(said(&many).contains("GitHub takes 25"));
    }
}
