//! Reading the journal: from an offset on, or one record here and there.

use crate::cluster::consumer;
use crate::config::KafkaConfig;
use crate::error::{store_error, unavailable};
use bytes::Bytes;
use parking_lot::Mutex;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use roundsman_store::StoreError;
use std::time::{Duration, Instant};

/// One reader, and where it is.
pub(crate) struct Scan {
    consumer: BaseConsumer,
    config: KafkaConfig,
    topic: String,
    /// What comes next.
    at: Option<u64>,
}

impl Scan {
    /// To go forward a few records costs less than to seek.
    const NEAR: u64 = 4;

    pub(crate) fn open(config: &KafkaConfig) -> Result<Self, StoreError> {
        let consumer = consumer(config).create().map_err(|error| store_error(config, &error))?;
        Ok(Self { consumer, config: config.clone(), topic: config.topic(), at: None })
    }

    /// The first offset that is kept, and the one that comes next.
    pub(crate) fn ends(&self) -> Result<(u64, u64), StoreError> {
        let began = Instant::now();
        loop {
            match self.consumer.fetch_watermarks(&self.topic, 0, self.config.patience) {
                Ok((low, high)) => {
                    let whole = |offset: i64| u64::try_from(offset).unwrap_or(0);
                    return Ok((whole(low), whole(high)));
                }
                // A new topic is not known everywhere at once, nor is its leader.
                Err(error) if began.elapsed() < self.config.patience && is_passing(&error) => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(error) => return Err(store_error(&self.config, &error)),
            }
        }
    }

    /// Goes to `offset`.
    pub(crate) fn go_to(&mut self, offset: u64) -> Result<(), StoreError> {
        let to = Offset::Offset(i64::try_from(offset).unwrap_or(i64::MAX));
        let mut assignment = TopicPartitionList::new();
        assignment
            .add_partition_offset(&self.topic, 0, to)
            .and_then(|()| self.consumer.assign(&assignment))
            .map_err(|error| store_error(&self.config, &error))?;
        self.at = Some(offset);
        Ok(())
    }

    /// Stops reading ahead, until it is asked again: a reader at the end of the journal asks for
    /// more again and again.
    pub(crate) fn rest(&mut self) {
        self.at = None;
        if let Err(error) = self.consumer.unassign() {
            tracing::warn!(%error, "a reader goes on reading");
        }
    }

    /// The next record.
    pub(crate) fn next(&mut self) -> Result<(u64, Bytes), StoreError> {
        let began = Instant::now();
        while began.elapsed() < self.config.patience {
            match self.consumer.poll(Duration::from_millis(100)) {
                None => {}
                Some(Ok(message)) => {
                    let offset = u64::try_from(message.offset()).unwrap_or(0);
                    let record = Bytes::copy_from_slice(message.payload().unwrap_or_default());
                    self.at = Some(offset + 1);
                    return Ok((offset, record));
                }
                Some(Err(error)) if is_passing(&error) => {}
                Some(Err(error)) => {
                    self.at = None;
                    return Err(store_error(&self.config, &error));
                }
            }
        }
        self.at = None;
        Err(unavailable(&self.config, "nothing was read in time"))
    }

    /// One record, wherever it is.
    pub(crate) fn read(&mut self, offset: u64) -> Result<Bytes, StoreError> {
        if self.at.is_none_or(|at| offset < at || offset - at > Self::NEAR) {
            self.go_to(offset)?;
        }
        loop {
            let (at, record) = self.next()?;
            if at == offset {
                return Ok(record);
            }
            if at > offset {
                return Err(StoreError::Unusable(format!(
                    "{}: record {offset} is gone though it is still needed; something else \
                     deletes from this topic",
                    self.topic
                )));
            }
        }
    }
}

/// What the client gets over by itself.
fn is_passing(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::BrokerTransportFailure
                | Code::AllBrokersDown
                | Code::OperationTimedOut
                | Code::RequestTimedOut
                | Code::UnknownTopicOrPartition
                | Code::UnknownPartition
                | Code::LeaderNotAvailable
                | Code::NotLeaderForPartition
                | Code::Resolve
        )
    )
}

/// One reader for whoever needs a record now and then.
#[derive(Default)]
pub(crate) struct Reading(Mutex<Option<Scan>>);

impl Reading {
    /// Has this reader from now on.
    pub(crate) fn set(&self, scan: Scan) {
        *self.0.lock() = Some(scan);
    }

    /// One record. Waits while another is being read.
    pub(crate) fn read(&self, config: &KafkaConfig, offset: u64) -> Result<Bytes, StoreError> {
        let mut place = self.0.lock();
        let mut scan = match place.take() {
            Some(scan) => scan,
            None => Scan::open(config)?,
        };
        // One that failed is not used again.
        let record = scan.read(offset)?;
        *place = Some(scan);
        Ok(record)
    }

    /// Stops reading ahead.
    pub(crate) fn rest(&self) {
        if let Some(scan) = &mut *self.0.lock() {
            scan.rest();
        }
    }
}
