//! Entity tags as requests name them (RFC 9110, 8.8.3 and 13.1).

use actix_web::http::header::{HeaderMap, HeaderName};

/// One entity tag.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    /// Says only that something is as good as the same.
    pub(crate) weak: bool,
    /// What stands between the quotes.
    pub(crate) opaque: String,
}

/// What a condition names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// `*`: whatever there is.
    Any,
    /// One of these.
    These(Vec<Tag>),
}

/// The condition a header states; none when it is not there. The error is for one that is none.
pub(crate) fn named(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Named>, NotTags> {
    let mut lines = Vec::new();
    for line in headers.get_all(name) {
        lines.push(line.to_str().map_err(|_ignored| NotTags)?);
    }
    if lines.is_empty() {
        return Ok(None);
    }
    // A header in several lines is one list.
    let whole = lines.join(",");
    if whole.trim() == "*" {
        return Ok(Some(Named::Any));
    }
    list(&whole).map(|tags| Some(Named::These(tags)))
}

/// The header holds something else.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotTags;

fn list(text: &str) -> Result<Vec<Tag>, NotTags> {
    let mut found = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        // Lists may have empty places.
        if let Some(after) = rest.strip_prefix(',') {
            rest = after.trim_start();
            continue;
        }
        let (weak, quoted) = match rest.strip_prefix("W/") {
            Some(quoted) => (true, quoted),
            None => (false, rest),
        };
        let inside = quoted.strip_prefix('"').ok_or(NotTags)?;
        let (opaque, after) = inside.split_once('"').ok_or(NotTags)?;
        rest = after.trim_start();
        if opaque.contains(char::is_whitespace) || !(rest.is_empty() || rest.starts_with(',')) {
            return Err(NotTags);
        }
        found.push(Tag {
            weak,
            opaque: opaque.to_owned(),
        });
    }
    if found.is_empty() { Err(NotTags) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_tags_are_read() {
        let tag = |weak, opaque: &str| Tag {
            weak,
            opaque: opaque.to_owned(),
        };
        for (text, wanted) in [
            ("\"1\"", vec![tag(false, "1")]),
            ("W/\"1\"", vec![tag(true, "1")]),
            (
                " , \"1\",, W/\"a,b\" ,\"\"",
                vec![tag(false, "1"), tag(true, "a,b"), tag(false, "")],
            ),
        ] {
            assert_eq!(list(text), Ok(wanted), "{text}");
        }
        for text in [
            "",
            ",",
            "1",
            "\"1",
            "w/\"1\"",
            "\"1\" \"2\"",
            "\"1\"2",
            "*, \"1\"",
            "\"a b\"",
        ] {
            assert_eq!(list(text), Err(NotTags), "{text}");
        }
    }
}
