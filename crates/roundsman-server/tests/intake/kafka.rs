//! A topic of Kafka as a source of messages.

use crate::broker::Broker;
use crate::world::{World, metric, until};
use futures_util::future::join_all;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::json;
use std::time::Duration;
use tokio::time::sleep;

/// A topic of a test's own.
pub(crate) struct Topic {
    brokers: String,
    pub(crate) name: String,
    producer: FutureProducer,
}

impl Topic {
    /// The name of one that is not there, on the server for tests.
    fn unmade() -> Self {
        let url = std::env::var("ROUNDSMAN_TEST_KAFKA_URL");
        let url = url.expect("ROUNDSMAN_TEST_KAFKA_URL names the server for tests");
        let brokers = url.trim_start_matches("kafka://").split('/').next().unwrap().to_owned();
        Self::on(&brokers)
    }

    fn on(brokers: &str) -> Self {
        let producer = client(brokers).set("acks", "all").set("linger.ms", "2").create().unwrap();
        let name = format!("intake.{:08x}", rand::random::<u32>());
        Self { brokers: brokers.to_owned(), name, producer }
    }

    pub(crate) async fn with(partitions: i32) -> Self {
        let topic = Self::unmade();
        topic.make(partitions).await;
        topic
    }

    async fn make(&self, partitions: i32) {
        let admin: AdminClient<DefaultClientContext> = client(&self.brokers).create().unwrap();
        let topic = NewTopic::new(&self.name, partitions, TopicReplication::Fixed(1));
        let made = admin.create_topics([&topic], &AdminOptions::new()).await.unwrap();
        assert!(made[0].is_ok(), "{made:?}");
    }

    fn table(&self, more: &str) -> String {
        format!("[[intake]]\nfrom = \"kafka://{}/{}\"\n{more}\n", self.brokers, self.name)
    }

    async fn add(&self, key: &str, value: &[u8], headers: &[(&str, &str)]) {
        let headers = headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
            headers.insert(Header { key, value: Some(*value) })
        });
        let record = FutureRecord::to(&self.name).key(key).payload(value).headers(headers);
        self.producer.send(record, Duration::from_secs(30)).await.unwrap();
    }

    /// Adds these numbers, each for the user that it is divided to.
    pub(crate) async fn add_numbers(&self, numbers: std::ops::Range<u64>, users: u64) {
        // Sent in order, and waited for together.
        join_all(numbers.map(|number| async move {
            let user = number % users;
            let value = json!({ "user": user, "n": number }).to_string();
            self.add(&format!("user:{user}"), value.as_bytes(), &[]).await;
        }))
        .await;
    }

    /// How far the group is, in all partitions together.
    fn committed(&self, partitions: i32) -> i64 {
        let consumer: BaseConsumer =
            client(&self.brokers).set("group.id", "roundsman").create().unwrap();
        let mut asked = TopicPartitionList::new();
        for partition in 0..partitions {
            asked.add_partition(&self.name, partition);
        }
        let committed = consumer.committed_offsets(asked, Duration::from_secs(10)).unwrap();
        let offset = |offset| if let Offset::Offset(offset) = offset { offset } else { 0 };
        committed.elements().iter().map(|it| offset(it.offset())).sum()
    }
}

fn client(brokers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers);
    config
}

