//! Plain git as a source-control host: any server over https or ssh, or a repository on this machine where the
//! operator allows it. Everything goes through the `git` program.
//!
//! Refs are made by a push that says "must not exist yet", so two workers can never both make one, and annotated tags
//! have the same bytes on every attempt.

mod address;
mod cache;
mod copying;
mod notes;
mod program;
mod repository;
mod scm;
mod version;

use delivr_domain::ports::provider::{ConfigError, Connection, Credentials, Descriptor, Port};
use delivr_provider_kit::schema::{self, Field};
use delivr_provider_kit::{AddressPolicy, Deps, Teller};
use program::Account;
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;

pub use scm::GitScm;

/// The provider's key.
pub const KEY: &str = "git";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Config {
    url: String,
    default_branch: Option<String>,
    browse_url_template: Option<String>,
    /// The server's ssh host keys, as lines of a `known_hosts` file or bare `type base64` pairs.
    host_keys: Option<String>,
}

/// What this crate offers.
#[must_use]
pub fn descriptor(deps: &Deps) -> Descriptor {
    let (policy, root, cache) = (
        deps.policy.clone(),
        deps.git_file_root.clone(),
        deps.cache_dir.clone(),
    );
    let clock = deps.clock.clone();
    let program = Arc::new(version::Program::default());
    Descriptor {
        key: KEY,
        port: Port::Scm,
        display_name: "Git (any server)",
        config_schema: schema::form(
            "Git repository",
            [
                Field::text("url", "Address of the repository")
                    .describe("https, ssh or git@host:path; file only where the operator allows it.")
                    .example(json!("https://git.example.com/shop/app.git"))
                    .required(),
                Field::text("defaultBranch", "Default branch").default(json!("main")),
                Field::text("browseUrlTemplate", "Where people look at a ref")
                    .describe("An address with {ref} (or {sha}) in it.")
                    .example(json!("https://git.example.com/shop/app/tree/{ref}")),
                Field::text("hostKeys", "ssh host keys")
                    .describe("Required for ssh: the server's public host keys, one a line.")
                    .help("Printed by: ssh-keyscan HOST. Compare them with what the server's operator publishes.")
                    .multiline(),
            ],
        ),
        credentials_schema: schema::form(
            "Git credential",
            [
                Field::secret("sshKey", "ssh private key").describe("Without a passphrase.").multiline(),
                Field::text("username", "User name").describe("For https."),
                Field::secret("password", "Password or token").describe("For https."),
            ],
        ),
        capabilities: json!({
            "branch": true, "tag": true, "compare": true, "notes": "derived", "release": "none", "pr": false,
            "webhooks": false, "immutableTags": false,
        }),
        connect: Arc::new(move |config, credentials| {
            let told = Teller::of(credentials).map(|teller| Account {
                teller,
                clock: clock.clone(),
            });
            let of = (&program, &policy, told);
            connect(of, root.as_ref(), &cache, config, credentials)
        }),
        webhook: None,
    }
}

fn connect(
    (program, policy, told): (&Arc<version::Program>, &Arc<AddressPolicy>, Option<Account>),
    root: Option<&PathBuf>,
    cache: &std::path::Path,
    config: &Value,
    credentials: &Credentials,
) -> Result<Connection, ConfigError> {
    let config: Config = schema::parse(config)?;
    schema::only_credentials(credentials, &["sshKey", "username", "password"])?;
    let remote = address::Remote::parse(policy, root, &config.url)?;
    let access = address::Access::of(&remote, credentials, config.host_keys.as_deref())?;
    let default = config.default_branch.as_deref().unwrap_or("main");
    let default = default
        .parse()
        .map_err(|why| schema::wrong("defaultBranch", format!("{why}")))?;
    if let Some(template) = &config.browse_url_template
        && !(template.starts_with("https://") || template.starts_with("http://"))
    {
        return Err(schema::wrong(
            "browseUrlTemplate",
            "must start with https:// or http://",
        ));
    }
    let repository =
        repository::Repository::new((program.clone(), policy.clone()), remote, access, cache).told_to(told);
    Ok(Connection::Scm(Arc::new(GitScm::new(
        repository,
        default,
        config.browse_url_template,
    ))))
}
