//! Whose turn it is: pure state without a clock, a lock or a task.
//!
//! What the ring promises:
//!
//! * **A turn each.** Between two turns of a key every other key that was ready at the first of
//!   them has had one, unless it was parked or removed meanwhile. However much work a key has,
//!   it gets no second turn before that.
//! * **A new key waits for at most one round.** It joins at the end; [`RoundRobin::push_front`]
//!   is for a key whose turn was given back unused.
//! * **Constant cost.** Every operation takes the same time whether there are ten keys or ten
//!   million: nothing walks the ring, and nothing scans parked keys.
//! * **Nothing for the idle.** A key that is not ready and not parked takes no memory: the ring
//!   knows it when it is pushed and forgets it when it is taken.
//!
//! What it does not do: it counts turns, not work. Who takes a turn decides how much goes in it.
//!
//! ```text
//!     push ──► [ d  c  b  a ] ──► pop         ready: each key once
//!                    ▲ │
//!            unpark  │ │ park
//!                    │ ▼
//!                 { e, f }                    parked: known, never visited
//! ```

mod ring;

pub use self::ring::RoundRobin;
