//! Sessions: a browser that has shown an API token once, known again by a sealed cookie.
//!
//! The cookie holds no token, only which one it stands for; the token is looked up again for every page, so that the
//! session ends with it. The installation's vault seals it: nobody can make one, or read the secret that forms carry.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use delivr_app::App;
use delivr_app::usecases::access::{Principal, hex};
use delivr_domain::ids::{IntegrationId, TenantId, TokenId, derive_uuid};
use secrecy::{ExposeSecret as _, SecretString};
use std::collections::BTreeMap;
use uuid::Uuid;

/// How long a session lasts, at most.
pub(crate) const LASTS: TimeDelta = TimeDelta::hours(12);

/// Who came, when, and the secret that their forms carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) token: TokenId,
    pub(crate) tenant: TenantId,
    pub(crate) issued: DateTime<Utc>,
    pub(crate) csrf: String,
}

/// What is sealed is bound to a tenant and a row. A session is of neither: no tenant is nil, and no integration has an id
/// that is derived from these words, so that a session cannot be taken for a credential, or one for a session.
///
/// A session of before a restore opens nothing after it: the pages it left open carry versions that are given once more,
/// to other states, and their forms would overwrite what nobody has seen.
fn place(epoch: Option<&str>) -> (TenantId, IntegrationId) {
    let row = match epoch {
        Some(epoch) => derive_uuid(&[b"session of a browser", epoch.as_bytes()]),
        None => derive_uuid(&[b"session of a browser"]),
    };
    (TenantId::from_uuid(Uuid::nil()), IntegrationId::from_uuid(row))
}

/// A secret for forms.
pub(crate) fn secret(app: &App) -> String {
    let mut bytes = [0; 32];
    app.entropy.fill(&mut bytes);
    hex(&bytes)
}

impl Session {
    /// A session that begins now.
    pub(crate) fn begin(app: &App, who: &Principal) -> Self {
        Self {
            token: who.token,
            tenant: who.tenant.id,
            issued: app.clock.now(),
            csrf: secret(app),
        }
    }

    /// The cookie's value; none when the vault cannot seal.
    pub(crate) fn seal(&self, app: &App, epoch: Option<&str>) -> Option<String> {
        let (tenant, row) = place(epoch);
        let parts = [
            ("token", self.token.to_string()),
            ("tenant", self.tenant.to_string()),
            ("issued", self.issued.timestamp_micros().to_string()),
            ("csrf", self.csrf.clone()),
        ];
        let parts = parts.map(|(name, value)| (name.to_owned(), SecretString::from(value)));
        let sealed = app
            .vault
            .seal(app.entropy.as_ref(), tenant, row, &BTreeMap::from(parts))
            .inspect_err(|error| tracing::error!(%error, "a session could not be sealed"))
            .ok()?;
        Some(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// The session of a cookie that this installation sealed; none when it did not, too long ago, or before a restore.
    pub(crate) fn open(app: &App, epoch: Option<&str>, cookie: &str) -> Option<Self> {
        let (tenant, row) = place(epoch);
        let sealed = URL_SAFE_NO_PAD.decode(cookie).ok()?;
        let parts = app.vault.open(tenant, row, &sealed).ok()?;
        let part = |name: &str| parts.get(name).map(|it| it.expose_secret().to_owned());
        let session = Self {
            token: part("token")?.parse().ok()?,
            tenant: part("tenant")?.parse().ok()?,
            issued: DateTime::from_timestamp_micros(part("issued")?.parse().ok()?)?,
            csrf: part("csrf")?,
        };
        let age = app.clock.now() - session.issued;
        // Of the future: another clock, or ours turned back. It lasts no longer for that.
        (age < LASTS && age > -LASTS).then_some(session)
    }
}
