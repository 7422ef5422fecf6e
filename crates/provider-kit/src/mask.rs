//! Blanks out of a text whatever is a secret by its name or its shape, also where nobody named it as one.
//!
//! Works on text, not on a parsed body: what is kept of a long body ends anywhere, and a request may hold JSON in a form
//! in JSON. Where a name says "secret" the value goes, however it is written: a member of JSON, a field of a form, a query
//! parameter, an element of XML, a header that is repeated in a message. It rather blanks too much than too little.

use crate::redact::Redactor;
use secrecy::SecretString;
use std::ops::Range;

/// What stands in a secret's place.
const GONE: &str = "[redacted]";
/// How far back from its separator a name is looked for, in bytes.
const LONGEST_NAME: usize = 96;

/// Parts of names (lower case, letters and digits alone) whose values are secrets.
const SECRET_PARTS: [&str; 17] = [
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "authorization",
    "assertion",
    "jwt",
    "signature",
    "credential",
    "privatekey",
    "apikey",
    "accesskey",
    "crumb",
    "cookie",
    "sessionid",
    "bearer",
];
/// Whole names whose values are secrets.
const SECRET_NAMES: [&str; 9] = [
    "sig", "pwd", "pass", "auth", "keys", "pem", "otp", "session", "sid",
];
/// Names that end like a secret's and are none: our own mark on what we make.
const NO_SECRETS: [&str; 1] = ["delivrkey"];
/// Names that hold a project or ticket of a tracker, unless what they hold looks otherwise.
const TRACKED: [&str; 4] = ["key", "projectkey", "issuekey", "issueidorkey"];
/// How well-known secrets begin, and how many further characters of a word make it one.
const BEGINNINGS: [(&str, usize); 20] = [
    ("eyJ", 40),
    ("ghp_", 16),
    ("gho_", 16),
    ("ghu_", 16),
    ("ghs_", 16),
    ("ghr_", 16),
    ("github_pat_", 16),
    ("glpat-", 12),
    ("xoxb-", 10),
    ("xoxp-", 10),
    ("xoxe", 10),
    ("xoxa-", 10),
    ("xapp-", 10),
    ("ya29.", 16),
    ("ATATT", 20),
    ("AKIA", 12),
    ("/callbacks/builds/", 8),
    ("callbacks%2Fbuilds%2F", 8),
    ("hooks.slack.com/services/", 8),
    ("Bearer ", 8),
];

/// A text without secrets, and whether it is shorter than what it was made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Masked {
    pub(crate) text: String,
    pub(crate) cut: bool,
}

/// The text without secrets, at most so many bytes of it. A secret that begins before the end and goes on behind it goes
/// whole, as far as `text` goes: give more of it than is kept, by the length of the longest secret.
pub(crate) fn masked(text: &str, redactor: &Redactor, hidden: &[SecretString], most: usize) -> Masked {
    let mut ranges = redactor.places(text, hidden);
    named(text, &mut ranges);
    shaped(text, &mut ranges);
    ranges.sort_unstable_by_key(|range| (range.start, range.end));
    let until = text.floor_char_boundary(most);
    let mut out = String::with_capacity(until.min(text.len()));
    let mut at = 0;
    for range in ranges {
        if range.start >= until {
            break;
        }
        if range.start >= at {
            out.push_str(text.get(at..range.start).unwrap_or_default());
            out.push_str(GONE);
        }
        at = at.max(range.end);
    }
    out.push_str(text.get(at.min(until)..until).unwrap_or_default());
    let mut out: String = out.chars().filter(|c| *c != '\r').map(harmless).collect();
    let cut = until < text.len() || out.len() > most;
    out.truncate(out.floor_char_boundary(most));
    Masked { text: out, cut }
}

/// The fields of a form or a query without the secrets that only show when they are decoded, as in JSON within a form. Of
/// a text that is clean already, so that none of it grows beyond its end but by what stands in a secret's place.
pub(crate) fn fields(text: &str, redactor: &Redactor, hidden: &[SecretString]) -> String {
    let clean = |field: &str| {
        let (name, value) = field.split_once('=')?;
        let decoded = url::form_urlencoded::parse(value.as_bytes())
            .next()?
            .0
            .into_owned();
        let it = masked(&decoded, redactor, hidden, usize::MAX).text;
        if it == decoded || !value.contains('%') {
            return None;
        }
        let encoded: String = url::form_urlencoded::byte_serialize(it.as_bytes()).collect();
        Some(format!("{name}={}", encoded.replace("%5Bredacted%5D", GONE)))
    };
    let cleaned = text
        .split('&')
        .map(|field| clean(field).unwrap_or_else(|| field.to_owned()));
    cleaned.collect::<Vec<_>>().join("&")
}

