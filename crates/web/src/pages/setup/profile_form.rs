//! The form of a profile's settings, in words that say what each does to a release.

use super::profile_notes;
use crate::fields::{Choice, Field, Kind, Section, Sheet};
use crate::shown::words;
use delivr_app::usecases::profile::{Settings, StoreOptions};
use delivr_domain::effect::Topic;
use delivr_domain::key::TargetKey;
use delivr_domain::plan::{BuildMode, GatedStage, ShaOrigin, SubmitMode};
use serde_json::{Value, json};

/// Label of when an approved version reaches users. Where it is a set instant, the form has no such field.
pub(super) const TIMING: &str = "When it reaches users";

fn offered(all: impl IntoIterator<Item = &'static str>) -> Vec<Choice> {
    all.into_iter()
        .map(|word| Choice::new(word, words(word)))
        .collect()
}

fn number(pointer: impl Into<String>, label: &str, least: i64, most: i64) -> Field {
    let kind = Kind::Number {
        least: Some(least),
        most: Some(most),
    };
    Field::new(pointer, label, kind)
}

fn names() -> Section {
    let template = |name: &str, label: &str, example: &str| {
        Field::line(format!("/settings/scm/{name}"), label).like(example)
    };
    let fields = vec![
        Field::line("/settings/scm/baseBranch", "Base branch")
            .about("What releases fork from. Left empty: the repository's default branch."),
        template("branchTemplate", "Release branch", "release/{version}"),
        template(
            "rcTagTemplate",
            "Tag of a regression cycle",
            "v{version}-rc.{cycle}",
        ),
        template("releaseTagTemplate", "Tag of the release", "v{version}"),
        Field::flag(
            "/settings/scm/mergeBack",
            "Open a pull request back to the base branch at the end",
        ),
    ];
    Section::new("Branch and tags", fields).about(
        "Templates know {service}, {version} and {date}; a cycle's tag {cycle} too. Left empty, they are as in the examples.",
    )
}

fn gates() -> Section {
    let stages = GatedStage::ALL.iter().map(|it| it.word());
    let mut fields = vec![Field::new(
        "/settings/autoStart",
        "Stages that start by themselves when their gate is open",
        Kind::Boxes(offered(stages)),
    )];
    for stage in GatedStage::ALL {
        let label = format!("Approvals that {} needs", words(stage.word()).to_lowercase());
        fields.push(
            number(format!("/settings/quorum/{stage}"), &label, 1, 20)
                .about("Left empty: none but its start."),
        );
    }
    fields.push(Field::flag(
        "/settings/allowZeroCycles",
        "Pre-release may start without a regression cycle",
    ));
    let origins = ShaOrigin::ALL.iter().map(|it| {
        let label = match it {
            ShaOrigin::Observed => "The CI system said so",
            ShaOrigin::Declared => "A callback or a person said so",
            ShaOrigin::Absent => "Nobody said",
        };
        Choice::new(it.word(), label)
    });
    fields.push(
        Field::new(
            "/settings/shaOrigins",
            "How a build's commit may be known",
            Kind::Boxes(origins.collect()),
        )
        .must(),
    );
    Section::new("Gates", fields)
}

fn work() -> Section {
    let topics = Topic::ALL
        .iter()
        .map(|it| Choice::new(it.word(), words(it.word())));
    let fields = vec![
        Field::flag(
            "/settings/preRegressionBuilds",
            "Make builds at kickoff, before the first cycle",
        ),
        Field::flag(
            "/settings/automation",
            "Run automation in regression cycles, where a pipeline does it",
        ),
        number(
            "/settings/testing/passThreshold",
            "Percent of test cases that must pass",
            0,
            100,
        )
        .must(),
        Field::flag(
            "/settings/tickets/gateOnApproval",
            "The gate into distribution asks for approved tickets",
        ),
        Field::flag("/settings/tickets/close", "Close tickets when the release is out"),
        Field::new(
            "/settings/chat/topics",
            "What chat is told",
            Kind::Boxes(topics.collect()),
        ),
    ];
    Section::new("What is done", fields)
}

fn waits() -> Section {
    let minutes =
        |name: &str, label: &str| number(format!("/settings/deadlines/{name}"), label, 1, 43_200).must();
    let fields = vec![
        minutes("pipelineMinutes", "Minutes a pipeline may take"),
        minutes("automationMinutes", "Minutes automation may take"),
        minutes("storeMinutes", "Minutes a store may take"),
        number(
            "/settings/deadlines/pollSeconds",
            "Seconds between two looks at a run",
            1,
            3_600,
        )
        .must(),
    ];
    Section::new("Waits", fields).about("A wait that is over fails its task, and a person is asked.")
}

