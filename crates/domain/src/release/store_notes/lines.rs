//! A changelog in the words of commits, as far as a store takes it: whole lines, and none of those that only say that
//! branches were merged. Nothing is cut inside a line, so neither a word nor a letter with its accents is.

/// What git and the hosts of repositories write about a merge, where nobody has written anything.
const MERGES: &[&str] = &[
    "Merge branch ",
    "Merge branches ",
    "Merge pull request ",
    "Merge remote-tracking branch ",
    "Merge commit ",
    "Merge tag ",
    "Merged in ",
];

/// Whether a line of a list, or a commit's subject, only says that something was merged.
fn is_merge(line: &str) -> bool {
    let subject = line.trim_start_matches(['*', '-', ' ', '\t']);
    MERGES.iter().any(|start| subject.starts_with(start))
}

fn is_entry(line: &str) -> bool {
    !line.trim().is_empty() && !line.trim_start().starts_with('#')
}

/// Letters that the lines take, each with the line end after it.
fn length(lines: &[&str]) -> usize {
    lines
        .iter()
        .map(|line| line.chars().count().saturating_add(1))
        .sum()
}

/// The first lines of the changelog that fit into so many characters together, and how many more there are if that fits
/// too. A heading stands only above a line of its own. None where nothing fits, or there is nothing.
pub(super) fn whole_lines(text: &str, most: usize) -> Option<String> {
    // The last line ends without a line end.
    let room = most.saturating_add(1);
    let mut kept: Vec<&str> = Vec::new();
    // Headings and empty lines that go along with the next line, if one does.
    let mut above: Vec<&str> = Vec::new();
    let mut left: usize = 0;
    let mut full = false;
    for line in text.lines().map(str::trim_end).filter(|line| !is_merge(line)) {
        if !is_entry(line) {
            if is_heading(line) {
                // One directly below another leaves that without a line.
                drop_heading(&mut above);
            }
            if !(kept.is_empty() && above.is_empty() && line.is_empty()) {
                above.push(line);
            }
            continue;
        }
        let fits = !full
            && length(&kept)
                .saturating_add(length(&above))
                .saturating_add(length(&[line]))
                <= room;
        if fits {
            kept.append(&mut above);
            kept.push(line);
        } else {
            left = left.saturating_add(1);
            // What comes after a line that is left out would be told without it, but for one too long for any text.
            full = !kept.is_empty();
        }
    }
    if kept.is_empty() {
        return None;
    }
    let more = format!("…and {left} more");
    if left > 0 && length(&kept).saturating_add(length(&[&more])) <= room {
        kept.push(&more);
    }
    Some(kept.join("\n"))
}

fn is_heading(line: &str) -> bool {
    line.trim_start().starts_with('#')
}

fn drop_heading(above: &mut Vec<&str>) {
    if let Some(at) = above.iter().rposition(|line| is_heading(line)) {
        above.truncate(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_fits_stays_as_it_is_without_merges_and_empty_headings() {
        let text = "## Features\r\n\r\n- Pay by card\r\n- Merge branch 'main' into x\r\n\n## Fixes\n\n* Merge pull request #4 from a/b\n\n## Other\n- Merge duplicate accounts\n";
        assert_eq!(
            whole_lines(text, 500).as_deref(),
            Some("## Features\n\n- Pay by card\n\n## Other\n- Merge duplicate accounts")
        );
        for none in ["", " \n\n", "- Merge tag 'v1'", "## What's Changed\n"] {
            assert_eq!(whole_lines(none, 500), None, "{none:?}");
        }
    }

    #[test]
    fn lines_are_left_out_whole_and_counted_where_that_fits() {
        let text = "- one\n- two\n- three\n- four";
        assert_eq!(whole_lines(text, 26).as_deref(), Some(text));
        assert_eq!(whole_lines(text, 25).as_deref(), Some("- one\n- two\n- three"));
        assert_eq!(whole_lines(text, 24).as_deref(), Some("- one\n- two\n- three"));
        assert_eq!(
            whole_lines("- one\n- two\n- a rather long line", 24).as_deref(),
            Some("- one\n- two\n…and 1 more")
        );
        // A heading whose first line does not fit is left out with it.
        assert_eq!(
            whole_lines("- one\n## More\n- a rather long line\n- x", 22).as_deref(),
            Some("- one\n…and 2 more")
        );
        // One too long for any text keeps nothing else back.
        let long = format!("- {}\n- two", "x".repeat(30));
        assert_eq!(whole_lines(&long, 20).as_deref(), Some("- two\n…and 1 more"));
        assert_eq!(whole_lines(&"x".repeat(501), 500), None);
    }

    proptest! {
        #[test]
        fn no_line_is_ever_cut(
            lines in prop::collection::vec("(- |# |)[a-z👩🏽\u{200d}💻é\u{301} ]{0,40}", 0..30),
            most in 0_usize..200,
        ) {
            let text = lines.join("\n");
            let Some(shown) = whole_lines(&text, most) else { return Ok(()) };
            prop_assert!(shown.chars().count() <= most);
            let mut all = lines.iter().map(|line| line.trim_end());
            let mut entries = 0;
            for line in shown.lines() {
                if let Some(rest) = line.strip_prefix("…and ") {
                    let left: usize = rest.trim_end_matches(" more").parse().unwrap();
                    prop_assert_eq!(left + entries, lines.iter().filter(|it| is_entry(it)).count());
                    continue;
                }
                entries += usize::from(is_entry(line));
                prop_assert!(all.any(|it| it == line), "{:?} is no line of {:?}", line, text);
            }
            prop_assert!(entries > 0);
        }
    }
}
