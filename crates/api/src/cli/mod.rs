//! The command line: serving, and an operator's work on an installation.

mod backup;
mod log;
mod operate;
mod practice;
mod serve;

use crate::wiring::wire::{MessagesOf as StoredOf, SqlStore};
use crate::wiring::{Program, Settings, telemetry};
use clap::{Parser, Subcommand};
use delivr_app::usecases::access::{Person, Role};
use delivr_domain::ids::TokenId;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Parser)]
#[command(
    name = "delivr-api",
    version,
    about = "Release orchestration: the HTTP API, and the work of its operators."
)]
struct Cli {
    /// Settings file (TOML); may be repeated, later ones win, environment variables win over all.
    #[arg(long, global = true, value_name = "FILE")]
    config: Vec<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the API (the default).
    Serve,
    /// Open an organisation to try everything on: releases in every stage, simulated vendors, no credential, and nothing
    /// leaves this machine. Every start begins it anew.
    Practice(practice::Args),
    /// Bring the database's schema up to date.
    Migrate,
    /// Master keys.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Tenants.
    #[command(subcommand)]
    Tenant(TenantCommand),
    /// API tokens.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Seal all credentials anew with the first master key of the ring.
    RotateKeys,
    /// Copy the database into a new file, while everything runs. Credentials stay sealed in it, and the master key is
    /// not in it.
    Backup {
        /// The file to be made.
        file: PathBuf,
    },
    /// Put a backup into an empty database. Nothing may run on it meanwhile, nor on the database it was taken of.
    Restore {
        /// The backup.
        file: PathBuf,
        /// Only read the backup, and prove that it is whole and the master key opens it.
        #[arg(long)]
        check: bool,
        /// For so long nothing is sent that vendors know by its mark alone: what was sent before must show by then.
        #[arg(long, value_name = "SECONDS", default_value_t = backup::usual_quiet())]
        quiet_seconds: u32,
    },
    /// After a restore: print what vendors have told of runs that carry our mark and that the database does not know.
    Strays {
        /// Deliveries of so many days are looked at.
        #[arg(long, value_name = "DAYS", default_value_t = 7)]
        days: u32,
    },
    /// Say that the database was restored from a backup: writes wait until vendors show what was forgotten.
    RestoreEpoch,
    /// Settings.
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Print a new master key, and nothing else.
    Generate,
}

#[derive(Debug, Subcommand)]
enum TenantCommand {
    /// Print id, slug and name of every tenant.
    List,
    /// Give a tenant another slug. Tokens, releases and webhook addresses stay as they are; paths that name the tenant
    /// by its old slug end.
    Rename {
        /// The slug now.
        #[arg(long)]
        tenant: String,
        /// The slug from now on.
        #[arg(long)]
        to: String,
    },
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Make a token and print it, and nothing else. A tenant that does not exist is made.
    Create {
        /// Slug of the tenant.
        #[arg(long)]
        tenant: String,
        /// OWNER, ADMIN, MEMBER or VIEWER.
        #[arg(long)]
        role: Role,
        /// Name for people.
        #[arg(long, default_value = "command line")]
        name: String,
        /// E-mail address of the person who will hold it. All tokens of a person are one approver; left out, it is a
        /// service token, which decides nothing at gates.
        #[arg(long)]
        person: Option<Person>,
    },
    /// Print id, role, name and state of every token of a tenant.
    List {
        /// Slug of the tenant.
        #[arg(long)]
        tenant: String,
    },
    /// Revoke a token at once.
    Revoke {
        /// Slug of the tenant.
        #[arg(long)]
        tenant: String,
        /// Id of the token, as `token list` prints it.
        #[arg(long)]
        id: TokenId,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print every setting, and say whether key and certificates can be used.
    Check,
}

/// Runs the program with the process's arguments.
pub(crate) fn run() -> ExitCode {
    let cli = Cli::parse();
    match execute(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Each cause says something: what was tried, and why it failed.
            let _unheard = writeln!(std::io::stderr().lock(), "delivr-api: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(cli: &Cli) -> anyhow::Result<()> {
    let command = cli.command.as_ref().unwrap_or(&Command::Serve);
    // A key is made before there are settings that name it.
    if let Command::Keys(KeysCommand::Generate) = command {
        return operate::generate_key();
    }
    // It has settings of its own, and takes no others.
    if let Command::Practice(args) = command {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        return runtime.block_on(practice::practise(args, &cli.config));
    }
    let settings = Settings::load(Program::Api, &cli.config)?;
    telemetry::logs(&settings)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            Command::Serve => serve::serve(&settings).await,
            Command::Practice(args) => practice::practise(args, &cli.config).await,
            Command::Migrate => operate::migrate(&settings).await,
            Command::Keys(KeysCommand::Generate) => operate::generate_key(),
            Command::Tenant(TenantCommand::List) => operate::list_tenants(&settings).await,
            Command::Tenant(TenantCommand::Rename { tenant, to }) => {
                operate::rename_tenant(&settings, tenant, to).await
            }
            Command::Token(TokenCommand::Create {
                tenant,
                role,
                name,
                person,
            }) => operate::create_token(&settings, tenant, *role, name, person.as_ref()).await,
            Command::Token(TokenCommand::List { tenant }) => operate::list_tokens(&settings, tenant).await,
            Command::Token(TokenCommand::Revoke { tenant, id }) => {
                operate::revoke_token(&settings, tenant, *id).await
            }
            Command::RotateKeys => operate::rotate_keys(&settings).await,
            Command::Backup { file } => backup::take(&settings, file).await,
            Command::Restore {
                file,
                check: true,
                quiet_seconds: _,
            } => backup::check(&settings, file).await,
            Command::Restore {
                file,
                check: false,
                quiet_seconds,
            } => backup::restore(&settings, file, *quiet_seconds).await,
            Command::Strays { days } => backup::strays(&settings, *days).await,
            Command::RestoreEpoch => operate::restore_epoch(&settings).await,
            Command::Config(ConfigCommand::Check) => operate::check_config(&settings),
        }
    })
}

/// Writes a line to standard output. A reader that has gone away is no error of ours.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _gone = writeln!(out, "{line}").and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serving_is_the_default_and_files_may_repeat() {
        let cli = Cli::try_parse_from(["delivr-api", "--config", "a", "--config", "b"]).unwrap();
        assert!(cli.command.is_none());
        assert_eq!(cli.config.len(), 2);
        let cli = Cli::try_parse_from(["delivr-api", "migrate", "--config", "a"]).unwrap();
        assert!(matches!(cli.command, Some(Command::Migrate)));
        let bad = Cli::try_parse_from(["delivr-api", "token", "create", "--tenant", "t", "--role", "KING"]);
        assert!(bad.is_err());
    }
}
