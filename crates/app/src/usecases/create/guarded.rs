//! Settings that decide what keeps a gate closed. Who may not override a gate may not take it away either.

use delivr_domain::plan::Plan;
use delivr_domain::release::Release;
use delivr_domain::release::command::changes;
use serde_json::Value;

/// Each by its JSON pointer into a settings document, and into a plan.
const GUARDED: &[(&str, &str)] = &[
    ("/quorum", "/quorum"),
    ("/autoStart", "/auto_start"),
    ("/shaOrigins", "/sha_origins"),
    ("/allowZeroCycles", "/allow_zero_cycles"),
    ("/tickets/gateOnApproval", "/tracker/gate_on_approval"),
    ("/testing/passThreshold", "/testing/pass_threshold"),
    ("/automation", "/automation"),
];

/// The first such setting that the document names, whatever it says of it.
#[must_use]
pub fn guarded_setting(settings: &Value) -> Option<&'static str> {
    let mut named = GUARDED
        .iter()
        .filter(|(setting, _)| settings.pointer(setting).is_some());
    named.next().map(|(setting, _)| *setting)
}

/// The first such part of its plan that the release would get anew; another profile is one as a whole.
#[must_use]
pub fn guarded_change(release: &Release, plan: &Plan) -> Option<&'static str> {
    let profile = |plan: &Plan| plan.profile.map(|(id, _revision)| id);
    if profile(release.plan()) != profile(plan) {
        return Some("/profile");
    }
    let changed = changes(release, plan);
    let mut touched = GUARDED.iter().filter(|(_, part)| {
        let touches = |at: &str| at == *part || below(at, part) || below(part, at);
        changed.iter().any(|change| touches(&change.pointer))
    });
    touched.next().map(|(_, part)| *part)
}

fn below(pointer: &str, above: &str) -> bool {
    pointer
        .strip_prefix(above)
        .is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn naming_it_is_enough() {
        for (setting, _) in GUARDED {
            let mut document = Value::Null;
            for name in setting.rsplit('/').filter(|name| !name.is_empty()) {
                document = json!({ name: document });
            }
            assert_eq!(guarded_setting(&document), Some(*setting));
        }
        let free = json!({"scm": {"mergeBack": true}, "tickets": {"close": true}, "testing": {}});
        assert_eq!(guarded_setting(&free), None);
    }
}
