//! The topic: made where there is none, looked at, and shortened from its beginning.

use crate::cluster::Admin;
use crate::config::KafkaConfig;
use crate::error::{MAX_RECORD, store_error};
use crate::knock::knock;
use rdkafka::admin::{NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};
use roundsman_store::StoreError;
use std::collections::HashMap;

/// How the topic is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Copies of the one partition; `None`: it does not exist yet.
    pub(crate) replicas: Option<usize>,
    pub(crate) brokers: usize,
    /// Of the topic, or, where there is none, of the broker that would make it.
    pub(crate) values: HashMap<String, String>,
}

/// Makes the topic, if it is not there: one partition, nothing deleted but by us.
pub(crate) fn make(config: &KafkaConfig, admin: &Admin) -> Result<(), StoreError> {
    let (name, largest) = (config.topic(), MAX_RECORD.to_string());
    // As many copies as the cluster makes by itself: that is its administrator's to say.
    let topic = NewTopic::new(&name, 1, TopicReplication::Fixed(-1))
        .set("cleanup.policy", "delete")
        .set("retention.ms", "-1")
        .set("retention.bytes", "-1")
        .set("max.message.bytes", &largest);
    let made = admin.ask(|admin, options| admin.create_topics([&topic], options))?;
    for result in made {
        match result {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((_, code)) => return Err(store_error(config, &KafkaError::AdminOp(code))),
        }
    }
    Ok(())
}

/// Deletes what lies before `offset`.
pub(crate) fn shorten(config: &KafkaConfig, admin: &Admin, offset: u64) -> Result<(), StoreError> {
    let mut before = TopicPartitionList::new();
    let offset = Offset::Offset(i64::try_from(offset).unwrap_or(i64::MAX));
    before
        .add_partition_offset(&config.topic(), 0, offset)
        .map_err(|error| store_error(config, &error))?;
    admin.ask(|admin, options| admin.delete_records(&before, options)).map(drop)
}

/// Looks at the topic, or at what would become of it.
pub(crate) fn look(config: &KafkaConfig) -> Result<Settings, StoreError> {
    let failed = |error: KafkaError| store_error(config, &error);
    let metadata = knock(config)?;
    let name = config.topic();
    let topic = metadata.topics().iter().find(|topic| topic.name() == name);
    let replicas = topic.and_then(|topic| topic.partitions().first()).map(|it| it.replicas().len());
    let broker = metadata.brokers().first().map_or(0, |broker| broker.id());
    let resource = match replicas {
        Some(_) => ResourceSpecifier::Topic(&name),
        None => ResourceSpecifier::Broker(broker),
    };
    let answers =
        Admin::open(config)?.ask(|admin, options| admin.describe_configs([&resource], options))?;
    let mut values = HashMap::new();
    for answer in answers {
        let resource = answer.map_err(|code| failed(KafkaError::AdminOp(code)))?;
        let set = resource.entries.into_iter();
        values.extend(set.filter_map(|entry| Some((entry.name, entry.value?))));
    }
    Ok(Settings { replicas, brokers: metadata.brokers().len(), values })
}
