//! Forms of many fields: what they show, what a browser sends of them, and the body of a request made of that.
//!
//! A field is named by the JSON pointer of its value in the request, so that a mistake that the API finds at a pointer
//! stands at its field without another table. What is wrong is told in one summary above, linked to the fields.

mod read;
mod schema;

pub(crate) use schema::{of_config, of_credentials};

use crate::form::Form;
use crate::model::Problem;
use serde_json::Value;

/// A word to choose, and what people read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) value: String,
    pub(crate) label: String,
}

impl Choice {
    pub(crate) fn new(value: impl Into<String>, label: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            label: label.into(),
        }
    }
}

/// What a field takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A line of text.
    Line,
    /// An address.
    Address,
    /// A whole number.
    Number { least: Option<i64>, most: Option<i64> },
    /// Yes or no.
    Flag,
    /// One of some words.
    Choice(Vec<Choice>),
    /// Any of some words.
    Boxes(Vec<Choice>),
    /// Texts, one a line.
    Lines,
    /// Whole numbers, one a line.
    Numbers,
    /// `NAME=value`, one a line; a line that begins with `|` goes on with the value above it.
    Pairs,
    /// A text of several lines.
    Long,
    /// A secret.
    Secret,
    /// A secret of several lines.
    LongSecret,
    /// A day and hour, in the zone that the form names.
    Moment,
    /// A colour.
    Colour,
}

/// One field of a form.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    /// JSON pointer of its value in the request.
    pub(crate) pointer: String,
    pub(crate) label: String,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
    /// Left empty, `null` is sent: it clears what is stored.
    pub(crate) clears: bool,
    pub(crate) about: Option<String>,
    /// Where the value is found.
    pub(crate) help: Option<String>,
    pub(crate) example: Option<String>,
    /// What is filled in. Words of boxes stand one a line. Never a secret.
    pub(crate) value: String,
    pub(crate) errors: Vec<String>,
}

impl Field {
    pub(crate) fn new(pointer: impl Into<String>, label: impl Into<String>, kind: Kind) -> Self {
        Self {
            pointer: pointer.into(),
            label: label.into(),
            kind,
            required: false,
            clears: false,
            about: None,
            help: None,
            example: None,
            value: String::new(),
            errors: Vec::new(),
        }
    }
    pub(crate) fn line(pointer: impl Into<String>, label: impl Into<String>) -> Self {
        Self::new(pointer, label, Kind::Line)
    }
    /// One of some words; the first is what stands there.
    pub(crate) fn choice(pointer: impl Into<String>, label: impl Into<String>, choices: Vec<Choice>) -> Self {
        let value = choices.first().map(|it| it.value.clone()).unwrap_or_default();
        Self::new(pointer, label, Kind::Choice(choices)).with(value)
    }
    pub(crate) fn flag(pointer: impl Into<String>, label: impl Into<String>) -> Self {
        Self::new(pointer, label, Kind::Flag)
    }
    pub(crate) fn must(mut self) -> Self {
        self.required = true;
        self
    }
    pub(crate) fn clearing(mut self) -> Self {
        self.clears = true;
        self
    }
    pub(crate) fn about(mut self, text: impl Into<String>) -> Self {
        self.about = Some(text.into());
        self
    }
    pub(crate) fn like(mut self, example: impl Into<String>) -> Self {
        self.example = Some(example.into());
        self
    }
    pub(crate) fn with(mut self, value: impl Into<String>) -> Self {
        self.value = value.into();
        self
    }

