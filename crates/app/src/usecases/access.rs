//! Tenants, tokens and roles: who may ask for what.

use crate::App;
use delivr_domain::ids::{TenantId, TokenId};
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::{By, Change, Tenant, Token};
use delivr_domain::time::{Span, Timestamp};
use futures_util::future;
use ring::digest::{SHA256, digest};
use secrecy::{ExposeSecret as _, SecretString};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// What a principal may do; each role includes the ones below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Reads.
    Viewer,
    /// Runs releases.
    Member,
    /// Configures, and overrides gates.
    Admin,
    /// Everything.
    Owner,
}

impl Role {
    /// Every role, the lowest first.
    pub const ALL: &'static [Self] = &[Self::Viewer, Self::Member, Self::Admin, Self::Owner];

    /// The word of the API and of stored tokens.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Viewer => "VIEWER",
            Self::Member => "MEMBER",
            Self::Admin => "ADMIN",
            Self::Owner => "OWNER",
        }
    }

    /// The bundles of permissions the role has.
    #[must_use]
    pub const fn scopes(self) -> &'static [&'static str] {
        match self {
            Self::Viewer => &["read"],
            Self::Member => &["read", "release:write", "rollout:write"],
            Self::Admin | Self::Owner => &[
                "read",
                "release:write",
                "rollout:write",
                "integrations:write",
                "admin",
            ],
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Role {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .iter()
            .copied()
            .find(|role| role.word() == text)
            .ok_or_else(|| "the role must be one of OWNER, ADMIN, MEMBER, VIEWER".to_owned())
    }
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The token used.
    pub token: TokenId,
    /// The token's name, for people.
    pub name: String,
    /// The person behind the token; none behind a service token.
    pub person: Option<Person>,
    /// Whose things are seen and touched.
    pub tenant: Tenant,
    /// What is allowed.
    pub role: Role,
}

impl Principal {
    /// What events call the actor: the person, whichever of their tokens is used, else the service token's name. The two
    /// cannot be taken for each other: no service token is called like a person (see [`reserved`]).
    #[must_use]
    pub fn actor(&self) -> &str {
        self.person.as_ref().map_or(&self.name, Person::as_str)
    }
}

/// A person, by an address at which nobody else is reached. Written in one way only, so that one person counts once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Person(String);

impl Person {
    /// The address, in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Person {
    type Err = String;
    /// Only ASCII letters are taken: two addresses that look the same are the same.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            "a person is named by an e-mail address of ASCII characters, like alice@example.org".to_owned()
        };
        let text = text.trim();
        let (name, host) = text.split_once('@').ok_or_else(wrong)?;
        let plain = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&byte))
        };
        if text.len() <= 254 && plain(name) && plain(host) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(wrong())
        }
    }
}

/// What every token begins with, so that scanners find leaked ones.
pub const TOKEN_PREFIX: &str = "dlv_";

/// The digest a secret is looked up by.
#[must_use]
pub fn token_digest(secret: &str) -> String {
    digest_of(secret.as_bytes())
}

