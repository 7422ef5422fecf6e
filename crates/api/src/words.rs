//! Closed sets of words in the description, from the types that hold them: nobody has to learn them from prose.

use crate::routes::releases::create::PRIORITIES;
use crate::routes::services::KINDS;
use delivr_app::usecases::access::Role;
use delivr_domain::key::{Platform, TargetKey};
use delivr_domain::plan::{BuildMode, GatedStage, MissedSlot, Purpose};
use delivr_domain::ports::provider::Port;
use delivr_domain::release::Phase;
use delivr_domain::release::state::{AutomationWanted, BuildsWanted, CycleState, Decision};
use delivr_domain::release::view::Status;
use delivr_domain::rollout::Status as RolloutStatus;
use delivr_domain::version::Bump;
use serde_json::{Map, Value, json};

macro_rules! words {
    ($kind:ident) => {
        $kind::ALL.iter().map(|it| it.word()).collect()
    };
}

/// The categories of integrations.
pub(crate) fn categories() -> Vec<&'static str> {
    words!(Port)
}

/// A schema and one of its properties.
type Place = (&'static str, &'static str);

/// Each set with the places that hold a word of it.
fn sets() -> Vec<(Vec<&'static str>, &'static [Place])> {
    vec![
        (
            words!(TargetKey),
            &[
                ("TargetBody", "target"),
                ("TargetView", "target"),
                ("BuildView", "target"),
                ("SubmissionView", "target"),
                ("RolloutView", "target"),
            ],
        ),
        (
            words!(Platform),
            &[
                ("TargetView", "platform"),
                ("BuildView", "platform"),
                ("PipelineBody", "platform"),
                ("PipelineView", "platform"),
            ],
        ),
        (
            words!(Purpose),
            &[
                ("PipelineBody", "purpose"),
                ("PipelineView", "purpose"),
                ("TargetPipelineView", "purpose"),
            ],
        ),
        (words!(Bump), &[("ReleaseBody", "type"), ("ReleaseView", "type")]),
        (words!(Status), &[("ReleaseView", "status")]),
        (words!(Phase), &[("ReleaseView", "phase")]),
        (
            PRIORITIES.to_vec(),
            &[("ReleaseBody", "priority"), ("ReleaseView", "priority")],
        ),
        (
            words!(BuildMode),
            &[
                ("TargetBody", "builds"),
                ("TargetEditBody", "builds"),
                ("TargetView", "builds"),
            ],
        ),
        (
            words!(BuildsWanted),
            &[
                ("SlotBody", "builds"),
                ("SlotView", "builds"),
                ("CycleView", "builds"),
            ],
        ),
        (
            words!(AutomationWanted),
            &[
                ("SlotBody", "automation"),
                ("SlotView", "automation"),
                ("CycleView", "automation"),
            ],
        ),
        (
            words!(MissedSlot),
            &[("SlotBody", "missed"), ("SlotView", "missed")],
        ),
        (words!(CycleState), &[("CycleView", "status")]),
        (
            words!(GatedStage),
            &[
                ("ApprovalBody", "stage"),
                ("ApprovalView", "stage"),
                ("GateView", "stage"),
            ],
        ),
        (
            words!(Decision),
            &[("ApprovalBody", "decision"), ("ApprovalView", "decision")],
        ),
        (words!(RolloutStatus), &[("RolloutView", "status")]),
        (words!(Role), &[("TokenBody", "role"), ("MeView", "role")]),
        (KINDS.to_vec(), &[("ServiceBody", "kind")]),
        (words!(Port), &[("IntegrationView", "category")]),
    ]
}

/// Writes the sets into the schemas; gives what is not there to be written into.
pub(crate) fn close(schemas: &mut Map<String, Value>) -> Vec<String> {
    let mut missing = Vec::new();
    for (words, places) in sets() {
        for (schema, property) in places {
            let found = schemas
                .get_mut(*schema)
                .and_then(|it| it.get_mut("properties"))
                .and_then(|it| it.get_mut(*property))
                .and_then(Value::as_object_mut);
            match found {
                Some(found) => {
                    let nothing = found.get("type").and_then(Value::as_array);
                    let nothing = nothing.is_some_and(|types| types.contains(&json!("null")));
                    let words = words.iter().map(|word| json!(word));
                    let all: Vec<Value> = words.chain(nothing.then_some(Value::Null)).collect();
                    found.insert("enum".to_owned(), Value::Array(all));
                }
                None => missing.push(format!("{schema}.{property}")),
            }
        }
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_set_has_its_places() {
        let mut document: Value = serde_json::from_str(crate::document()).unwrap();
        let schemas = document["components"]["schemas"].as_object_mut().unwrap();
        assert_eq!(close(schemas), Vec::<String>::new());
        assert_eq!(
            schemas["TokenBody"]["properties"]["role"]["enum"],
            json!(["VIEWER", "MEMBER", "ADMIN", "OWNER"])
        );
        let bump = &schemas["ReleaseBody"]["properties"]["type"]["enum"];
        assert_eq!(*bump, json!(["MAJOR", "MINOR", "HOTFIX", null]));
    }
}