    /// Its id on the page.
    pub(crate) fn id(&self) -> String {
        let part = |letter: char| {
            if letter.is_ascii_alphanumeric() {
                letter
            } else {
                '-'
            }
        };
        format!("f{}", self.pointer.chars().map(part).collect::<String>())
    }
    /// How it is drawn.
    pub(crate) const fn shape(&self) -> &'static str {
        match self.kind {
            Kind::Flag => "flag",
            Kind::Choice(_) => "choice",
            Kind::Boxes(_) => "boxes",
            Kind::Lines | Kind::Numbers | Kind::Pairs | Kind::Long => "long",
            Kind::LongSecret => "long secret",
            Kind::Line | Kind::Address | Kind::Number { .. } | Kind::Secret | Kind::Moment | Kind::Colour => {
                "line"
            }
        }
    }
    /// The type of its input.
    pub(crate) const fn input(&self) -> &'static str {
        match self.kind {
            Kind::Secret => "password",
            Kind::Address => "url",
            Kind::Moment => "datetime-local",
            Kind::Colour => "color",
            Kind::Number { .. }
            | Kind::Line
            | Kind::Flag
            | Kind::Choice(_)
            | Kind::Boxes(_)
            | Kind::Lines
            | Kind::Numbers
            | Kind::Pairs
            | Kind::Long
            | Kind::LongSecret => "text",
        }
    }
    /// Whether a phone shows its keys for digits.
    pub(crate) const fn digits(&self) -> bool {
        matches!(self.kind, Kind::Number { .. })
    }
    pub(crate) fn choices(&self) -> &[Choice] {
        match &self.kind {
            Kind::Choice(choices) | Kind::Boxes(choices) => choices,
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
            | Kind::Colour => &[],
        }
    }
    /// Whether the word is chosen, or among those that are.
    pub(crate) fn chosen(&self, word: &str) -> bool {
        self.value.lines().any(|it| it == word) || (word.is_empty() && self.value.is_empty())
    }
    /// Whether its label says that it may be left empty: not where something is always chosen, or where it is said what
    /// comes of leaving it empty.
    pub(crate) fn may_be_empty(&self) -> bool {
        let said = |it: &String| it.contains("eft empty");
        let chosen = matches!(self.kind, Kind::Choice(_));
        !self.required && !chosen && !self.about.as_ref().is_some_and(said)
    }
    /// Ids of what stands below it and belongs to it.
    pub(crate) fn described(&self) -> Option<String> {
        let id = self.id();
        let mut parts = Vec::new();
        if self.has_hint() {
            parts.push(format!("{id}-hint"));
        }
        if !self.errors.is_empty() {
            parts.push(format!("{id}-error"));
        }
        (!parts.is_empty()).then(|| parts.join(" "))
    }
    pub(crate) const fn has_hint(&self) -> bool {
        self.about.is_some() || self.help.is_some() || self.example.is_some()
    }
    /// The help, where it is an address to go to.
    pub(crate) fn link(&self) -> Option<&str> {
        let help = self.help.as_deref()?;
        (crate::shown::web_address(help) && !help.contains(' ')).then_some(help)
    }
    /// Shows what a request would have at its place.
    pub(crate) fn show(&mut self, body: &Value) {
        if let Some(value) = body.pointer(&self.pointer) {
            self.value = read::shown(value);
        }
    }
}

/// Fields that belong together.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    pub(crate) title: String,
    pub(crate) about: Option<String>,
    pub(crate) fields: Vec<Field>,
}

impl Section {
    pub(crate) fn new(title: impl Into<String>, fields: Vec<Field>) -> Self {
        Self {
            title: title.into(),
            about: None,
            fields,
        }
    }
    pub(crate) fn about(mut self, text: impl Into<String>) -> Self {
        self.about = Some(text.into());
        self
    }
}

/// Something that is to be put right, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// Id of the field; none when no field is to blame.
    pub(crate) field: Option<String>,
    pub(crate) label: String,
    pub(crate) detail: String,
}

/// A whole form.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sheet {
    pub(crate) sections: Vec<Section>,
    /// What is to be put right, in the order of the fields.
    pub(crate) mistakes: Vec<Mistake>,
    /// Whether a value that we have filled in stands there as we did, and follows what else is chosen.
    pub(crate) suggests: bool,
}

impl Sheet {
    pub(crate) const fn new(sections: Vec<Section>) -> Self {
        Self {
            sections,
            mistakes: Vec::new(),
            suggests: false,
        }
    }

    /// Shows what a stored thing has, in the shape of a request.
    pub(crate) fn showing(mut self, body: &Value) -> Self {
        for field in self.sections.iter_mut().flat_map(|it| &mut it.fields) {
            field.show(body);
        }
        self
    }

