//! One owner at a time: a lease that its owner renews, and an epoch that fences those before.
//!
//! Where nodes share a store, those that come later stand by until the lease is free: see [`stand`](crate::stand).
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

/// What an opening wants of the store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Aim {
    /// Others may stand by while it owns the store, and it stands by where another does that shares.
    pub(crate) shares: bool,
    /// It takes the store where it is free; otherwise it only looks.
    pub(crate) takes: bool,
    /// The store that is meant, where that is known.
    pub(crate) salt: Option<IdSalt>,
}

/// What came of it.
pub(crate) enum Begun {
    Owns { epoch: u64, salt: IdSalt },
    Held(Holder),
}

/// Who has the store.
pub(crate) struct Holder {
    /// Empty while nobody has it.
    pub(crate) owner: String,
    /// It lets others stand by.
    pub(crate) shares: bool,
    pub(crate) salt: IdSalt,
    /// It will have been silent for too long in this time.
    left: Duration,
}

/// Becomes the owner. Where there is one, waits until its lease runs out, or it shows that it lives
/// by renewing that; then stands by, where both want that.
pub(crate) async fn begin(
    link: &Link,
    door: &Door,
    token: &str,
    shares: bool,
) -> Result<Begun, StoreError> {
    let aim = Aim { shares, takes: true, salt: None };
    let mut last: Option<(String, Instant)> = None;
    loop {
        let holder = match try_begin(link, door, token, aim).await? {
            Begun::Held(holder) if !(shares && holder.shares) => holder,
            begun => return Ok(begun),
        };
        let ends = Instant::now() + holder.left;
        let lives = last.as_ref().is_some_and(|(before, until)| {
            // The moment is only as sure as the network is quick.
            *before != holder.owner || ends > *until + BEAT / 2
        });
        if lives {
            return Err(refusal(door, &holder, shares));
        }
        last.get_or_insert((holder.owner, ends));
        tokio::time::sleep(LOOK).await;
    }
}

/// One look, and the store where it is free and wanted.
pub(crate) async fn try_begin(
    link: &Link,
    door: &Door,
    token: &str,
    aim: Aim,
) -> Result<Begun, StoreError> {
    let fresh: u64 = rand::random();
    let flag = |set: bool| if set { "1" } else { "" };
    let mut call = door.call(Verb::Begin, None);
    call.arg(token).arg(millis(LEASE)).arg(VERSION).arg(fresh);
    call.arg(flag(aim.shares)).arg(flag(aim.takes));
    call.arg(aim.salt.map(|salt| salt.0.to_string()).unwrap_or_default());
    let mut parts = Parts::of(link.ask(call).await?)?;
    match &*parts.text()? {
        "O" => Ok(Begun::Owns { epoch: parts.number()?, salt: salt(&mut parts)? }),
        "L" => {
            let owner = parts.text()?;
            parts.next()?;
            let left = Duration::from_millis(parts.number().unwrap_or(0));
            let shares = parts.number()? != 0;
            Ok(Begun::Held(Holder { owner, shares, salt: salt(&mut parts)?, left }))
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

fn salt(parts: &mut Parts) -> Result<IdSalt, StoreError> {
    parts.text()?.parse().map(IdSalt).map_err(|_| strange("no salt"))
}

/// Why whoever wants the store is refused while this one has it.
pub(crate) fn refusal(door: &Door, holder: &Holder, shares: bool) -> StoreError {
    let (place, owner) = (door.name(), &holder.owner);
    StoreError::Locked(if shares {
        format!(
            "{place}: another Roundsman has it open ({owner}) and lets none stand by, since a rule of \
             it delivers to `channel`, or it is older; stop that one, change its `[[deliver]]`, or \
             give this one a `?prefix=` of its own"
        )
    } else if holder.shares {
        format!(
            "{place}: another Roundsman has it open ({owner}), and only nodes of whose rules none \
             delivers to `channel` stand by; stop that one, change `[[deliver]]`, or give this one a \
             `?prefix=` of its own"
        )
    } else {
        format!(
            "{place}: another Roundsman has it open ({owner}); stop that one, or give this one a \
             `?prefix=` of its own"
        )
    })
}

/// Renews the lease until it is another's, and answers why. Other failures are for those who write to
/// find out.
pub(crate) async fn beat(link: &Link, door: &Door, epoch: u64, token: &str) -> StoreError {
    let mut ticks = tokio::time::interval(BEAT);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let mut call = door.call(Verb::Beat, Some(epoch));
        call.arg(token).arg(millis(LEASE));
        match link.ask(call).await {
            Ok(_) => {}
            Err(error @ (StoreError::Locked(_) | StoreError::Unusable(_))) => return error,
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
