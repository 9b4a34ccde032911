//! One play from the start of its server to its end.

use super::book::Book;
use super::hooks::Hooks;
use super::play::{Play, Question};
use super::verdict;
use super::wire::{Address, Wire, moments};
use crate::Error;
use crate::process::{Server, stolen};
use crate::run::Plan;
use hdrhistogram::Histogram;
use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::task::{JoinHandle, spawn_local};

/// What a play came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Of quiet parties without the noisy one, but for those that waited while nothing came at all.
    pub(crate) idle: Waits,
    /// The same beside it.
    pub(crate) waits: Waits,
    /// The same, without those that waited while nothing came at all.
    pub(crate) clear: Waits,
    /// How often nothing came at all, and for how long at most.
    pub(crate) stalls: (usize, Duration),
    /// How long it was watched.
    pub(crate) span: f64,
    /// Of each party, what came of it, and how long that took the receiver in seconds.
    pub(crate) served: Vec<u64>,
    pub(crate) busy: Vec<f64>,
    /// Memory of the server in MiB, before anything and at most.
    pub(crate) memory: (f64, f64),
    /// Processor seconds of the server while it was watched.
    pub(crate) cpu: f64,
    /// Processor seconds that the machine's host gave to others meanwhile.
    pub(crate) stolen: f64,
    /// Of a play to the end: accepted messages that never came, first arrivals out of order,
    /// arrivals of what had come.
    pub(crate) lost: usize,
    pub(crate) disordered: u64,
    pub(crate) again: u64,
}

/// 50, 99, 99.9 and all of 100 waited at most so many milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Waits(pub(crate) [f64; 4]);

impl Waits {
    #[allow(clippy::cast_precision_loss)]
    fn of(waits: &Histogram<u64>) -> Self {
        let at = |share| waits.value_at_quantile(share) as f64 / 1000.0;
        Self([at(0.5), at(0.99), at(0.999), at(1.0)])
    }
}

/// Runs a play and reports on it in Markdown.
pub(crate) async fn run(plan: &Plan, play: Play) -> Result<String, Error> {
    let play = Rc::new(play.scaled(plan.scale));
    eprintln!("fair, {}: {}", play.store, play.sentence);
    let book = Rc::new(RefCell::new(Book::new(play.parties.len(), play.quiet)?));
    let hooks = Hooks::start(&book).await?;
    let folder = plan.scratch()?;
    std::fs::write(folder.path().join("bench.toml"), play.configuration(hooks.address))?;
    let server = Server::start_with(&plan.binary, play.store, folder.path(), "bench.toml")?;
    let mut scene = Scene { address: Rc::new(RefCell::new(server.address.clone())), play, book };
    tokio::time::sleep(QUIET).await;
    let before = server.memory("VmRSS")? / 1024.0;
    let outcome = scene.act(plan, server, folder.path(), before).await?;
    Ok(verdict::report(&scene.play, &outcome))
}

struct Scene {
    address: Address,
    play: Rc<Play>,
    book: Rc<RefCell<Book>>,
}

/// Senders of quiet parties, and how much they have had accepted.
struct Quiet(Vec<JoinHandle<Result<usize, String>>>);

impl Scene {
    async fn act(
        &mut self,
        plan: &Plan,
        mut server: Server,
        folder: &Path,
        before: f64,
    ) -> Result<Outcome, Error> {
        let mut sent = 0;
        let mut idle = Waits::default();
        let mut round = 0;
        if self.play.quiet > 0 {
            self.book.borrow_mut().begin();
            sent += self.quiet(round, IDLE).all().await?;
            round += IDLE.as_secs();
            idle = Waits::of(&self.book.borrow().clear);
        }
        sent += self.flood().await?;
        tokio::time::sleep(QUIET).await;
        self.book.borrow_mut().begin();
        let (begun, cpu, before_us) = (Instant::now(), server.cpu()?, stolen()?);
        let quiet = self.quiet(round, self.play.span);
        let is_restart = self.play.question == Question::Restart;
        if is_restart {
            tokio::time::sleep(self.play.span / 2).await;
            server.kill()?;
            server = Server::start_with(&plan.binary, self.play.store, folder, "bench.toml")?;
            self.address.replace(server.address.clone());
        }
        sent += quiet.all().await?;
        tokio::time::sleep_until((begun + self.play.span).into()).await;
        let (span, cpu) = (begun.elapsed().as_secs_f64(), server.cpu()? - cpu);
        let others = stolen()? - before_us;
        let mut outcome = self.outcome(idle, span);
        if is_restart {
            self.to_the_end(sent).await;
        }
        let book = self.book.borrow();
        outcome.lost = if is_restart { sent.saturating_sub(book.different()) } else { 0 };
        (outcome.disordered, outcome.again) = (book.disordered, book.again);
        (outcome.memory, outcome.cpu) = ((before, server.memory("VmHWM")? / 1024.0), cpu);
        outcome.stolen = others;
        server.stop()?;
        Ok(outcome)
    }

