//! Lookups in real sources: what is found, what is not, and what becomes of messages where these
//! do their worst.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../binary/mod.rs"]
mod binary;
mod bounds;
mod check;
mod databases;
mod hostile;
mod reach;
mod served;
mod service;
mod unruly;
mod world;

use roundsman_delivery::{Augment, Found, Trouble};
use roundsman_server::lookup::Augmentation;
use roundsman_server::webhook::{Surroundings, SystemResolver, trust};
use roundsman_store::SystemClock;
use std::sync::Arc;

fn around() -> Surroundings {
    Surroundings {
        resolver: Arc::new(SystemResolver),
        tls: trust(&[]).unwrap(),
        own: "127.0.0.1:1".parse().unwrap(),
        clock: Arc::new(SystemClock),
    }
}

async fn ask(augmentation: &Augmentation, values: &[&str]) -> Result<Found, Trouble> {
    let Augment { lookup, .. } = augmentation.augment(&around()).unwrap();
    lookup.look_up(values.iter().map(|value| (*value).into()).collect()).await
}

/// The server for tests of this kind.
fn url(kind: &str) -> String {
    let name = format!("ROUNDSMAN_TEST_{kind}_URL");
    std::env::var(&name).unwrap_or_else(|_| {
        unreachable!("set {name} to a server for tests; scripts/servers starts one")
    })
}
