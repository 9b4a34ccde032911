//! Records of the journal: what each begins with, and the kinds there are.
//!
//! ```text
//!  version u8 · kind u8 · epoch u64 · now i64 · then, by kind
//!    open        nonce u64 · salt u64 · numbers (seq u64, lane u64, claim u64) · cut u8
//!    verbs       verbs, one behind the other (see verb)
//!    part        first offset of the checkpoint u64 · whether it is the last u8 · parts of a state (see part)
//!    carried     payloads that were copied forward
//!    alive       nothing: its owner is there
//!    over        nothing: its owner has ended in good order
//! ```
//!
//! The epoch of an owner is the offset of its `open`, and one more. A record counts if its epoch is
//! that of the last `open` before it: whatever a former owner still writes lies behind that and is
//! void to every reader.

use crate::codec::{In, Out};
use bytes::Bytes;
use roundsman_store::{ClaimId, IdSalt, Timestamp};

/// The form of the journal and, with it, what its verbs do: a state is made by performing them again.
pub(crate) const VERSION: u8 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Open,
    Verbs,
    Part,
    Carried,
    Alive,
    Over,
}

/// What every record begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) epoch: u64,
    pub(crate) now: Timestamp,
}

/// An owner begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Open {
    /// Drawn by each process: tells its own openings from those of others.
    pub(crate) nonce: u64,
    /// Counts where the journal begins with it.
    pub(crate) salt: IdSalt,
    /// Numbers that this process gave out already, whether that was written down or not.
    pub(crate) numbers: (u64, u64, ClaimId),
    /// The process is new: whatever was under way was cut off.
    pub(crate) cut: bool,
}

/// Why a record cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strange {
    /// Of this version.
    Version(u8),
    /// It does not make sense.
    Damaged,
}

impl Header {
    pub(crate) fn put(self) -> Out {
        let mut out = Out::default();
        out.byte(VERSION);
        out.byte(match self.kind {
            Kind::Open => 0,
            Kind::Verbs => 1,
            Kind::Part => 2,
            Kind::Carried => 3,
            Kind::Alive => 4,
            Kind::Over => 5,
        });
        out.u64(self.epoch);
        out.i64(self.now.0);
        out
    }

    pub(crate) fn take(record: Bytes) -> Result<(Self, In), Strange> {
        let mut bytes = In::new(record);
        let version = bytes.byte().ok_or(Strange::Damaged)?;
        if version != VERSION {
            return Err(Strange::Version(version));
        }
        let header = Self::take_rest(&mut bytes).ok_or(Strange::Damaged)?;
        Ok((header, bytes))
    }

    fn take_rest(bytes: &mut In) -> Option<Self> {
        let kind = match bytes.byte()? {
            0 => Kind::Open,
            1 => Kind::Verbs,
            2 => Kind::Part,
            3 => Kind::Carried,
            4 => Kind::Alive,
            5 => Kind::Over,
            _ => return None,
        };
        Some(Self { kind, epoch: bytes.u64()?, now: Timestamp(bytes.i64()?) })
    }
}

impl Open {
    pub(crate) fn put(&self, now: Timestamp) -> Out {
        let mut out = Header { kind: Kind::Open, epoch: 0, now }.put();
        out.u64(self.nonce);
        out.u64(self.salt.0);
        let (seq, lane, claim) = self.numbers;
        for number in [seq, lane, claim.0] {
            out.u64(number);
        }
        out.flag(self.cut);
        out
    }

    pub(crate) fn take(bytes: &mut In) -> Option<Self> {
        Some(Self {
            nonce: bytes.u64()?,
            salt: IdSalt(bytes.u64()?),
            numbers: (bytes.u64()?, bytes.u64()?, ClaimId(bytes.u64()?)),
            cut: bytes.flag()?,
        })
    }
}