fn target(target: TargetKey, settings: &Value) -> Section {
    let modes = BuildMode::ALL.iter().map(|it| {
        let label = match it {
            BuildMode::Pipeline => "A pipeline makes them",
            BuildMode::Manual => "People upload them",
        };
        Choice::new(it.word(), label)
    });
    let mut fields = vec![Field::choice(
        format!("/settings/builds/{target}"),
        "Builds",
        modes.collect(),
    )];
    if target.is_store() {
        let at = |name: &str| format!("/settings/stores/{target}/{name}");
        let submits = SubmitMode::ALL.iter().map(|it| {
            let label = match it {
                SubmitMode::Auto => "By itself, as soon as it is prepared",
                SubmitMode::ByPerson => "A person does",
            };
            Choice::new(it.word(), label)
        });
        fields.push(Field::choice(
            at("submit"),
            "Who submits to the store",
            submits.collect(),
        ));
        // A set instant is kept as it is: it is written over the API.
        if settings.pointer(&at("timing")).is_none_or(Value::is_string) {
            let timings = vec![
                Choice::new("AFTER_APPROVAL", "As soon as the store approves it"),
                Choice::new("MANUAL", "When a person releases it"),
            ];
            fields.push(Field::choice(at("timing"), TIMING, timings));
        }
        fields.push(
            Field::new(at("steps"), "Rollout steps", Kind::Numbers)
                .must()
                .about("One a line, rising, in hundredths of a percent: 100 is 1 %, 10000 is everybody."),
        );
        fields.push(
            number(at("stepMinutes"), "Minutes at a step", 1, 43_200)
                .about("Then it is raised by itself. Left empty: a person raises it."),
        );
        if target == TargetKey::IosAppStore {
            fields.push(Field::flag(at("phased"), "Apple's seven-day phased release"));
        }
        fields.push(
            number(
                at("pollSeconds"),
                "Seconds between two looks at the store",
                1,
                3_600,
            )
            .must(),
        );
        fields.extend(profile_notes::own(target, settings));
    }
    Section::new(words(target.word()), fields)
}

/// Settings with every default written out, as the form shows them.
pub(super) fn spelt_out(settings: &Value) -> Value {
    let read: Settings = serde_json::from_value(settings.clone()).unwrap_or_default();
    let mut whole = serde_json::to_value(&read).unwrap_or_default();
    for key in TargetKey::ALL {
        let mut at = |part: &str, value: Value| {
            if let Some(members) = whole.get_mut(part).and_then(Value::as_object_mut) {
                members.entry(key.word()).or_insert(value);
            }
        };
        at("builds", json!(BuildMode::Pipeline.word()));
        if key.is_store() {
            at(
                "stores",
                serde_json::to_value(StoreOptions::default()).unwrap_or_default(),
            );
        }
    }
    whole
}

/// The sections of the settings, showing them.
pub(super) fn sheet(first: Section, stored: &Value) -> Sheet {
    let body = json!({"settings": spelt_out(stored.get("settings").unwrap_or(&Value::Null))});
    let mut sections = vec![
        first,
        names(),
        gates(),
        work(),
        profile_notes::everywhere(&body),
        waits(),
    ];
    for key in TargetKey::ALL {
        sections.push(target(*key, &body));
    }
    let mut shown = Sheet::new(sections).showing(&body);
    if let Some(first) = shown.sections.first_mut() {
        for field in &mut first.fields {
            field.show(stored);
        }
    }
    shown
}

/// What a form leaves alone because it cannot say it: set instants.
pub(super) fn keep_instants(wanted: &mut Value, stored: &Value) {
    for key in TargetKey::ALL {
        let at = format!("/settings/stores/{key}");
        let timing = stored
            .pointer(&format!("{at}/timing"))
            .filter(|it| it.is_object());
        if let (Some(timing), Some(Value::Object(members))) = (timing, wanted.pointer_mut(&at)) {
            members.insert("timing".to_owned(), timing.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form::Form;

    /// What a browser sends of a sheet as it stands.
    fn sent(sheet: &Sheet) -> Form {
        let mut pairs = url::form_urlencoded::Serializer::new(String::new());
        for field in sheet.sections.iter().flat_map(|it| &it.fields) {
            if field.shape() == "boxes" {
                for word in field.value.lines() {
                    pairs.append_pair(&format!("{}={word}", field.pointer), "on");
                }
            } else if !field.value.is_empty() {
                pairs.append_pair(&field.pointer, &field.value);
            }
        }
        Form::read(pairs.finish().as_bytes())
    }

    #[test]
    fn a_form_sent_as_it_stands_changes_nothing() {
        for stored in [
            json!({"settings": {}}),
            json!({"settings": {
                "scm": {"branchTemplate": "r/{version}", "mergeBack": true}, "quorum": {"PRE_RELEASE": 2}, "autoStart": [],
                "stores": {"IOS_APP_STORE": {"phased": true, "notes": {"ja": "修正"}, "timing": {"at": "2026-12-01T00:00:00Z"}},
                           "ANDROID_PLAY_STORE": {"steps": [100, 5000, 10000], "stepMinutes": 60}},
                "builds": {"ANDROID_PLAY_STORE": "MANUAL"}, "automation": false, "chat": {"topics": ["critical"]},
                "storeNotes": {"default": "Bug fixes.", "de-DE": "Fehler behoben.\nUnd mehr."},
            }}),
        ] {
            let mut sheet = sheet(Section::new("", Vec::new()), &stored);
            let form = sent(&sheet);
            let mut wanted = sheet
                .take(&form)
                .unwrap_or_else(|| panic!("{:?}", sheet.mistakes));
            keep_instants(&mut wanted, &stored);
            let read: Settings = serde_json::from_value(wanted["settings"].clone()).unwrap();
            assert_eq!(
                serde_json::to_value(read).unwrap(),
                spelt_out(&stored["settings"]),
                "{stored}"
            );
        }
    }
}
