//! The receiver: answers each request after a time that is exponential, and notes what came.

use super::SERVICE;
use super::book::{Book, waited};
use crate::receiver::{ANSWER, request};
use crate::{Error, payload};
use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, spawn_local};

/// A receiver of webhooks; dropped, it is gone.
#[derive(Debug)]
pub(crate) struct Hooks {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

#[derive(Clone)]
struct Desk {
    book: Rc<RefCell<Book>>,
    bell: Sender<Ring>,
    chance: Rc<Cell<u64>>,
}

impl Hooks {
    /// Listens on a free port.
    pub(crate) async fn start(book: &Rc<RefCell<Book>>) -> Result<Self, Error> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (bell, rings) = channel();
        std::thread::spawn(move || ring(&rings));
        let desk = Desk { book: book.clone(), bell, chance: Rc::new(Cell::new(SEED)) };
        let task = spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A connection that breaks is its sender's to make again.
                spawn_local(serve(stream, desk.clone()));
            }
        });
        Ok(Self { address, task })
    }
}

impl Drop for Hooks {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, desk: Desk) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(4096);
    while let Some(whole) = request(&mut stream, &mut buffer).await? {
        let begun = Instant::now();
        let stamp = payload::find(&buffer[..whole], 0).and_then(|at| payload::read(&buffer[at..]));
        let waited = waited(&buffer[..whole]).unwrap_or_default();
        buffer.drain(..whole);
        let Some(stamp) = stamp else { continue };
        desk.book.borrow_mut().arrived(stamp, waited);
        let (ring, rung) = oneshot::channel();
        let _ = desk.bell.send(Ring { at: begun + service(&desk.chance), tell: ring });
        let _ = rung.await;
        stream.write_all(ANSWER).await?;
        desk.book.borrow_mut().answered(stamp.sender, begun.elapsed());
    }
    Ok(())
}

/// An exponential time with the mean of all services.
#[allow(clippy::cast_precision_loss)]
fn service(chance: &Cell<u64>) -> Duration {
    let number = splitmix(chance.get());
    chance.set(chance.get().wrapping_add(GAMMA));
    let part = (number >> 11) as f64 / (1u64 << 53) as f64;
    SERVICE.mul_f64(-(1.0 - part).ln())
}

/// A number from a number, as good as chance (SplitMix64).
pub(crate) fn splitmix(seed: u64) -> u64 {
    let z = seed.wrapping_add(GAMMA);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
const SEED: u64 = 4;

/// Somebody to be told at a moment.
struct Ring {
    at: Instant,
    tell: oneshot::Sender<()>,
}

/// Tells everybody at their moment, to a part of a millisecond: the runtime's own timers would add
/// half of one or more to each service. Ends when nobody is left to ring for.
fn ring(rings: &Receiver<Ring>) {
    let mut waiting: BinaryHeap<Reverse<(Instant, u64)>> = BinaryHeap::new();
    let mut tell = std::collections::HashMap::new();
    let mut number = 0;
    loop {
        let now = Instant::now();
        while let Some(Reverse((at, number))) = waiting.peek().copied()
            && at <= now
        {
            waiting.pop();
            if let Some(tell) = tell.remove(&number) {
                let _ = oneshot::Sender::send(tell, ());
            }
        }
        let next = waiting.peek().map(|Reverse((at, _))| at.saturating_duration_since(now));
        match rings.recv_timeout(next.unwrap_or(Duration::from_secs(1))) {
            Ok(ring) => {
                number += 1;
                waiting.push(Reverse((ring.at, number)));
                tell.insert(number, ring.tell);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
