//! Texts that run from right to left, and characters that turn the order of what stands beside them around.
//!
//! A title may be Hebrew, and may hold formatting characters that nobody sees. Neither may change how anything else on a
//! page reads: a version, a key, somebody's name. The style sheet isolates every element inside a line; what is done here
//! keeps the characters themselves to the text that they stand in.

/// Forces every letter after it into one direction, whatever it is. Nobody needs them to write a language.
const OVERRIDES: &[char] = &['\u{202d}', '\u{202e}'];
/// Ends an embedding.
const POP: char = '\u{202c}';
/// Ends an isolate.
const POP_ISOLATE: char = '\u{2069}';

fn is_control(letter: char) -> bool {
    matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The page, in which no text reaches past its own end: overrides are left out, and what a text opens is closed where it
/// ends. Texts are escaped in it, so that quotes and angles stand between them and nowhere else.
pub(crate) fn contained(page: String) -> String {
    if !page.contains(is_control) {
        return page;
    }
    let mut text = String::with_capacity(page.len());
    // What ends each thing that is open, the innermost last.
    let mut open: Vec<char> = Vec::new();
    for letter in page.chars() {
        match letter {
            '<' | '>' | '"' => {
                text.extend(open.drain(..).rev());
                text.push(letter);
            }
            _ if OVERRIDES.contains(&letter) => {}
            '\u{202a}' | '\u{202b}' => {
                open.push(POP);
                text.push(letter);
            }
            '\u{2066}'..='\u{2068}' => {
                open.push(POP_ISOLATE);
                text.push(letter);
            }
            POP if open.last() != Some(&POP) => {}
            POP => text.extend(open.pop()),
            POP_ISOLATE => {
                // Embeddings inside an isolate end with it.
                if let Some(at) = open.iter().rposition(|it| *it == POP_ISOLATE) {
                    open.truncate(at);
                    text.push(letter);
                }
            }
            _ => text.push(letter),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_turns_around_what_stands_beside_it() {
        for (page, shown) in [
            ("<p>plain</p>", "<p>plain</p>"),
            ("<h1>a\u{202e}b <b>5.9.0</b></h1>", "<h1>ab <b>5.9.0</b></h1>"),
            ("<p>a\u{202d}b\u{202c}c</p>", "<p>abc</p>"),
            (
                "<i title=\"\u{202b}x\">y</i>",
                "<i title=\"\u{202b}x\u{202c}\">y</i>",
            ),
            (
                "<p>\u{2067}x\u{202a}y</p>z",
                "<p>\u{2067}x\u{202a}y\u{202c}\u{2069}</p>z",
            ),
            // What is whole stays as it is, and what ends nothing ends nothing of ours.
            ("<p>\u{2067}x\u{2069}</p>", "<p>\u{2067}x\u{2069}</p>"),
            (
                "<p>\u{2067}x\u{202b}y\u{2069}z</p>",
                "<p>\u{2067}x\u{202b}y\u{2069}z</p>",
            ),
            ("<p>x\u{2069}\u{202c}y</p>", "<p>xy</p>"),
            // Marks that languages are written with.
            ("<p>א\u{200f}!</p>", "<p>א\u{200f}!</p>"),
        ] {
            assert_eq!(contained(page.to_owned()), shown);
        }
    }
}
