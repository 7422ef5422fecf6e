//! Pipelines: what their parameter templates may say.

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

#[cfg(test)]
mod tests {
    use super::unknown_words;

    #[test]
    fn only_words_that_look_like_ours_are_complained_about() {
        let unknown = |template| unknown_words(template).collect::<Vec<_>>();
        assert_eq!(unknown("{version}-{sha}"), Vec::<&str>::new());
        assert_eq!(unknown("a{versoin}b{x_1}"), vec!["versoin", "x_1"]);
        assert_eq!(unknown(r#"{"json": 1} {} {"#), Vec::<&str>::new());
    }
}
