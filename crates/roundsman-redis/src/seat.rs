//! Whether an opening owns the store, as its handle and its tasks see it.

use parking_lot::Mutex;
use roundsman_store::StoreError;

/// Where an opening stands. It goes one way: one that stands by may come to own the store, and one
/// that has lost it does not come back.
#[derive(Debug)]
pub(crate) struct Seat(Mutex<Standing>);

#[derive(Clone, Debug)]
pub(crate) enum Standing {
    /// Since this epoch.
    Owns(u64),
    /// This one owns it, or did last.
    StandsBy(String),
    /// Another has taken it over, or lets none stand by.
    Lost(StoreError),
}

impl Seat {
    pub(crate) fn new(standing: Standing) -> Self {
        Self(Mutex::new(standing))
    }

    pub(crate) fn set(&self, standing: Standing) {
        *self.0.lock() = standing;
    }

    /// The epoch of the owner.
    ///
    /// # Errors
    /// This opening is not the owner, and says why.
    pub(crate) fn epoch(&self) -> Result<u64, StoreError> {
        match &*self.0.lock() {
            Standing::Owns(epoch) => Ok(*epoch),
            Standing::StandsBy(owner) => Err(StoreError::StandsBy(owner.clone())),
            Standing::Lost(error) => Err(error.clone()),
        }
    }

    /// The same; `None` for one that stands by.
    pub(crate) fn epoch_if_owner(&self) -> Result<Option<u64>, StoreError> {
        match self.epoch() {
            Err(StoreError::StandsBy(_)) => Ok(None),
            epoch => epoch.map(Some),
        }
    }
}
