//! Room of a worker: what its own report enqueues it may claim in the same transaction ("born claimed"), so that a chain of
//! steps costs one commit each.

use delivr_domain::effect::Effect;
use delivr_domain::key::EffectId;
use delivr_domain::ports::store::{ClaimRequest, Claimed};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Slots of a worker.
pub trait Room: Send + Sync {
    /// Takes a slot for the effect, if there is one for it.
    fn take(&self, effect: &Effect) -> bool;
    /// Gives back a slot that was taken and is not needed.
    fn give_back(&self, effect: &Effect);
    /// How the worker claims from this moment on.
    fn request(&self) -> ClaimRequest;
}

/// Slots taken for effects; what is not used is given back, whatever happens.
pub(crate) struct Taken<'a> {
    room: &'a dyn Room,
    effects: BTreeMap<EffectId, Effect>,
}

impl<'a> Taken<'a> {
    /// Takes slots for as many of the effects as there are.
    pub(crate) fn some(room: &'a dyn Room, effects: impl IntoIterator<Item = Effect>) -> Self {
        let mut taken = BTreeMap::new();
        for effect in effects {
            if let Entry::Vacant(free) = taken.entry(effect.id())
                && room.take(&effect)
            {
                free.insert(effect);
            }
        }
        Self { room, effects: taken }
    }

    pub(crate) fn ids(&self) -> Vec<EffectId> {
        self.effects.keys().copied().collect()
    }

    /// Keeps the slots of what was claimed: they are given back by whoever runs it.
    fn keep(mut self, claimed: &[Claimed]) {
        for one in claimed {
            self.effects.remove(&one.row.id);
        }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        for effect in self.effects.values() {
            self.room.give_back(effect);
        }
    }
}

/// Claims of a transaction whose commit has been asked for, with their slots.
pub(crate) struct Born<'a> {
    pub(crate) taken: Taken<'a>,
    pub(crate) claimed: Vec<Claimed>,
}

impl Born<'_> {
    /// The commit took effect: the claims are the caller's.
    pub(crate) fn committed(self) -> Vec<Claimed> {
        self.taken.keep(&self.claimed);
        self.claimed
    }
}
