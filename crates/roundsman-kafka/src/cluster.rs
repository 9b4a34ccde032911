//! Clients of the cluster, as this store sets them.

use crate::config::KafkaConfig;
use crate::error::{MAX_RECORD, store_error};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::KafkaResult;
use roundsman_store::StoreError;
use std::future::Future;
use tokio::runtime::{Builder, Runtime};

/// The settings that all clients share.
pub(crate) fn client(config: &KafkaConfig) -> ClientConfig {
    let mut client = ClientConfig::new();
    for (name, value) in &config.access {
        client.set(*name, value);
    }
    client
        .set("bootstrap.servers", &config.brokers)
        .set("client.id", "roundsman")
        .set("socket.nagle.disable", "true")
        .set("reconnect.backoff.ms", "20")
        .set("reconnect.backoff.max.ms", "500")
        .set("receive.message.max.bytes", (2 * u64::from(MAX_RECORD)).to_string());
    client
}

/// Settings of the one that writes: every record is confirmed by all replicas in sync, once.
pub(crate) fn producer(config: &KafkaConfig) -> ClientConfig {
    let mut client = client(config);
    client
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("linger.ms", "0")
        .set("message.max.bytes", MAX_RECORD.to_string())
        .set("message.timeout.ms", config.patience.as_millis().to_string());
    client
}

/// Settings of one that reads.
pub(crate) fn consumer(config: &KafkaConfig) -> ClientConfig {
    let mut client = client(config);
    client
        .set("group.id", &config.prefix)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "error")
        .set("fetch.wait.max.ms", "1")
        .set("fetch.queue.backoff.ms", "5")
        .set("fetch.error.backoff.ms", "50")
        .set("fetch.message.max.bytes", "1048576")
        .set("queued.max.messages.kbytes", "32768");
    client
}

/// Asks the cluster as its administrator. Waits for the answers: not for a task.
pub(crate) struct Admin {
    client: AdminClient<DefaultClientContext>,
    runtime: Runtime,
    config: KafkaConfig,
}

impl Admin {
    pub(crate) fn open(config: &KafkaConfig) -> Result<Self, StoreError> {
        let client = client(config).create().map_err(|error| store_error(config, &error))?;
        let runtime = Builder::new_current_thread()
            .build()
            .map_err(|error| StoreError::Unavailable(format!("no runtime: {error}")))?;
        Ok(Self { client, runtime, config: config.clone() })
    }

    pub(crate) fn ask<T, F: Future<Output = KafkaResult<T>>>(
        &self,
        ask: impl FnOnce(&AdminClient<DefaultClientContext>, &AdminOptions) -> F,
    ) -> Result<T, StoreError> {
        let options = AdminOptions::new()
            .request_timeout(Some(self.config.patience))
            .operation_timeout(Some(self.config.patience));
        let answer = self.runtime.block_on(ask(&self.client, &options));
        answer.map_err(|error| store_error(&self.config, &error))
    }
}

#[cfg(test)]
mod tests {
    use super::producer;
    use crate::config::KafkaConfig;

    /// No broker of a test shows it: one alone confirms for all replicas there are, and repeats
    /// come of lost answers. As the client takes the settings, not as they are spelled.
    #[test]
    fn each_record_is_confirmed_by_all_replicas_and_written_once() {
        let settings = producer(&KafkaConfig::new("127.0.0.1:1", "test"));
        let taken = settings.create_native_config().expect("settings that the client knows");
        let value = |name| taken.get(name).expect("a setting that the client knows");
        assert_eq!([value("acks"), value("enable.idempotence")], ["-1", "true"]);
    }
}
