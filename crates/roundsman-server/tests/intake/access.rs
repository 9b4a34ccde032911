//! A Kafka that asks who is there, and one that speaks TLS: as a log, and as the store beside it.

use crate::kafka::Topic;
use crate::world::World;

/// Where the server for tests has this topic, or a store of this prefix.
fn at(variable: &str, name: &str) -> String {
    let url = std::env::var(variable);
    let url = url.unwrap_or_else(|_| panic!("{variable} names the server for tests"));
    url.replace("roundsman-test", name)
}

fn intake(from: &str) -> String {
    format!("accept_weaker = [\"kafka-one-replica\"]\n[[intake]]\nfrom = \"{from}\"\n")
}

/// Out of a topic, into a store and to the receiver.
async fn records_arrive_by(variable: &str) {
    let (world, topic) = (World::new().await, Topic::with(2).await);
    let store = at(variable, &format!("store-{}", topic.name));
    world.configure(&intake(&at(variable, &topic.name)));
    topic.add_numbers(0..300, 5).await;
    let flags = format!("--config roundsman.toml --store {store}");
    let serving = world.folder.serve(&flags);
    world.arrive(300).await;
    serving.signal("TERM");
    let ended = serving.end();
    assert_eq!(ended.code, Some(0));
    assert!(!(ended.out + &ended.err).contains("p%40ss"));
    let ended = world.folder.run(&format!("check --print {flags}"));
    assert!(ended.out.contains("the group `roundsman` has 0 records left to read"), "{ended:?}");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let masked = ended.out.matches("//roundsman:***@127.0.0.1:").count();
    assert!(masked >= 4 && !ended.out.contains("p%40ss"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_and_a_password_are_shown() {
    records_arrive_by("ROUNDSMAN_TEST_KAFKA_SASL_URL").await;
}

#[cfg(feature = "kafka-tls")]
#[tokio::test(flavor = "multi_thread")]
async fn tls_is_spoken() {
    records_arrive_by("ROUNDSMAN_TEST_KAFKA_TLS_URL").await;
}

/// Refused as a store and as a log, by `check` and by `serve`, with these words.
async fn refused(url: &str, words: &str) {
    let world = World::new().await;
    let says = |said: &str| {
        assert!(said.contains(words), "{said}");
        assert!(!said.contains("wrong-") && !said.contains("p%40ss") && !said.contains("p@ss"));
    };
    world.configure("");
    for command in ["check", "serve --listen 127.0.0.1:0"] {
        let ended = world.folder.run(&format!("{command} --config roundsman.toml --store {url}"));
        says(&ended.err);
        assert_eq!(ended.code, Some(1));
    }
    for start in ["oldest", "newest"] {
        world.configure(&format!("{}start = \"{start}\"", intake(url)));
        let ended = world.folder.run("check --config roundsman.toml");
        says(&ended.out);
        assert_eq!(ended.code, Some(1));
        let mut serving = world.serve();
        says(&serving.log_until(words));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_refused() {
    let url = at("ROUNDSMAN_TEST_KAFKA_SASL_URL", "refused").replace("p%40ss", "wrong-");
    let words =
        "Invalid username or password; correct the name, the password or `sasl` in its address";
    refused(&url, words).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn to_be_nobody_is_refused() {
    let url = at("ROUNDSMAN_TEST_KAFKA_SASL_URL", "refused");
    let (_, brokers) = url.split_once('@').unwrap();
    let (world, url) = (World::new().await, format!("kafka://{brokers}"));
    world.configure(&intake(&url));
    for flags in [format!("--store {url} "), String::new()] {
        let ended = world.folder.run(&format!("check {flags}--config roundsman.toml"));
        let said = ended.out + &ended.err;
        assert!(said.contains("want TLS (`kafkas://`), or a name and a password"), "{said}");
        assert_eq!(ended.code, Some(1));
    }
}

#[cfg(feature = "kafka-tls")]
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_somebody_is_refused() {
    let url = at("ROUNDSMAN_TEST_KAFKA_TLS_URL", "refused");
    let (url, _) = url.split_once("&ca=").unwrap();
    refused(url, "; name the file of the authority that signed the certificates with `ca`").await;
}
