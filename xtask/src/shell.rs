//! Running other programs and talking to the person at the terminal.

use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The repository's root: the folder that holds this crate. Asked of the cargo that started us before the compiler that
/// made us, since two checkouts may share one build folder.
pub(crate) fn root() -> Result<PathBuf> {
    let started = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let ours = started.filter(|folder| folder.ends_with("xtask"));
    ours.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")))
        .parent()
        .map(Path::to_path_buf)
        .context("this crate has no parent folder")
}

/// Prints one line. A closed pipe is the reader's choice and no error of ours.
pub(crate) fn say(line: impl AsRef<str>) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{}", line.as_ref());
    let _ = out.flush();
}

/// `cargo` as the one that started us, in the repository's root.
pub(crate) fn cargo<'a>(args: impl IntoIterator<Item = &'a str>) -> Result<Command> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    command.args(args).current_dir(root()?).stdin(Stdio::null());
    // Set by the cargo that started us, for us. Build scripts that ask for them (ring's) would run anew, and all that needs
    // them be compiled again, whenever cargo is started by us after a person and the other way round.
    for (name, _) in std::env::vars_os() {
        let ours = name
            .to_str()
            .is_some_and(|it| it.starts_with("CARGO_PKG_") || it.starts_with("CARGO_MANIFEST_"));
        if ours {
            command.env_remove(name);
        }
    }
    Ok(command)
}

/// Runs to the end with our own terminal.
///
/// # Errors
/// When it cannot be started or ends with another status than 0.
pub(crate) fn check(command: &mut Command) -> Result<()> {
    say(format!("$ {}", shown(command)));
    let status = command
        .status()
        .with_context(|| format!("could not start `{}`", shown(command)))?;
    if !status.success() {
        bail!("`{}` ended with {status}", shown(command));
    }
    Ok(())
}

/// Whether the command can be started and ends well; its output is dropped.
pub(crate) fn works(mut command: Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The command as a person would type it.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program())
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    command
        .get_args()
        .fold(program, |line, arg| format!("{line} {}", arg.to_string_lossy()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cargo_says_of_ourselves_is_not_handed_on() {
        // Said to this test by the cargo that runs it.
        let said = ["CARGO_PKG_NAME", "CARGO_MANIFEST_DIR"].map(std::ffi::OsStr::new);
        let command = cargo(["build"]).unwrap();
        for name in said {
            assert!(std::env::var_os(name).is_some());
            assert!(command.get_envs().any(|it| it == (name, None)));
        }
    }
}
