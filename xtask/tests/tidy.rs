//! House rules that no lint knows, over the files git tracks.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Longest source file, tests not counted.
const LONGEST: usize = 800;

struct File {
    /// Relative to the root, with slashes.
    path: String,
    text: String,
}

impl File {
    fn ends_with(&self, end: &str) -> bool {
        self.path.ends_with(end)
    }
    /// Whether it belongs to an integration test.
    fn is_test(&self) -> bool {
        self.path.split('/').any(|part| part == "tests")
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_path_buf()
}

/// Every tracked text file; without git (a source archive) every file that is not build output.
fn files() -> Vec<File> {
    let root = root();
    let listed = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(&root)
        .output();
    let paths: Vec<String> = match listed {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8(output.stdout).unwrap();
            text.split_terminator('\0').map(str::to_owned).collect()
        }
        Ok(_) | Err(_) => walked(&root, &root),
    };
    let files: Vec<File> = paths
        .into_iter()
        // A file that is deleted but still tracked, or is not text, has nothing to say.
        .filter_map(|path| {
            Some(File {
                text: std::fs::read_to_string(root.join(&path)).ok()?,
                path,
            })
        })
        .collect();
    assert!(files.len() > 10, "the tree is there");
    files
}

fn walked(root: &Path, folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && name != ".git" {
            found.extend(walked(root, &path));
        } else if path.is_file() {
            found.push(
                path.strip_prefix(root)
                    .unwrap()
                    .to_string_lossy()
                    .replace('\\', "/"),
            );
        }
    }
    found
}

fn sources() -> Vec<File> {
    files().into_iter().filter(|file| file.ends_with(".rs")).collect()
}

