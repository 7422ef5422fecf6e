//! YAML as far as a workflow's file is read: texts as they are written, lists, and maps in their order. Anchors are
//! shared and not copied, and what is nested too deeply is refused, so that a file cannot make more of itself than it is.

use saphyr_parser::{Event, Parser};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Deepest nesting that is read.
const DEEPEST: usize = 64;

/// A part of a document.
#[derive(Debug)]
pub(crate) enum Node {
    /// Any scalar, unquoted; nothing at all is an empty one.
    Text(String),
    /// A list.
    List(Vec<Arc<Node>>),
    /// A map; keys that are no texts are left out.
    Map(Vec<(String, Arc<Node>)>),
}

impl Node {
    /// The text of a scalar.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::List(_) | Self::Map(_) => None,
        }
    }
    /// The items of a list.
    pub(crate) fn items(&self) -> &[Arc<Self>] {
        match self {
            Self::List(items) => items,
            Self::Text(_) | Self::Map(_) => &[],
        }
    }
    /// The entries of a map.
    pub(crate) fn entries(&self) -> &[(String, Arc<Self>)] {
        match self {
            Self::Map(entries) => entries,
            Self::Text(_) | Self::List(_) => &[],
        }
    }
    /// What stands under a key of a map.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        let found = self.entries().iter().find(|(name, _)| name == key);
        found.map(|(_, node)| node.as_ref())
    }
}

/// What is being read.
enum Open {
    List(usize, Vec<Arc<Node>>),
    Map(usize, Vec<(String, Arc<Node>)>, Option<Arc<Node>>),
}

/// The first document of a text.
///
/// # Errors
/// What is wrong with it, for people.
pub(crate) fn read(text: &str) -> Result<Arc<Node>, String> {
    let mut open: Vec<Open> = Vec::new();
    let mut anchors: BTreeMap<usize, Arc<Node>> = BTreeMap::new();
    for event in Parser::new_from_str(text) {
        let (event, _) = event.map_err(|why| why.to_string())?;
        let (anchor, node) = match event {
            Event::SequenceStart(anchor, _) => {
                open.push(Open::List(anchor, Vec::new()));
                nested(&open)?;
                continue;
            }
            Event::MappingStart(anchor, _) => {
                open.push(Open::Map(anchor, Vec::new(), None));
                nested(&open)?;
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(Open::List(anchor, items)) => (anchor, Arc::new(Node::List(items))),
                Some(Open::Map(anchor, entries, _)) => (anchor, Arc::new(Node::Map(entries))),
                None => continue,
            },
            Event::Scalar(text, _, anchor, _) => (anchor, Arc::new(Node::Text(text.into_owned()))),
            Event::Alias(anchor) => match anchors.get(&anchor) {
                Some(node) => (0, node.clone()),
                None => return Err("an alias names no anchor before it".to_owned()),
            },
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => continue,
        };
        if anchor > 0 {
            anchors.insert(anchor, node.clone());
        }
        match open.last_mut() {
            None => return Ok(node),
            Some(Open::List(_, items)) => items.push(node),
            Some(Open::Map(_, entries, key)) => match key.take() {
                None => *key = Some(node),
                Some(name) => {
                    if let Some(name) = name.text() {
                        entries.push((name.to_owned(), node));
                    }
                }
            },
        }
    }
    Err("it is empty".to_owned())
}

fn nested(open: &[Open]) -> Result<(), String> {
    if open.len() > DEEPEST {
        return Err(format!("it is nested deeper than {DEEPEST} levels"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stay_as_they_are_written() {
        let node = read("a: 1.0\nb: 'yes'\non: [x, \"y\"]\nc:\nd: |\n  two\n  lines\ne: off\n").unwrap();
        let text = |key: &str| node.get(key).and_then(Node::text);
        assert_eq!(text("a"), Some("1.0"));
        assert_eq!(text("b"), Some("yes"));
        assert_eq!(text("d"), Some("two\nlines\n"));
        assert_eq!(text("e"), Some("off"));
        assert!(matches!(text("c"), Some("" | "~")));
        assert_eq!(node.get("on").unwrap().items().len(), 2);
        assert!(node.get("nothing").is_none());
    }

    #[test]
    fn anchors_are_shared_and_nothing_grows_without_end() {
        let node = read("a: &x {k: v}\nb: *x\n").unwrap();
        assert_eq!(node.get("b").unwrap().get("k").unwrap().text(), Some("v"));
        let mut laughs = "a0: &a0 [lol]\n".to_owned();
        for level in 1..30 {
            let before = format!("*a{}", level - 1);
            let line = format!("a{level}: &a{level} [{before}, {before}, {before}, {before}]\n");
            laughs.push_str(&line);
        }
        assert!(read(&laughs).is_ok());
        assert!(read(&"[".repeat(10_000)).is_err());
        for odd in ["", "a: [1", "a: *none", "\t- x: :", "a: b: c"] {
            assert!(read(odd).is_err(), "{odd}");
        }
    }
}
