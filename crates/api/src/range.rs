//! Ranges of bytes (RFC 9110, section 14): one range at a time; a header that names several, or that is none, is ignored
//! as the standard allows, and the whole is answered.

use actix_web::HttpRequest;
use actix_web::http::header;
use std::ops::Range;

/// What a request wants of something with so many bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// All of it.
    Whole,
    /// These bytes.
    Part(Range<u64>),
    /// Bytes that it does not have.
    Outside,
}

/// What the request wants of the thing with the size and entity tag.
pub(crate) fn asked(request: &HttpRequest, size: u64, tag: &str) -> Asked {
    let text = |name: header::HeaderName| request.headers().get(name).and_then(|it| it.to_str().ok());
    // The part belongs to another thing than the rest, which the client has.
    if text(header::IF_RANGE).is_some_and(|seen| seen != tag) {
        return Asked::Whole;
    }
    text(header::RANGE).map_or(Asked::Whole, |range| part(range, size))
}

fn part(text: &str, size: u64) -> Asked {
    let Some((first, last)) = text
        .trim()
        .strip_prefix("bytes=")
        .and_then(|range| range.split_once('-'))
    else {
        return Asked::Whole;
    };
    let (first, last) = (first.trim(), last.trim());
    let range = if first.is_empty() {
        // The last so many.
        let Ok(count) = last.parse::<u64>() else {
            return Asked::Whole;
        };
        size.saturating_sub(count)..size
    } else {
        let Ok(first) = first.parse::<u64>() else {
            return Asked::Whole;
        };
        let end = match last {
            "" => size,
            last => match last.parse::<u64>() {
                Ok(last) if last < first => return Asked::Whole,
                Ok(last) => last.saturating_add(1).min(size),
                Err(_) => return Asked::Whole,
            },
        };
        first..end
    };
    if range.is_empty() {
        Asked::Outside
    } else {
        Asked::Part(range)
    }
}

#[cfg(test)]
mod tests {
    use super::{Asked, part};

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        for (text, expected) in [
            ("bytes=0-0", Asked::Part(0..1)),
            ("bytes=2-", Asked::Part(2..10)),
            ("bytes=2-99", Asked::Part(2..10)),
            ("bytes=-3", Asked::Part(7..10)),
            ("bytes=-99", Asked::Part(0..10)),
            ("bytes=10-", Asked::Outside),
            ("bytes=10-11", Asked::Outside),
            ("bytes=-0", Asked::Outside),
            ("bytes=5-4", Asked::Whole),
            ("bytes=0-1,3-4", Asked::Whole),
            ("bytes=x-1", Asked::Whole),
            ("bytes=-", Asked::Whole),
            ("lines=0-1", Asked::Whole),
        ] {
            assert_eq!(part(text, 10), expected, "{text}");
        }
    }
}
