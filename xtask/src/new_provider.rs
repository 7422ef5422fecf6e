//! Adds a provider crate: manifest, source, README, and its lines in the workspace and in the list of providers.
//!
//! What it writes compiles and claims nothing: every operation is refused as unsupported until somebody writes it.

use crate::shell::{cargo, check, root, say};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::Path;

/// What to add.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The port it serves.
    port: Role,
    /// The vendor in lower case, e.g. `gitlab`; the crate is called after port and vendor.
    name: String,
}

/// The ports, by the first word of their crates' names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Role {
    /// Source control.
    Scm,
    /// CI/CD.
    Cicd,
    /// Project management.
    Pm,
    /// Communication.
    Comm,
    /// Test management.
    Test,
    /// App stores.
    Store,
}

impl Role {
    const fn word(self) -> &'static str {
        match self {
            Self::Scm => "scm",
            Self::Cicd => "cicd",
            Self::Pm => "pm",
            Self::Comm => "comm",
            Self::Test => "test",
            Self::Store => "store",
        }
    }
    /// The source to start from. `tests/new_provider.rs` compiles these files and tries what they answer.
    const fn skeleton(self) -> &'static str {
        match self {
            Self::Scm => include_str!("../tests/skeletons/scm.rs"),
            Self::Cicd => include_str!("../tests/skeletons/cicd.rs"),
            Self::Pm => include_str!("../tests/skeletons/pm.rs"),
            Self::Comm => include_str!("../tests/skeletons/comm.rs"),
            Self::Test => include_str!("../tests/skeletons/test.rs"),
            Self::Store => include_str!("../tests/skeletons/store.rs"),
        }
    }
}

/// Writes the crate.
///
/// # Errors
/// When the name is no crate name, the crate exists, or a list does not look as expected; then nothing is written.
pub(crate) fn run(args: &Args) -> Result<()> {
    let folder = write(&root()?, args.port, &args.name)?;
    check(&mut cargo(["fmt", "-p", "delivr-providers-all"])?)?;
    say(format!("made {folder}"));
    say("next: docs/adding-a-provider.md says what it must do and how it proves that");
    Ok(())
}

fn write(root: &Path, role: Role, vendor: &str) -> Result<String> {
    let starts = vendor.starts_with(|c: char| c.is_ascii_lowercase());
    let rest = vendor
        .chars()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    ensure!(
        starts && rest && !vendor.ends_with('-') && vendor.len() <= 40,
        "`{vendor}` is no vendor name: a lower-case letter, then letters, digits and hyphens"
    );
    let name = format!("{}-{vendor}", role.word());
    let path = format!("crates/providers/{name}");
    let folder = root.join(&path);
    ensure!(!folder.exists(), "{path} exists already");

    // All texts first, so that a list of another shape leaves nothing half done.
    let workspace = root.join("Cargo.toml");
    let manifest = root.join("crates/providers-all/Cargo.toml");
    let list = root.join("crates/providers-all/src/lib.rs");
    let named = format!("delivr-{name}");
    let new_workspace = listed(
        &read(&workspace)?,
        "delivr-",
        " = { path = ",
        &format!("{named} = {{ path = \"{path}\" }}"),
    )?;
    let new_manifest = listed(
        &read(&manifest)?,
        "delivr-",
        ".workspace = true",
        &format!("{named}.workspace = true"),
    )?;
    let call = format!("{}::descriptor(deps)", named.replace('-', "_"));
    let new_list = registered(&read(&list)?, &call)?;

    fs::create_dir_all(folder.join("src")).with_context(|| format!("could not make {path}"))?;
    put(&folder.join("Cargo.toml"), &cargo_toml(&named))?;
    put(&folder.join("src/lib.rs"), &source(role, vendor))?;
    put(&folder.join("README.md"), &readme(&named, vendor))?;
    put(&workspace, &new_workspace)?;
    put(&manifest, &new_manifest)?;
    put(&list, &new_list)?;
    Ok(path)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))
}

fn put(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("could not write {}", path.display()))
}

