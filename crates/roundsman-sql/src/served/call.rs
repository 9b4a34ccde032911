//! One call to the store on its way to the writer and back: what is asked, and where the answer goes.

use super::ledger::{Ledger, Outcome, Step};
use roundsman_store::StoreError;
use tokio::sync::oneshot;

/// A call on its way to the writer.
pub(crate) type Write = Box<dyn Command>;

/// A call that is performed on a ledger and then answered.
pub(crate) trait Command: Send {
    /// Does it, as far as it goes.
    fn perform(&mut self, ledger: &mut Ledger) -> Step<()>;

    /// About how many bytes it has written.
    fn weight(&self) -> usize;

    /// Tells the caller, who may be gone: what was done, or why it came to nothing.
    fn answer(self: Box<Self>, fate: Result<(), StoreError>);
}

/// How a call is performed. What it answers with `Err` is this caller's refusal.
pub(crate) type Perform<A, T, E> = fn(&mut Ledger, &mut A) -> Outcome<T, E>;

/// The one implementation of [`Command`].
pub(crate) struct Call<A, T, E> {
    asked: A,
    weight: usize,
    perform: Perform<A, T, E>,
    answer: Option<Result<T, E>>,
    to: oneshot::Sender<Result<T, E>>,
}

impl<A, T, E> Call<A, T, E> {
    /// A call, and where its answer comes out.
    pub(crate) fn new(
        asked: A,
        weight: usize,
        perform: Perform<A, T, E>,
    ) -> (Self, oneshot::Receiver<Result<T, E>>) {
        let (to, answer) = oneshot::channel();
        (Self { asked, weight, perform, answer: None, to }, answer)
    }
}

impl<A, T, E> Command for Call<A, T, E>
where
    A: Send,
    T: Send,
    E: Send + From<StoreError>,
{
    fn perform(&mut self, ledger: &mut Ledger) -> Step<()> {
        match (self.perform)(ledger, &mut self.asked) {
            Step::Done(answer) => {
                self.answer = Some(answer);
                Step::Done(())
            }
            Step::Load => Step::Load,
            Step::Flush => Step::Flush,
        }
    }

    fn weight(&self) -> usize {
        self.weight
    }

    fn answer(self: Box<Self>, fate: Result<(), StoreError>) {
        let answer = match (fate, self.answer) {
            (Err(error), _) => Err(error.into()),
            (Ok(()), Some(answer)) => answer,
            (Ok(()), None) => {
                Err(StoreError::Unavailable("the call was not performed".into()).into())
            }
        };
        // Nobody listening any more is a caller's right: to them the outcome is unknown.
        let _ = self.to.send(answer);
    }
}
