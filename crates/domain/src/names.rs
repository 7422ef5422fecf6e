//! Names that vendors keep: commit hashes, refs, and the templates branch and tag names are made from.

use crate::key::TargetKey;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Why a name or template is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not a full hexadecimal commit hash.
    #[error("`{0}` is not a full commit hash (40 or 64 hex digits)")]
    Sha(String),
    /// Not a name git accepts for a branch or tag.
    #[error("`{name}` is not a valid ref name: {why}")]
    Ref {
        /// The refused name.
        name: String,
        /// Which rule it breaks.
        why: &'static str,
    },
    /// A template with a word that is not known, or an unclosed brace.
    #[error("template `{template}`: {why}")]
    Template {
        /// The refused template.
        template: String,
        /// What is wrong with it.
        why: String,
    },
}

/// A full commit hash, lower case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha(String);

impl Sha {
    /// The 40 (or 64) hex digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// The first ten digits, for people.
    #[must_use]
    pub fn brief(&self) -> &str {
        self.0.get(..10).unwrap_or(&self.0)
    }
}

impl FromStr for Sha {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if hex && (text.len() == 40 || text.len() == 64) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(NameError::Sha(text.chars().take(80).collect()))
        }
    }
}

impl TryFrom<String> for Sha {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<Sha> for String {
    fn from(sha: Sha) -> Self {
        sha.0
    }
}

impl fmt::Display for Sha {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Sha {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A branch or tag name by git's rules (`git check-ref-format`), which also never starts with `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RefName(String);

impl RefName {
    /// The name without `refs/heads/` or `refs/tags/`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RefName {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let bad = |why| {
            Err(NameError::Ref {
                name: text.chars().take(200).collect(),
                why,
            })
        };
        if text.is_empty() || text.len() > 200 {
            return bad("must have 1 to 200 characters");
        }
        if text.starts_with('-') {
            return bad("must not start with `-`");
        }
        if text == "@" || text.contains("@{") {
            return bad("must not be `@` or contain `@{`");
        }
        if text.contains("..") || text.contains("//") {
            return bad("must not contain `..` or `//`");
        }
        if text.starts_with('/') || text.ends_with('/') || text.ends_with('.') {
            return bad("must not start or end with `/`, nor end with `.`");
        }
        if text
            .chars()
            .any(|c| c.is_control() || matches!(c, ' ' | '~' | '^' | ':' | '?' | '*' | '[' | '\\'))
        {
            return bad("must not contain spaces, control characters or any of ~ ^ : ? * [ \\");
        }
        if text
            .split('/')
            .any(|part| part.starts_with('.') || part.ends_with(".lock"))
        {
            return bad("no part may start with `.` or end with `.lock`");
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for RefName {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<RefName> for String {
    fn from(name: RefName) -> Self {
        name.0
    }
}

impl fmt::Display for RefName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a name template may name.
#[derive(Debug, Clone)]
pub struct NameContext<'a> {
    /// The service's slug.
    pub service: &'a str,
    /// The version without a leading `v`.
    pub version: &'a str,
    /// The target, where the name is per target.
    pub target: Option<TargetKey>,
    /// The regression cycle, where there is one.
    pub cycle: Option<u16>,
    /// The kickoff date as `YYYY-MM-DD`.
    pub date: &'a str,
}

/// A template over `{service} {version} {target} {cycle} {date}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NameTemplate(String);

const WORDS: [&str; 5] = ["service", "version", "target", "cycle", "date"];

impl NameTemplate {
    /// The template's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// Whether the template names the word.
    #[must_use]
    pub fn names(&self, word: &str) -> bool {
        self.0.contains(&format!("{{{word}}}"))
    }
    /// The ref name for the context.
    ///
    /// # Errors
    /// When the result is not a valid ref name, or the template names something the context lacks.
    pub fn render(&self, cx: &NameContext<'_>) -> Result<RefName, NameError> {
        let missing = |word: &str| NameError::Template {
            template: self.0.clone(),
            why: format!("{{{word}}} has no value here"),
        };
        let mut text = self
            .0
            .replace("{service}", cx.service)
            .replace("{version}", cx.version)
            .replace("{date}", cx.date);
        if self.names("target") {
            let target = cx.target.ok_or_else(|| missing("target"))?;
            text = text.replace("{target}", &target.platform().word().to_ascii_lowercase());
        }
        if self.names("cycle") {
            let cycle = cx.cycle.ok_or_else(|| missing("cycle"))?;
            text = text.replace("{cycle}", &cycle.to_string());
        }
        text.parse()
    }
}

impl FromStr for NameTemplate {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let bad = |why: String| {
            Err(NameError::Template {
                template: text.chars().take(200).collect(),
                why,
            })
        };
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            let after = rest.get(open + 1..).unwrap_or_default();
            let Some(close) = after.find('}') else {
                return bad("a `{` is not closed".to_owned());
            };
            let word = after.get(..close).unwrap_or_default();
            if !WORDS.contains(&word) {
                return bad(format!("{{{word}}} is unknown; known are {}", WORDS.join(", ")));
            }
            rest = after.get(close + 1..).unwrap_or_default();
        }
        let sample = NameContext {
            service: "s",
            version: "1.0.0",
            target: Some(TargetKey::IosAppStore),
            cycle: Some(1),
            date: "2026-01-01",
        };
        let template = Self(text.to_owned());
        template.render(&sample)?;
        Ok(template)
    }
}

impl TryFrom<String> for NameTemplate {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<NameTemplate> for String {
    fn from(template: NameTemplate) -> Self {
        template.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refs_follow_git_rules() {
        for good in ["release/1.2.3", "v1.2.3-rc.1", "a", "feature/x_y"] {
            assert!(good.parse::<RefName>().is_ok(), "{good}");
        }
        for bad in [
            "", "-x", "a..b", "a b", "a~1", "/a", "a/", "a.", "x/.y", "a.lock", "@", "a@{1}", "a:b", "a\u{7}",
        ] {
            assert!(bad.parse::<RefName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn templates_refuse_unknown_words() {
        assert!("release/{version}".parse::<NameTemplate>().is_ok());
        assert!("release/{sha}".parse::<NameTemplate>().is_err());
        assert!("release/{version".parse::<NameTemplate>().is_err());
    }

    #[test]
    fn a_template_without_its_value_is_an_error_not_a_literal() {
        let template: NameTemplate = "v{version}-rc.{cycle}".parse().unwrap();
        let cx = NameContext {
            service: "s",
            version: "1.0.0",
            target: None,
            cycle: None,
            date: "2026-01-01",
        };
        assert!(template.render(&cx).is_err());
    }
}
