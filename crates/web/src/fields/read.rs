//! From what a browser sends to a value, and from a stored value to what stands in a field.

use super::{Field, Kind};
use crate::form::Form;
use serde_json::{Map, Value};

/// What a line begins with that goes on with the value above it.
const MORE: char = '|';

/// The name under which a browser sends one of several boxes.
fn of_box(field: &Field, word: &str) -> String {
    format!("{}={word}", field.pointer)
}

/// Keeps what was sent in the field; secrets are not kept.
pub(super) fn keep(field: &mut Field, form: &Form) {
    field.value = match &field.kind {
        Kind::Secret | Kind::LongSecret => String::new(),
        Kind::Flag => if form.ticked(&field.pointer) { "true" } else { "" }.to_owned(),
        Kind::Boxes(choices) => {
            let ticked = choices
                .iter()
                .filter(|it| form.ticked(&of_box(field, &it.value)))
                .map(|it| it.value.as_str());
            ticked.collect::<Vec<_>>().join("\n")
        }
        Kind::Line
        | Kind::Address
        | Kind::Number { .. }
        | Kind::Choice(_)
        | Kind::Lines
        | Kind::Numbers
        | Kind::Pairs
        | Kind::Long
        | Kind::Moment
        | Kind::Colour => form.get(&field.pointer).unwrap_or_default().to_owned(),
    };
}

/// The value that a request carries for the field; none where it is left out.
pub(super) fn value(field: &Field, form: &Form) -> Result<Option<Value>, String> {
    let empty = || match (field.required, field.clears) {
        (true, _) => Err(match field.kind {
            Kind::Choice(_) | Kind::Boxes(_) => "must be chosen",
            Kind::Line
            | Kind::Address
            | Kind::Number { .. }
            | Kind::Flag
            | Kind::Lines
            | Kind::Numbers
            | Kind::Pairs
            | Kind::Long
            | Kind::Secret
            | Kind::LongSecret
            | Kind::Moment
            | Kind::Colour => "must be filled in",
        }
        .to_owned()),
        (false, true) => Ok(Some(Value::Null)),
        (false, false) => Ok(None),
    };
    match &field.kind {
        Kind::Flag => Ok(Some(form.ticked(&field.pointer).into())),
        Kind::Boxes(_) if field.value.is_empty() && field.required => empty(),
        Kind::Boxes(_) => Ok(Some(field.value.lines().map(Value::from).collect())),
        Kind::Line
        | Kind::Address
        | Kind::Number { .. }
        | Kind::Choice(_)
        | Kind::Lines
        | Kind::Numbers
        | Kind::Pairs
        | Kind::Long
        | Kind::Secret
        | Kind::LongSecret
        | Kind::Moment
        | Kind::Colour => match form.get(&field.pointer) {
            None => empty(),
            Some(text) => typed(field, text).map(Some),
        },
    }
}

fn typed(field: &Field, text: &str) -> Result<Value, String> {
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    match &field.kind {
        Kind::Number { least, most } => {
            let number = whole(text)?;
            let low = least.is_some_and(|least| number < least);
            let high = most.is_some_and(|most| number > most);
            match (least, most) {
                (Some(least), Some(most)) if low || high => {
                    Err(format!("must be a whole number from {least} to {most}"))
                }
                (Some(least), None) if low => Err(format!("must be at least {least}")),
                (None, Some(most)) if high => Err(format!("must be at most {most}")),
                (Some(_) | None, Some(_) | None) => Ok(number.into()),
            }
        }
        Kind::Numbers => lines().map(|line| whole(line).map(Value::from)).collect(),
        Kind::Lines => Ok(lines().map(Value::from).collect()),
        Kind::Pairs => {
            let mut pairs: Map<String, Value> = Map::new();
            let mut last: Option<String> = None;
            for line in lines() {
                if let Some(more) = line.strip_prefix(MORE) {
                    let Some(Value::String(value)) = last.as_ref().and_then(|name| pairs.get_mut(name))
                    else {
                        return Err(format!(
                            "`{line}` goes on with nothing: a NAME=value must stand above it"
                        ));
                    };
                    value.push('\n');
                    value.push_str(more.strip_prefix(' ').unwrap_or(more));
                    continue;
                }
                let (name, value) = line
                    .split_once('=')
                    .filter(|(name, _)| !name.trim().is_empty())
                    .ok_or_else(|| format!("`{line}` must look like NAME=value"))?;
                let earlier = pairs.insert(name.trim().to_owned(), value.trim().into());
                if earlier.is_some() {
                    return Err(format!("{} stands there twice", name.trim()));
                }
                last = Some(name.trim().to_owned());
            }
            Ok(Value::Object(pairs))
        }
        Kind::Choice(choices) => {
            if choices.iter().any(|it| it.value == text) {
                Ok(text.into())
            } else {
                Err("must be one of those offered".to_owned())
            }
        }
        Kind::Line
        | Kind::Address
        | Kind::Flag
        | Kind::Boxes(_)
        | Kind::Long
        | Kind::Secret
        | Kind::LongSecret
        | Kind::Moment
        | Kind::Colour => Ok(text.into()),
    }
}

fn whole(text: &str) -> Result<i64, String> {
    text.parse()
        .map_err(|_ignored| format!("`{text}` is no whole number"))
}

/// A stored value as it stands in a field.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(true) => "true".to_owned(),
        Value::Bool(false) => String::new(),
        Value::Number(number) => number.to_string(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join("\n"),
        Value::Object(members) => {
            let pair = |(name, value): (&String, &Value)| {
                format!("{name}={}", shown(value).replace('\n', &format!("\n{MORE} ")))
            };
            members.iter().map(pair).collect::<Vec<_>>().join("\n")
        }
    }
}

/// Puts a value at a pointer, with the objects around it.
pub(super) fn put(body: &mut Value, pointer: &str, value: Value) {
    let mut at = body;
    let mut names = pointer.split('/').skip(1).peekable();
    while let Some(name) = names.next() {
        let Value::Object(members) = at else { return };
        let name = name.replace("~1", "/").replace("~0", "~");
        if names.peek().is_none() {
            members.insert(name, value);
            return;
        }
        at = members.entry(name).or_insert_with(|| Value::Object(Map::new()));
    }
}
