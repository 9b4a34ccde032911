//! The suite that every store runs. A crash is the end of a lease while the store is open.

#![allow(clippy::panic)] // In tests, also outside of `#[test]` functions.

use crate::scratch::Scratch;
use roundsman_redis::RedisStore;
use roundsman_store::{Answer, Clock, Store, StoreError, conformance::Harness};
use std::sync::{Arc, Mutex};

#[derive(Default)]
struct Redis {
    /// The prefix of each store, by its address.
    scratches: Mutex<Vec<(usize, Arc<Scratch>)>>,
}

impl Redis {
    fn scratch_of(&self, store: &Arc<dyn Store>) -> Arc<Scratch> {
        let address = Arc::as_ptr(store).addr();
        let scratches = self.scratches.lock().unwrap();
        scratches.iter().rev().find(|(of, _)| *of == address).unwrap().1.clone()
    }

    async fn open(&self, scratch: Arc<Scratch>, clock: Arc<dyn Clock>) -> Arc<dyn Store> {
        let store: Arc<dyn Store> = Arc::new(opened(&scratch, clock).await);
        self.scratches.lock().unwrap().push((Arc::as_ptr(&store).addr(), scratch));
        store
    }
}

/// Opens it, whoever has it.
async fn opened(scratch: &Scratch, clock: Arc<dyn Clock>) -> RedisStore {
    loop {
        scratch.end_lease();
        match RedisStore::open_by(&scratch.url(), clock.clone()).await {
            Ok(store) => return store,
            // The owner that is about to crash has just renewed its lease.
            Err(StoreError::Locked(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

impl Harness for Redis {
    fn open(&self, clock: Arc<dyn Clock>) -> Answer<'_, Arc<dyn Store>> {
        Box::pin(async move { Ok(self.open(Arc::new(Scratch::new()), clock).await) })
    }

    fn crash_and_reopen(
        &self,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Answer<'_, Option<Arc<dyn Store>>> {
        Box::pin(async move {
            let scratch = self.scratch_of(&store);
            let again = self.open(scratch, clock).await;
            drop(store);
            Ok(Some(again))
        })
    }
}

roundsman_store::conformance!(Redis::default());