fn fails(wrong: &[String]) {
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_module_says_what_it_is() {
    let wrong: Vec<String> = sources()
        .iter()
        .filter(|file| !opens_with_doc(&file.text))
        .map(|file| file.path.clone())
        .collect();
    fails(&wrong);
}

/// Whether `//!` comes before anything but blank lines and inner attributes.
fn opens_with_doc(text: &str) -> bool {
    let mut depth = 0_i64;
    for line in text.lines().map(str::trim) {
        if line.starts_with("//!") {
            return true;
        }
        if depth == 0 && !line.is_empty() && !line.starts_with("#![") {
            return false;
        }
        let count = |bracket: char| i64::try_from(line.matches(bracket).count()).unwrap();
        depth += count('[') - count(']');
    }
    false
}

#[test]
fn no_file_is_too_long() {
    let mut wrong = Vec::new();
    for file in sources().iter().filter(|file| !file.is_test()) {
        let length = product_lines(&file.text);
        if length > LONGEST {
            wrong.push(format!(
                "{}: {length} lines without its tests, at most {LONGEST}",
                file.path
            ));
        }
    }
    fails(&wrong);
}

/// Lines before the tests module, which stands last.
fn product_lines(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines
        .windows(2)
        .position(|pair| {
            pair[0].starts_with("#[cfg(test)]") && pair[1].starts_with("mod ") && pair[1].ends_with('{')
        })
        .unwrap_or(lines.len())
}

#[test]
fn nothing_is_left_for_later() {
    // Put together here so that this file does not find itself.
    let markers = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:")];
    let calls = [
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
        concat!("#[ign", "ore"),
    ];
    let mut wrong = Vec::new();
    for file in sources() {
        for (number, line) in file.text.lines().enumerate() {
            // A vendor's word may stand in a string; a promise stands in a comment.
            let comment = line.find("//").map_or("", |at| &line[at..]);
            let code = line.split("//").next().unwrap_or_default();
            let marked = markers.iter().any(|marker| {
                comment
                    .split(|c: char| !c.is_alphanumeric())
                    .any(|word| word == marker.trim_end_matches(':'))
            });
            if marked || calls.iter().any(|call| code.contains(call)) {
                wrong.push(format!("{}:{}: {}", file.path, number + 1, line.trim()));
            }
        }
    }
    fails(&wrong);
}

#[test]
fn no_test_waits_by_sleeping() {
    let sleeps = [concat!("thread::", "sleep"), concat!("time::", "sleep")];
    let mut wrong = Vec::new();
    for file in sources() {
        let from = if file.is_test() {
            0
        } else {
            product_lines(&file.text)
        };
        for (number, line) in file.text.lines().enumerate().skip(from) {
            if sleeps.iter().any(|sleep| line.contains(sleep)) {
                wrong.push(format!(
                    "{}:{}: wait for what you wait for, not for time",
                    file.path,
                    number + 1
                ));
            }
        }
    }
    fails(&wrong);
}

#[test]
fn only_stores_issue_claims() {
    let call = concat!("Claim::issued_by", "_store(");
    let wrong: Vec<String> = sources()
        .into_iter()
        .filter(|file| {
            !file.path.starts_with("crates/persistence/") && !file.path.starts_with("crates/testkit/")
        })
        .filter(|file| file.text.contains(call))
        .map(|file| {
            format!(
                "{}: a claim is proof only when the store has written it",
                file.path
            )
        })
        .collect();
    fails(&wrong);
}

/// What a store does to an organisation's set-up without a line in the audit.
const SILENT: &[&str] = &[
    ".insert_integration(",
    ".update_integration(",
    ".delete_integration(",
    ".insert_pipeline(",
    ".update_pipeline(",
    ".delete_pipeline(",
    ".insert_service(",
    ".update_service(",
    ".delete_service(",
    ".insert_profile(",
    ".insert_token(",
    ".revoke_token(",
    ".insert_status_link(",
    ".revoke_status_link(",
    ".rename_tenant(",
    ".set_stop(",
];

/// Where nobody changes anything: what a verification found is kept, credentials are sealed with another key, and practice
/// names its organisation.
const NOBODY: &[(&str, &str)] = &[
    ("crates/app/src/usecases/integrations.rs", ".update_integration("),
    ("crates/app/src/usecases/keys.rs", ".update_integration("),
    ("crates/api/src/cli/practice/office.rs", ".rename_tenant("),
];

#[test]
fn the_set_up_is_changed_with_a_line_in_the_audit() {
    let product = [
        "crates/app/src/",
        "crates/api/src/",
        "crates/web/src/",
        "crates/bootstrap/src/",
    ];
    let mut wrong = Vec::new();
    for file in sources() {
        if !product.iter().any(|folder| file.path.starts_with(folder)) {
            continue;
        }
        for call in SILENT.iter().filter(|call| file.text.contains(**call)) {
            if !NOBODY.contains(&(file.path.as_str(), *call)) {
                wrong.push(format!("{}: `{call}` leaves no line in the audit", file.path));
            }
        }
    }
    fails(&wrong);
}

#[test]
fn no_file_knows_a_machine() {
    let folders = ["home", "root", "Users", "work"];
    let mut wrong = Vec::new();
    for file in files().iter().filter(|file| file.path != "Cargo.lock") {
        for (number, line) in file.text.lines().enumerate() {
            for folder in folders {
                let path = format!("/{folder}/");
                let starts = line.match_indices(&path).any(|(at, _)| {
                    // Only at the start of a path: inside one it may be some vendor's address.
                    line[..at]
                        .chars()
                        .next_back()
                        .is_none_or(|before| !(before.is_alphanumeric() || ":/._-{}$".contains(before)))
                });
                if starts {
                    wrong.push(format!("{}:{}: {}", file.path, number + 1, line.trim()));
                }
            }
        }
    }
    fails(&wrong);
}

#[test]
fn links_between_documents_lead_somewhere() {
    let root = root();
    let mut wrong = Vec::new();
    for file in files().iter().filter(|file| file.ends_with(".md")) {
        let folder = root.join(&file.path).parent().unwrap().to_path_buf();
        for link in links(&file.text) {
            let (path, anchor) = link
                .split_once('#')
                .map_or((link.as_str(), None), |(path, anchor)| (path, Some(anchor)));
            let target = if path.is_empty() {
                root.join(&file.path)
            } else {
                folder.join(path)
            };
            if !target.exists() {
                wrong.push(format!("{}: {link} does not exist", file.path));
            } else if let Some(anchor) = anchor.filter(|_| target.extension().is_some_and(|it| it == "md")) {
                let text = std::fs::read_to_string(&target).unwrap();
                if !anchors(&text).contains(anchor) {
                    wrong.push(format!("{}: {link} has no such heading", file.path));
                }
            }
        }
    }
    fails(&wrong);
}

/// Markdown lines outside fenced blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    text.lines().filter(move |line| {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            return false;
        }
        !fenced
    })
}

/// Targets of links within the repository.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in prose(text) {
        for rest in line.split("](").skip(1) {
            let Some(target) = rest.split(')').next() else {
                continue;
            };
            let outside = target.contains("://") || target.starts_with("mailto:") || target.starts_with('/');
            if !outside && !target.is_empty() {
                found.push(target.to_owned());
            }
        }
    }
    found
}

/// Anchors of the headings, as the usual renderers make them.
fn anchors(text: &str) -> BTreeSet<String> {
    prose(text)
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            line.trim_start_matches('#')
                .trim()
                .to_lowercase()
                .chars()
                .filter(|c| c.is_alphanumeric() || *c == ' ' || *c == '-' || *c == '_')
                .map(|c| if c == ' ' { '-' } else { c })
                .collect()
        })
        .collect()
}

/// The documents that name a test beside what they say.
const NAMING_TESTS: &[&str] = &["docs/seeds.md", "docs/defects-prevented.md", "docs/limits.md"];

