//! Becoming the owner: at once, after the one before, or by standing by until it falls silent.

use super::backend::{Backend, Candidate};
use super::ledger::Opened;
use super::owner::{Aim, Holder, Move, OWNER};
use super::patience::in_time;
use roundsman_store::StoreError;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// What came of trying to own a store.
pub(super) enum Seat<B: Backend> {
    Owner(B::Writer, Opened),
    /// Another owns it; this connection may look again.
    StandsBy(B::Candidate, Holder),
}

/// Owns the store, or stands by where the aim allows it.
pub(super) async fn take<B: Backend>(
    backend: &B,
    aim: Aim,
    shares: bool,
) -> Result<Seat<B>, StoreError> {
    let mut candidate = in_time(backend.stand()).await?;
    let begun = Instant::now();
    loop {
        let holder = in_time(candidate.look()).await?;
        match holder.answer(aim, begun.elapsed()) {
            Move::Stand => return Ok(Seat::StandsBy(candidate, holder)),
            Move::Leave => return Err(holder.refusal(aim, &backend.place(), B::KIND)),
            Move::Lock if in_time(candidate.lock()).await? => {
                let epoch = if let Aim::ComeBack(epoch) = aim { Some(epoch) } else { None };
                return begin(backend, candidate, epoch, shares).await;
            }
            Move::Evict => evict(&mut candidate, &holder).await?,
            Move::Lock | Move::Wait => {}
        }
        sleep(OWNER.look).await;
    }
}

/// One look by a node that has been able to see the owner for so long: the seat, once it is free.
pub(super) async fn succeed<B: Backend>(
    backend: &B,
    mut candidate: B::Candidate,
    seen: Duration,
) -> Result<Seat<B>, StoreError> {
    let aim = Aim::Succeed(seen);
    let holder = in_time(candidate.look()).await?;
    match holder.answer(aim, seen) {
        Move::Leave => return Err(holder.refusal(aim, &backend.place(), B::KIND)),
        Move::Lock if in_time(candidate.lock()).await? => {
            return begin(backend, candidate, None, true).await;
        }
        Move::Evict => {
            evict(&mut candidate, &holder).await?;
            // Free in a moment, and nobody else is to come first who has not waited.
            for _ in 0..20 {
                if in_time(candidate.lock()).await? {
                    return begin(backend, candidate, None, true).await;
                }
                sleep(OWNER.look).await;
            }
        }
        Move::Lock | Move::Stand | Move::Wait => {}
    }
    Ok(Seat::StandsBy(candidate, holder))
}

async fn evict<C: Candidate>(candidate: &mut C, holder: &Holder) -> Result<(), StoreError> {
    let Some(lock) = holder.lock else { return Ok(()) };
    let Holder { owner, silent, .. } = holder;
    tracing::warn!(%owner, "the owner of the store has been silent for {silent:.0} s; taking over");
    in_time(candidate.evict(lock)).await
}

/// Counting what is in the tables may take longer than an owner may be silent: another connection
/// says meanwhile that it is alive.
async fn begin<B: Backend>(
    backend: &B,
    candidate: B::Candidate,
    epoch: Option<u64>,
    shares: bool,
) -> Result<Seat<B>, StoreError> {
    let beating = async {
        sleep(OWNER.beat).await;
        let mut other = backend.stand().await?;
        loop {
            other.beat().await?;
            sleep(OWNER.beat).await;
        }
    };
    tokio::select! {
        begun = candidate.begin(epoch, shares) => {
            begun.map(|(writer, opened)| Seat::Owner(writer, opened))
        }
        failed = beating => failed,
    }
}
