//! What a provider says of itself to be proved.

use crate::side::Side;
use async_trait::async_trait;
use delivr_domain::effect::{Note, Operation, Topic};
use delivr_domain::key::EffectKey;
use delivr_domain::ports::provider::{Connection, Descriptor};
use delivr_provider_kit::Deps;
use std::path::Path;

/// What the engine is asked to do.
#[derive(Debug, Clone)]
pub enum Work {
    /// A vendor write.
    Write(Operation),
    /// A message to people.
    Message(Topic, Note),
}

/// Case (g): whether a thing that is not ours can stand in the write's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// [`Enrolment::foreign`] makes one; the write must go to a person.
    Made,
    /// There is no such thing, and why.
    None(&'static str),
}

/// One write of a provider.
#[derive(Debug, Clone)]
pub struct Write {
    /// Its name in the table and in [`Enrolment::prepare`]. Lower case, as a reader would say it.
    pub name: &'static str,
    /// The vendor's calls that change something, in order, each with how often it is performed when the write is done
    /// once. The names are those under which the vendor counts its effects and can be made to fail.
    pub sends: Vec<(&'static str, usize)>,
    /// Case (g).
    pub foreign: Foreign,
}

impl Write {
    /// A write of one call, performed once.
    #[must_use]
    pub fn new(name: &'static str, send: &'static str, foreign: Foreign) -> Self {
        Self {
            name,
            sends: vec![(send, 1)],
            foreign,
        }
    }
    /// The same with one more call, performed once.
    #[must_use]
    pub fn then(mut self, send: &'static str) -> Self {
        self.sends.push((send, 1));
        self
    }
    /// The same, its last call performed so often.
    #[must_use]
    pub fn times(mut self, times: usize) -> Self {
        if let Some(last) = self.sends.last_mut() {
            last.1 = times;
        }
        self
    }
}

/// A vendor that stands ready, and a plain connection to it.
#[derive(Debug)]
pub struct Scene<S> {
    /// The vendor.
    pub side: S,
    /// What the provider was made with. Its clock is the proof's.
    pub deps: Deps,
    /// A connection past the engine, to set the scene with.
    pub connection: Connection,
    /// The key the write under proof will have.
    pub key: EffectKey,
    /// A key of somebody else's.
    pub other: EffectKey,
    pub(crate) _folder: tempfile::TempDir,
}

/// A provider under proof.
#[async_trait]
pub trait Enrolment: Send + Sync {
    /// Its vendor.
    type Side: Side;
    /// The provider as it stands in the table: its crate, and the kind of connection where it has several.
    const NAME: &'static str;
    /// Its descriptor.
    fn descriptor(&self, deps: &Deps) -> Descriptor;
    /// A fresh vendor. What it keeps in files lies below the folder.
    async fn side(&self, folder: &Path) -> Self::Side;
    /// Every write it has.
    fn writes(&self) -> Vec<Write>;
    /// Makes whatever must stand before the write, and says what the write is.
    async fn prepare(&self, write: &str, scene: &Scene<Self::Side>) -> Work;
    /// Puts something that is not ours into the write's place.
    async fn foreign(&self, write: &str, _scene: &Scene<Self::Side>) {
        panic!("{write}: nothing foreign is enrolled");
    }
}
