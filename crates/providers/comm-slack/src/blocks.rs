//! Messages as Block Kit, within its limits: a header of 150 characters, sections of 3000, 50 blocks.

use delivr_domain::ports::vendor::ChatMessage;
use serde_json::{Value, json};

const HEADER: usize = 150;
const SECTION: usize = 3000;
const MOST: usize = 48;

/// Text in which nothing is markup: an unescaped `<!channel>` in a ticket's title would call everybody.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// Cuts by characters; an escaped sign is never cut apart, because cutting comes first.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(most - 1).collect();
    short.push('…');
    short
}

/// `text` for notifications and `blocks` for the message itself.
pub(crate) fn render(message: &ChatMessage) -> (String, Value) {
    let title = if message.note.title.trim().is_empty() {
        message.note.kind.as_str()
    } else {
        message.note.title.trim()
    };
    let mut blocks =
        vec![json!({"type": "header", "text": {"type": "plain_text", "text": cut(title, HEADER)}})];
    for line in message
        .note
        .lines
        .iter()
        .filter(|line| !line.trim().is_empty())
        .take(MOST)
    {
        // One sign becomes at most five when escaped.
        let text = escape(&cut(line.trim(), SECTION / 5));
        blocks.push(json!({"type": "section", "text": {"type": "mrkdwn", "text": text}}));
    }
    if let Some(link) = &message.link {
        let link = link.replace(['<', '>', '|'], "");
        let text = format!("<{link}|Open in Delivr>");
        if text.chars().count() <= SECTION {
            blocks.push(json!({"type": "section", "text": {"type": "mrkdwn", "text": text}}));
        }
    }
    (escape(&cut(title, HEADER)), Value::Array(blocks))
}

#[cfg(test)]
mod tests {
    use super::*;
    use delivr_domain::effect::{Note, Topic};

    #[test]
    fn texts_are_escaped_and_fit() {
        let message = ChatMessage {
            topic: Topic::Releases,
            note: Note {
                kind: "X".into(),
                title: format!("<!channel> {}", "t".repeat(400)),
                lines: vec!["<".repeat(5000), String::new()],
            },
            link: Some("https://delivr.example.com/r/1".into()),
            since: "2026-11-21T08:00:00Z".parse().unwrap(),
        };
        let (text, blocks) = render(&message);
        assert!(text.starts_with("&lt;!channel&gt;"));
        let blocks = blocks.as_array().unwrap();
        assert_eq!(blocks.len(), 3);
        assert_eq!(blocks[0]["text"]["text"].as_str().unwrap().chars().count(), 150);
        assert!(blocks[1]["text"]["text"].as_str().unwrap().len() <= 3000);
    }
}