#[tokio::test(flavor = "multi_thread")]
async fn records_arrive_in_order_as_they_are_mapped() {
    let (world, topic) = (World::new().await, Topic::with(2).await);
    topic.add_numbers(0..1200, 5).await;
    world.configure(&topic.table(""));
    let serving = world.serve();
    world.arrive(1200).await;
    topic.add("user:9", b"{\"user\":9,\"n\":0}", &[("event", "late")]).await;
    world.arrive(1201).await;
    let last = world.got().pop().unwrap();
    assert_eq!((&last["type"], &last["data"]["n"]), (&"late".into(), &0.into()));
    assert_eq!(world.got()[0]["type"], "message");
    until("all are committed", async || topic.committed(2) == 1201).await;
    assert_eq!(metric(&serving, "roundsman_intake_taken_total{intake=\"1\"}").await, 1201);
    until("the lag is seen", async || {
        metric(&serving, "roundsman_intake_lag{intake=\"1\"}").await == 0
    })
    .await;
    serving.signal("TERM");
    assert_eq!(serving.end().code, Some(0));

    let topic = Topic::with(1).await;
    world.configure(&topic.table(
        "topic = \"user:{value/who/id}\"\nevent = \"{header:kind}\"\nid = \"{header:id}\"\n\
         key = \"{key}/{value/who/id}\"\npayload = \"{value/order}\"\n\
         add = { trace = \"{header:trace}\" }",
    ));
    let value = json!({"who": {"id": "a/b"}, "order": {"user": 7, "n": 1}}).to_string();
    topic.add("t", value.as_bytes(), &[("kind", "paid"), ("id", "o-1"), ("trace", "x")]).await;
    let serving = world.serve();
    world.arrive(1202).await;
    let last = world.got().pop().unwrap();
    assert_eq!((&last["type"], &last["data"]["trace"]), (&"paid".into(), &"x".into()));
    let found = crate::wire::exchange(serving.address(), "GET", "/v1/messages/o-1", "").await;
    let found: serde_json::Value = serde_json::from_str(&found.unwrap().1).unwrap();
    assert_eq!((&found["topic"], &found["key"]), (&"user:a/b".into(), &json!(["t", "a/b"])));
}

