//! The vault: credentials sealed with AES-256-GCM under a key ring.
//!
//! Each envelope names the key that sealed it; tenant and row are associated data, so that an envelope moved to another
//! row or tenant does not open. The first key of the ring seals, all of them open.

use crate::Entropy;
use base64::Engine as _;
use delivr_domain::ids::{IntegrationId, TenantId};
use delivr_domain::ports::provider::Credentials;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::digest::{SHA256, digest};
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;

const MAGIC: &[u8] = b"DLV1";

/// Why sealed credentials cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// The key ring's text is wrong.
    #[error("the master key is not usable: {0}")]
    Ring(String),
    /// The envelope is not one of ours.
    #[error("the sealed credentials are damaged")]
    Damaged,
    /// The key that sealed it is not on the ring.
    #[error(
        "the credentials were sealed with master key `{0}`, which is not on the key ring; add it to DELIVR_MASTER_KEY"
    )]
    UnknownKey(String),
    /// The key is there, but the envelope does not open: another tenant, another row, or changed bytes.
    #[error("the sealed credentials do not open with master key `{0}`")]
    Refused(String),
    /// Sealing failed.
    #[error("credentials could not be sealed")]
    Sealing,
}

struct MasterKey {
    id: String,
    key: LessSafeKey,
}

/// The key ring. Its Debug shows key ids only.
pub struct Vault {
    ring: Vec<MasterKey>,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.ring.iter().map(|key| &key.id))
            .finish()
    }
}

impl Vault {
    /// Reads a key ring: base64 of 32 bytes, or a comma list of `id:base64` whose first one seals. An id defaults to
    /// the first eight hex digits of the key's SHA-256.
    ///
    /// # Errors
    /// [`VaultError::Ring`] with what is wrong; never the key.
    pub fn new(text: &SecretString) -> Result<Self, VaultError> {
        let mut ring: Vec<MasterKey> = Vec::new();
        for (part, number) in text
            .expose_secret()
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .zip(1..)
        {
            let bad = |why: &str| VaultError::Ring(format!("key {number}: {why}"));
            let (id, body) = match part.split_once(':') {
                Some((id, body)) => (Some(id.trim()), body.trim()),
                None => (None, part),
            };
            let bytes = base64::engine::general_purpose::STANDARD
                .decode(body)
                .map_err(|_ignored| bad("is not base64"))?;
            if bytes.len() != 32 {
                return Err(bad(&format!("has {} bytes, 32 are needed", bytes.len())));
            }
            let hashed: String = digest(&SHA256, &bytes)
                .as_ref()
                .iter()
                .take(4)
                .map(|byte| format!("{byte:02x}"))
                .collect();
            let id = id.map_or(hashed, ToOwned::to_owned);
            if id.is_empty() || id.len() > 64 || ring.iter().any(|known| known.id == id) {
                return Err(bad("has an empty, too long or repeated id"));
            }
            let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_ignored| bad("is refused"))?;
            ring.push(MasterKey {
                id,
                key: LessSafeKey::new(key),
            });
        }
        if ring.is_empty() {
            return Err(VaultError::Ring(
                "it is empty; make one with `delivr-api keys generate`".to_owned(),
            ));
        }
        Ok(Self { ring })
    }

    /// The id of the key that seals.
    #[must_use]
    pub fn sealing_key(&self) -> &str {
        self.ring.first().map_or("", |key| &key.id)
    }

    /// The id of the key an envelope was sealed with.
    ///
    /// # Errors
    /// [`VaultError::Damaged`].
    pub fn key_of(envelope: &[u8]) -> Result<String, VaultError> {
        open_frame(envelope).map(|(id, _, _)| id)
    }

    /// Seals credentials for one row of one tenant.
    ///
    /// # Errors
    /// [`VaultError::Sealing`].
    pub fn seal(
        &self,
        entropy: &dyn Entropy,
        tenant: TenantId,
        row: IntegrationId,
        secrets: &BTreeMap<String, SecretString>,
    ) -> Result<Vec<u8>, VaultError> {
        let key = self.ring.first().ok_or(VaultError::Sealing)?;
        let plain: BTreeMap<&str, &str> = secrets
            .iter()
            .map(|(name, secret)| (name.as_str(), secret.expose_secret()))
            .collect();
        let mut body = serde_json::to_vec(&plain).map_err(|_ignored| VaultError::Sealing)?;
        let mut nonce = [0u8; NONCE_LEN];
        entropy.fill(&mut nonce);
        key.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(associated(tenant, row)),
                &mut body,
            )
            .map_err(|_ignored| VaultError::Sealing)?;
        let id_length = u8::try_from(key.id.len()).map_err(|_ignored| VaultError::Sealing)?;
        let mut envelope = MAGIC.to_vec();
        envelope.push(id_length);
        envelope.extend_from_slice(key.id.as_bytes());
        envelope.extend_from_slice(&nonce);
        envelope.append(&mut body);
        Ok(envelope)
    }

    /// Opens an envelope of one row of one tenant.
    ///
    /// # Errors
    /// See [`VaultError`]; never a partial answer.
    pub fn open(
        &self,
        tenant: TenantId,
        row: IntegrationId,
        envelope: &[u8],
    ) -> Result<BTreeMap<String, SecretString>, VaultError> {
        let (id, nonce, body) = open_frame(envelope)?;
        let key = self
            .ring
            .iter()
            .find(|key| key.id == id)
            .ok_or_else(|| VaultError::UnknownKey(id.clone()))?;
        let mut body = body.to_vec();
        let plain = key
            .key
            .open_in_place(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(associated(tenant, row)),
                &mut body,
            )
            .map_err(|_ignored| VaultError::Refused(id.clone()))?;
        let secrets: BTreeMap<String, String> =
            serde_json::from_slice(plain).map_err(|_ignored| VaultError::Damaged)?;
        Ok(secrets
            .into_iter()
            .map(|(name, secret)| (name, SecretString::from(secret)))
            .collect())
    }

    /// Opens an envelope as what a provider factory takes.
    ///
    /// # Errors
    /// See [`VaultError`].
    pub fn credentials(
        &self,
        tenant: TenantId,
        row: IntegrationId,
        envelope: &[u8],
    ) -> Result<Credentials, VaultError> {
        self.open(tenant, row, envelope).map(Credentials::new)
    }
}

