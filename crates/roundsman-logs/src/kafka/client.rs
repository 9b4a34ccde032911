//! The client, as a reader sets it, and what it says as words with the cure.

use crate::{Cluster, LogError, Opening};
use parking_lot::Mutex;
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

/// The settings of every client there is.
pub(super) fn config(cluster: &Cluster, group: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    for (name, value) in cluster.settings() {
        config.set(name, value);
    }
    config
        .set("bootstrap.servers", cluster.brokers())
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
    /// Why a broker did not let it in: what is asked of the cluster is not answered then, and does
    /// not say why.
    refused: Mutex<Option<LogError>>,
}

impl Watch {
    pub(super) fn new(opening: &Opening) -> Self {
        let topic = opening.address.name().to_owned();
        Self { topic, lag: opening.lag.clone(), refused: Mutex::default() }
    }

    /// Why a broker did not let it in, if one has not since this was asked last.
    pub(super) fn refused(&self) -> Option<LogError> {
        self.refused.lock().take()
    }
}

impl ClientContext for Watch {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(?level, facility, "{message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, "{reason}");
        let cure = match error.rdkafka_error_code() {
            Some(Code::Authentication) => "correct the name, the password or `sasl` in its address",
            Some(Code::SSL) => {
                "name the file of the authority that signed the certificates with `ca`, the brokers \
                 as their certificates do, and their port for TLS"
            }
            _ => return,
        };
        // How long that took is another time each time.
        let reason = reason.split(" (after ").next().unwrap_or(reason);
        *self.refused.lock() = Some(LogError(format!("{reason}; {cure}")));
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
            None if matches!(error, KafkaError::ClientCreation(_)) => {
                "; mend what its address says of TLS"
            }
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

/// Whether no broker can be reached, for whatever reason.
pub(super) fn are_all_down(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(Code::AllBrokersDown)
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