/// The text with one more entry in its list: before the first larger entry, else after the last one.
fn listed(text: &str, start: &str, part: &str, entry: &str) -> Result<String> {
    let is_entry = |line: &str| line.trim_start().starts_with(start) && line.contains(part);
    let lines: Vec<&str> = text.lines().collect();
    let entries: Vec<(usize, &str)> = lines
        .iter()
        .enumerate()
        .filter(|(_, line)| is_entry(line))
        .map(|(at, line)| (at, *line))
        .collect();
    let Some(&(last, model)) = entries.last() else {
        bail!("no line like `{start}…{part}…` to put `{entry}` beside; add it by hand");
    };
    ensure!(
        !entries
            .iter()
            .any(|(_, line)| line.trim().trim_end_matches(',') == entry),
        "`{entry}` is listed already"
    );
    let at = entries
        .iter()
        .find(|(_, line)| line.trim_start() > entry)
        .map_or(last + 1, |(at, _)| *at);
    let indent: String = model.chars().take_while(|c| c.is_whitespace()).collect();
    let comma = if model.trim_end().ends_with(',') { "," } else { "" };
    let mut lines: Vec<String> = lines.into_iter().map(str::to_owned).collect();
    lines.insert(at, format!("{indent}{entry}{comma}"));
    Ok(lines.join("\n") + "\n")
}

/// The list of providers with one more call in it, whether it stands on one line or on many.
fn registered(text: &str, call: &str) -> Result<String> {
    const OPENING: &str = "Registry::new([";
    ensure!(!text.contains(call), "`{call}` is listed already");
    if text
        .lines()
        .any(|line| line.trim_start().starts_with("delivr_") && line.contains("::descriptor(deps)"))
    {
        return listed(text, "delivr_", "::descriptor(deps)", call);
    }
    ensure!(
        text.contains(OPENING),
        "no `{OPENING}` to put `{call}` into; add it by hand"
    );
    Ok(text.replacen(OPENING, &format!("{OPENING}{call}, "), 1))
}

/// The vendor's name for people: `my-vendor` is `My Vendor`.
fn display(vendor: &str) -> String {
    let words: Vec<String> = vendor
        .split('-')
        .map(|word| {
            let mut chars = word.chars();
            chars.next().map_or_else(String::new, |first| {
                first.to_ascii_uppercase().to_string() + chars.as_str()
            })
        })
        .collect();
    words.join(" ")
}

fn source(role: Role, vendor: &str) -> String {
    role.skeleton()
        .replace("Example Vendor", &display(vendor))
        .replace("\"example\"", &format!("\"{vendor}\""))
}

fn cargo_toml(name: &str) -> String {
    format!(
        "[package]\nname = \"{name}\"\nversion.workspace = true\nedition.workspace = true\nrust-version.workspace = true\n\
         license.workspace = true\npublish.workspace = true\n\n[dependencies]\nasync-trait.workspace = true\n\
         delivr-domain.workspace = true\ndelivr-provider-kit.workspace = true\nserde_json.workspace = true\n\n\
         [dev-dependencies]\ndelivr-provider-proof.workspace = true\ntokio.workspace = true\n\n[lints]\nworkspace = true\n"
    )
}

