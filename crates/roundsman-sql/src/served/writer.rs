//! The task that writes: takes every call that waits, performs them, writes what they changed in
//! one transaction, and only then tells anybody.

use super::backend::{Backend, Write as _};
use super::call::{Call, Write};
use super::claim::{self, Left};
use super::ledger::{Ledger, Opened, Outcome, Step};
use super::owner::{Aim, OWNER};
use super::patience::in_time;
use super::shown::Shown;
use super::stand::{self, Seat};
use crate::claims::Claims;
use roundsman_store::{Clock, HintSender, IdSalt, StoreError};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

/// So many calls at most share a commit, and about so many bytes: those behind them must not wait
/// for ever.
const GROUP: usize = 256;
const GROUP_WEIGHT: usize = 8 << 20;
/// How long the first attempt to come back waits, and each further one at most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// Everything that the task owns.
pub(super) struct Writer<B: Backend> {
    backend: Arc<B>,
    clock: Arc<dyn Clock>,
    inbox: mpsc::UnboundedReceiver<Write>,
    hints: HintSender,
    shown: Arc<Shown>,
    /// Others may stand by.
    shares: bool,
    epoch: u64,
    last_claim: u64,
    beaten: Instant,
}

/// The connection, and what is known through it.
struct Desk<W> {
    connection: W,
    ledger: Ledger,
}

/// Where the task begins.
enum Post<B: Backend> {
    Owner(Box<Desk<B::Writer>>),
    StandsBy(B::Candidate),
}

impl<B: Backend> Writer<B> {
    /// Opens the store as its owner and counts what a crash cut off, or stands by where nodes
    /// share; and sets the task going. Answers the salt, and where the end is told.
    pub(super) async fn start(
        backend: Arc<B>,
        clock: Arc<dyn Clock>,
        inbox: mpsc::UnboundedReceiver<Write>,
        hints: HintSender,
        (shown, shares): (Arc<Shown>, bool),
    ) -> Result<(IdSalt, Started), StoreError> {
        let aim = if shares { Aim::OwnOrStand } else { Aim::Own };
        let seat = stand::take(&*backend, aim, shares).await?;
        let beaten = Instant::now();
        let mut writer =
            Self { backend, clock, inbox, hints, shown, shares, epoch: 0, last_claim: 0, beaten };
        let (salt, post) = match seat {
            Seat::Owner(connection, opened) => {
                let desk = writer.begin(connection, opened).await?;
                (opened.salt, Post::Owner(Box::new(desk)))
            }
            Seat::StandsBy(candidate, holder) => {
                let (owner, store) = (&holder.owner, writer.backend.place());
                tracing::info!(%owner, %store, "another node owns the store; standing by");
                writer.shown.stands_by(owner);
                (IdSalt(holder.salt), Post::StandsBy(candidate))
            }
        };
        let (ended_sender, ended) = oneshot::channel();
        let task = tokio::spawn(async move {
            let fate = writer.run(post).await;
            let _ = ended_sender.send(fate);
        });
        Ok((salt, Started { task, ended }))
    }

    /// Begins a new epoch.
    async fn begin(
        &mut self,
        connection: B::Writer,
        opened: Opened,
    ) -> Result<Desk<B::Writer>, StoreError> {
        (self.epoch, self.beaten) = (opened.epoch, Instant::now());
        let desk = self.sit_down(connection, opened, claim::cut_off).await?;
        self.shown.owns(self.epoch);
        Ok(desk)
    }