/// Lower-case hex SHA-256.
#[must_use]
pub fn digest_of(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

/// Lower-case hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The principal of a token's secret; none when there is no such token, or it is revoked or expired. The three are
/// not told apart.
///
/// # Errors
/// When the store fails.
pub async fn authenticate(app: &App, secret: &str) -> Result<Option<Principal>, StoreError> {
    // Looked up by digest: a comparison of secrets, whose time could tell something, does not take place.
    match app.store.bearer(&token_digest(secret)).await? {
        Some((token, tenant)) if is_valid(app, &token) && !is_link(&token) => {
            principal(token, tenant).map(Some)
        }
        Some(_) | None => Ok(None),
    }
}

/// What stands for a role in a link to a calendar. Such a link is kept as tokens are, and opens the calendar of its
/// tenant and nothing else: it is nobody's credential.
pub const CALENDAR: &str = "CALENDAR";

/// What every calendar link's secret begins with, so that scanners find leaked ones.
pub const LINK_PREFIX: &str = "dlc_";

fn is_link(token: &Token) -> bool {
    token.role == CALENDAR
}

/// Whose calendar a link's secret opens; none when there is no such link, or it is revoked or expired. The three are not
/// told apart, nor is a credential that is no link.
///
/// # Errors
/// When the store fails.
pub async fn by_link(app: &App, secret: &str) -> Result<Option<Tenant>, StoreError> {
    let found = app.store.bearer(&token_digest(secret)).await?;
    Ok(found
        .filter(|(token, _)| is_link(token) && is_valid(app, token))
        .map(|(_, tenant)| tenant))
}

/// The token of the tenant by its id, while it is valid.
///
/// # Errors
/// When the store fails.
pub async fn valid_token(app: &App, tenant: TenantId, id: TokenId) -> Result<Option<Token>, StoreError> {
    let tokens = app.store.tokens(tenant).await?;
    Ok(tokens
        .into_iter()
        .find(|it| it.id == id)
        .filter(|it| is_valid(app, it) && !is_link(it)))
}

/// The principal of a token of the tenant by its id, while it is valid: for what stands in for a token and is as good as
/// it, no longer (tickets of live streams, sessions of browsers).
///
/// # Errors
/// When the store fails.
pub async fn by_token(app: &App, tenant: TenantId, id: TokenId) -> Result<Option<Principal>, StoreError> {
    let (token, tenant) = future::try_join(valid_token(app, tenant, id), app.store.tenant(tenant)).await?;
    match (token, tenant) {
        (Some(token), Some(tenant)) => principal(token, tenant).map(Some),
        (_, _) => Ok(None),
    }
}

fn is_valid(app: &App, token: &Token) -> bool {
    token.revoked_at.is_none() && token.expires_at.is_none_or(|at| at > app.clock.now())
}

fn principal(token: Token, tenant: Tenant) -> Result<Principal, StoreError> {
    let role = token.role.parse().map_err(|why| StoreError::Corrupt {
        what: "token role",
        why,
    })?;
    let person = token.person.as_deref().map(str::parse);
    let person = person.transpose().map_err(|why| StoreError::Corrupt {
        what: "person of a token",
        why,
    })?;
    Ok(Principal {
        token: token.id,
        name: token.name,
        person,
        tenant,
        role,
    })
}

/// What events call the actor of what nobody asked for.
pub const SYSTEM: &str = "system";

/// What the audit calls whoever runs the installation, by its programs.
pub const OPERATOR: &str = "operator";

/// Why no token may have the name, if none may: events tell by it who did what, and its holder must be taken neither
/// for Delivr itself nor for a person.
#[must_use]
pub fn reserved(name: &str) -> Option<&'static str> {
    let name = name.trim();
    if name.eq_ignore_ascii_case(OPERATOR) {
        Some("the audit would call its holder what it calls whoever runs the installation; take another name")
    } else if name.eq_ignore_ascii_case(SYSTEM) {
        Some("events would call its holder what they call Delivr itself; take another name")
    } else if name.contains('@') {
        Some("only people are called by an address; leave out the `@`, or name the person as such")
    } else {
        None
    }
}

/// A new token and, this once, its secret.
#[derive(Debug)]
pub struct Issued {
    /// The token as stored.
    pub token: Token,
    /// What its holder sends.
    pub secret: SecretString,
}

/// What a token is to be.
#[derive(Debug, Clone)]
pub struct NewToken<'a> {
    /// Name for people.
    pub name: &'a str,
    /// The person behind it; none makes a service token.
    pub person: Option<&'a Person>,
    /// What it may do.
    pub role: Role,
    /// Not valid from here on.
    pub expires_at: Option<Timestamp>,
}

/// Issues a token under a fresh id, by whoever runs the installation.
///
/// # Errors
/// When the store fails; `Duplicate` when the id is taken.
pub async fn issue(app: &App, tenant: TenantId, id: Uuid, new: &NewToken<'_>) -> Result<Issued, StoreError> {
    issue_by(app, tenant, id, new, OPERATOR).await
}

/// The same by somebody: what events call them.
///
/// # Errors
/// When the store fails; `Duplicate` when the id is taken.
pub async fn issue_by(
    app: &App,
    tenant: TenantId,
    id: Uuid,
    new: &NewToken<'_>,
    actor: &str,
) -> Result<Issued, StoreError> {
    let role = new.role.word();
    kept(
        app,
        tenant,
        id,
        (TOKEN_PREFIX, role),
        (new.name, new.person, new.expires_at),
        actor,
    )
    .await
}

/// Revokes a token, or a link to the calendar, at once; false when there is none of the id.
///
/// # Errors
/// When the store fails.
pub async fn revoke(app: &App, tenant: TenantId, id: TokenId, actor: &str) -> Result<bool, StoreError> {
    let at = app.clock.now();
    let change = Change::RevokeToken(tenant, id, at);
    app.store.set_up(&change, By { actor, at }).await
}

/// Issues a link to the tenant's calendar under a fresh id, in the name of a person where there is one.
///
/// # Errors
/// When the store fails; `Duplicate` when the id is taken.
pub async fn issue_link(
    app: &App,
    tenant: TenantId,
    id: Uuid,
    name: &str,
    person: Option<&Person>,
    expires_at: Option<Timestamp>,
    actor: &str,
) -> Result<Issued, StoreError> {
    kept(
        app,
        tenant,
        id,
        (LINK_PREFIX, CALENDAR),
        (name, person, expires_at),
        actor,
    )
    .await
}

