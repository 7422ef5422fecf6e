//! Fields from the JSON Schema that a provider describes its settings and credentials with.

use super::{Choice, Field, Kind};
use crate::shown::words;
use serde_json::Value;

/// Fields of the configuration.
pub(crate) fn of_config(schema: &Value) -> Vec<Field> {
    fields("/config", schema)
}

/// Fields of the credentials. `kept` are those that are stored: left empty, they stay.
pub(crate) fn of_credentials(schema: &Value, kept: &[String]) -> Vec<Field> {
    let mut fields = fields("/credentials", schema);
    for field in &mut fields {
        let name = field.pointer.rsplit('/').next().unwrap_or_default();
        if kept.iter().any(|it| it == name) {
            field.required = false;
            let about = field.about.take().map(|it| format!(" {it}")).unwrap_or_default();
            field.about = Some(format!("Set already; left empty, it stays.{about}"));
        }
    }
    fields
}

/// Names of the properties: in the order that the provider gives, then what it forgot.
fn names(schema: &Value) -> Vec<&str> {
    let order = schema.get("x-order").and_then(Value::as_array);
    let mut names: Vec<&str> = order.into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = schema.get("properties").and_then(Value::as_object);
    for name in properties.into_iter().flat_map(serde_json::Map::keys) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    names
}

fn fields(at: &str, schema: &Value) -> Vec<Field> {
    let required = schema.get("required").and_then(Value::as_array);
    let is_required = |name: &str| {
        let mut all = required.into_iter().flatten();
        all.any(|it| it.as_str() == Some(name))
    };
    let mut found = Vec::new();
    for name in names(schema) {
        let Some(one) = schema.get("properties").and_then(|it| it.get(name)) else {
            continue;
        };
        let pointer = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
        if one.get("properties").is_some() {
            let title = text(one, "title").unwrap_or_else(|| words(name));
            for mut inner in fields(&pointer, one) {
                inner.label = format!("{title}: {}", inner.label);
                if inner.about.is_none() {
                    inner.about = text(one, "description");
                }
                found.push(inner);
            }
        } else {
            let mut field = field(pointer, name, one);
            field.required = is_required(name);
            found.push(field);
        }
    }
    found
}

fn text(schema: &Value, keyword: &str) -> Option<String> {
    schema.get(keyword)?.as_str().map(ToOwned::to_owned)
}

fn kind(schema: &Value) -> Kind {
    let is = |keyword: &str| schema.get(keyword).and_then(Value::as_bool) == Some(true);
    let secret = is("writeOnly") || is("x-secret") || text(schema, "format").as_deref() == Some("password");
    let multiline = is("x-multiline");
    if let Some(offered) = schema.get("enum").and_then(Value::as_array) {
        let offered = offered.iter().filter_map(Value::as_str);
        return Kind::Choice(offered.map(|it| Choice::new(it, it)).collect());
    }
    let number = |keyword: &str| schema.get(keyword).and_then(Value::as_i64);
    match (schema.get("type").and_then(Value::as_str), secret, multiline) {
        (_, true, true) => Kind::LongSecret,
        (_, true, false) => Kind::Secret,
        (Some("boolean"), false, _) => Kind::Flag,
        (Some("integer"), false, _) => Kind::Number {
            least: number("minimum"),
            most: number("maximum"),
        },
        (Some("array"), false, _) => match schema.pointer("/items/type").and_then(Value::as_str) {
            Some("integer") => Kind::Numbers,
            Some(_) | None => Kind::Lines,
        },
        (Some("object"), false, _) => Kind::Pairs,
        (Some(_) | None, false, true) => Kind::Long,
        (Some(_) | None, false, false) => match text(schema, "format").as_deref() {
            Some("uri") => Kind::Address,
            Some(_) | None => Kind::Line,
        },
    }
}

fn field(pointer: String, name: &str, schema: &Value) -> Field {
    let kind = kind(schema);
    let label = text(schema, "title").unwrap_or_else(|| words(name));
    let mut field = Field::new(pointer, label, kind);
    let shown = |value: &Value| super::read::shown(value).replace('\n', ", ");
    let mut about: Vec<String> = text(schema, "description").into_iter().collect();
    if let Some(default) = schema.get("default") {
        match field.kind {
            Kind::Flag | Kind::Choice(_) => field.value = super::read::shown(default),
            Kind::Line
            | Kind::Address
            | Kind::Number { .. }
            | Kind::Boxes(_)
            | Kind::Lines
            | Kind::Numbers
            | Kind::Pairs
            | Kind::Long
            | Kind::Secret
            | Kind::LongSecret
            | Kind::Moment
            | Kind::Colour => about.push(format!("Left empty: {}.", shown(default))),
        }
    }
    match field.kind {
        Kind::Lines | Kind::Numbers => about.push("One a line.".to_owned()),
        Kind::Pairs => about.push("NAME=value, one a line.".to_owned()),
        Kind::Line
        | Kind::Address
        | Kind::Number { .. }
        | Kind::Flag
        | Kind::Choice(_)
        | Kind::Boxes(_)
        | Kind::Long
        | Kind::Secret
        | Kind::LongSecret
        | Kind::Moment
        | Kind::Colour => {}
    }
    field.about = (!about.is_empty()).then(|| about.join(" "));
    field.help = text(schema, "x-help");
    let examples = schema.get("examples").and_then(Value::as_array);
    field.example = examples.and_then(|it| it.first()).map(shown);
    field
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_schema_becomes_fields_in_its_order() {
        let schema = json!({"type": "object", "x-order": ["url", "mode", "topics"], "required": ["url"], "properties": {
            "mode": {"type": "string", "enum": ["fast", "safe"], "default": "safe", "title": "Mode"},
            "url": {"type": "string", "format": "uri", "title": "Address", "examples": ["https://x.example"]},
            "topics": {"type": "object", "title": "Channels", "properties": {"builds": {"type": "string"}}},
            "forgotten": {"type": "integer", "minimum": 1, "maximum": 5, "default": 3},
        }});
        let fields = of_config(&schema);
        let pointers: Vec<&str> = fields.iter().map(|it| it.pointer.as_str()).collect();
        assert_eq!(
            pointers,
            [
                "/config/url",
                "/config/mode",
                "/config/topics/builds",
                "/config/forgotten"
            ]
        );
        assert!(fields[0].required && fields[0].kind == Kind::Address);
        assert_eq!(fields[0].example.as_deref(), Some("https://x.example"));
        assert_eq!(fields[1].value, "safe");
        assert_eq!(fields[2].label, "Channels: builds");
        assert_eq!(fields[3].about.as_deref(), Some("Left empty: 3."));
    }

    #[test]
    fn secrets_are_secrets_however_they_are_marked() {
        let schema = json!({"required": ["a", "b"], "properties": {
            "a": {"type": "string", "writeOnly": true}, "b": {"type": "string", "x-secret": true, "x-multiline": true},
            "c": {"type": "string", "format": "password"}, "d": {"type": "string"},
        }});
        let fields = of_credentials(&schema, &["a".to_owned()]);
        let kinds: Vec<&Kind> = fields.iter().map(|it| &it.kind).collect();
        assert_eq!(
            kinds,
            [&Kind::Secret, &Kind::LongSecret, &Kind::Secret, &Kind::Line]
        );
        assert!(
            !fields[0].required && fields[1].required,
            "what is stored need not be sent again"
        );
    }
}