    /// Looks every so often whether the owner is still alive, until this node has succeeded it.
    /// `None` when there is nobody left who could call.
    async fn stand_by(
        &mut self,
        candidate: B::Candidate,
    ) -> Result<Option<Desk<B::Writer>>, StoreError> {
        let (mut standing, mut since) = (Some(candidate), Instant::now());
        loop {
            tokio::select! {
                () = tokio::time::sleep(OWNER.stand) => {}
                call = self.inbox.recv() => match call {
                    // Nobody sends any to a node that stands by; one may have been on its way.
                    Some(call) => {
                        call.answer(Err(StoreError::StandsBy(String::new())));
                        continue;
                    }
                    None => return Ok(None),
                },
            }
            let looked = match standing.take() {
                Some(candidate) => stand::succeed(&*self.backend, candidate, since.elapsed()).await,
                None => {
                    since = Instant::now();
                    let connected = in_time(self.backend.stand()).await;
                    standing = connected.ok();
                    continue;
                }
            };
            let seat = match looked {
                Ok(Seat::Owner(connection, opened)) => self.begin(connection, opened).await,
                Ok(Seat::StandsBy(candidate, holder)) => {
                    self.shown.stands_by(&holder.owner);
                    standing = Some(candidate);
                    continue;
                }
                Err(error) => Err(error),
            };
            match seat {
                Ok(desk) => return Ok(Some(desk)),
                Err(fatal @ (StoreError::Locked(_) | StoreError::Unusable(_))) => {
                    return Err(fatal);
                }
                Err(error) => {
                    tracing::warn!(store = self.backend.name(), %error, "a look at the owner failed");
                }
            }
        }
    }

    /// Makes the ledger, and sees to the claims that are open.
    async fn sit_down(
        &mut self,
        mut connection: B::Writer,
        opened: Opened,
        see_to: fn(&mut Ledger, &mut Left) -> Outcome<()>,
    ) -> Result<Desk<B::Writer>, StoreError> {
        let left = Left::of(connection.claims().await?);
        let claims = Claims::open(self.last_claim, Vec::new());
        let ledger = Ledger::new(opened, self.clock.clone(), claims);
        let mut desk = Desk { connection, ledger };
        let (call, _) = Call::new(left, 0, see_to);
        self.commit(&mut desk, vec![Box::new(call)]).await.map_err(|(error, _)| error)?;
        Ok(desk)
    }

    /// Runs until there is nobody left who could call.
    async fn run(mut self, post: Post<B>) -> Result<(), StoreError> {
        let mut desk = match post {
            Post::Owner(desk) => *desk,
            Post::StandsBy(candidate) => match self.stand_by(candidate).await {
                Ok(Some(desk)) => {
                    tracing::info!(store = self.backend.name(), "the store is this node's now");
                    self.hints.walk();
                    desk
                }
                Ok(None) => return Ok(()),
                Err(error) => return self.give_up(error).await,
            },
        };
        loop {
            let Err(error) = self.work(&mut desk).await else {
                let changes = desk.ledger.catch_up();
                in_time(desk.connection.write(changes, true)).await?;
                return in_time(desk.connection.end()).await;
            };
            tracing::error!(store = self.backend.name(), %error, "the store failed; connecting anew");
            desk = match self.come_back(desk, error).await {
                Ok(Some(desk)) => desk,
                Ok(None) => return Ok(()),
                Err(error) => return self.give_up(error).await,
            };
            tracing::info!(store = self.backend.name(), "the store is back");
            // A commit that failed may have been one all the same.
            self.hints.walk();
        }
    }

    /// Performs groups until there is nobody left who could call.
    async fn work(&mut self, desk: &mut Desk<B::Writer>) -> Result<(), StoreError> {
        loop {
            let call = tokio::select! {
                biased;
                () = sleep_until(self.beaten + OWNER.beat) => {
                    in_time(desk.connection.beat()).await?;
                    self.beaten = Instant::now();
                    continue;
                }
                call = self.inbox.recv() => call,
            };
            let Some(call) = call else { return Ok(()) };
            let group = self.gather(call);
            match self.commit(desk, group).await {
                Ok(group) => group.into_iter().for_each(|call| call.answer(Ok(()))),
                Err((error, group)) => {
                    group.into_iter().for_each(|call| call.answer(Err(error.clone())));
                    return Err(error);
                }
            }
        }
    }

    /// A call, and those that wait behind it.
    fn gather(&mut self, first: Write) -> Vec<Write> {
        let mut weight = first.weight();
        let mut group = vec![first];
        while group.len() < GROUP && weight < GROUP_WEIGHT {
            let Ok(call) = self.inbox.try_recv() else { break };
            weight += call.weight();
            group.push(call);
        }
        group
    }

