//! Pipelines: what their parameter templates may say, and what their jobs must declare.

use delivr_domain::ports::vendor::JobParameter;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a person waits for what a CI system says about a job.
pub const READ_LIMIT: Duration = Duration::from_secs(15);

/// Words that a release fills in when it starts a run.
pub const WORDS: &[&str] = &["version", "branch", "tag", "sha", "platform", "cycle"];

/// Words in braces that nothing would fill in. Braces around anything but letters, digits and underscores are the
/// job's own (JSON, shell) and stay as they are.
pub fn unknown_words(template: &str) -> impl Iterator<Item = &str> {
    template
        .split('{')
        .skip(1)
        .filter_map(|rest| rest.split_once('}').map(|(word, _)| word))
        .filter(|word| {
            !word.is_empty()
                && word
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        })
        .filter(|word| !WORDS.contains(word))
}

/// What a job must declare and does not: the parameter that carries the correlation key, by which a run is found again
/// (`key`, where the provider needs one), and every parameter the pipeline gives. CI systems drop what is not declared,
/// most of them without a word.
#[must_use]
pub fn undeclared(
    key: Option<&str>,
    given: &BTreeMap<String, String>,
    declared: &[JobParameter],
) -> Vec<String> {
    let has = |name: &str| declared.iter().any(|it| it.name == name);
    let mut problems = Vec::new();
    if let Some(key) = key.filter(|key| !has(key)) {
        problems.push(format!(
            "the job must declare the text parameter {key}; without it a run cannot be found again"
        ));
    }
    for name in given.keys().filter(|name| !has(name)) {
        problems.push(format!(
            "the job does not declare the parameter {name}, which the pipeline gives it"
        ));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_job_does_not_declare_is_named() {
        let parameter = |name: &str| JobParameter {
            name: name.to_owned(),
            kind: "string".to_owned(),
            default: None,
        };
        let given = BTreeMap::from([("VERSION".to_owned(), "{version}".to_owned())]);
        let all = [parameter("KEY"), parameter("VERSION")];
        assert!(undeclared(Some("KEY"), &given, &all).is_empty());
        assert!(undeclared(None, &given, &all[1..]).is_empty());
        let problems = undeclared(Some("KEY"), &given, &[]);
        assert!(
            problems[0].contains("KEY") && problems[1].contains("VERSION"),
            "{problems:?}"
        );
    }

    #[test]
    fn only_words_that_look_like_ours_are_complained_about() {
        let unknown = |template| unknown_words(template).collect::<Vec<_>>();
        assert_eq!(unknown("{version}-{sha}"), Vec::<&str>::new());
        assert_eq!(unknown("a{versoin}b{x_1}"), vec!["versoin", "x_1"]);
        assert_eq!(unknown(r#"{"json": 1} {} {"#), Vec::<&str>::new());
    }
}
