//! Streams and iterators into stages, and a stage's events out as a stream.
//!
//! | from | to | by |
//! | --- | --- | --- |
//! | any iterator | a producer | [`from_iter`] |
//! | any stream | a producer | [`from_stream`] |
//! | any number of outlets | one [`Stream`](futures_util::Stream) | [`EventStream`] |
//!
//! Demand holds throughout: an iterator or stream is advanced by as many items as were asked for
//! and not one further, and a stream out asks as a consumer does.

mod event_stream;
mod from_iter;
mod from_stream;

pub use self::{
    event_stream::EventStream,
    from_iter::{FromIter, from_iter},
    from_stream::{FromStream, Pulled, from_stream},
};

use crate::Reason;

/// Whether a finite producer goes on without consumers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum WhenLeft {
    #[default]
    Stay,
    End,
}

/// Counts the consumers of a producer that may end with the last of them.
#[derive(Clone, Copy, Debug, Default)]
struct Audience {
    when_left: WhenLeft,
    consumers: usize,
}

impl Audience {
    fn joined(&mut self) {
        self.consumers += 1;
    }

    fn left(&mut self) -> Result<(), Reason> {
        self.consumers -= 1;
        match self.when_left {
            // Not `Normal`: what the last one left unread would keep the stage waiting for another.
            WhenLeft::End if self.consumers == 0 => Err(Reason::Shutdown),
            _ => Ok(()),
        }
    }
}
