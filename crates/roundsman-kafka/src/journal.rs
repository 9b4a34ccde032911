//! The end of the journal: records go in one behind the other, and each says where it came to lie.

use crate::cluster::producer;
use crate::config::KafkaConfig;
use crate::error::{store_error, unavailable};
use rdkafka::ClientContext;
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, DeliveryResult, ProducerContext, ThreadedProducer};
use roundsman_store::StoreError;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// One producer, and what it hears.
pub(crate) struct Journal {
    producer: ThreadedProducer<Deliveries>,
    delivered: Receiver<Result<i64, KafkaError>>,
    config: KafkaConfig,
    topic: String,
}

struct Deliveries(Sender<Result<i64, KafkaError>>);

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let result = match result {
            Ok(message) => Ok(message.offset()),
            Err((error, _)) => Err(error.clone()),
        };
        // Nobody waits any more: the journal was given up.
        let _ = self.0.send(result);
    }
}

impl Journal {
    pub(crate) fn open(config: &KafkaConfig) -> Result<Self, StoreError> {
        let (sender, delivered) = channel();
        let producer = producer(config)
            .create_with_context(Deliveries(sender))
            .map_err(|error| store_error(config, &error))?;
        Ok(Self { producer, delivered, config: config.clone(), topic: config.topic() })
    }

    /// Hands one record over; [`wait`](Self::wait) tells what became of it.
    pub(crate) fn send(&self, record: &[u8]) -> Result<(), StoreError> {
        let record: BaseRecord<'_, (), [u8]> =
            BaseRecord::to(&self.topic).partition(0).payload(record);
        self.producer.send(record).map_err(|(error, _)| store_error(&self.config, &error))
    }

    /// Where the oldest record handed over lies, once it is safe. After an error this journal is
    /// not to be used again: whether the record is there or comes yet is unknown.
    pub(crate) fn wait(&self) -> Result<u64, StoreError> {
        // The client gives up by itself after its own patience; this is for a client that does not.
        let longest = self.config.patience + Duration::from_secs(5);
        let delivered = self.delivered.recv_timeout(longest);
        let delivered =
            delivered.map_err(|_| unavailable(&self.config, "no answer from the client"))?;
        let offset = delivered.map_err(|error| store_error(&self.config, &error))?;
        u64::try_from(offset)
            .map_err(|_| unavailable(&self.config, "a record was confirmed without its place"))
    }

    /// Both at once.
    pub(crate) fn append(&self, record: &[u8]) -> Result<u64, StoreError> {
        self.send(record)?;
        self.wait()
    }
}
