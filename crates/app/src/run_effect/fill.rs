//! What only the attempt itself may know: the last placeholders of a run's parameters.
//!
//! `{delivr_key}` is the run's correlation key. `{callbackUrl}` contains a token, which is a secret: it is made for the
//! call and stands in no event, row, view or log. Whatever is stored or shown keeps the word in braces.

use crate::App;
use crate::usecases::callbacks::{self, CallbackError};
use delivr_domain::effect::{CicdWrite, Operation};
use delivr_domain::ids::TenantId;
use delivr_domain::key::EffectKey;
use delivr_domain::ports::error::ProviderError;
use secrecy::SecretString;

/// Why a run's parameters cannot be filled.
pub(super) enum FillError {
    /// A person must name the address under which vendors reach this installation.
    NoAddress(String),
    /// The installation's secret cannot be read.
    Secret(CallbackError),
}

/// The write as the vendor gets it.
pub(super) struct Filled {
    operation: Option<Operation>,
    secret: Option<String>,
}

impl Filled {
    const NOTHING: Self = Self {
        operation: None,
        secret: None,
    };

    /// What is sent, where it differs from what was intended.
    pub(super) const fn operation(&self) -> Option<&Operation> {
        self.operation.as_ref()
    }

    /// What is secret in it.
    pub(super) fn secret(&self) -> Option<SecretString> {
        self.secret.clone().map(SecretString::from)
    }

    /// The error without the secret: a vendor may repeat what it was sent.
    pub(super) fn hide(&self, mut error: ProviderError) -> ProviderError {
        if let Some(secret) = &self.secret {
            error.sentence = without(secret, &error.sentence);
            error.vendor = error.vendor.map(|words| without(secret, &words));
            // Nothing reads the cause of a classified error but logs.
            error.source = None;
        }
        error
    }
}

fn without(secret: &str, text: &str) -> String {
    text.replace(secret, "(callback token)")
}

/// Fills what is left to fill.
pub(super) async fn filled(
    app: &App,
    tenant: TenantId,
    key: &EffectKey,
    operation: &Operation,
) -> Result<Filled, FillError> {
    let Operation::Cicd(CicdWrite::TriggerRun {
        job,
        git_ref,
        sha,
        parameters,
    }) = operation
    else {
        return Ok(Filled::NOTHING);
    };
    let names = |word: &str| parameters.values().any(|value| value.contains(word));
    if !names(callbacks::KEY_WORD) && !names(callbacks::URL_WORD) {
        return Ok(Filled::NOTHING);
    }
    let mut secret = None;
    let url = if names(callbacks::URL_WORD) {
        let base = app
            .connections
            .reached_at()
            .ok_or_else(|| FillError::NoAddress(callbacks::no_address(job)))?;
        let token = callbacks::token(app, tenant, &key.short())
            .await
            .map_err(FillError::Secret)?;
        let url = callbacks::url(base, &token);
        secret = Some(token);
        url
    } else {
        String::new()
    };
    let fill = |value: &String| {
        value
            .replace(callbacks::KEY_WORD, &key.short())
            .replace(callbacks::URL_WORD, &url)
    };
    let parameters = parameters
        .iter()
        .map(|(name, value)| (name.clone(), fill(value)))
        .collect();
    let operation = Operation::Cicd(CicdWrite::TriggerRun {
        job: job.clone(),
        git_ref: git_ref.clone(),
        sha: sha.clone(),
        parameters,
    });
    Ok(Filled {
        operation: Some(operation),
        secret,
    })
}
