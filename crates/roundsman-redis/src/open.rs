//! Opening a store: as its owner, or standing by.

use crate::RedisStore;
use crate::claim;
use crate::claims::Claims;
use crate::door::Door;
use crate::lease::{self, Begun, Holder};
use crate::link::Link;
use crate::probe::Facts;
use crate::seat::{Seat, Standing};
use crate::stand::Tenure;
use crate::writer::{Ledger, Started, Writer};
use parking_lot::Mutex;
use roundsman_store::{Clock, Guarantee, HintSender, StoreError};
use std::sync::Arc;

impl RedisStore {
    /// Opens the store at `url`, or makes it, and becomes its owner. Attempts that a crash cut off
    /// are counted as such before it returns. It goes by the server's clock.
    ///
    /// Where an owner ended without a word it takes up to five seconds, until its lease runs out.
    ///
    /// # Errors
    /// [`Locked`](StoreError::Locked): another process has it open.
    /// [`Unusable`](StoreError::Unusable): the URL is wrong, the password, or the server too old;
    /// or the store is of a newer version.
    /// [`Unavailable`](StoreError::Unavailable): the server cannot be reached, or is a replica.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        Self::enter(Door::parse(url, None)?, false).await
    }

    /// The same, among nodes that share the store: where another of them owns it, this one stands by. It
    /// accepts, and answers what it is asked; it has nothing to deliver until it has succeeded the
    /// owner, within ten seconds of that one's end.
    ///
    /// # Errors
    /// As [`open`](Self::open); [`Locked`](StoreError::Locked) where the owner does not share it.
    pub async fn open_shared(url: &str) -> Result<Self, StoreError> {
        Self::enter(Door::parse(url, None)?, true).await
    }

    /// The same by another clock than the server's: one that a test holds still.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_by(url: &str, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        Self::enter(Door::parse(url, Some(clock))?, false).await
    }

    /// Whether a store's URL can be read. Nobody is asked.
    ///
    /// # Errors
    /// [`Unusable`](StoreError::Unusable): what is wrong with it.
    pub fn check_url(url: &str) -> Result<(), StoreError> {
        Door::parse(url, None).map(drop)
    }

    /// What a store on this server would promise: nothing is made there, nothing is taken.
    ///
    /// # Errors
    /// The URL is wrong, or the server cannot be reached or used.
    pub async fn inspect_server(url: &str) -> Result<Guarantee, StoreError> {
        let door = Door::parse(url, None)?;
        let facts = Facts::ask(&Link::to(Arc::new(door))).await?;
        facts.require()?;
        Ok(facts.guarantee())
    }

    async fn enter(door: Door, shares: bool) -> Result<Self, StoreError> {
        let door = Arc::new(door);
        let link = Arc::new(Link::to(door.clone()));
        let facts = Facts::ask(&link).await?;
        facts.require()?;
        let token = lease::token();
        let (standing, salt) = match lease::begin(&link, &door, &token, shares).await? {
            Begun::Owns { epoch, salt } => (Standing::Owns(epoch), salt),
            Begun::Held(Holder { owner, salt, .. }) => {
                tracing::info!(%owner, store = %door.name(), "another node owns the store; standing by");
                (Standing::StandsBy(owner), salt)
            }
        };
        let seat = Arc::new(Seat::new(standing));
        let (hints_sender, hints) = HintSender::new();
        let hints_sender = Arc::new(Mutex::new(hints_sender));
        let tenure = Tenure {
            link: link.clone(),
            door: door.clone(),
            token: token.clone(),
            salt,
            shares,
            seat: seat.clone(),
            hints: hints_sender.clone(),
        };
        let tenure = tokio::spawn(tenure.run()).abort_handle();
        if let Ok(epoch) = seat.epoch()
            && let Err(error) = claim::cut_off(&link, &door, epoch).await
        {
            tenure.abort();
            return Err(error);
        }
        let ledger = Ledger {
            door: door.clone(),
            seat: seat.clone(),
            claims: Claims::default(),
            hints: hints_sender,
        };
        let own_link = Link::to(door.clone());
        let Started { desk, under_way, ended } =
            Writer::start(own_link, ledger, facts.can_wait(), token);
        Ok(Self {
            door,
            link,
            desk: Mutex::new(Some(desk)),
            ended: Mutex::new(Some(ended)),
            hints: Mutex::new(Some(hints)),
            under_way,
            tenure,
            seat,
            salt,
        })
    }
}
