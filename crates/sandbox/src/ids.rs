//! Names, numbers and hashes derived from the seed, so two runs of one seed give the same world.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ring::digest::{SHA256, digest};

/// Source of every "random" value in the sandbox.
#[derive(Debug, Clone)]
pub struct Ids {
    seed: u64,
    counters: BTreeMap<String, u64>,
}

impl Ids {
    /// A source for one seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            counters: BTreeMap::new(),
        }
    }

    /// The seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The next number of a kind, counted from 1.
    pub fn next(&mut self, kind: &str) -> u64 {
        let counter = self.counters.entry(kind.to_owned()).or_insert(0);
        *counter += 1;
        *counter
    }

    /// Hexadecimal digits (at most 64) that depend on the seed and the text only.
    #[must_use]
    pub fn hash(&self, text: &str, digits: usize) -> String {
        let mut hex = hex(digest(&SHA256, format!("{}\n{text}", self.seed).as_bytes()).as_ref());
        hex.truncate(digits);
        hex
    }

    /// A UUID-shaped id for the next object of a kind.
    pub fn uuid(&mut self, kind: &str) -> String {
        let number = self.next(kind);
        let h = self.hash(&format!("{kind}/{number}"), 32);
        let part = |from: usize, to: usize| h.get(from..to).unwrap_or_default().to_owned();
        format!(
            "{}-{}-4{}-a{}-{}",
            part(0, 8),
            part(8, 12),
            part(13, 16),
            part(17, 20),
            part(20, 32)
        )
    }

    /// A decimal id of ten digits for the next object of a kind.
    pub fn decimal(&mut self, kind: &str) -> String {
        let number = self.next(kind);
        let h = self.hash(kind, 6);
        let base = u64::from_str_radix(&h, 16).unwrap_or(0) % 900_000;
        format!("{}", 6_000_000_000 + base * 1000 + number)
    }
}

/// Lower-case hexadecimal text of bytes.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing into a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}
