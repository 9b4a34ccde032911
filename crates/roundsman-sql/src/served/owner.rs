//! Who owns a store, when an owner that says nothing is taken over from, and what stands in the way.

use roundsman_store::StoreError;
use std::time::Duration;

/// The times of ownership. Together they let another node take over within ten seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnerTimes {
    /// How often the owner says that it is alive.
    pub(crate) beat: Duration,
    /// After so many seconds without a word it is taken over from.
    silent: f64,
    /// One whose connection has ended may come back for so many seconds.
    away: f64,
    /// How long a new opening waits for the lock: an owner that has just ended may still be leaving.
    patience: Duration,
    /// How often it looks.
    pub(crate) look: Duration,
    /// How often a node that stands by looks.
    pub(crate) stand: Duration,
}

/// The times that are used.
pub(crate) const OWNER: OwnerTimes = OwnerTimes {
    beat: Duration::from_secs(2),
    silent: 6.0,
    away: 4.0,
    patience: Duration::from_secs(2),
    look: Duration::from_millis(50),
    stand: Duration::from_millis(500),
};

/// Who has a store, or had it last, as a look at it says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Holder {
    /// As people are told of it; empty once it has left in good order.
    pub(crate) owner: String,
    /// For how many seconds it has said nothing.
    pub(crate) silent: f64,
    /// The connection that holds the lock.
    pub(crate) lock: Option<u64>,
    /// It lets others stand by.
    pub(crate) shares: bool,
    pub(crate) epoch: u64,
    /// 0 before the first owner has begun.
    pub(crate) salt: u64,
}

/// What a node does about a holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    /// Look again in a while.
    Wait,
    /// Try to take the lock.
    Lock,
    /// End the connection that holds it.
    Evict,
    /// Stand by.
    Stand,
    /// It is refused.
    Leave,
}

/// What a node wants that looks at a holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aim {
    /// To own the store, alone.
    Own,
    /// To own it, or to stand by.
    OwnOrStand,
    /// It stands by, and was able to see the holder for so long.
    Succeed(Duration),
    /// It had this epoch, and wants to go on with it.
    ComeBack(u64),
}

impl Holder {
    /// What to do after having waited for so long.
    pub(crate) fn answer(&self, aim: Aim, waited: Duration) -> Move {
        let times = OWNER;
        if matches!(aim, Aim::ComeBack(epoch) if epoch != self.epoch) {
            return Move::Leave;
        }
        if self.lock.is_none() {
            // The owner may only have lost its connection, and would go on as if nothing had been.
            // Whoever was away itself has not seen yet that nobody comes.
            return match aim {
                Aim::Succeed(seen) if !self.owner.is_empty() => {
                    let nobody_comes = self.silent.min(seen.as_secs_f64()) > times.away;
                    if nobody_comes { Move::Lock } else { Move::Wait }
                }
                _ => Move::Lock,
            };
        }
        if self.silent > times.silent {
            let is_in_vain = matches!(aim, Aim::Own | Aim::OwnOrStand) && self.is_in_vain(waited);
            return if is_in_vain { Move::Leave } else { Move::Evict };
        }
        // Nobody has begun yet: whether it shares is not said.
        let is_open = self.salt != 0 && self.shares;
        match aim {
            Aim::OwnOrStand | Aim::Succeed(_) if is_open => Move::Stand,
            Aim::Succeed(_) => Move::Leave,
            // What holds the lock is what is left of its own connection, or a successor that begins.
            Aim::ComeBack(_) => Move::Wait,
            _ if self.is_in_vain(waited) => Move::Leave,
            _ => Move::Wait,
        }
    }

    /// Whether it is in vain to wait for the lock any longer: its owner may be expected to speak
    /// again, or cannot be taken over from. One that has missed a word is waited for until it
    /// speaks, or until its time is over.
    fn is_in_vain(&self, waited: Duration) -> bool {
        let is_alive = self.silent < OWNER.silent - OWNER.patience.as_secs_f64();
        waited > if is_alive { OWNER.patience } else { OWNER.patience * 6 }
    }

