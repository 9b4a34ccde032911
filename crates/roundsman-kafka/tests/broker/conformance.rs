//! The suite that every store runs. A crash is a second opening: it takes the journal over from
//! the first, as a new process would from one that ended without a word.
//!
//! Everything is set so that the unusual is usual: next to nothing is cached, so that payloads come
//! out of Kafka, and a checkpoint is written after every few records.

use crate::url;
use roundsman_kafka::{KafkaConfig, KafkaStore};
use roundsman_store::{Answer, Clock, Store, StoreError, conformance::Harness};
use std::sync::{Arc, Mutex};

#[derive(Default)]
struct Kafka {
    /// The configuration of each store, by its address.
    opened: Mutex<Vec<(usize, KafkaConfig)>>,
}

impl Kafka {
    async fn open_at(
        &self,
        config: KafkaConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<dyn Store>, StoreError> {
        let store: Arc<dyn Store> = Arc::new(KafkaStore::open(config.clone(), clock)?);
        self.opened.lock().unwrap().push((Arc::as_ptr(&store).addr(), config));
        Ok(store)
    }
}

impl Harness for Kafka {
    fn open(&self, clock: Arc<dyn Clock>) -> Answer<'_, Arc<dyn Store>> {
        let config = KafkaConfig { checkpoint_after: 600, cache: 4096, ..url::fresh() };
        Box::pin(self.open_at(config, clock))
    }

    fn crash_and_reopen(
        &self,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Answer<'_, Option<Arc<dyn Store>>> {
        Box::pin(async move {
            let address = Arc::as_ptr(&store).addr();
            let found = |(of, _): &&(usize, KafkaConfig)| *of == address;
            let config = self.opened.lock().unwrap().iter().rev().find(found).unwrap().1.clone();
            let next = self.open_at(config, clock).await?;
            // Only now, and without closing: what it would still write is void.
            drop(store);
            Ok(Some(next))
        })
    }
}

roundsman_store::conformance!(Kafka::default());