    /// Performs a group and commits it. Hands it back, to be answered.
    async fn commit(
        &mut self,
        desk: &mut Desk<B::Writer>,
        group: Vec<Write>,
    ) -> Result<Vec<Write>, (StoreError, Vec<Write>)> {
        let (mut waiting, mut done) = (group, Vec::new());
        while !waiting.is_empty() {
            let mut flush = false;
            for mut call in std::mem::take(&mut waiting) {
                match call.perform(&mut desk.ledger) {
                    Step::Done(()) => done.push(call),
                    Step::Load => waiting.push(call),
                    Step::Flush => {
                        flush = true;
                        waiting.push(call);
                    }
                }
            }
            if waiting.is_empty() {
                break;
            }
            if let Err(error) = desk.prepare(flush).await {
                done.append(&mut waiting);
                return Err((error, done));
            }
        }
        self.last_claim = desk.ledger.claims.last();
        let changes = desk.ledger.end_group();
        match in_time(desk.connection.write(changes, true)).await {
            Ok(()) => {
                let fresh = desk.ledger.committed();
                self.shown.count(desk.ledger.counts);
                if !fresh.is_empty() {
                    self.hints.announce(fresh);
                }
                Ok(done)
            }
            Err(error) => Err((error, done)),
        }
    }

    /// Tries to be the owner again, for as long as it takes; whoever calls meanwhile is told why
    /// not. `None` when there is nobody left who could call.
    async fn come_back(
        &mut self,
        desk: Desk<B::Writer>,
        mut error: StoreError,
    ) -> Result<Option<Desk<B::Writer>>, StoreError> {
        drop(desk);
        let mut pause = BACKOFF.0;
        loop {
            let rest = tokio::time::sleep(pause);
            tokio::pin!(rest);
            loop {
                tokio::select! {
                    () = &mut rest => break,
                    call = self.inbox.recv() => match call {
                        Some(call) => call.answer(Err(error.clone())),
                        None => return Ok(None),
                    },
                }
            }
            match self.try_again().await {
                Ok(desk) => return Ok(Some(desk)),
                Err(fatal @ (StoreError::Locked(_) | StoreError::Unusable(_))) => {
                    return Err(fatal);
                }
                Err(again) => error = again,
            }
            pause = (pause * 2).min(BACKOFF.1);
        }
    }

    async fn try_again(&mut self) -> Result<Desk<B::Writer>, StoreError> {
        let backend = self.backend.clone();
        match stand::take(&*backend, Aim::ComeBack(self.epoch), self.shares).await? {
            Seat::Owner(connection, opened) => {
                self.beaten = Instant::now();
                self.sit_down(connection, opened, claim::take_up).await
            }
            Seat::StandsBy(..) => Err(StoreError::Unavailable(backend.place())),
        }
    }

    /// Tells everybody from now on.
    async fn give_up(mut self, error: StoreError) -> Result<(), StoreError> {
        tracing::error!(store = self.backend.name(), %error, "the store is given up");
        self.shown.has_ended();
        while let Some(call) = self.inbox.recv().await {
            call.answer(Err(error.clone()));
        }
        Err(error)
    }
}

impl<W: super::backend::Write> Desk<W> {
    /// Writes what stands in the way of calls, and loads what they want.
    async fn prepare(&mut self, flush: bool) -> Result<(), StoreError> {
        if flush {
            let changes = self.ledger.take_changes();
            in_time(self.connection.write(changes, false)).await?;
            self.ledger.flushed();
        }
        let mut wants = std::mem::take(&mut self.ledger.wants);
        // Each message of a batch wants its topic, and what is in one is added up as it comes.
        wants.topics.sort_unstable();
        wants.topics.dedup();
        if !wants.is_empty() {
            let loaded = in_time(self.connection.load(&wants)).await?;
            self.ledger.absorb(&wants, loaded);
        }
        Ok(())
    }
}

/// The task, once it runs.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) task: tokio::task::JoinHandle<()>,
    pub(super) ended: oneshot::Receiver<Result<(), StoreError>>,
}