    /// What stands in the field of the pointer.
    pub(crate) fn value(&self, pointer: &str) -> Option<&str> {
        let mut fields = self.sections.iter().flat_map(|it| &it.fields);
        fields
            .find(|it| it.pointer == pointer)
            .map(|it| it.value.as_str())
    }

    /// Fills a field in.
    pub(crate) fn fill(&mut self, pointer: &str, value: &str) {
        let mut fields = self.sections.iter_mut().flat_map(|it| &mut it.fields);
        if let Some(field) = fields.find(|it| it.pointer == pointer) {
            value.clone_into(&mut field.value);
        }
    }

    /// Keeps what was sent, so that it stands there again.
    pub(crate) fn keep(&mut self, form: &Form) {
        for field in self.sections.iter_mut().flat_map(|it| &mut it.fields) {
            read::keep(field, form);
        }
    }

    /// The body of the request; none when something is to be put right first.
    pub(crate) fn take(&mut self, form: &Form) -> Option<Value> {
        self.keep(form);
        let mut body = Value::Object(serde_json::Map::new());
        for field in self.sections.iter_mut().flat_map(|it| &mut it.fields) {
            match read::value(field, form) {
                Ok(Some(value)) => read::put(&mut body, &field.pointer, value),
                Ok(None) => {}
                Err(detail) => field.errors.push(detail),
            }
        }
        self.summarise();
        self.mistakes.is_empty().then_some(body)
    }

    /// Puts what the API found at the fields it is about.
    pub(crate) fn refuse(&mut self, problem: &Problem) {
        let mut loose = Vec::new();
        for error in &problem.errors {
            let mut fields = self.sections.iter_mut().flat_map(|it| &mut it.fields);
            match fields.find(|field| about(&error.pointer, &field.pointer)) {
                Some(field) => field.errors.push(error.detail.clone()),
                None => loose.push(error),
            }
        }
        let mut others: Vec<Mistake> = loose
            .into_iter()
            .map(|error| Mistake {
                field: None,
                label: error.pointer.trim_start_matches('/').to_owned(),
                detail: error.detail.clone(),
            })
            .collect();
        if problem.errors.is_empty() {
            others.push(Mistake {
                field: None,
                label: String::new(),
                detail: problem.detail.clone(),
            });
        }
        for blocker in &problem.blockers {
            others.push(Mistake {
                field: None,
                label: blocker.who().to_owned(),
                detail: blocker.detail.clone(),
            });
        }
        self.summarise();
        self.mistakes.extend(others);
    }

    /// Puts a mistake at the field of the pointer.
    pub(crate) fn blame(&mut self, pointer: &str, detail: &str) {
        let mut fields = self.sections.iter_mut().flat_map(|it| &mut it.fields);
        if let Some(field) = fields.find(|field| field.pointer == pointer) {
            field.errors.push(detail.to_owned());
        }
        self.summarise();
    }

    fn summarise(&mut self) {
        let fields = self.sections.iter().flat_map(|it| &it.fields);
        self.mistakes = fields
            .flat_map(|field| {
                field.errors.iter().map(|detail| Mistake {
                    field: Some(field.id()),
                    label: field.label.clone(),
                    detail: detail.clone(),
                })
            })
            .collect();
    }
}

