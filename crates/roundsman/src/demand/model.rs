//! A model of the demand ledger and the subscription handshake, run under many interleavings.
//!
//! One producer and its consumers are threads, as stages are tasks; between them go the messages
//! that go between stages, in the same order. The parts that count are the real ones: [`Ledger`],
//! [`Debt`], and a dispatcher. What is asserted: nothing is lost, doubled or out of order, no
//! consumer gets more than it asked for, and what the handler was asked for is what it emitted or
//! still owes.

use std::collections::BTreeMap;

use shuttle::{
    sync::mpsc::{Receiver, Sender, channel},
    thread,
};

use super::{Debt, Ledger};
use crate::{
    ByDemand, Dispatcher, SubscriptionId,
    dispatch::{Joining, Place, StageId},
};

const MAX: usize = 4;
const MIN: usize = 1;

enum Up {
    Join(u64, Sender<Down>),
    Ask(u64, usize),
    Leave(u64),
}

enum Down {
    Events(Vec<u64>),
    /// Nothing comes after it.
    Parted,
}

/// The producer's half: what a stage does with its mail, by the same parts.
#[derive(Default)]
struct Source {
    dispatcher: ByDemand,
    debt: Debt,
    peers: BTreeMap<u64, Sender<Down>>,
    buffer: Vec<u64>,
    asked: usize,
    emitted: u64,
}

impl Source {
    fn receive(&mut self, mail: Up) {
        match mail {
            Up::Join(id, peer) => {
                self.peers.insert(id, peer);
                let joining = Joining::<u64> {
                    subscription: SubscriptionId::from_number(id),
                    consumer: StageId::from_number(id as usize),
                    max_demand: MAX,
                    place: Place::default(),
                };
                assert_eq!(Dispatcher::subscribe(&mut self.dispatcher, &joining), Ok(()));
            }
            Up::Ask(id, n) => {
                let id = SubscriptionId::from_number(id);
                Dispatcher::<u64>::ask(&mut self.dispatcher, id, n, &mut |_, _| {});
            }
            Up::Leave(id) => {
                let id_there = SubscriptionId::from_number(id);
                Dispatcher::<u64>::cancel(&mut self.dispatcher, id_there);
                if let Some(peer) = self.peers.remove(&id) {
                    drop(peer.send(Down::Parted));
                }
            }
        }
    }

    fn wanted(&self) -> usize {
        Dispatcher::<u64>::wanted(&self.dispatcher)
    }

    /// Delivers what waits, then has the handler make what is still missing.
    fn advance(&mut self) {
        self.release();
        let due = self.debt.incur(self.wanted(), self.buffer.len());
        self.asked += due;
        // The handler is sometimes one event late, so that there is a debt to be carried and paid.
        let late = self.asked % 2;
        let fresh: Vec<u64> = (self.emitted..(self.asked - late) as u64).collect();
        self.emitted += fresh.len() as u64;
        self.debt.pay(fresh.len());
        self.buffer.extend(fresh);
        self.release();
    }

    fn release(&mut self) {
        let n = self.wanted().min(self.buffer.len());
        if n > 0 {
            let events = self.buffer.drain(..n).collect();
            let peers = &self.peers;
            self.dispatcher.dispatch(events, &mut |to, events| {
                drop(peers[&to.0].send(Down::Events(events)));
            });
        }
    }

    /// Lives until nobody can send to it any more; returns what it still holds.
    fn run(mut self, mail: &Receiver<Up>) -> Vec<u64> {
        while let Ok(first) = mail.recv() {
            self.receive(first);
            self.advance();
        }
        let owed = usize::MAX - self.debt.due(usize::MAX, 0);
        assert_eq!(self.asked, self.emitted as usize + owed, "demand was lost, or made up");
        self.buffer
    }
}

/// The consumer's half: asks, handles, and leaves once it has had `until` events.
fn take(id: u64, to: &Sender<Up>, until: usize) -> Vec<u64> {
    let (peer, mail) = channel();
    let mut ledger = Ledger::new(MAX, MIN);
    let mut taken = Vec::new();
    drop(to.send(Up::Join(id, peer)));
    drop(to.send(Up::Ask(id, ledger.first_ask())));
    let mut left = false;
    while let Ok(Down::Events(events)) = mail.recv() {
        assert_eq!(ledger.excess(events.len()), 0, "more came than was asked for");
        for slice in ledger.slices(events.len()).collect::<Vec<_>>() {
            if slice.ask > 0 && !left {
                drop(to.send(Up::Ask(id, slice.ask)));
            }
        }
        assert!(taken.last() < events.first() || taken.is_empty(), "out of order");
        taken.extend(events);
        if taken.len() >= until && !left {
            left = true;
            drop(to.send(Up::Leave(id)));
        }
    }
    taken
}

/// Two take turns and leave, one after a few events; a third comes once the first has gone.
fn life() {
    let (to, mail) = channel();
    let source = thread::spawn(move || Source::default().run(&mail));
    let early = thread::spawn({
        let to = to.clone();
        move || {
            let mut taken = take(1, &to, 2);
            // A second subscription of the same stage, begun when the first has been confirmed.
            taken.extend(take(3, &to, 2));
            taken
        }
    });
    let late = thread::spawn(move || take(2, &to, 3));
    let mut all = early.join().expect("it ends");
    all.extend(late.join().expect("it ends"));
    all.extend(source.join().expect("it ends"));
    all.sort_unstable();
    let emitted = all.len() as u64;
    assert_eq!(all, (0..emitted).collect::<Vec<_>>(), "an event was lost or doubled");
}

/// A failing interleaving is printed, and `shuttle::replay` plays it again.
#[test]
fn demand_is_conserved_under_every_interleaving_tried() {
    shuttle::check_random(life, 2_000);
    shuttle::check_pct(life, 1_000, 3);
}