async fn kept(
    app: &App,
    tenant: TenantId,
    id: Uuid,
    (prefix, role): (&str, &str),
    (name, person, expires_at): (&str, Option<&Person>, Option<Timestamp>),
    actor: &str,
) -> Result<Issued, StoreError> {
    let mut bytes = [0; 32];
    app.entropy.fill(&mut bytes);
    let secret = SecretString::from(format!("{prefix}{}", hex(&bytes)));
    let token = Token {
        id: TokenId::from_uuid(id),
        tenant,
        name: name.to_owned(),
        person: person.map(ToString::to_string),
        role: role.to_owned(),
        digest: token_digest(secret.expose_secret()),
        expires_at,
        revoked_at: None,
        created_at: app.clock.now(),
    };
    let by = By {
        actor,
        at: token.created_at,
    };
    app.store.set_up(&Change::InsertToken(&token), by).await?;
    Ok(Issued { token, secret })
}

/// Whether a text can be a slug: lower-case letters, digits and hyphens, not at its ends, at most 63.
#[must_use]
pub fn is_slug(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// The tenant of the slug, made if there is none.
///
/// # Errors
/// When the store fails.
pub async fn ensure_tenant(app: &App, slug: &str) -> Result<Tenant, StoreError> {
    if let Some(tenant) = app.store.tenant_by_slug(slug).await? {
        return Ok(tenant);
    }
    let tenant = Tenant {
        id: TenantId::from_uuid(app.entropy.uuid()),
        slug: slug.to_owned(),
        name: slug.to_owned(),
    };
    match app.store.insert_tenant(&tenant).await {
        Ok(()) => Ok(tenant),
        // Somebody else was faster.
        Err(StoreError::Duplicate(what)) => app
            .store
            .tenant_by_slug(slug)
            .await?
            .ok_or(StoreError::Duplicate(what)),
        Err(error) => Err(error),
    }
}

/// Gives a tenant another slug, by which paths and people name it, and with it another name. False when there is none
/// of the slug. Its credentials, releases and addresses of webhooks stay: they go by the id.
///
/// # Errors
/// When the store fails; `Duplicate` when the new slug is taken.
pub async fn rename_tenant(app: &App, slug: &str, new: &str) -> Result<bool, StoreError> {
    match app.store.tenant_by_slug(slug).await? {
        Some(tenant) => {
            let by = By {
                actor: OPERATOR,
                at: app.clock.now(),
            };
            let change = Change::RenameTenant(tenant.id, new, new);
            app.store.set_up(&change, by).await
        }
        None => Ok(false),
    }
}

/// After a restore, vendors may already have what the database forgot: no marker-recognised write is sent for this
/// span, and claims look first.
pub const RESTORE_QUIET: Span = Span::minutes(2);

/// What tells the versions given since the last restore from those given before it; none where nothing was restored.
/// A restored database counts from where it stood: without this, a version that somebody saw before would name another
/// state after it.
///
/// # Errors
/// When the store fails.
pub async fn epoch(app: &App) -> Result<Option<String>, StoreError> {
    let floor = app.store.setting(crate::run_effect::QUIET_FLOOR).await?;
    let digits = |floor: String| floor.chars().filter(char::is_ascii_digit).collect();
    Ok(floor.map(digits))
}

/// Says that the database was restored: the quiet time begins. Returns its end.
///
/// # Errors
/// When the store fails.
pub async fn restore_epoch(app: &App) -> Result<Timestamp, StoreError> {
    let until = app.store.now().await? + RESTORE_QUIET;
    app.store
        .put_setting(crate::run_effect::QUIET_FLOOR, &until.to_rfc3339())
        .await?;
    Ok(until)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_written_in_one_way() {
        let alice: Person = "alice@example.org".parse().unwrap();
        for same in ["Alice@Example.ORG", " alice@example.org "] {
            assert_eq!(same.parse::<Person>().unwrap(), alice);
        }
        // The second `a` of the last one is Cyrillic.
        for none in [
            "",
            "alice",
            "@example.org",
            "alice@",
            "a@b@c",
            "a b@c",
            "\u{430}lice@example.org",
        ] {
            assert!(none.parse::<Person>().is_err(), "{none}");
        }
    }

    #[test]
    fn nobody_is_called_like_a_person_or_like_delivr() {
        for name in [
            "system",
            "Operator",
            " SYSTEM ",
            "alice@example.org",
            "a@b",
            "\u{430}lice@example.org",
        ] {
            assert!(reserved(name).is_some(), "{name}");
        }
        assert!(reserved("release bot").is_none());
    }
}