/// Whether a mistake at the place belongs to the field: it is the field's own, or inside its value.
fn about(place: &str, field: &str) -> bool {
    place == field
        || place
            .strip_prefix(field)
            .is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sheet() -> Sheet {
        let boxes = vec![Choice::new("A", "a"), Choice::new("B", "b")];
        Sheet::new(vec![Section::new(
            "All",
            vec![
                Field::line("/name", "Name").must(),
                Field::line("/note", "Note").clearing(),
                Field::flag("/config/on", "On"),
                Field::new(
                    "/config/count",
                    "Count",
                    Kind::Number {
                        least: Some(1),
                        most: Some(9),
                    },
                ),
                Field::new("/config/names", "Names", Kind::Lines),
                Field::new("/words", "Words", Kind::Boxes(boxes)),
                Field::new("/parameters", "Parameters", Kind::Pairs),
                Field::new("/credentials/token", "Token", Kind::Secret),
            ],
        )])
    }

    #[test]
    fn a_form_becomes_the_body_of_a_request() {
        let sent = Form::read(
            b"%2Fname=x&%2Fconfig%2Fon=true&%2Fconfig%2Fcount=7&%2Fconfig%2Fnames=a%0D%0A%0D%0Ab&%2Fwords%3DB=on\
              &%2Fparameters=V%3D%7Bversion%7D%3D1%0AW%3D&%2Fcredentials%2Ftoken=s3cret&other=1",
        );
        let mut sheet = sheet();
        assert_eq!(
            sheet.take(&sent),
            Some(json!({
                "name": "x", "note": null, "config": {"on": true, "count": 7, "names": ["a", "b"]}, "words": ["B"],
                "parameters": {"V": "{version}=1", "W": ""}, "credentials": {"token": "s3cret"},
            }))
        );
        assert!(
            sheet.sections[0].fields.iter().all(|it| it.value != "s3cret"),
            "a secret is never shown again"
        );
    }

    #[test]
    fn a_value_of_several_lines_comes_back_as_it_was() {
        let pairs = || {
            Sheet::new(vec![Section::new(
                "All",
                vec![Field::new("/parameters", "Parameters", Kind::Pairs)],
            )])
        };
        let stored = json!({"parameters": {"A": "1", "NOTES": "one\n\n  two=2\nthree", "Z": ""}});
        let shown = pairs().showing(&stored).sections[0].fields[0].value.clone();
        assert_eq!(shown, "A=1\nNOTES=one\n| \n|   two=2\n| three\nZ=");
        let sent = |text: &str| {
            let text: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
            Form::read(format!("%2Fparameters={text}").as_bytes())
        };
        assert_eq!(pairs().take(&sent(&shown.replace('\n', "\r\n"))), Some(stored));
        let mut lost = pairs();
        assert_eq!(lost.take(&sent("| two")), None);
        assert!(
            lost.mistakes[0].detail.contains("goes on with nothing"),
            "{lost:?}"
        );
    }

    #[test]
    fn mistakes_stand_at_their_fields_in_their_order() {
        let mut sheet = sheet();
        let sent = Form::read(b"%2Fconfig%2Fcount=x&%2Fparameters=novalue");
        assert_eq!(sheet.take(&sent), None);
        let labels: Vec<&str> = sheet.mistakes.iter().map(|it| it.label.as_str()).collect();
        assert_eq!(labels, ["Name", "Count", "Parameters"]);
        assert_eq!(sheet.mistakes[1].field.as_deref(), Some("f-config-count"));
        assert_eq!(
            sheet.sections[0].fields[3].value, "x",
            "what was sent stands there again"
        );
        for (count, good) in [("0", false), ("1", true), ("9", true), ("10", false)] {
            let sent = Form::read(format!("%2Fname=x&%2Fconfig%2Fcount={count}").as_bytes());
            assert_eq!(super::tests::sheet().take(&sent).is_some(), good, "{count}");
        }
    }

    #[test]
    fn what_the_api_finds_stands_at_its_field() {
        let mut sheet = sheet();
        sheet.refuse(&Problem::from_value(json!({"detail": "no", "errors": [
            {"pointer": "/config/names/1", "detail": "is empty"}, {"pointer": "/elsewhere", "detail": "is odd"},
        ]})));
        assert_eq!(sheet.mistakes[0].field.as_deref(), Some("f-config-names"));
        assert_eq!(
            (
                sheet.mistakes[1].field.as_deref(),
                sheet.mistakes[1].label.as_str()
            ),
            (None, "elsewhere")
        );
        let mut sheet = super::tests::sheet();
        sheet.refuse(&Problem::from_value(json!({"detail": "the vendor is down"})));
        assert_eq!(sheet.mistakes[0].detail, "the vendor is down");
    }
}
