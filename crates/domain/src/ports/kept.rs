//! A value that its copies share until one of them is changed.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// Something large that is copied often and changed seldom: copying it costs nothing, changing a copy that is shared
/// copies it then.
pub struct Kept<T>(Arc<T>);

impl<T> Clone for Kept<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> From<T> for Kept<T> {
    fn from(it: T) -> Self {
        Self(Arc::new(it))
    }
}

impl<T: Default> Default for Kept<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: fmt::Debug> fmt::Debug for Kept<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: PartialEq> PartialEq for Kept<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl<T: PartialEq> PartialEq<T> for Kept<T> {
    fn eq(&self, other: &T) -> bool {
        *self.0 == *other
    }
}

impl<T> Deref for Kept<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Clone> DerefMut for Kept<T> {
    fn deref_mut(&mut self) -> &mut T {
        Arc::make_mut(&mut self.0)
    }
}

impl<T: Clone> Kept<T> {
    /// A copy that shares nothing.
    #[must_use]
    pub fn copy(&self) -> T {
        T::clone(&self.0)
    }
    /// The value itself, copied only where somebody else has it too.
    #[must_use]
    pub fn into_inner(self) -> T {
        Arc::unwrap_or_clone(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Kept;

    #[test]
    fn a_change_of_one_copy_is_no_change_of_another() {
        let one = Kept::from(vec![1, 2]);
        let mut other = one.clone();
        assert_eq!(one, other);
        other.push(3);
        assert_eq!(one, vec![1, 2]);
        assert_eq!(other.into_inner(), vec![1, 2, 3]);
    }
}
