//! One call to the store on its way to a thread and back: what is asked, and where the answer goes.

use super::error::Sql;
use roundsman_store::StoreError;
use tokio::sync::oneshot;

/// A call that a thread with context `C` performs and then answers.
pub(super) trait Command<C>: Send {
    /// Does it. A failure is that of the context, not of the call: refusals are answers.
    fn perform(&mut self, context: &mut C) -> Sql<()>;

    /// Tells the caller, who may be gone: what was done, or why it came to nothing.
    fn answer(self: Box<Self>, fate: Result<(), StoreError>);
}

/// How a call is performed: `Err` for what fails everybody, `Ok(Err(_))` for this caller's refusal.
pub(super) type Perform<C, A, T, E> = fn(&mut C, A) -> Sql<Result<T, E>>;

/// The one implementation of [`Command`].
pub(super) struct Call<C, A, T, E> {
    asked: Option<A>,
    perform: Perform<C, A, T, E>,
    answer: Option<Result<T, E>>,
    to: oneshot::Sender<Result<T, E>>,
}

impl<C, A, T, E> Call<C, A, T, E> {
    /// A call, and where its answer comes out.
    pub(super) fn new(
        asked: A,
        perform: Perform<C, A, T, E>,
    ) -> (Self, oneshot::Receiver<Result<T, E>>) {
        let (to, answer) = oneshot::channel();
        (Self { asked: Some(asked), perform, answer: None, to }, answer)
    }
}

impl<C, A, T, E> Command<C> for Call<C, A, T, E>
where
    A: Send,
    T: Send,
    E: Send + From<StoreError>,
{
    fn perform(&mut self, context: &mut C) -> Sql<()> {
        if let Some(asked) = self.asked.take() {
            self.answer = Some((self.perform)(context, asked)?);
        }
        Ok(())
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