fn readme(name: &str, vendor: &str) -> String {
    let display = display(vendor);
    format!(
        "# {name}\n\nConnects Delivr to {display}.\n\nNo operation is written yet: each one is refused as unsupported, and nothing is sent to the vendor.\n\
         What a provider must do, and how it proves it: [adding a provider](../../../docs/adding-a-provider.md).\n\n\
         ## Permissions\n\nNone are used yet.\n\n## Limits and oddities\n\nNone are known yet.\n\n\
         ## Proof\n\nWith the first operation comes `tests/proof.rs`: an `Enrolment` of `delivr-provider-proof` and `prove!`, and a contract\n\
         test with the variables it wants.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    fn tree() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let all = root.path().join("crates/providers-all/src");
        fs::create_dir_all(&all).unwrap();
        fs::write(
            root.path().join("Cargo.toml"),
            "[workspace.dependencies]\ndelivr-api = { path = \"crates/api\" }\ndelivr-scm-git = { path = \"crates/providers/scm-git\" }\nserde = \"1\"\n",
        )
        .unwrap();
        fs::write(
            root.path().join("crates/providers-all/Cargo.toml"),
            "[dependencies]\ndelivr-scm-git.workspace = true\nserde_json.workspace = true\n",
        )
        .unwrap();
        fs::write(
            all.join("lib.rs"),
            "fn all() {\n    vec![\n        delivr_scm_git::descriptor(deps),\n    ];\n}\n",
        )
        .unwrap();
        root
    }

    #[test]
    fn a_crate_and_its_three_lines_are_written() {
        let root = tree();
        let path = write(root.path(), Role::Scm, "my-forge").unwrap();
        assert_eq!(path, "crates/providers/scm-my-forge");
        let read = |file: &str| fs::read_to_string(root.path().join(file)).unwrap();
        assert!(read("Cargo.toml").contains(
            "scm-git\" }\ndelivr-scm-my-forge = { path = \"crates/providers/scm-my-forge\" }\nserde"
        ));
        assert!(
            read("crates/providers-all/Cargo.toml")
                .contains("delivr-scm-my-forge.workspace = true\nserde_json")
        );
        assert!(
            read("crates/providers-all/src/lib.rs")
                .contains(",\n        delivr_scm_my_forge::descriptor(deps),\n    ];")
        );
        let manifest: toml::Table = read("crates/providers/scm-my-forge/Cargo.toml").parse().unwrap();
        assert_eq!(manifest["package"]["name"].as_str(), Some("delivr-scm-my-forge"));
        assert_eq!(manifest["lints"]["workspace"].as_bool(), Some(true));
        let source = read("crates/providers/scm-my-forge/src/lib.rs");
        assert!(source.contains("const KEY: &str = \"my-forge\";"));
        assert!(source.contains("display_name: \"My Forge\""));
        assert!(read("crates/providers/scm-my-forge/README.md").contains("No operation is written yet"));
    }

    #[test]
    fn a_second_time_changes_nothing() {
        let root = tree();
        write(root.path(), Role::Scm, "forge").unwrap();
        let before = fs::read_to_string(root.path().join("Cargo.toml")).unwrap();
        assert!(write(root.path(), Role::Scm, "forge").is_err());
        assert_eq!(
            fs::read_to_string(root.path().join("Cargo.toml")).unwrap(),
            before
        );
    }

    #[test]
    fn no_name_leaves_the_folder() {
        let root = tree();
        for name in ["", "../x", "Forge", "9to5", "a-", "a b"] {
            assert!(write(root.path(), Role::Scm, name).is_err(), "{name}");
        }
        assert!(!root.path().join("crates/providers").exists());
    }

    #[test]
    fn a_list_of_another_shape_is_left_alone() {
        let root = tree();
        fs::write(root.path().join("crates/providers-all/src/lib.rs"), "").unwrap();
        let error = write(root.path(), Role::Scm, "forge").unwrap_err();
        assert!(
            error.to_string().contains("delivr_scm_forge::descriptor(deps)"),
            "{error}"
        );
        assert!(!root.path().join("crates/providers").exists());
    }

    #[test]
    fn a_list_on_one_line_takes_one_more() {
        let text = "    Registry::new([delivr_a::descriptor(deps)])\n";
        let call = "delivr_b::descriptor(deps)";
        assert_eq!(
            registered(text, call).unwrap(),
            "    Registry::new([delivr_b::descriptor(deps), delivr_a::descriptor(deps)])\n"
        );
        assert!(registered(&registered(text, call).unwrap(), call).is_err());
    }

    #[test]
    fn no_trace_of_the_example_is_left() {
        for role in Role::value_variants() {
            let source = source(*role, "forge");
            assert!(!source.to_lowercase().contains("example"), "{}", role.word());
        }
    }
}
