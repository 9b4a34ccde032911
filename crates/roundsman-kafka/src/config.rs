//! Where the cluster is, and how the journal is kept.

use std::fmt;
use std::time::Duration;

/// How a store in Kafka is opened.
///
/// ```
/// use roundsman_kafka::KafkaConfig;
///
/// let config = KafkaConfig::new("broker-1:9092,broker-2:9092", "roundsman");
/// assert_eq!(config.topic(), "roundsman.journal");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct KafkaConfig {
    /// `host:port`, several of them with commas between; any of them names the others.
    pub brokers: String,
    /// What the topic's name begins with.
    pub prefix: String,
    /// What every client is told beside, by librdkafka's names: how to speak to the brokers, and as
    /// whom. Nothing: in plain text, as nobody. `Debug` leaves the values out.
    pub access: Vec<(&'static str, String)>,
    /// The state is written out after so many bytes of journal, at least.
    pub checkpoint_after: u64,
    /// So many bytes of the journal are kept in memory, the newest and those read last.
    pub cache: usize,
    /// How long a call waits for a cluster that does not answer.
    pub patience: Duration,
    /// How long an owner may write nothing before another process takes over. An owner that has
    /// nothing to write says three times as often that it lives. Zero: another takes over at once,
    /// and nobody says anything.
    pub lease: Duration,
}

impl KafkaConfig {
    /// The usual settings: 64 MiB of journal between checkpoints, 64 MiB of cache, 5 s of patience,
    /// a lease of 6 s.
    #[must_use]
    pub fn new(brokers: &str, prefix: &str) -> Self {
        Self {
            brokers: brokers.to_owned(),
            prefix: prefix.to_owned(),
            access: Vec::new(),
            checkpoint_after: 64 << 20,
            cache: 64 << 20,
            patience: Duration::from_secs(5),
            lease: Duration::from_secs(6),
        }
    }

    /// The one topic that everything is kept in.
    #[must_use]
    pub fn topic(&self) -> String {
        format!("{}.journal", self.prefix)
    }

    /// Where it is, as a URL without a name and a password.
    pub(crate) fn place(&self) -> String {
        let is_tls =
            |(name, value): &(&str, String)| *name == "security.protocol" && value.ends_with("ssl");
        let scheme = if self.access.iter().any(is_tls) { "kafkas" } else { "kafka" };
        format!("{scheme}://{}/{}", self.brokers, self.prefix)
    }
}

impl fmt::Debug for KafkaConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { brokers, prefix, access, checkpoint_after, cache, patience, lease } = self;
        let access: Vec<_> = access.iter().map(|(name, _)| name).collect();
        f.debug_struct("KafkaConfig")
            .field("brokers", brokers)
            .field("prefix", prefix)
            .field("access", &access)
            .field("checkpoint_after", checkpoint_after)
            .field("cache", cache)
            .field("patience", patience)
            .field("lease", lease)
            .finish()
    }
}