    /// Why a node with this aim is refused; `place` is the store, `kind` what `?schema=` names.
    pub(crate) fn refusal(&self, aim: Aim, place: &str, kind: &str) -> StoreError {
        let owner = &self.owner;
        StoreError::Locked(match aim {
            Aim::ComeBack(_) => {
                format!("{place}: another Roundsman has taken it over meanwhile ({owner})")
            }
            Aim::Own if self.shares => format!(
                "{place}: another Roundsman has it open ({owner}), and only nodes of whose rules none \
                 delivers to `channel` stand by; stop that one, change `[[deliver]]`, or name \
                 another {kind} by `?schema=`"
            ),
            Aim::Own => format!(
                "{place}: another Roundsman has it open ({owner}); stop that one, or name another \
                 {kind} by `?schema=`"
            ),
            Aim::OwnOrStand | Aim::Succeed(_) => format!(
                "{place}: another Roundsman has it open ({owner}) and lets none stand by, since a rule \
                 of it delivers to `channel`, or it is older; stop that one, change its \
                 `[[deliver]]`, or name another {kind} by `?schema=`"
            ),
        })
    }
}

/// This process, as people are told of it.
pub(crate) fn owner() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
    let host = name.map_or_else(|_| "another machine".to_owned(), |name| name.trim().to_owned());
    format!("process {} on {host}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::{Aim, Holder, Move, OWNER};
    use std::time::Duration;

    const NOW: Duration = Duration::ZERO;
    const LONG: Duration = Duration::from_secs(60);

    fn holder(silent: f64, lock: Option<u64>, shares: bool) -> Holder {
        Holder { owner: "it".into(), silent, lock, shares, epoch: 3, salt: 7 }
    }

    #[test]
    fn one_that_speaks_is_stood_by_where_it_shares() {
        let alive = holder(1.0, Some(9), true);
        assert_eq!(alive.answer(Aim::OwnOrStand, NOW), Move::Stand);
        assert_eq!(alive.answer(Aim::Succeed(LONG), LONG), Move::Stand);
        assert_eq!(alive.answer(Aim::Own, NOW), Move::Wait);
        assert_eq!(alive.answer(Aim::Own, LONG), Move::Leave);
    }

    #[test]
    fn one_that_does_not_share_refuses_whoever_would_stand_by() {
        let alive = holder(1.0, Some(9), false);
        assert_eq!(alive.answer(Aim::OwnOrStand, NOW), Move::Wait);
        assert_eq!(alive.answer(Aim::OwnOrStand, LONG), Move::Leave);
        assert_eq!(alive.answer(Aim::Succeed(LONG), NOW), Move::Leave);
        // Not even the first owner has begun: it may share.
        let beginning = Holder { salt: 0, ..alive };
        assert_eq!(beginning.answer(Aim::OwnOrStand, NOW), Move::Wait);
    }

    #[test]
    fn a_silent_one_is_evicted_whoever_looks() {
        for shares in [false, true] {
            let silent = holder(6.1, Some(9), shares);
            for aim in [Aim::Own, Aim::OwnOrStand, Aim::Succeed(LONG), Aim::ComeBack(3)] {
                assert_eq!(silent.answer(aim, NOW), Move::Evict);
            }
        }
    }

    #[test]
    fn one_that_lost_its_connection_may_come_back_before_others_succeed_it() {
        let away = holder(3.9, None, true);
        assert_eq!(away.answer(Aim::Succeed(LONG), LONG), Move::Wait);
        assert_eq!(away.answer(Aim::ComeBack(3), NOW), Move::Lock);
        assert_eq!(away.answer(Aim::OwnOrStand, NOW), Move::Lock);
        let gone = holder(4.1, None, true);
        assert_eq!(gone.answer(Aim::Succeed(LONG), LONG), Move::Lock);
        assert_eq!(gone.answer(Aim::Succeed(NOW), LONG), Move::Wait);
        let left = Holder { owner: String::new(), ..away };
        assert_eq!(left.answer(Aim::Succeed(NOW), NOW), Move::Lock);
    }

    /// Between its end and the next one's beginning: the last word, the look that is too early, the lock.
    #[test]
    fn the_next_one_begins_within_ten_seconds() {
        let looks = (OWNER.stand + OWNER.look * 20).as_secs_f64();
        assert!(OWNER.silent + looks < 10.0 && OWNER.away + looks < 10.0);
        assert!(OWNER.silent > OWNER.beat.as_secs_f64() * 2.0);
    }

    #[test]
    fn one_that_was_taken_over_from_leaves() {
        for lock in [None, Some(9)] {
            assert_eq!(holder(1.0, lock, true).answer(Aim::ComeBack(2), NOW), Move::Leave);
        }
    }
}
