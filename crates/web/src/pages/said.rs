//! What was said to a vendor and by it, as a page shows it: the newest first as long as there is room, and JSON in lines.

use crate::model::{Attempt, Effect, Exchange, Said};

/// Bytes of what was said that a page shows at most, before it is laid out.
const ROOM: usize = 64 * 1024;
/// Bytes that a call takes beside its texts, about.
const CALL: usize = 200;
/// Deepest indentation of JSON, in steps of two spaces.
const DEEPEST: usize = 8;

impl Exchange {
    /// The tone of its badge.
    pub(crate) const fn tone(&self) -> &'static str {
        match self.status {
            Some(200..=299) => "good",
            Some(100..=399) => "plain",
            Some(_) | None => "bad",
        }
    }
    /// Its status, or that there was none.
    pub(crate) fn came(&self) -> String {
        self.status
            .map_or_else(|| "No answer".to_owned(), |status| status.to_string())
    }
    /// Its bodies, under their titles.
    pub(crate) fn bodies(&self) -> Vec<(&'static str, &Said)> {
        let sent = self.sent.iter().map(|it| ("Sent", it));
        sent.chain(self.received.iter().map(|it| ("Answered", it)))
            .collect()
    }
    /// How long it took.
    pub(crate) fn took(&self) -> String {
        if self.took_ms < 1_000 {
            return format!("{} ms", self.took_ms);
        }
        format!("{}.{} s", self.took_ms / 1_000, self.took_ms % 1_000 / 100)
    }
}

impl Said {
    /// What it is, how long it is, and what of it stands here.
    pub(crate) fn about(&self) -> String {
        let length = match self.bytes {
            1 => "1 byte".to_owned(),
            bytes if bytes < 10_240 => format!("{bytes} bytes"),
            bytes => format!("{} KiB", bytes / 1_024),
        };
        let shown = if self.withheld {
            ", not shown here"
        } else if self.text.is_none() {
            ", no text"
        } else if self.cut {
            ", the beginning of it"
        } else {
            ""
        };
        match &self.content_type {
            Some(kind) => format!("{kind}, {length}{shown}"),
            None => format!("{length}{shown}"),
        }
    }
}

impl Attempt {
    /// How many calls it made, for its fold.
    pub(crate) fn calls(&self) -> String {
        let all = self
            .exchanges
            .len()
            .saturating_add(usize::try_from(self.exchanges_left_out).unwrap_or(usize::MAX));
        if all == 1 {
            "1 call".to_owned()
        } else {
            format!("{all} calls")
        }
    }
}

/// Lays out what was said in the newest attempts, and leaves out that for which the page has no room. Whether any was left
/// out.
pub(super) fn lay_out(effects: &mut [Effect]) -> bool {
    let mut attempts: Vec<&mut Attempt> = effects
        .iter_mut()
        .flat_map(|effect| effect.attempts.iter_mut())
        .collect();
    attempts.sort_by_key(|attempt| std::cmp::Reverse(attempt.at));
    let (mut room, mut withheld) = (ROOM, false);
    for attempt in attempts {
        if room == 0 && !attempt.exchanges.is_empty() {
            attempt.exchanges.clear();
            withheld = true;
        }
        for exchange in attempt.exchanges.iter_mut().rev() {
            let headers = exchange.headers.iter().map(|it| it.name.len() + it.value.len());
            room = room.saturating_sub(CALL + exchange.address.len() + headers.sum::<usize>());
            for said in [&mut exchange.received, &mut exchange.sent].into_iter().flatten() {
                let Some(text) = &said.text else {
                    continue;
                };
                if let Some(left) = room.checked_sub(text.len()) {
                    room = left;
                    said.text = Some(in_lines(text));
                } else {
                    room = 0;
                    said.text = None;
                    said.withheld = true;
                    withheld = true;
                }
            }
        }
    }
    withheld
}