    /// Every noisy party has its share of the backlog accepted.
    async fn flood(&self) -> Result<usize, Error> {
        let noisy: Vec<usize> = self.play.noisy_ones().collect();
        let each = self.play.backlog.div_ceil(noisy.len());
        let all = each * noisy.len();
        let mut senders = Vec::with_capacity(FLOODS);
        for flood in 0..FLOODS {
            let mut wire = self.wire();
            let (play, noisy) = (self.play.clone(), noisy.clone());
            // A party's messages all take the same road, so that their numbers keep their order.
            let own: Vec<usize> = noisy.into_iter().skip(flood).step_by(FLOODS).collect();
            senders.push(spawn_local(async move {
                let numbers = (0..each as u64).flat_map(|n| own.iter().map(move |who| (*who, n)));
                let numbers: Vec<_> = numbers.collect();
                for batch in numbers.chunks(1000) {
                    let posted = wire.post(&play.parties, batch).await;
                    posted.map_err(|error| error.to_string())?;
                }
                Ok::<_, String>(())
            }));
        }
        for sender in senders {
            sender.await??;
        }
        Ok(all)
    }

    /// Every quiet party sends a message a second, from the `round`th one on, for so long.
    fn quiet(&self, round: u64, span: Duration) -> Quiet {
        let begun = Instant::now();
        let moments = moments(self.play.quiet);
        let senders = (0..WIRES).map(|wire| {
            let own: Vec<_> = moments.iter().copied().skip(wire).step_by(WIRES).collect();
            let (mut wire, play) = (self.wire(), self.play.clone());
            spawn_local(async move {
                let mut sent = 0;
                for second in 0..span.as_secs() {
                    for (moment, who) in &own {
                        let due = begun + Duration::from_secs(second) + *moment;
                        tokio::time::sleep_until(due.into()).await;
                        let posted = wire.post(&play.parties, &[(*who, round + second)]).await;
                        posted.map_err(|error| error.to_string())?;
                        sent += 1;
                    }
                }
                Ok(sent)
            })
        });
        Quiet(if moments.is_empty() { Vec::new() } else { senders.collect() })
    }

    fn wire(&self) -> Wire {
        Wire::new(&self.address, self.play.question == Question::Restart)
    }

    /// Waits until so many different messages have come, or nothing new has for five seconds.
    async fn to_the_end(&self, sent: usize) {
        let mut seen = (0, Instant::now());
        while seen.0 < sent && seen.1.elapsed() < Duration::from_secs(5) {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let now = self.book.borrow().different();
            if now != seen.0 {
                seen = (now, Instant::now());
            }
        }
    }

    fn outcome(&self, idle: Waits, span: f64) -> Outcome {
        let book = self.book.borrow();
        let longest = book.stalls.iter().max().copied().unwrap_or_default();
        Outcome {
            idle,
            waits: Waits::of(&book.waits),
            clear: Waits::of(&book.clear),
            stalls: (book.stalls.len(), longest),
            span,
            served: book.served.clone(),
            busy: book.busy.iter().map(Duration::as_secs_f64).collect(),
            memory: (0.0, 0.0),
            cpu: 0.0,
            stolen: 0.0,
            lost: 0,
            disordered: 0,
            again: 0,
        }
    }
}

impl Quiet {
    /// How many messages were accepted of all of them, once they are done.
    async fn all(self) -> Result<usize, Error> {
        let mut sent = 0;
        for sender in self.0 {
            sent += sender.await??;
        }
        Ok(sent)
    }
}

/// Connections of quiet parties.
const WIRES: usize = 32;
/// Connections of noisy ones.
const FLOODS: usize = 4;
/// After so long a server has done what it does by itself.
const QUIET: Duration = Duration::from_secs(1);
/// How long quiet parties are watched alone.
const IDLE: Duration = Duration::from_secs(8);