#[test]
fn documents_name_only_tests_that_exist() {
    let sources = sources();
    let mut wrong = Vec::new();
    for file in files() {
        if !NAMING_TESTS.contains(&file.path.as_str()) {
            continue;
        }
        for name in named_tests(&file.text) {
            if !exists(&sources, &name) {
                wrong.push(format!("{}: `{name}` does not exist", file.path));
            }
        }
    }
    fails(&wrong);
}

/// How many defects each part of `docs/defects-prevented.md` answers, by the letter of its numbers.
const DEFECTS: [(char, u32); 3] = [('D', 60), ('W', 12), ('P', 19)];

#[test]
fn every_defect_is_answered() {
    let path = "docs/defects-prevented.md";
    let text = files().into_iter().find(|file| file.path == path).unwrap().text;
    fails(&unanswered(&text, &DEFECTS));
}

/// Numbers without a row, rows that answer nothing, and rows of no number.
fn unanswered(text: &str, parts: &[(char, u32)]) -> Vec<String> {
    let mut left: BTreeSet<String> = parts
        .iter()
        .flat_map(|(letter, count)| (1..=*count).map(move |number| format!("{letter}{number}")))
        .collect();
    let mut wrong = Vec::new();
    for line in prose(text).filter(|line| line.starts_with('|')) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let number = cells[0];
        if number == "Number" || number.starts_with("---") {
            continue;
        }
        let excused = cells
            .get(2)
            .is_some_and(|answer| answer.starts_with("not built") || answer.starts_with("cannot arise"));
        if !left.remove(number) {
            wrong.push(format!("{number} is no defect, or there twice"));
        } else if cells.len() != 4 || cells[1].is_empty() || cells[2].is_empty() {
            wrong.push(format!("{number} has no answer"));
        } else if named_tests(cells[3]).is_empty() && !excused {
            wrong.push(format!(
                "{number} names no test, and is neither `not built` nor `cannot arise`"
            ));
        }
    }
    wrong.extend(left.iter().map(|number| format!("{number} is missing")));
    wrong
}

/// Backticked `delivr_crate::path::test_name`.
fn named_tests(text: &str) -> Vec<String> {
    prose(text)
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .filter(|word| word.starts_with("delivr_") && word.contains("::") && !word.contains(' '))
        .map(str::to_owned)
        .collect()
}

/// Whether the crate has a test function of the name. A function of a shared suite in testkit is a test too.
fn exists(sources: &[File], name: &str) -> bool {
    let Some((package, rest)) = name.split_once("::") else {
        return false;
    };
    let folder = package.trim_start_matches("delivr_").replace('_', "-");
    let function = format!("fn {}(", rest.rsplit("::").next().unwrap_or(rest));
    sources
        .iter()
        .filter(|file| file.path.split('/').any(|part| part == folder))
        .any(|file| {
            let lines: Vec<&str> = file.text.lines().collect();
            lines.iter().enumerate().any(|(at, line)| {
                line.contains(&function)
                    && (folder == "testkit"
                        || lines[at.saturating_sub(6)..at]
                            .iter()
                            .any(|above| above.contains("test]") || above.contains("test(")))
            })
        })
}

#[test]
fn the_rules_see_what_they_look_for() {
    assert!(opens_with_doc(
        "#![allow(\n  x,\n  reason = \"y\"\n)]\n\n//! It is.\nuse a;"
    ));
    assert!(!opens_with_doc("use a;\n//! Late."));
    assert_eq!(product_lines("a\nb\n#[cfg(test)]\nmod tests {\n}\n"), 2);
    assert_eq!(
        links("[a](b.md) and [c](https://d) ```\n```\n[no](x)\n```\n[e](#f)"),
        ["b.md", "#f"]
    );
    assert!(anchors("# How it *behaves*: now\n").contains("how-it-behaves-now"));
    assert_eq!(
        named_tests("| `delivr_domain::a::b` | `Release::step` |"),
        ["delivr_domain::a::b"]
    );
    let rows = "| Number | Defect | Answer | Shown by |\n|---|---|---|---|\n| X1 | a | b | `delivr_a::b` |\n| X2 | a | not built: c | |\n";
    let parts = [('X', 2)];
    assert_eq!(unanswered(rows, &parts), Vec::<String>::new());
    assert_eq!(unanswered(&rows.replace("not built", "later"), &parts).len(), 1);
    assert_eq!(unanswered(&rows.replace("`delivr_a::b`", ""), &parts).len(), 1);
    assert_eq!(unanswered(&rows.replace("X2", "X1"), &parts).len(), 2);
    assert_eq!(unanswered(rows, &[('X', 3)]), ["X3 is missing"]);
    let source = File {
        path: "crates/domain/src/a.rs".into(),
        text: "#[test]\nfn b() {\n}\nfn c() {}\n".into(),
    };
    let sources = [source];
    assert!(exists(&sources, "delivr_domain::a::b"));
    assert!(!exists(&sources, "delivr_domain::a::d"));
    assert!(!exists(&sources, "delivr_app::a::b"));
}