/// JSON with a line for each member, also where its end is cut off; anything else as it is.
fn in_lines(text: &str) -> String {
    if !text.trim_start().starts_with(['{', '[']) {
        return text.to_owned();
    }
    let most = text.len().saturating_mul(4).saturating_add(200);
    let mut out = String::with_capacity(text.len() * 2);
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth.min(DEEPEST)));
    };
    let mut letters = text.chars().filter(|c| *c != '\r').peekable();
    while let Some(c) = letters.next() {
        if out.len() > most {
            // Nothing that a person would read.
            return text.to_owned();
        }
        if quoted {
            out.push(c);
            quoted = escaped || c != '"';
            escaped = c == '\\' && !escaped;
            continue;
        }
        match c {
            '"' => {
                quoted = true;
                out.push(c);
            }
            '{' | '[' => {
                out.push(c);
                while letters.next_if(char::is_ascii_whitespace).is_some() {}
                if let Some(close) = letters.next_if(|it| matches!(it, '}' | ']')) {
                    out.push(close);
                } else {
                    depth += 1;
                    line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            c if c.is_ascii_whitespace() => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_gets_lines_and_all_else_stays() {
        assert_eq!(
            in_lines(r#"{"a":[1,2,{}],"b":{"c":"x, {y}: \"z\"" , "d":[ ]}}"#),
            "{\n  \"a\": [\n    1,\n    2,\n    {}\n  ],\n  \"b\": {\n    \"c\": \"x, {y}: \\\"z\\\"\",\n    \"d\": []\n  }\n}"
        );
        assert_eq!(in_lines("{\"a\":\"cut o"), "{\n  \"a\": \"cut o");
        assert_eq!(in_lines("a=1&b={x}"), "a=1&b={x}");
        // What would only become longer is left alone.
        let deep = "[".repeat(4_096);
        assert_eq!(in_lines(&deep), deep);
    }

    fn said(text: &str) -> Option<Said> {
        Some(Said {
            content_type: Some("text/plain".to_owned()),
            text: Some(text.to_owned()),
            bytes: 20_000,
            cut: true,
            withheld: false,
        })
    }

    #[test]
    fn the_newest_has_room_first() {
        let at = |second: i64| chrono::DateTime::from_timestamp(second, 0).unwrap();
        let attempt = |second: i64| Attempt {
            attempt: 1,
            outcome: "x".to_owned(),
            reference: None,
            detail: None,
            at: at(second),
            exchanges: vec![Exchange {
                operation: "x".to_owned(),
                method: "GET".to_owned(),
                address: "x".to_owned(),
                sent: None,
                status: Some(200),
                failure: None,
                headers: Vec::new(),
                received: said(&"x".repeat(ROOM / 2 - 1_000)),
                at: at(second),
                took_ms: 1_250,
            }],
            exchanges_left_out: 2,
        };
        let effect = |seconds: &[i64]| Effect {
            id: "x".to_owned(),
            effect: "PERFORM".to_owned(),
            does: "x".to_owned(),
            correlation: None,
            status: "DONE".to_owned(),
            due_at: at(0),
            trouble: None,
            attempts: seconds.iter().map(|it| attempt(*it)).collect(),
        };
        let mut effects = [effect(&[1, 2, 5]), effect(&[3, 4])];
        assert!(lay_out(&mut effects));
        let shown = |effect: usize, of: usize| {
            let exchange = effects[effect].attempts[of].exchanges.first();
            exchange.map(|it| it.received.as_ref().unwrap())
        };
        assert!(!shown(0, 2).unwrap().withheld && !shown(1, 1).unwrap().withheld);
        assert!(shown(1, 0).unwrap().withheld, "half of it fits");
        assert!(shown(0, 0).is_none() && shown(0, 1).is_none());
        assert_eq!(shown(1, 0).unwrap().about(), "text/plain, 19 KiB, not shown here");
        assert_eq!(
            shown(0, 2).unwrap().about(),
            "text/plain, 19 KiB, the beginning of it"
        );
        assert_eq!(effects[0].attempts[2].calls(), "3 calls");
        assert_eq!(effects[0].attempts[2].exchanges[0].took(), "1.2 s");
        assert!(!lay_out(&mut effects[1..]));
    }
}
