//! What an opening does beside its calls: stands by until it owns the store, then says that it lives,
//! and hears of what other nodes accept.
//!
//! A node that stands by accepts by the same script as the owner: all that it judges by is on the
//! server. It leaves the lanes that it put something into in the set `news`, which the owner looks
//! at ten times a second, and more often while something comes.

use crate::claim;
use crate::door::Door;
use crate::fetch;
use crate::lease::{self, Aim, Begun};
use crate::link::Link;
use crate::scripts::Verb;
use crate::seat::{Seat, Standing};
use parking_lot::Mutex;
use roundsman_store::{HintSender, IdSalt, Lane, StoreError};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How often a node that stands by looks whether the lease is free.
const LOOK: Duration = Duration::from_millis(500);
/// Whoever could not see the server for a while does not judge before the owner had time to come
/// back as well, and to renew what may have run out meanwhile.
const AWAY: Duration = Duration::from_secs(3);
/// How often the owner looks for news: while there are some, and otherwise.
const NEWS: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(100));
/// So long after the last ones it goes on looking often.
const LIVELY: Duration = Duration::from_millis(500);
/// So many lanes at once.
const LANES: usize = 1000;

/// An opening, for as long as it lasts.
pub(crate) struct Tenure {
    pub(crate) link: Arc<Link>,
    pub(crate) door: Arc<Door>,
    pub(crate) token: String,
    pub(crate) salt: IdSalt,
    /// Others may stand by.
    pub(crate) shares: bool,
    pub(crate) seat: Arc<Seat>,
    pub(crate) hints: Arc<Mutex<HintSender>>,
}

impl Tenure {
    /// Runs until the store is another's.
    pub(crate) async fn run(self) {
        let owned = match self.seat.epoch() {
            Ok(epoch) => Ok(epoch),
            Err(_) => self.succeed().await,
        };
        let error = match owned {
            Ok(epoch) => self.reign(epoch).await,
            Err(error) => error,
        };
        tracing::error!(store = %self.door.name(), %error, "the store is not this node's");
        self.seat.set(Standing::Lost(error));
    }

    /// Says that the owner lives, until it is taken over from.
    async fn reign(&self, epoch: u64) -> StoreError {
        let beating = lease::beat(&self.link, &self.door, epoch, &self.token);
        if !self.shares {
            return beating.await;
        }
        tokio::select! {
            error = beating => error,
            error = self.hear(epoch) => error,
        }
    }

    /// Waits until the store is free and becomes its owner.
    async fn succeed(&self) -> Result<u64, StoreError> {
        let mut seen_since = Instant::now();
        loop {
            sleep(LOOK).await;
            let takes = seen_since.elapsed() > AWAY;
            let aim = Aim { shares: true, takes, salt: Some(self.salt) };
            match lease::try_begin(&self.link, &self.door, &self.token, aim).await {
                Ok(Begun::Owns { epoch, .. }) => return self.take_over(epoch).await,
                Ok(Begun::Held(holder)) if holder.owner.is_empty() => {
                    self.seat.set(Standing::StandsBy("nobody just now".to_owned()));
                }
                Ok(Begun::Held(holder)) if holder.shares => {
                    self.seat.set(Standing::StandsBy(holder.owner));
                }
                Ok(Begun::Held(holder)) => return Err(lease::refusal(&self.door, &holder, true)),
                Err(fatal @ (StoreError::Locked(_) | StoreError::Unusable(_))) => {
                    return Err(fatal);
                }
                Err(error) => {
                    tracing::warn!(%error, "a look at the owner failed");
                    seen_since = Instant::now();
                }
            }
        }
    }

    /// Counts what the owner before was cut off from; its lease goes on meanwhile.
    async fn take_over(&self, epoch: u64) -> Result<u64, StoreError> {
        let counting = async {
            loop {
                match claim::cut_off(&self.link, &self.door, epoch).await {
                    Err(error @ (StoreError::Unavailable(_) | StoreError::Full(_))) => {
                        tracing::warn!(%error, "what was under way could not be counted");
                        sleep(LOOK).await;
                    }
                    done => return done,
                }
            }
        };
        tokio::select! {
            counted = counting => counted?,
            error = lease::beat(&self.link, &self.door, epoch, &self.token) => return Err(error),
        }
        self.seat.set(Standing::Owns(epoch));
        tracing::info!(store = %self.door.name(), "the store is this node's now");
        self.hints.lock().walk();
        Ok(epoch)
    }

    /// Passes on which lanes other nodes have put something into.
    async fn hear(&self, epoch: u64) -> StoreError {
        let (mut last, mut has_missed) = (Instant::now(), false);
        loop {
            match self.news(epoch).await {
                Ok(lanes) => {
                    // An answer that was lost had taken them away all the same.
                    if std::mem::take(&mut has_missed) {
                        self.hints.lock().walk();
                    }
                    if !lanes.is_empty() {
                        self.hints.lock().lanes(lanes);
                        last = Instant::now();
                    }
                }
                Err(fatal @ (StoreError::Locked(_) | StoreError::Unusable(_))) => return fatal,
                Err(_) => has_missed = true,
            }
            sleep(if last.elapsed() < LIVELY { NEWS.0 } else { NEWS.1 }).await;
        }
    }

    async fn news(&self, epoch: u64) -> Result<Vec<Arc<Lane>>, StoreError> {
        let mut call = self.door.call(Verb::News, Some(epoch));
        call.arg(LANES);
        fetch::walked(self.link.ask(call).await?)
    }
}
