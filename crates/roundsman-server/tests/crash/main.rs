//! Kills, stops and cuts off under load, on every store: what was answered 202 arrives.
//!
//! The real binary is killed at random moments, or the server of its store is, or the network
//! between the two is cut. Senders repeat what got no answer, or a 503, with the same ids; clients
//! come back as often as they are cut off. `ROUNDSMAN_CRASH_KILLS=500` makes a long run,
//! `ROUNDSMAN_CRASH_SEED` repeats one: the moments, that is, not what the operating system makes of
//! them. What is sent to sockets, and what is posted to a webhook that is there all the time.
//!
//! A killed process takes nothing back that the kernel had taken, so a client that reads to the
//! end of its connection gets every byte that was written. With `ack = "sent"` therefore nothing
//! at all may be missing here: a message that is, was settled before it was written.
//!
//! A test whose store is not there (`ROUNDSMAN_TEST_…_URL`, see `scripts/servers`) says so and ends.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod client;
mod graves;
mod kind;
mod ledger;
mod paused;
mod points;
mod proxy;
mod run;
mod server;
mod succession;
mod trouble;
mod wire;

use kind::{Kind, Place};
use proxy::Proxy;
use run::Run;
use server::Own;
use trouble::Trouble;

/// One test: on which store, who takes what is delivered, and how often it strikes.
macro_rules! strikes {
    ($test:ident, $by:ident, $kind:ident, $ack:literal, $times:literal) => {
        #[tokio::test(flavor = "multi_thread")]
        async fn $test() {
            super::$by(
                concat!(stringify!($by), "::", stringify!($test)),
                super::Kind::$kind,
                $ack,
                $times,
            )
            .await;
        }
    };
}

/// Roundsman itself is killed.
mod roundsman_killed {
    strikes!(sqlite_client, roundsman_killed, Sqlite, "client", 12);
    strikes!(sqlite_sent, roundsman_killed, Sqlite, "sent", 12);
    strikes!(sqlite_webhook, roundsman_killed, Sqlite, "webhook", 12);
    strikes!(postgres_client, roundsman_killed, Postgres, "client", 4);
    strikes!(postgres_webhook, roundsman_killed, Postgres, "webhook", 4);
    strikes!(mysql_client, roundsman_killed, Mysql, "client", 4);
    strikes!(mysql_webhook, roundsman_killed, Mysql, "webhook", 4);
    strikes!(redis_client, roundsman_killed, Redis, "client", 4);
    strikes!(redis_webhook, roundsman_killed, Redis, "webhook", 4);
    strikes!(kafka_client, roundsman_killed, Kafka, "client", 4);
    strikes!(kafka_webhook, roundsman_killed, Kafka, "webhook", 4);
}

/// The server of the store is killed and started again, and Roundsman lives on.
mod server_killed {
    strikes!(postgres_client, server_killed, Postgres, "client", 4);
    strikes!(postgres_webhook, server_killed, Postgres, "webhook", 4);
    strikes!(mysql_client, server_killed, Mysql, "client", 4);
    strikes!(mysql_webhook, server_killed, Mysql, "webhook", 4);
    strikes!(redis_client, server_killed, Redis, "client", 4);
}

/// The network between Roundsman and the server of the store is cut, or stands still, and heals.
mod network_cut {
    strikes!(postgres_client, network_cut, Postgres, "client", 5);
    strikes!(mysql_client, network_cut, Mysql, "client", 5);
    strikes!(redis_client, network_cut, Redis, "client", 5);
}

/// Two nodes are on one store, and the one that owns it is killed, or stands still for too long.
mod owner_lost {
    strikes!(postgres_webhook, owner_lost, Postgres, "webhook", 4);
    strikes!(mysql_webhook, owner_lost, Mysql, "webhook", 4);
    strikes!(redis_webhook, owner_lost, Redis, "webhook", 4);
}

async fn owner_lost(name: &'static str, kind: Kind, ack: &'static str, times: usize) {
    let Some(place) = Place::fresh(kind).await else { return };
    Run::new(name, ack, times, place.url.clone()).go(Trouble::Owner).await;
    place.remove().await;
}

async fn roundsman_killed(name: &'static str, kind: Kind, ack: &'static str, times: usize) {
    let Some(place) = Place::fresh(kind).await else { return };
    Run::new(name, ack, times, place.url.clone()).go(Trouble::Roundsman).await;
    place.remove().await;
}

async fn server_killed(name: &'static str, kind: Kind, ack: &'static str, times: usize) {
    let Some(own) = Own::start(kind).await else { return };
    Run::new(name, ack, times, own.url()).go(Trouble::Server(own)).await;
}

async fn network_cut(name: &'static str, kind: Kind, ack: &'static str, times: usize) {
    let Some(place) = Place::fresh(kind).await else { return };
    let (proxy, url) = Proxy::before(&place.url).await;
    Run::new(name, ack, times, url).go(Trouble::Network(proxy)).await;
    place.remove().await;
}
