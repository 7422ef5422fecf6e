//! The rows of the queue in memory, in the order of their ids. Copies share them in parts, so that changing one row of a
//! copy copies the part it lies in and nothing else.

use super::state::Slot;
use delivr_domain::key::EffectId;
use delivr_domain::ports::kept::Kept;
use std::collections::BTreeMap;

/// Parts, one for each beginning of an id.
const PARTS: usize = 32;

type Part = BTreeMap<EffectId, Kept<Slot>>;

/// Rows by id.
#[derive(Debug, Clone)]
pub(super) struct Rows(Vec<Kept<Part>>);

impl Default for Rows {
    fn default() -> Self {
        Self(vec![Kept::default(); PARTS])
    }
}

/// Which part an id lies in: parts follow each other as ids do.
fn part(id: EffectId) -> usize {
    let [first, ..] = *id.uuid().as_bytes();
    usize::from(first) * PARTS / 256
}

impl Rows {
    pub(super) fn get(&self, id: &EffectId) -> Option<&Kept<Slot>> {
        self.0.get(part(*id))?.get(id)
    }
    pub(super) fn get_mut(&mut self, id: &EffectId) -> Option<&mut Kept<Slot>> {
        let part = self.0.get_mut(part(*id))?;
        // Looking for what is not there copies nothing.
        if part.contains_key(id) {
            part.get_mut(id)
        } else {
            None
        }
    }
    pub(super) fn insert(&mut self, id: EffectId, slot: Kept<Slot>) {
        if let Some(part) = self.0.get_mut(part(id)) {
            part.insert(id, slot);
        }
    }
    pub(super) fn iter(&self) -> impl Iterator<Item = (&EffectId, &Kept<Slot>)> {
        self.0.iter().flat_map(|part| part.iter())
    }
    pub(super) fn values(&self) -> impl Iterator<Item = &Kept<Slot>> {
        self.iter().map(|(_, slot)| slot)
    }
}

#[cfg(test)]
mod tests {
    use super::{PARTS, part};
    use delivr_domain::key::EffectId;
    use uuid::Uuid;

    #[test]
    fn parts_follow_each_other_as_ids_do() {
        let of = |first: u8| part(EffectId::from_uuid(Uuid::from_bytes([first; 16])));
        assert_eq!((of(0), of(255)), (0, PARTS - 1));
        assert!((1..=255).all(|first| of(first - 1) <= of(first)));
    }
}
