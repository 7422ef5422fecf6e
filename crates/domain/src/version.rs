//! Versions: semver by default, CalVer by choice; a line of versions per service and target.

use crate::key::words;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

words! {
    /// The kind of a version bump.
    Bump ("release type") {
        /// Incompatible or marketing step.
        Major = "MAJOR",
        /// Ordinary step.
        Minor = "MINOR",
        /// Repair of a shipped version.
        Hotfix = "HOTFIX",
    }
}

/// Why a version is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// Neither semver nor CalVer.
    #[error(
        "`{0}` is not a version: expected MAJOR.MINOR.PATCH (or YYYY.MM.PATCH), digits without leading zeros"
    )]
    Malformed(String),
    /// Not above what exists.
    #[error(
        "version {wanted} is not above {highest}, the highest version of this service and target that is not cancelled"
    )]
    NotAbove {
        /// What was asked for.
        wanted: Version,
        /// What exists.
        highest: Version,
    },
}

/// A release version: three numbers. CalVer (`2026.11.0`) has the same shape and order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version {
    major: u32,
    minor: u32,
    patch: u32,
}

impl Version {
    /// The version of three numbers.
    #[must_use]
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self { major, minor, patch }
    }
    /// The next version of this line for a bump.
    #[must_use]
    pub const fn next(self, bump: Bump) -> Self {
        match bump {
            Bump::Major => Self::new(self.major.saturating_add(1), 0, 0),
            Bump::Minor => Self::new(self.major, self.minor.saturating_add(1), 0),
            Bump::Hotfix => Self::new(self.major, self.minor, self.patch.saturating_add(1)),
        }
    }
    /// The next CalVer of a date: year and month, patch counted up within the month.
    #[must_use]
    pub const fn next_calver(previous: Option<Self>, year: u32, month: u32) -> Self {
        match previous {
            Some(previous) if previous.major == year && previous.minor == month => {
                Self::new(year, month, previous.patch.saturating_add(1))
            }
            Some(_) | None => Self::new(year, month, 0),
        }
    }
    /// A text that sorts like the version.
    #[must_use]
    pub fn rank(self) -> String {
        format!("{:010}.{:010}.{:010}", self.major, self.minor, self.patch)
    }
    /// Refuses a version that is not above the highest of its line.
    ///
    /// # Errors
    /// [`VersionError::NotAbove`].
    pub fn check_above(self, highest: Option<Self>) -> Result<(), VersionError> {
        match highest {
            Some(highest) if self <= highest => Err(VersionError::NotAbove {
                wanted: self,
                highest,
            }),
            Some(_) | None => Ok(()),
        }
    }
}

impl FromStr for Version {
    type Err = VersionError;
    fn from_str(text: &str) -> Result<Self, VersionError> {
        let bad = || VersionError::Malformed(text.chars().take(64).collect());
        let bare = text.strip_prefix('v').unwrap_or(text);
        let mut numbers = bare.split('.').map(|part| {
            let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            let leading_zero = part.len() > 1 && part.starts_with('0');
            if digits && !leading_zero {
                part.parse::<u32>().ok()
            } else {
                None
            }
        });
        let mut next = || numbers.next().flatten().ok_or_else(bad);
        let version = Self::new(next()?, next()?, next()?);
        if numbers.next().is_some() {
            Err(bad())
        } else {
            Ok(version)
        }
    }
}

impl TryFrom<String> for Version {
    type Error = VersionError;
    fn try_from(text: String) -> Result<Self, VersionError> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_sort_like_versions() {
        let mut versions = [
            Version::new(2, 0, 0),
            Version::new(1, 10, 0),
            Version::new(1, 9, 11),
            Version::new(u32::MAX, 0, 1),
            Version::new(1, 9, 2),
        ];
        versions.sort_unstable();
        assert!(versions.windows(2).all(|two| two[0].rank() < two[1].rank()));
    }

    #[test]
    fn three_numbers_and_nothing_else() {
        assert_eq!("v1.2.3".parse::<Version>().unwrap(), Version::new(1, 2, 3));
        for bad in [
            "1.2",
            "1.2.3.4",
            "01.2.3",
            "1.2.x",
            "",
            "1..2",
            "1.2.-3",
            "99999999999.0.0",
            "1.2.3-rc.1",
        ] {
            assert!(bad.parse::<Version>().is_err(), "{bad}");
        }
    }

    #[test]
    fn bumps_and_calver() {
        let v = Version::new(1, 4, 2);
        assert_eq!(v.next(Bump::Major), Version::new(2, 0, 0));
        assert_eq!(v.next(Bump::Minor), Version::new(1, 5, 0));
        assert_eq!(v.next(Bump::Hotfix), Version::new(1, 4, 3));
        assert_eq!(
            Version::next_calver(Some(Version::new(2026, 11, 0)), 2026, 11),
            Version::new(2026, 11, 1)
        );
        assert_eq!(
            Version::next_calver(Some(Version::new(2026, 11, 4)), 2026, 12),
            Version::new(2026, 12, 0)
        );
    }

    #[test]
    fn a_line_only_rises() {
        assert!(
            Version::new(1, 0, 0)
                .check_above(Some(Version::new(1, 0, 0)))
                .is_err()
        );
        assert!(
            Version::new(1, 0, 1)
                .check_above(Some(Version::new(1, 0, 0)))
                .is_ok()
        );
        assert!(Version::new(0, 0, 1).check_above(None).is_ok());
    }
}
