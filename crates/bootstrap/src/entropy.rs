//! Randomness of the process, from the operating system through ring.

use delivr_app::Entropy;
use ring::rand::{SecureRandom as _, SystemRandom};
use std::time::SystemTime;

/// The operating system's source of randomness.
#[derive(Debug)]
pub struct SystemEntropy(SystemRandom);

impl SystemEntropy {
    /// A source.
    #[must_use]
    pub fn new() -> Self {
        Self(SystemRandom::new())
    }
}

impl Default for SystemEntropy {
    fn default() -> Self {
        Self::new()
    }
}

impl Entropy for SystemEntropy {
    fn uuid(&self) -> uuid::Uuid {
        let mut random = [0; 10];
        self.fill(&mut random);
        let since = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let millis = u64::try_from(since.as_millis()).unwrap_or_default();
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }

    fn fraction(&self) -> f64 {
        let mut bytes = [0; 4];
        self.fill(&mut bytes);
        f64::from(u32::from_ne_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
    }

    fn fill(&self, bytes: &mut [u8]) {
        #[expect(
            clippy::expect_used,
            reason = "an operating system without randomness cannot seal or issue anything: going on would be unsafe"
        )]
        self.0.fill(bytes).expect("the operating system's randomness");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_version_7_and_differ() {
        let entropy = SystemEntropy::new();
        let (one, two) = (entropy.uuid(), entropy.uuid());
        assert_ne!(one, two);
        assert_eq!(one.get_version_num(), 7);
    }

    #[test]
    fn fractions_stay_below_one() {
        let entropy = SystemEntropy::new();
        for _ in 0..1_000 {
            let fraction = entropy.fraction();
            assert!((0.0..1.0).contains(&fraction), "{fraction}");
        }
    }
}
