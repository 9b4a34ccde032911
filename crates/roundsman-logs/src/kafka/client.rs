//! The client, as a reader sets it, and what it says as words with the cure.

use crate::{LogError, Opening};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::statistics::Statistics;
use rdkafka::{ClientConfig, ClientContext};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long a question to the cluster may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn config(brokers: &str, group: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", brokers)
        .set("client.id", "roundsman")
        .set("group.id", group)
        // What is handed to the client is done, and nothing else is.
        .set("enable.auto.offset.store", "false")
        .set("enable.auto.commit", "true")
        .set("auto.commit.interval.ms", "200")
        // A partition that the group has not begun, as one that is new, has not been taken.
        .set("auto.offset.reset", "earliest")
        // The partitions of one that was killed are another's after this.
        .set("session.timeout.ms", "6000")
        .set("heartbeat.interval.ms", "1500")
        // New topics and partitions are seen within this.
        .set("topic.metadata.refresh.interval.ms", "5000")
        .set("statistics.interval.ms", "2000")
        .set("reconnect.backoff.max.ms", "2000")
        .set("queued.min.messages", "2000")
        .set("queued.max.messages.kbytes", "16384");
    config
}

/// Listens to what the client says of itself.
pub(super) struct Watch {
    topic: String,
    lag: Arc<AtomicU64>,
}

impl Watch {
    pub(super) fn new(opening: &Opening) -> Self {
        Self { topic: opening.address.name().to_owned(), lag: opening.lag.clone() }
    }
}

impl ClientContext for Watch {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(?level, facility, "{message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, "{reason}");
    }

    fn stats(&self, statistics: Statistics) {
        let Some(topic) = statistics.topics.get(&self.topic) else { return };
        // Those of other members say -1 twice; one of which nothing is done yet, the first time.
        let lags = topic.partitions.values().map(|it| match it.consumer_lag_stored {
            stored @ 0.. => stored,
            _ => it.consumer_lag,
        });
        let lag: u64 = lags.filter_map(|lag| u64::try_from(lag).ok()).sum();
        self.lag.store(lag, Ordering::Relaxed);
    }
}

impl ConsumerContext for Watch {}

/// What went wrong, and what helps.
impl From<KafkaError> for LogError {
    fn from(error: KafkaError) -> Self {
        let cure = match error.rdkafka_error_code() {
            Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => "; it is waited for",
            Some(Code::TopicAuthorizationFailed) => "; allow this user to read the topic",
            Some(Code::GroupAuthorizationFailed) => "; allow this user to read the group",
            Some(Code::NotImplemented | Code::BadCompression) => {
                "; records are compressed in a way that this program cannot read: gzip, snappy, lz4 \
                 and zstd it can"
            }
            _ => "",
        };
        Self(format!("{error}{cure}"))
    }
}

/// Whether the client passes over what this error is about, unless it begins anew.
pub(super) fn loses(error: &KafkaError) -> bool {
    let code = match error {
        KafkaError::MessageConsumptionFatal(_) => return true,
        KafkaError::MessageConsumption(code) => code,
        _ => return false,
    };
    matches!(
        code,
        Code::BadMessage
            | Code::BadCompression
            | Code::InvalidMessage
            | Code::InvalidMessageSize
            | Code::MessageSizeTooLarge
            | Code::NotImplemented
            | Code::AutoOffsetReset
    )
}
