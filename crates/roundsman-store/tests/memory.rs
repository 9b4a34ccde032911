//! The memory store keeps every promise of the contract.

use roundsman_store::{Answer, Clock, MemoryStore, Store, conformance::Harness};
use std::sync::Arc;

struct Memory;

impl Harness for Memory {
    fn open(&self, clock: Arc<dyn Clock>) -> Answer<'_, Arc<dyn Store>> {
        Box::pin(async move { Ok(Arc::new(MemoryStore::new(clock)) as Arc<dyn Store>) })
    }
}

roundsman_store::conformance!(Memory);
