//! Release notes from commits, for servers that write none: grouped by the words of conventional commits.

use delivr_domain::ports::vendor::Commit;

/// Groups in the order they are shown; the last takes what has no known word.
const GROUPS: [(&str, &[&str]); 4] = [
    ("Breaking changes", &[]),
    ("Features", &["feat", "feature"]),
    ("Fixes", &["fix", "bugfix", "hotfix", "perf", "revert"]),
    ("Other changes", &[]),
];

/// Markdown for these commits, newest first as given; merges are left out.
pub(crate) fn markdown(commits: &[Commit]) -> String {
    let mut groups: [Vec<String>; GROUPS.len()] = Default::default();
    for commit in commits {
        if commit.subject.starts_with("Merge ") {
            continue;
        }
        let (at, text) = group(&commit.subject);
        if let Some(lines) = groups.get_mut(at) {
            lines.push(format!(
                "- {} ({}, {})",
                escape(&text),
                commit.sha.brief(),
                escape(&commit.author)
            ));
        }
    }
    let parts: Vec<String> = GROUPS
        .iter()
        .zip(groups)
        .filter(|(_, lines)| !lines.is_empty())
        .map(|((title, _), lines)| format!("## {title}\n\n{}\n", lines.join("\n")))
        .collect();
    if parts.is_empty() {
        "No changes.\n".to_owned()
    } else {
        parts.join("\n")
    }
}

fn group(subject: &str) -> (usize, String) {
    let other = (GROUPS.len() - 1, subject.to_owned());
    let Some((head, text)) = subject.split_once(": ") else {
        return other;
    };
    let (word, scope) = head
        .split_once('(')
        .map_or((head, None), |(word, rest)| (word, Some(rest)));
    let breaking = head.ends_with('!');
    let word = word.trim_end_matches('!').to_ascii_lowercase();
    if word.is_empty() || !word.chars().all(|c| c.is_ascii_alphanumeric()) {
        return other;
    }
    let scope = scope.map(|scope| scope.trim_end_matches(['!', ')']));
    let text = scope.map_or_else(|| text.to_owned(), |scope| format!("{scope}: {text}"));
    if breaking {
        return (0, text);
    }
    match GROUPS
        .iter()
        .position(|(_, words)| words.contains(&word.as_str()))
    {
        Some(at) => (at, text),
        None => other,
    }
}

/// Commit subjects are anybody's text: nothing in them becomes markup or a mention.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !c.is_control()) {
        if matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|') {
            out.push('\\');
        }
        out.push(c);
        if c == '@' {
            // A zero-width joint keeps people from being called.
            out.push('\u{200b}');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_are_grouped_and_harmless() {
        let commit = |subject: &str| Commit {
            sha: "a".repeat(40).parse().unwrap(),
            subject: subject.to_owned(),
            author: "Ann".to_owned(),
            at: chrono::DateTime::from_timestamp(0, 0).unwrap(),
        };
        let notes = markdown(&[
            commit("feat(cart): Add gift cards"),
            commit("fix!: Drop <script> for @all"),
            commit("Merge branch 'x'"),
            commit("Tidy up"),
        ]);
        assert_eq!(
            notes,
            "## Breaking changes\n\n- Drop \\<script\\> for @\u{200b}all (aaaaaaaaaa, Ann)\n\n\
             ## Features\n\n- cart: Add gift cards (aaaaaaaaaa, Ann)\n\n## Other changes\n\n- Tidy up (aaaaaaaaaa, Ann)\n"
        );
        assert_eq!(markdown(&[]), "No changes.\n");
    }
}
