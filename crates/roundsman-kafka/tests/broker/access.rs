//! Brokers that ask who is there, and those that speak TLS.

use crate::url::{fresh, server};
use roundsman_kafka::{KafkaConfig, KafkaStore};
use roundsman_store::{Bounds, Draft, Store, StoreError, SystemClock};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A store at the brokers that this variable names, told this.
fn at(variable: &str, access: &[(&'static str, &str)]) -> KafkaConfig {
    let url = server(variable);
    let (_, rest) = url.split_once('@').expect("…://name:password@…");
    let brokers = rest.split('/').next().unwrap().to_owned();
    let access = access.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    KafkaConfig { brokers, access, ..fresh() }
}

fn plain(password: &str) -> KafkaConfig {
    at(
        "ROUNDSMAN_TEST_KAFKA_SASL_URL",
        &[
            ("security.protocol", "sasl_plaintext"),
            ("sasl.mechanism", "PLAIN"),
            ("sasl.username", "roundsman"),
            ("sasl.password", password),
        ],
    )
}

fn open(config: &KafkaConfig) -> Result<KafkaStore, StoreError> {
    KafkaStore::open(config.clone(), Arc::new(SystemClock))
}

/// Refused at once, by both, with these words.
fn refused(config: &KafkaConfig, words: &str) {
    let began = Instant::now();
    for found in [open(config).map(drop), KafkaStore::inspect(config).map(drop)] {
        let Err(StoreError::Unusable(why)) = found else { panic!("it was let in: {found:?}") };
        assert!(why.contains(words) && !why.contains("wrong-"), "{why}");
    }
    assert!(began.elapsed() < 2 * config.patience, "it went on trying: {:?}", began.elapsed());
}

#[tokio::test]
async fn a_name_and_a_password_are_shown() {
    let config = KafkaConfig { patience: Duration::from_secs(30), ..plain("p@ss/word") };
    let store = open(&config).unwrap();
    let draft = Draft::new("t", r#"{"n":1}"#).unwrap();
    store.accept(vec![draft], Bounds::NONE).await.unwrap();
    store.close().await.unwrap();
    let store = open(&config).unwrap();
    assert_eq!(store.walk(None, 10).await.unwrap().len(), 1);
    assert!(KafkaStore::inspect(&config).is_ok());
    assert!(!format!("{config:?}").contains("p@ss"));
}

#[test]
fn a_wrong_password_is_refused() {
    let config = KafkaConfig { patience: Duration::from_secs(30), ..plain("wrong-one") };
    refused(&config, "correct the name, the password or `sasl` in its address");
}

/// What the client cannot do as it was built, or is told in a way that it does not understand.
#[test]
fn settings_at_fault_are_refused() {
    let config = at("ROUNDSMAN_TEST_KAFKA_TLS_URL", &[("security.protocol", "of-its-own")]);
    refused(&config, "mend what its address says of TLS");
    let ca = [("security.protocol", "ssl"), ("ssl.ca.location", "/not/there.pem")];
    refused(&at("ROUNDSMAN_TEST_KAFKA_TLS_URL", &ca), "mend what its address says of TLS");
}

#[cfg(not(feature = "kafka-tls"))]
#[test]
fn what_is_not_built_in_is_refused() {
    let scram = [("security.protocol", "sasl_plaintext"), ("sasl.mechanism", "SCRAM-SHA-256")];
    for access in [&scram[..], &[("security.protocol", "ssl")]] {
        refused(&at("ROUNDSMAN_TEST_KAFKA_TLS_URL", access), "mend what its address says of TLS");
    }
}

#[cfg(feature = "kafka-tls")]
#[test]
fn a_certificate_of_somebody_is_refused() {
    let ca = [("security.protocol", "ssl"), ("ssl.ca.location", "probe")];
    let config = at("ROUNDSMAN_TEST_KAFKA_TLS_URL", &ca);
    refused(&config, "name the file of the authority that signed the certificates");
}

#[cfg(feature = "kafka-tls")]
#[test]
fn a_wrong_password_is_refused_by_tls_too() {
    let url = server("ROUNDSMAN_TEST_KAFKA_TLS_URL");
    let (_, ca) = url.split_once("ca=").unwrap();
    let access = |password| {
        let access = [
            ("security.protocol", "sasl_ssl"),
            ("ssl.ca.location", ca),
            ("sasl.mechanism", "SCRAM-SHA-256"),
            ("sasl.username", "roundsman"),
            ("sasl.password", password),
        ];
        at("ROUNDSMAN_TEST_KAFKA_TLS_URL", &access)
    };
    assert!(KafkaStore::inspect(&access("p@ss/word")).is_ok());
    refused(&access("wrong-one"), "correct the name, the password or `sasl` in its address");
}
