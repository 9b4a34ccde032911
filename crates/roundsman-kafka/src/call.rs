//! One call on its way to the writer and back.

use crate::codec::Out;
use crate::config::KafkaConfig;
use roundsman_store::{Fresh, MemoryState, StoreError, Timestamp};
use tokio::sync::oneshot;

/// What the calls of one turn work on.
pub(crate) struct Turn<'a> {
    pub(crate) state: &'a mut MemoryState,
    /// The record that says what they did.
    pub(crate) record: Out,
    /// Where that record will lie.
    pub(crate) offset: u64,
    pub(crate) now: Timestamp,
    /// What to announce once it does.
    pub(crate) fresh: Vec<Fresh>,
    pub(crate) config: &'a KafkaConfig,
}

/// Performs a call, if there is a state to perform it on; then it is still to be answered.
pub(crate) type Call =
    Box<dyn for<'a, 'b> FnOnce(Result<&'a mut Turn<'b>, StoreError>) -> Option<Reply> + Send>;

/// Tells the caller what was done, or why it came to nothing.
pub(crate) type Reply = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// A call, and where its answer comes out.
pub(crate) fn call<T, E>(
    perform: impl FnOnce(&mut Turn<'_>) -> Result<T, E> + Send + 'static,
) -> (Call, oneshot::Receiver<Result<T, E>>)
where
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    let (to, answer) = oneshot::channel();
    let call = move |turn: Result<&mut Turn<'_>, StoreError>| -> Option<Reply> {
        // Nobody listening any more is a caller's right: to them the outcome is unknown.
        let turn = match turn {
            Ok(turn) => turn,
            Err(error) => {
                let _ = to.send(Err(error.into()));
                return None;
            }
        };
        let done = perform(turn);
        Some(Box::new(move |fate: Result<(), StoreError>| {
            let _ = to.send(fate.map_err(E::from).and(done));
        }))
    };
    (Box::new(call), answer)
}
