//! What people outside of the organisation may read of a text that somebody inside wrote.

/// What stands in the place of what they may not.
const LEFT_OUT: &str = "\u{2026}";
/// Ends of names that are found inside of a company alone.
const INSIDE: &[&str] = &[
    ".local",
    ".localdomain",
    ".internal",
    ".intranet",
    ".corp",
    ".lan",
    ".home",
    ".private",
];
/// Beginnings of secrets, ours and those of vendors that people paste most often.
const SECRETS: &[&str] = &[
    "dlv_",
    "dlt_",
    "dls_",
    "dlc_",
    "ghp_",
    "gho_",
    "ghs_",
    "ghu_",
    "github_pat_",
    "glpat-",
    "xox",
    "AKIA",
    "eyJ",
];
/// A word of so many letters and digits is no word.
const LONGEST: usize = 32;

/// The text without addresses of people and machines, and without anything that looks like a secret.
pub(super) fn public(text: &str) -> String {
    let words = text
        .split_whitespace()
        .map(|word| if tells(word) { LEFT_OUT } else { word });
    words.collect::<Vec<_>>().join(" ")
}

fn tells(word: &str) -> bool {
    let bare = word.trim_matches(|letter: char| letter.is_ascii_punctuation());
    let run = bare
        .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_' && letter != '-')
        .map(str::len)
        .max()
        .unwrap_or_default();
    word.contains('@')
        || word.contains("://")
        || word.contains('\\')
        || run >= LONGEST
        || SECRETS.iter().any(|start| word.contains(start))
        || is_host(bare)
}

/// Whether a word names a machine: an address, a name with a port, of three parts or more, or of inside of a company.
/// A version number and `Node.js` name none.
fn is_host(word: &str) -> bool {
    let name = word.split('/').next().unwrap_or(word);
    if name.parse::<std::net::IpAddr>().is_ok() {
        return true;
    }
    let (name, port) = match name.rsplit_once(':') {
        Some((name, port)) => (
            name,
            !port.is_empty() && port.bytes().all(|it| it.is_ascii_digit()),
        ),
        None => (name, false),
    };
    if name.parse::<std::net::IpAddr>().is_ok() {
        return true;
    }
    let labels: Vec<&str> = name.split('.').collect();
    let named = labels.iter().all(|label| {
        !label.is_empty()
            && label
                .bytes()
                .all(|it| it.is_ascii_alphanumeric() || it == b'-' || it == b'_')
    });
    let last = labels.last().copied().unwrap_or_default();
    let worded = last.len() >= 2 && last.bytes().all(|it| it.is_ascii_alphabetic());
    let lower = name.to_ascii_lowercase();
    named
        && worded
        && ((port && !lower.is_empty() && (labels.len() > 1 || lower == "localhost"))
            || labels.len() > 2
            || INSIDE.iter().any(|end| lower.ends_with(end)))
}

#[cfg(test)]
mod tests {
    use super::public;

    #[test]
    fn what_people_write_stays() {
        for text in [
            "Wish lists and faster checkout",
            "5.4.0: Node.js 22, \"one-step\" checkout (beta), e.g. for iOS",
            "Fix #1234 and SHOP-77",
            "3.0.0-rc.1",
            "Gr\u{fc}\u{df}e, 10:30",
        ] {
            assert_eq!(public(text), text);
        }
        assert_eq!(public(" two\n lines "), "two lines");
    }

    #[test]
    fn what_leads_inside_is_left_out() {
        for word in [
            "ada@acme.example",
            "(ada@acme.example)",
            "https://ci.acme.example/job/7",
            "ci.acme.example",
            "ci.acme.example.",
            "jenkins.internal",
            "build7.corp/x",
            "acme.dev:8443",
            "localhost:9000",
            "10.1.2.3",
            "10.1.2.3:80",
            "\\\\share\\builds",
            "dlv_0123",
            "dlc_0123",
            "token=ghp_abcdef",
            "0123456789abcdef0123456789abcdef01234567",
        ] {
            assert_eq!(public(&format!("see {word} now")), "see \u{2026} now", "{word}");
        }
    }
}
