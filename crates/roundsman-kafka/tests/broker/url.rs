//! Where the cluster for tests is.

use roundsman_kafka::KafkaConfig;
use std::time::Duration;

/// A prefix that nobody has used, taken over without waiting for whoever had it.
pub(crate) fn fresh() -> KafkaConfig {
    let url = server("ROUNDSMAN_TEST_KAFKA_URL");
    let (brokers, prefix) =
        url.strip_prefix("kafka://").and_then(|rest| rest.split_once('/')).expect("kafka://…/…");
    let prefix = format!("{prefix}-{:08x}", rand::random::<u32>());
    KafkaConfig { lease: Duration::ZERO, ..KafkaConfig::new(brokers, &prefix) }
}

/// What this variable names.
pub(crate) fn server(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!(
            "{variable} is not set: `source scripts/servers; start_servers kafka` starts a broker \
             and sets it"
        )
    })
}
