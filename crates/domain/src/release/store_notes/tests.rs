//! Languages and texts as they are kept.

use super::*;

#[test]
fn a_language_has_one_name() {
    for (text, tag) in [
        ("de-DE", "de-DE"),
        ("DE_de", "de-DE"),
        ("zh-hans", "zh-Hans"),
        ("ZH-HANT-tw", "zh-Hant-TW"),
        ("es-419", "es-419"),
        ("fil", "fil"),
        ("ja", "ja"),
        ("Default", "default"),
    ] {
        assert_eq!(text.parse::<Language>().unwrap().as_str(), tag, "{text}");
    }
    for text in [
        "",
        "d",
        "german",
        "de-",
        "de--DE",
        "de-DE/..",
        "d3-DE",
        "de-überall",
        "de DE",
        "en-aaaaaaaaa",
    ] {
        assert!(text.parse::<Language>().is_err(), "{text}");
    }
    assert!(
        format!("de{}", "-abcdefgh".repeat(5))
            .parse::<Language>()
            .is_err()
    );
}

fn texts(pairs: &[(&str, &str)]) -> Texts {
    let parsed = pairs
        .iter()
        .map(|(language, text)| (language.parse().unwrap(), (*text).to_owned()));
    parsed.collect()
}

#[test]
fn default_texts_are_planned_with_one_for_everybody() {
    for (written, kept) in [
        (&[][..], &[][..]),
        (&[("default", " \n"), ("de", "")], &[]),
        (
            &[("default", "D\r\n"), ("de", "G")],
            &[("default", "D"), ("de", "G")],
        ),
        (&[("de", "G"), ("en-US", "E")], &[("default", "E"), ("de", "G")]),
        (&[("de", "G"), ("en-GB", "B")], &[("default", "B"), ("de", "G")]),
        (&[("ja", "J"), ("de", "G")], &[("default", "G"), ("ja", "J")]),
    ] {
        assert_eq!(planned(&texts(written)), texts(kept), "{written:?}");
    }
}

#[test]
fn line_ends_and_blanks_make_no_other_text() {
    assert_eq!(tidy(" a\r\nb \n").as_deref(), Some("a\nb"));
    assert_eq!(tidy(" \r\n "), None);
}
