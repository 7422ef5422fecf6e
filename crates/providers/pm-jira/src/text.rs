//! Texts in the form the deployment takes: Atlassian Document Format on Cloud, plain text on Data Center.

use crate::Deployment;
use serde_json::{Value, json};

/// Longest summary Jira takes, in characters.
const SUMMARY: usize = 255;
/// Longest long text Jira takes by default, in characters.
const LONG: usize = 32_767;

/// One line that fits a summary.
pub(crate) fn summary(text: &str) -> String {
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if flat.chars().count() < SUMMARY {
        return flat;
    }
    let cut: String = flat.chars().take(SUMMARY - 2).collect();
    format!("{cut}…")
}

/// A text of several lines; blank lines part paragraphs.
pub(crate) fn long(deployment: Deployment, text: &str) -> Value {
    // Half the limit leaves room for the markup around the words.
    let text: String = text.chars().take(LONG / 2).collect();
    match deployment {
        Deployment::DataCenter => json!(text),
        Deployment::Cloud => {
            let paragraphs: Vec<Value> = text.split("\n\n").map(paragraph).collect();
            json!({"type": "doc", "version": 1, "content": paragraphs})
        }
    }
}

fn paragraph(text: &str) -> Value {
    let mut content = Vec::new();
    for line in text.lines() {
        if !content.is_empty() {
            content.push(json!({"type": "hardBreak"}));
        }
        // ADF refuses empty text nodes.
        if !line.trim().is_empty() {
            content.push(json!({"type": "text", "text": line}));
        }
    }
    json!({"type": "paragraph", "content": content})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_paragraphs_with_breaks() {
        let document = long(Deployment::Cloud, "a\nb\n\nc");
        let content = document["content"].as_array().unwrap();
        assert_eq!(content.len(), 2);
        assert_eq!(content[0]["content"][1]["type"], "hardBreak");
        assert_eq!(content[1]["content"][0]["text"], "c");
        assert_eq!(long(Deployment::DataCenter, "a\nb"), json!("a\nb"));
    }

    #[test]
    fn summaries_are_one_line_within_the_limit() {
        assert_eq!(summary("a\n b"), "a b");
        assert_eq!(summary(&"x".repeat(400)).chars().count(), 254);
    }
}