#[tokio::test(flavor = "multi_thread")]
async fn records_may_be_compressed() {
    let (world, mut topic) = (World::new().await, Topic::with(1).await);
    for (codec, from) in ["none", "gzip", "snappy", "lz4", "zstd"].into_iter().zip(0..) {
        topic.producer = client(&topic.brokers).set("compression.type", codec).create().unwrap();
        topic.add_numbers(from * 100..(from + 1) * 100, 5).await;
    }
    world.configure(&topic.table(""));
    let _serving = world.serve();
    world.arrive(500).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_it_is_killed_again_and_again() {
    const ALL: u64 = 2000;
    let (world, topic) = (World::new().await, Topic::with(2).await);
    world.configure(&topic.table(""));
    let producing = tokio::spawn(async move {
        for batch in 0..ALL / 10 {
            topic.add_numbers(batch * 10..batch * 10 + 10, 7).await;
            sleep(Duration::from_millis(50)).await;
        }
        topic
    });
    for round in 0..3u64 {
        let serving = world.serve();
        let before = world.got().len();
        // The partitions are its own once the cluster has given up the one before.
        until("something arrives", async || world.got().len() > before).await;
        sleep(Duration::from_millis(37 * round)).await;
        serving.signal("KILL");
        assert_eq!(serving.end().code, None);
    }
    let _serving = world.serve();
    let topic = producing.await.unwrap();
    world.arrive(ALL as usize).await;
    until("all are committed", async || topic.committed(2) == ALL as i64).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_at_fault_stop_it_or_are_skipped() {
    let (world, topic) = (World::new().await, Topic::with(1).await);
    let large = json!({ "it": "x".repeat(300_000) }).to_string();
    topic.add_numbers(0..1, 1).await;
    for (key, value) in [
        ("user:1", &b"{\"n\": 1"[..]),
        ("user:1", b"{},\"topic\":\"user:2\""),
        ("user:1", b"[1]"),
        ("user:1", b"\xff"),
        ("user:1", large.as_bytes()),
        ("phoenix", b"{}"),
        ("", b"{}"),
    ] {
        topic.add(key, value, &[]).await;
    }
    topic.add_numbers(1..2, 1).await;
    world.configure(&topic.table(""));
    let mut serving = world.serve();
    let line = serving.log_until("cannot be a message");
    assert!(line.contains("ERROR") && line.contains("partition 0, offset 1 "), "{line}");
    world.arrive(1).await;
    assert_eq!(metric(&serving, "roundsman_intake_stopped{intake=\"1\"}").await, 1);
    until("what is in front is committed", async || topic.committed(1) == 1).await;
    serving.signal("TERM");
    assert_eq!(serving.end().code, Some(0));
    world.configure(&topic.table("on_error = \"skip\""));
    let mut serving = world.serve();
    let line = serving.log_until("is passed over");
    assert!(line.contains("partition 0, offset 1 ") && line.contains("no JSON"), "{line}");
    world.arrive(2).await;
    assert_eq!(metric(&serving, "roundsman_intake_refused_total{intake=\"1\"}").await, 7);
    until("all are committed", async || topic.committed(1) == 9).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_is_waited_for_and_check_says_what_is_there() {
    let (world, topic) = (World::new().await, Topic::unmade());
    let check = || world.folder.run("check --config roundsman.toml");
    world.configure(&topic.table("start = \"newest\""));
    let ended = check();
    assert!(ended.out.contains("yet; it is waited for"), "{ended:?}");
    assert_eq!(ended.code, Some(0));
    let mut serving = world.serve();
    serving.log_until("it is waited for");
    topic.make(2).await;
    topic.add_numbers(0..10, 3).await;
    world.arrive(10).await;
    until("all are committed", async || topic.committed(2) == 10).await;
    assert!(check().out.contains("of 2 partitions; the group `roundsman` has 0 records left"));
    serving.signal("TERM");
    assert_eq!(serving.end().code, Some(0));

    let topic = Topic::with(2).await;
    topic.add_numbers(0..10, 3).await;
    world.configure(&topic.table("start = \"newest\""));
    assert!(check().out.contains("a topic of 2 partitions with 10 records; the group"));
    let mut serving = world.serve();
    serving.log_until("begins behind what is there");
    topic.add_numbers(10..13, 3).await;
    world.arrive(13).await;
    serving.signal("TERM");
    assert_eq!(serving.end().code, Some(0));
    assert_eq!(world.got().len(), 13);
    world.configure("[[intake]]\nfrom = \"kafka://127.0.0.1:1/orders\"\n");
    let ended = check();
    assert!(ended.err.contains("these intakes cannot be read: 1"), "{ended:?}");
    assert_eq!(ended.code, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_share_the_partitions_and_one_takes_over() {
    let (world, topic) = (World::new().await, Topic::with(2).await);
    let other = World::new().await;
    world.configure(&topic.table(""));
    other.configure(&topic.table(""));
    let (first, _second) = (world.serve(), other.serve());
    let mut sent = 0;
    until("both take some", async || {
        topic.add_numbers(sent..sent + 20, 9).await;
        sent += 20;
        !world.got().is_empty() && !other.got().is_empty()
    })
    .await;
    first.signal("TERM");
    assert_eq!(first.end().code, Some(0));
    topic.add_numbers(sent..sent + 200, 9).await;
    sent += 200;
    until("all are committed", async || topic.committed(2) == sent as i64).await;
    // What the first had taken in and not delivered is in its store.
    world.configure("");
    let _first = world.serve();
    until("all arrive", async || {
        let (one, two) = (world.firsts(), other.firsts());
        let all = one.values().chain(two.values()).flatten();
        all.collect::<std::collections::BTreeSet<_>>().len() as u64 == sent
    })
    .await;
    for numbers in world.firsts().values().chain(other.firsts().values()) {
        assert!(numbers.is_sorted(), "{numbers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_on_when_the_broker_is_back() {
    let mut broker = Broker::start(Duration::from_secs(120));
    let topic = Topic::on(&broker.address());
    topic.make(2).await;
    let world = World::new().await;
    world.configure(&topic.table(""));
    let _serving = world.serve();
    topic.add_numbers(0..300, 5).await;
    world.arrive(300).await;
    broker.kill();
    sleep(Duration::from_millis(300)).await;
    broker.again();
    topic.add_numbers(300..600, 5).await;
    world.arrive(600).await;
    until("all are committed", async || topic.committed(2) == 600).await;
}
