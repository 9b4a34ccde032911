//! What *accepted* means on this cluster as the topic is set.

use crate::config::KafkaConfig;
use crate::topic::{self, Settings};
use roundsman_store::{Guarantee, StoreError};

pub(crate) fn probe(config: &KafkaConfig) -> Result<Guarantee, StoreError> {
    topic::look(config).map(|settings| guarantee(&settings))
}

fn guarantee(settings: &Settings) -> Guarantee {
    let value = |name: &str| settings.values.get(name).map(String::as_str);
    let number = |name: &str| value(name).and_then(|text| text.parse::<u64>().ok());
    let replicas = settings.replicas.unwrap_or_else(|| {
        let made = number("default.replication.factor").unwrap_or(1);
        usize::try_from(made).unwrap_or(1)
    });
    let in_sync = number("min.insync.replicas").unwrap_or(1);
    let exists = settings.replicas.is_some();
    let keeps = |name: &str| !exists || value(name).is_none_or(|text| text == "-1");
    let syncs = number("flush.messages").or_else(|| number("log.flush.interval.messages"));
    let is_synced = syncs == Some(1);

    let mut weaker = Vec::new();
    let mut name = |is_so: bool, name: &str| {
        if is_so {
            weaker.push(name.to_owned());
        }
    };
    name(replicas < 2, "kafka-one-replica");
    name(replicas >= 2 && in_sync < 2, "kafka-one-insync-replica");
    name(value("unclean.leader.election.enable") == Some("true"), "kafka-unclean-election");
    name(!keeps("retention.ms") || !keeps("retention.bytes"), "kafka-retention");
    name(exists && value("cleanup.policy").is_some_and(|it| it != "delete"), "kafka-compaction");

    let copies = if replicas == 1 {
        "the one broker that has the topic".to_owned()
    } else {
        format!("every replica in sync, at least {in_sync} of {replicas}")
    };
    let disk = if is_synced {
        "each syncs it to its disk before it says so"
    } else {
        "no broker syncs it to its disk before it says so"
    };
    Guarantee {
        store: format!("Kafka, {} broker(s)", settings.brokers),
        survives_process: true,
        survives_machine: is_synced || (replicas >= 2 && in_sync >= 2),
        sentence: format!(
            "An accepted message is confirmed by {copies} (acks=all, idempotent producer), and {disk}: \
             it is kept when this process dies, and when machines of the cluster do as far as that \
             goes."
        ),
        weaker,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(replicas: Option<usize>, values: &[(&str, &str)]) -> Guarantee {
        let values = values.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        guarantee(&Settings { replicas, brokers: 3, values })
    }

    #[test]
    fn what_weakens_the_promise_is_named() {
        let good =
            [("min.insync.replicas", "2"), ("retention.ms", "-1"), ("retention.bytes", "-1")];
        let strong = set(Some(3), &good);
        assert!(strong.weaker.is_empty() && strong.survives_machine);
        assert_eq!(set(Some(1), &good).weaker, ["kafka-one-replica"]);
        assert!(!set(Some(1), &good).survives_machine);
        assert!(set(Some(1), &[("flush.messages", "1")]).survives_machine);
        let one = set(Some(3), &[("min.insync.replicas", "1")]);
        assert_eq!(one.weaker, ["kafka-one-insync-replica"]);
        let unclean = [good[0], ("unclean.leader.election.enable", "true")];
        assert_eq!(set(Some(3), &unclean).weaker, ["kafka-unclean-election"]);
        assert_eq!(
            set(Some(3), &[good[0], ("retention.ms", "604800000")]).weaker,
            ["kafka-retention"]
        );
        assert_eq!(
            set(Some(3), &[good[0], ("cleanup.policy", "compact")]).weaker,
            ["kafka-compaction"]
        );
    }

    #[test]
    fn a_topic_that_is_to_be_made_is_as_the_broker_makes_it() {
        let broker = [("default.replication.factor", "3"), ("min.insync.replicas", "2")];
        assert!(set(None, &broker).weaker.is_empty());
        assert_eq!(set(None, &[]).weaker, ["kafka-one-replica"]);
        // What a new topic would inherit is set otherwise when it is made.
        assert!(set(None, &[broker[0], broker[1], ("retention.ms", "1")]).weaker.is_empty());
    }
}
