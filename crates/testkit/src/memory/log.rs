//! What is only ever added to: copies share all but its newest entries.

use std::sync::Arc;

/// How many entries are shared at once.
const CHUNK: usize = 32;

/// Entries in the order in which they came.
#[derive(Debug)]
pub(super) struct Log<T> {
    /// Full, and never changed again.
    full: Vec<Arc<Vec<T>>>,
    last: Vec<T>,
}

impl<T> Default for Log<T> {
    fn default() -> Self {
        Self {
            full: Vec::new(),
            last: Vec::new(),
        }
    }
}

impl<T: Clone> Clone for Log<T> {
    fn clone(&self) -> Self {
        Self {
            full: self.full.clone(),
            last: self.last.clone(),
        }
    }
}

impl<T> Log<T> {
    pub(super) fn push(&mut self, it: T) {
        self.last.push(it);
        if self.last.len() >= CHUNK {
            self.full.push(Arc::new(std::mem::take(&mut self.last)));
        }
    }
    pub(super) fn len(&self) -> usize {
        self.full
            .len()
            .saturating_mul(CHUNK)
            .saturating_add(self.last.len())
    }
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.full.iter().flat_map(|chunk| chunk.iter()).chain(&self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::{CHUNK, Log};

    #[test]
    fn a_copy_is_not_changed_by_what_is_added_later() {
        let mut log = Log::default();
        for n in 0..CHUNK + 3 {
            log.push(n);
        }
        let before = log.clone();
        for n in CHUNK + 3..3 * CHUNK {
            log.push(n);
        }
        assert_eq!((before.len(), log.len()), (CHUNK + 3, 3 * CHUNK));
        assert!(before.iter().copied().eq(0..CHUNK + 3));
        assert!(log.iter().rev().copied().eq((0..3 * CHUNK).rev()));
    }
}
