//! One owner at a time: a lease that its owner renews, and an epoch that fences those before.
//!
//! The lease decides who may open; the epoch alone decides whose writes count. Every script that
//! writes compares its epoch with the store's and changes nothing where a newer one has begun, so
//! that an owner who was paused past its lease can do no harm when it goes on. One whose lease ran
//! out while nobody took over simply renews it.

use crate::door::Door;
use crate::error::strange;
use crate::link::Link;
use crate::reply::Parts;
use crate::scripts::Verb;
use roundsman_store::{IdSalt, StoreError};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long an owner may be silent.
pub(crate) const LEASE: Duration = Duration::from_secs(5);
/// How often it says that it lives.
const BEAT: Duration = Duration::from_secs(1);
/// How often somebody who waits looks whether the lease has run out.
const LOOK: Duration = Duration::from_millis(100);
/// The layout of the keys that this code reads and writes.
const VERSION: u32 = 1;

/// An opening: its epoch, and what the store's ids begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Opening {
    pub(crate) epoch: u64,
    pub(crate) salt: IdSalt,
}

enum Begun {
    Opened(Opening),
    /// Somebody has it, who will have been silent for too long in this time.
    Taken(String, Duration),
}

/// Becomes the owner. Where there is one, waits until its lease runs out, or it shows that it lives
/// by renewing that.
pub(crate) async fn begin(link: &Link, door: &Door, token: &str) -> Result<Opening, StoreError> {
    let salt: u64 = rand::random();
    let mut last: Option<(String, Instant)> = None;
    loop {
        let (owner, left) = match try_begin(link, door, token, salt).await? {
            Begun::Opened(opening) => return Ok(opening),
            Begun::Taken(owner, left) => (owner, left),
        };
        let ends = Instant::now() + left;
        let lives = last.as_ref().is_some_and(|(before, until)| {
            // The moment is only as sure as the network is quick.
            *before != owner || ends > *until + BEAT / 2
        });
        if lives {
            return Err(refusal(door, &owner));
        }
        last.get_or_insert((owner, ends));
        tokio::time::sleep(LOOK).await;
    }
}

async fn try_begin(link: &Link, door: &Door, token: &str, salt: u64) -> Result<Begun, StoreError> {
    let mut call = door.call(Verb::Begin, None);
    call.arg(token).arg(millis(LEASE)).arg(VERSION).arg(salt);
    let mut parts = Parts::of(link.ask(call).await?)?;
    match &*parts.text()? {
        "O" => {
            let epoch = parts.number()?;
            let salt = parts.text()?.parse().map_err(|_| strange("no salt"))?;
            Ok(Begun::Opened(Opening { epoch, salt: IdSalt(salt) }))
        }
        "L" => {
            let owner = parts.text()?;
            parts.next()?;
            Ok(Begun::Taken(owner, Duration::from_millis(parts.number().unwrap_or(0))))
        }
        "N" => Err(StoreError::Unusable(format!(
            "{} has layout version {}, made by another Roundsman; this one reads version \
             {VERSION}: run the newer one, or give `store` another `?prefix=`",
            door.name(),
            parts.text()?
        ))),
        _ => Err(strange("no opening")),
    }
}

fn refusal(door: &Door, owner: &str) -> StoreError {
    StoreError::Locked(format!(
        "{} is open in another process ({owner}): one process at a time may use a Redis store; \
         stop the other one, or give this one a `?prefix=` of its own",
        door.name()
    ))
}

/// Renews the lease until nobody is left who needs it. Failures are for those who write to find out.
pub(crate) async fn beat(link: Arc<Link>, door: Arc<Door>, epoch: u64, token: String) {
    let mut ticks = tokio::time::interval(BEAT);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let mut call = door.call(Verb::Beat, Some(epoch));
        call.arg(&token).arg(millis(LEASE));
        match link.ask(call).await {
            Ok(_) => {}
            Err(error @ (StoreError::Locked(_) | StoreError::Unusable(_))) => {
                tracing::error!(%error, "the store is no longer ours");
                return;
            }
            Err(error) => tracing::warn!(%error, "the lease could not be renewed"),
        }
    }
}

/// Who we are: for the person who wonders, and different for each opening.
pub(crate) fn token() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = if host.trim().is_empty() { "somewhere" } else { host.trim() };
    format!("process {} on {host}, opening {:08x}", std::process::id(), rand::random::<u32>())
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