/// Characters that a text for people does not need and a terminal, a page or a database may stumble over.
fn harmless(c: char) -> char {
    match c {
        '\n' | '\t' => c,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{feff}' => {
            '\u{fffd}'
        }
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

/// Letters and digits of a name in lower case.
fn plain(name: &str) -> String {
    let name = name.rsplit("u0026").next().unwrap_or(name);
    name.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

/// Whether what stands under the name is a secret.
fn is_secret(name: &str, value: &str) -> bool {
    let name = plain(name);
    if NO_SECRETS.contains(&name.as_str()) {
        return false;
    }
    if TRACKED.contains(&name.as_str()) && is_tracked(value) {
        return false;
    }
    name.ends_with("key")
        || SECRET_NAMES.contains(&name.as_str())
        || SECRET_PARTS.iter().any(|part| name.contains(part))
}

/// `SHOP` or `SHOP-12`.
fn is_tracked(value: &str) -> bool {
    let (project, number) = value.split_once('-').unwrap_or((value, "1"));
    project.len() <= 10
        && project.starts_with(|c: char| c.is_ascii_uppercase())
        && project
            .chars()
            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
        && (1..=9).contains(&number.len())
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// Values under names of secrets.
fn named(text: &str, ranges: &mut Vec<Range<usize>>) {
    let bytes = text.as_bytes();
    // The name of a pair that is written as `{"name": …, "value": …}` is a secret's.
    let mut pair = false;
    let mut at = 0;
    while let Some(byte) = bytes.get(at).copied() {
        let here = at;
        at += 1;
        if byte == b'}' {
            pair = false;
            continue;
        }
        if !matches!(byte, b':' | b'=' | b'>') {
            continue;
        }
        let name = match byte {
            b'>' => element_before(text, here),
            _ => name_before(text, here),
        };
        let Some(name) = name else {
            continue;
        };
        let value = value_after(bytes, here);
        let said = text.get(value.clone()).unwrap_or_default();
        let lower = plain(name);
        if lower == "name" {
            pair = is_secret(said, "");
            continue;
        }
        let of_pair = pair && lower == "value";
        if value.is_empty()
            || matches!(said, "true" | "false" | "null")
            || !(of_pair || is_secret(name, said))
        {
            continue;
        }
        at = at.max(value.end);
        ranges.push(value);
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'$' | b'%' | b'[' | b']')
}

/// The name in front of a separator.
fn name_before(text: &str, separator: usize) -> Option<&str> {
    let bytes = text.as_bytes();
    let floor = separator.saturating_sub(LONGEST_NAME);
    let before = |at: usize| bytes.get(at.checked_sub(1)?).copied();
    let mut end = separator;
    while end > floor && before(end).is_some_and(|byte| byte.is_ascii_whitespace()) {
        end -= 1;
    }
    let quote = before(end).filter(|byte| matches!(byte, b'"' | b'\''));
    let mut start = end;
    if let Some(quote) = quote {
        end -= 1;
        start = end;
        while start > floor && before(start).is_some_and(|byte| byte != quote && byte != b'\n') {
            start -= 1;
        }
    } else {
        while start > floor && before(start).is_some_and(is_name) {
            start -= 1;
        }
    }
    text.get(start..end).filter(|name| !name.is_empty())
}

/// The element whose opening tag ends here.
fn element_before(text: &str, end: usize) -> Option<&str> {
    let from = text.floor_char_boundary(end.saturating_sub(LONGEST_NAME));
    let tag = text.get(from..end)?.rsplit_once('<')?.1;
    let name = tag.split(|c: char| c.is_whitespace() || c == '/').next()?;
    (!name.is_empty() && !tag.contains('>')).then_some(name)
}

/// The value behind a separator.
fn value_after(bytes: &[u8], separator: usize) -> Range<usize> {
    let get = |at: usize| bytes.get(at).copied();
    let kind = get(separator).unwrap_or_default();
    let mut at = separator + 1;
    if kind == b'>' {
        return at..until(bytes, at, |byte| byte == b'<');
    }
    while get(at).is_some_and(|byte| byte.is_ascii_whitespace()) {
        at += 1;
    }
    // Quotes within a text within a text have backslashes before them.
    let mut open = at;
    while get(open) == Some(b'\\') {
        open += 1;
    }
    let depth = open - at;
    match get(open) {
        Some(quote @ (b'"' | b'\'')) => {
            let start = open + 1;
            start..closing(bytes, start, quote, depth)
        }
        Some(b'{' | b'[') if depth == 0 => at..matching(bytes, at),
        Some(_) | None if kind == b'=' => {
            let ends = |byte: u8| {
                byte.is_ascii_whitespace() || matches!(byte, b'&' | b'"' | b'\'' | b'<' | b'>' | b'\\' | b')')
            };
            at..until(bytes, at, ends)
        }
        Some(_) | None => {
            let ends = |byte: u8| {
                matches!(
                    byte,
                    b'\n' | b'\r' | b'"' | b'\\' | b',' | b'}' | b']' | b'<' | b'&'
                )
            };
            at..until(bytes, at, ends)
        }
    }
}

fn until(bytes: &[u8], from: usize, ends: impl Fn(u8) -> bool) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    rest.iter()
        .position(|byte| ends(*byte))
        .map_or(bytes.len(), |length| from + length)
}

/// Where a quoted text ends: at a quote that is no part of it.
fn closing(bytes: &[u8], from: usize, quote: u8, depth: usize) -> usize {
    let mut slashes = 0;
    for (at, byte) in bytes.iter().copied().enumerate().skip(from) {
        if byte == quote
            && (if depth == 0 {
                slashes % 2 == 0
            } else {
                slashes <= depth
            })
        {
            return at - slashes.min(depth);
        }
        slashes = if byte == b'\\' { slashes + 1 } else { 0 };
    }
    bytes.len()
}

/// Where an object or a list ends.
fn matching(bytes: &[u8], from: usize) -> usize {
    let (mut depth, mut at) = (0_usize, from);
    while let Some(byte) = bytes.get(at).copied() {
        match byte {
            b'"' => at = closing(bytes, at + 1, b'"', 0),
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

/// What looks like a secret wherever it stands.
fn shaped(text: &str, ranges: &mut Vec<Range<usize>>) {
    let bytes = text.as_bytes();
    let in_word = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/' | b'+' | b'=' | b'~')
    };
    for (beginning, least) in BEGINNINGS {
        for (at, _) in text.match_indices(beginning) {
            let from = at + beginning.len();
            let end = until(bytes, from, |byte| !in_word(byte));
            if end - from >= least || end == bytes.len() {
                ranges.push(at..end);
            }
        }
    }
    // A name and a password; "Basic authentication" is none.
    for (at, _) in text.match_indices("Basic ") {
        let from = at + "Basic ".len();
        let end = until(bytes, from, |byte| !in_word(byte));
        let word = text.get(from..end).unwrap_or_default();
        if word.len() >= 8 && word.contains(|c: char| c.is_ascii_digit() || c == '=') {
            ranges.push(from..end);
        }
    }
    for (at, _) in text.match_indices("-----BEGIN ") {
        let rest = text.get(at..).unwrap_or_default();
        let line = rest.get(..rest.floor_char_boundary(64)).unwrap_or_default();
        if line.contains("PRIVATE") {
            let length = rest.find("-----END ").map_or(rest.len(), |end| {
                let tail = end + "-----END ".len();
                rest.get(tail..)
                    .and_then(|it| it.find("-----"))
                    .map_or(rest.len(), |more| tail + more + 5)
            });
            ranges.push(at..at + length);
        }
    }
    // `https://user:password@host`.
    for (at, _) in text.match_indices("://") {
        let from = at + 3;
        let end = until(bytes, from, |byte| {
            byte.is_ascii_whitespace() || matches!(byte, b'/' | b'"' | b'\'' | b'<' | b'\\' | b'?' | b'#')
        });
        if let Some(length) = text.get(from..end).and_then(|authority| authority.rfind('@')) {
            ranges.push(from..from + length);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(text: &str) -> String {
        masked(text, &Redactor::default(), &[], 4096).text
    }

    #[test]
    fn secrets_go_by_their_names_however_they_are_written() {
        for text in [
            r#"{"access_token":"CANARY","expires_in":3600}"#,
            r#"{"token": "CANARY"}"#,
            r#"{"apiKey":"CANARY","x":1}"#,
            r#"{"key":"CANARY-canary"}"#,
            r#"{"privateKeyPem" : "CANARY\"CANARY"}"#,
            r#"{"client_secret":123454321}"#,
            r#"{"credentials":{"user":"u","x":["CANARY}"]},"y":2}"#,
            r#"{"payload":"{\"token\":\"CANARY\",\"y\":1}"}"#,
            r#"{"payload":"{\"inner\":\"{\\\"jwt\\\":\\\"CANARY\\\"}\"}"}"#,
            r#"{"name":"API_TOKEN","value":"CANARY"}"#,
            r#"{"url":"https://x.example/f?a=1\u0026X-Amz-Signature=CANARY\u0026b=2"}"#,
            "grant_type=urn%3Ajwt-bearer&assertion=CANARY&x=1",
            "password=CANARY",
            "https://store.example/up?sig=CANARY&se=2026",
            "https://store.example/up?X-Amz-Credential=CANARY%2Fx&X-Amz-Security-Token=CANARY",
            "<a><apiToken>CANARY</apiToken></a>",
            "<input name=\"x\" token='CANARY'>",
            "you sent Authorization: Bearer CANARY\nX-Api-Key: CANARY\n",
            "see https://user:CANARY@git.example/x.git",
            "it was Basic Q0FOQVJZOkNBTkFSWQ== there",
            "-----BEGIN PRIVATE KEY-----\\nCANARY\\n-----END PRIVATE KEY-----",
            "token ghp_CANARYCANARYCANARYCANARY is not good",
            "callback https://d.example/api/v1/callbacks/builds/CANARY.CANARY-x",
            r#"{"token":"CANARY"#,
        ] {
            let clean = clean(text);
            assert!(
                !clean.contains("CANARY") && !clean.contains("123454321") && !clean.contains("Q0FO"),
                "{text} became {clean}"
            );
            assert!(clean.contains(GONE), "{clean}");
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        for text in [
            r#"{"fields":{"project":{"key":"SHOP"}},"key":"SHOP-12"}"#,
            r#"{"event_payload":{"delivr_key":"0badc0de0badc0de0badc0de"}}"#,
            r#"{"token":null,"secret":false,"id":7,"author":"someone"}"#,
            r#"{"ok":false,"error":"token_revoked"}"#,
            "ref=refs%2Fheads%2Frelease%2F1.2.0&sha=abc",
            "at 10:30:00 the branch was made: release/1.2",
        ] {
            assert_eq!(clean(text), text);
        }
        assert_eq!(
            clean(r#"{"access_token":"abc","expires_in":3600,"scope":"a"}"#),
            r#"{"access_token":"[redacted]","expires_in":3600,"scope":"a"}"#
        );
        assert_eq!(clean("a=1&token=abc&b=2"), "a=1&token=[redacted]&b=2");
    }

    #[test]
    fn known_secrets_go_in_every_form_and_whole_at_the_end() {
        let redactor = Redactor::new(["pa/ss+wo=rd&\"x\"".into()]);
        let hidden = [SecretString::from("of the application")];
        for text in [
            "said pa/ss+wo=rd&\"x\" to us",
            r#"{"said":"pa/ss+wo=rd&\"x\""}"#,
            r#"{"said":"pa\/ss+wo=rd&\"x\""}"#,
            r#"{"said":"pa/ss\u002bwo\u003drd\u0026\"x\""}"#,
            "said=pa%2Fss%2Bwo%3Drd%26%22x%22",
            "said=pa%2fss%2bwo%3drd%26%22x%22",
            "this is of the application",
        ] {
            let clean = masked(text, &redactor, &hidden, 4096).text;
            assert!(clean.contains(GONE), "{text} became {clean}");
            assert!(!clean.contains("rd") && !clean.contains("application"), "{clean}");
        }
        // It begins within what is kept and ends behind it.
        let redactor = Redactor::new(["0123456789abcdef".into()]);
        let text = "x".repeat(90) + "0123456789abcdef and more";
        for most in 91..130 {
            let clean = masked(&text, &redactor, &[], most).text;
            assert!(!clean.contains("01"), "{clean}");
            assert!(clean.len() <= most);
        }
    }

    #[test]
    fn texts_are_cut_between_characters_and_hold_nothing_that_controls() {
        let it = masked(&"é".repeat(10), &Redactor::default(), &[], 5);
        assert_eq!((it.text.as_str(), it.cut), ("éé", true));
        assert_eq!(
            clean("a\u{0}b\u{1b}[31m\r\n\tc\u{202e}d"),
            "a\u{fffd}b\u{fffd}[31m\n\tc\u{fffd}d"
        );
        assert!(!masked("whole", &Redactor::default(), &[], 5).cut);
    }

    #[test]
    fn no_text_makes_it_fail_or_slow() {
        let mut texts: Vec<String> = [
            "\"",
            "\\",
            "{\"token\":",
            "token=",
            "[",
            "é:",
            "<token>",
            "://",
            "'",
            "Bearer ",
        ]
        .iter()
        .map(|it| it.repeat(8192 / it.len()))
        .collect();
        texts.push("tok\u{e9}n=é".repeat(500));
        texts.push("\u{e9}".repeat(60) + "=x");
        for text in texts {
            let it = masked(&text, &Redactor::default(), &[], 4096);
            assert!(it.text.len() <= 4096);
        }
    }
}