fn associated(tenant: TenantId, row: IntegrationId) -> Vec<u8> {
    format!("{tenant}/{row}").into_bytes()
}

fn open_frame(envelope: &[u8]) -> Result<(String, [u8; NONCE_LEN], &[u8]), VaultError> {
    let rest = envelope.strip_prefix(MAGIC).ok_or(VaultError::Damaged)?;
    let (length, rest) = rest.split_first().ok_or(VaultError::Damaged)?;
    let (id, rest) = rest
        .split_at_checked(usize::from(*length))
        .ok_or(VaultError::Damaged)?;
    let (nonce, body) = rest.split_first_chunk::<NONCE_LEN>().ok_or(VaultError::Damaged)?;
    let id = std::str::from_utf8(id).map_err(|_ignored| VaultError::Damaged)?;
    Ok((id.to_owned(), *nonce, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counter(std::sync::atomic::AtomicU64);
    impl Entropy for Counter {
        fn uuid(&self) -> uuid::Uuid {
            uuid::Uuid::from_u128(u128::from(
                self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed),
            ))
        }
        fn fraction(&self) -> f64 {
            0.5
        }
        fn fill(&self, bytes: &mut [u8]) {
            for byte in bytes {
                *byte =
                    u8::try_from(self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 256).unwrap();
            }
        }
    }

    fn key(byte: u8) -> String {
        base64::engine::general_purpose::STANDARD.encode([byte; 32])
    }
    fn vault(text: &str) -> Result<Vault, VaultError> {
        Vault::new(&SecretString::from(text.to_owned()))
    }
    fn ids(n: u128) -> (TenantId, IntegrationId) {
        (
            TenantId::from_uuid(uuid::Uuid::from_u128(n)),
            IntegrationId::from_uuid(uuid::Uuid::from_u128(n + 1)),
        )
    }
    fn secrets() -> BTreeMap<String, SecretString> {
        BTreeMap::from([("token".to_owned(), SecretString::from("s3cret-value".to_owned()))])
    }

    #[test]
    fn what_is_sealed_opens_only_for_its_row_and_tenant() {
        let entropy = Counter(0.into());
        let vault = vault(&key(1)).unwrap();
        let (tenant, row) = ids(10);
        let (other, other_row) = ids(20);
        let sealed = vault.seal(&entropy, tenant, row, &secrets()).unwrap();
        assert_eq!(
            vault.open(tenant, row, &sealed).unwrap()["token"].expose_secret(),
            "s3cret-value"
        );
        assert!(matches!(
            vault.open(other, row, &sealed),
            Err(VaultError::Refused(_))
        ));
        assert!(matches!(
            vault.open(tenant, other_row, &sealed),
            Err(VaultError::Refused(_))
        ));
        let plain = sealed.windows(12).any(|window| window == b"s3cret-value");
        assert!(!plain, "the envelope must not contain the secret");
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let entropy = Counter(0.into());
        let vault = vault(&key(1)).unwrap();
        let (tenant, row) = ids(10);
        let sealed = vault.seal(&entropy, tenant, row, &secrets()).unwrap();
        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            assert!(vault.open(tenant, row, &changed).is_err(), "byte {index}");
            assert!(
                vault.open(tenant, row, &sealed[..index]).is_err(),
                "cut at {index}"
            );
        }
    }

    #[test]
    fn a_ring_opens_old_envelopes_and_seals_with_the_first_key() {
        let entropy = Counter(0.into());
        let old = vault(&format!("a:{}", key(1))).unwrap();
        let both = vault(&format!("b:{},a:{}", key(2), key(1))).unwrap();
        let only_new = vault(&format!("b:{}", key(2))).unwrap();
        let (tenant, row) = ids(10);
        let sealed = old.seal(&entropy, tenant, row, &secrets()).unwrap();
        assert!(both.open(tenant, row, &sealed).is_ok());
        assert_eq!(
            only_new.open(tenant, row, &sealed).unwrap_err(),
            VaultError::UnknownKey("a".to_owned())
        );
        let again = both.seal(&entropy, tenant, row, &secrets()).unwrap();
        assert_eq!(Vault::key_of(&again).unwrap(), "b");
        assert!(only_new.open(tenant, row, &again).is_ok());
    }

    #[test]
    fn bad_rings_are_refused_without_showing_the_key() {
        for bad in [
            "",
            "not base64!",
            "c2hvcnQ=",
            &format!("a:{0},a:{0}", key(1)),
            &format!(":{}", key(1)),
        ] {
            let error = vault(bad).unwrap_err().to_string();
            assert!(bad.is_empty() || !error.contains(bad), "{error}");
        }
    }
}
