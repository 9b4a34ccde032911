//! The state from the records of the journal: pure, one record after the other.

use crate::codec::In;
use crate::entry::{Header, Kind, Open, Strange};
use crate::part::{self, Lanes};
use crate::verb::Verb;
use bytes::Bytes;
use roundsman_store::{IdSalt, MemoryState, Saved};

/// Makes a state of what it is fed.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    /// `None` until the journal's beginning or a whole checkpoint was seen.
    pub(crate) state: Option<MemoryState>,
    /// That of the last owner seen.
    pub(crate) epoch: u64,
    /// Every owner seen: its epoch, and what it drew.
    pub(crate) owners: Vec<(u64, u64)>,
    pub(crate) checkpoint: Checkpoint,
    gathering: Option<Gathering>,
}

/// What is known of the last whole checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    /// Its first record.
    pub(crate) first: u64,
    /// What it weighs.
    pub(crate) bytes: u64,
    /// What the journal behind it weighs.
    pub(crate) since: u64,
}

/// A checkpoint that is coming in.
#[derive(Debug)]
struct Gathering {
    first: u64,
    epoch: u64,
    bytes: u64,
    state: MemoryState,
    lanes: Lanes,
}

impl Replay {
    /// Takes the next record.
    pub(crate) fn feed(&mut self, offset: u64, record: Bytes) -> Result<(), Strange> {
        let length = record.len() as u64;
        let (header, mut bytes) = Header::take(record)?;
        if header.kind != Kind::Open && header.epoch != self.epoch && self.epoch != 0 {
            // Of an owner that was no longer one.
            return Ok(());
        }
        self.checkpoint.since += length;
        match header.kind {
            Kind::Open => {
                let open = Open::take(&mut bytes).ok_or(Strange::Damaged)?;
                self.begin(offset, header, &open);
            }
            Kind::Verbs => self.perform(offset, header, &mut bytes).ok_or(Strange::Damaged)?,
            Kind::Part => self.gather(offset, header, length, bytes).ok_or(Strange::Damaged)?,
            Kind::Carried | Kind::Alive | Kind::Over => {}
        }
        Ok(())
    }

    fn begin(&mut self, offset: u64, header: Header, open: &Open) {
        self.epoch = offset + 1;
        self.owners.push((self.epoch, open.nonce));
        self.gathering = None;
        if offset == 0 {
            self.state = Some(MemoryState::new(open.salt));
        }
        if let Some(state) = &mut self.state {
            state.skip_to(open.numbers);
            if open.cut {
                state.cut_off(header.now);
            }
        }
    }

    fn perform(&mut self, offset: u64, header: Header, bytes: &mut In) -> Option<()> {
        let Some(state) = &mut self.state else { return Some(()) };
        while !bytes.is_empty() {
            Verb::take(bytes, offset)?.perform(state, header.now);
        }
        Some(())
    }

    fn gather(&mut self, offset: u64, header: Header, length: u64, mut bytes: In) -> Option<()> {
        let (first, is_last) = (bytes.u64()?, bytes.flag()?);
        if first == offset {
            let (state, lanes) = (MemoryState::new(IdSalt(0)), Lanes::default());
            let epoch = header.epoch;
            self.gathering = Some(Gathering { first, epoch, bytes: 0, state, lanes });
        }
        let Some(gathering) = &mut self.gathering else { return Some(()) };
        if (gathering.first, gathering.epoch) != (first, header.epoch) {
            return Some(());
        }
        gathering.bytes += length;
        while !bytes.is_empty() {
            gathering.state.restore(part::take(&mut bytes, &mut gathering.lanes)?);
        }
        if is_last {
            let done = self.gathering.take()?;
            self.checkpoint = Checkpoint { first: done.first, bytes: done.bytes, since: 0 };
            self.epoch = header.epoch;
            // Even where the state is there already: of what was copied forward, only the
            // checkpoint knows the new places.
            self.state = Some(done.state);
        }
        Some(())
    }
}

/// The parts of a state as records: each begins like every record, and says whether it is the last.
pub(crate) fn checkpoint(
    state: &MemoryState,
    header: Header,
    first: u64,
    room: usize,
) -> Vec<Vec<u8>> {
    let begin = || {
        let mut out = header.put();
        out.u64(first);
        out.flag(false);
        out
    };
    let flag_at = begin().0.len() - 1;
    let (mut records, mut out, mut lanes) = (Vec::new(), begin(), Lanes::default());
    state.save(|saved: Saved| {
        part::put(&mut out, &saved, &mut lanes);
        if out.0.len() >= room {
            records.push(std::mem::replace(&mut out, begin()).0);
        }
    });
    out.0[flag_at] = 1;
    records.push(out.0);
    records
}
