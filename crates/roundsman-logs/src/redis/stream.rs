//! Reading a stream: first what is pending, then what is new.

use super::lease::Lease;
use super::line::connect;
use super::probe::{Standing, standing};
use crate::log::{BATCH, BATCH_BYTES};
use crate::{LogError, Opening, Record, Spot, Start};
use redis::Value;
use redis::aio::MultiplexedConnection;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// The one consumer of a group.
const CONSUMER: &str = "roundsman";
/// How long a read waits for records.
const WAIT: Duration = Duration::from_secs(1);
/// How often the lag is looked at, and entries of others are claimed.
const LOOK: Duration = Duration::from_secs(5);
/// Entries that others have had for so long are claimed.
const IDLE: Duration = Duration::from_secs(10);

/// A stream that this process alone reads for its group.
#[derive(Debug)]
pub(crate) struct Stream {
    line: MultiplexedConnection,
    lease: Lease,
    stream: String,
    group: String,
    lag: Arc<AtomicU64>,
    /// Behind which of the pending ones it is; `None`: all of them were read.
    pending: Option<String>,
    /// How many are asked for.
    count: usize,
    looked: Option<Instant>,
}

const GONE: &str = "entries were deleted or trimmed before they were taken";

/// One entry: its id, and its fields, which are gone where it was deleted meanwhile.
type Entry = (String, Option<Vec<(Vec<u8>, Vec<u8>)>>);

impl Stream {
    pub(crate) async fn open(
        opening: &Opening,
        server: &str,
        stream: &str,
    ) -> Result<Self, LogError> {
        let group = opening.group.clone();
        let mut line = connect(server).await?;
        let lease = Lease::take(server, stream, &group).await?;
        let start = match opening.start {
            Start::Oldest => "0",
            Start::Newest => "$",
        };
        let mut create = redis::cmd("XGROUP");
        create.arg("CREATE").arg(stream).arg(&group).arg(start).arg("MKSTREAM");
        match create.query_async::<Value>(&mut line).await {
            Ok(_) => tracing::info!(stream, group, start, "the group is new"),
            Err(error) if error.code() == Some("BUSYGROUP") => {}
            Err(error) => return Err(error.into()),
        }
        Ok(Self {
            line,
            lease,
            stream: stream.to_owned(),
            group,
            lag: opening.lag.clone(),
            pending: Some("0".to_owned()),
            count: BATCH,
            looked: None,
        })
    }

    pub(crate) async fn next(&mut self) -> Result<Vec<Record>, LogError> {
        loop {
            if self.lease.is_lost() {
                return Err(LogError("another process has taken the stream over".to_owned()));
            }
            if self.looked.is_none_or(|at| at.elapsed() >= LOOK) {
                self.look().await?;
                self.looked = Some(Instant::now());
            }
            let entries = self.read().await?;
            if let Some(after) = &mut self.pending {
                match entries.last() {
                    Some((last, _)) => after.clone_from(last),
                    None => self.pending = None,
                }
            }
            let (records, gone) = records(entries);
            if !gone.is_empty() {
                let (stream, entries) = (&self.stream, gone.len());
                tracing::warn!(stream, entries, "{GONE}");
                self.done(&gone).await?;
            }
            if !records.is_empty() {
                self.count = fitting(&records);
                return Ok(records);
            }
        }
    }

    async fn read(&mut self) -> Result<Vec<Entry>, LogError> {
        let mut read = redis::cmd("XREADGROUP");
        read.arg("GROUP").arg(&self.group).arg(CONSUMER).arg("COUNT").arg(self.count);
        if self.pending.is_none() {
            read.arg("BLOCK").arg(WAIT.as_millis() as u64);
        }
        let after = self.pending.as_deref().unwrap_or(">");
        read.arg("STREAMS").arg(&self.stream).arg(after);
        let read = read.query_async::<Option<Vec<(String, Vec<Entry>)>>>(&mut self.line).await;
        let streams = read?.unwrap_or_default();
        Ok(streams.into_iter().flat_map(|(_, entries)| entries).collect())
    }

    pub(crate) async fn done(&mut self, spots: &[Spot]) -> Result<(), LogError> {
        let mut ack = redis::cmd("XACK");
        ack.arg(&self.stream).arg(&self.group);
        for spot in spots {
            ack.arg(spot.id());
        }
        ack.query_async::<u64>(&mut self.line).await?;
        Ok(())
    }

    pub(crate) async fn close(self) {
        self.lease.release().await;
    }

    /// Takes note of the lag, and claims what nobody works on any more.
    async fn look(&mut self) -> Result<(), LogError> {
        let found = standing(&mut self.line, &self.stream, &self.group).await?;
        if let Some(Standing { pending, lag: Some(lag) }) = found {
            self.lag.store(pending + lag, Ordering::Relaxed);
        }
        let mut from = "0-0".to_owned();
        loop {
            let mut claim = redis::cmd("XAUTOCLAIM");
            claim.arg(&self.stream).arg(&self.group).arg(CONSUMER).arg(IDLE.as_millis() as u64);
            claim.arg(&from).arg("COUNT").arg(1000).arg("JUSTID");
            let claimed = claim.query_async::<Vec<Value>>(&mut self.line).await?;
            let ids = claimed.get(1).and_then(|it| redis::from_redis_value_ref(it).ok());
            let ids: Vec<String> = ids.unwrap_or_default();
            let gone = claimed.get(2).and_then(|it| redis::from_redis_value_ref(it).ok());
            let gone: Vec<String> = gone.unwrap_or_default();
            if !gone.is_empty() {
                let (stream, entries) = (&self.stream, gone.len());
                tracing::warn!(stream, entries, "{GONE}");
            }
            if !ids.is_empty() {
                self.pending = Some("0".to_owned());
            }
            let next = claimed.first().and_then(|it| redis::from_redis_value_ref(it).ok());
            match next {
                Some(next) if next != "0-0" && next != from => from = next,
                _ => return Ok(()),
            }
        }
    }
}

/// Those that are there as records, and the spots of those that are not.
fn records(entries: Vec<Entry>) -> (Vec<Record>, Vec<Spot>) {
    let (mut records, mut gone) = (Vec::with_capacity(entries.len()), Vec::new());
    for (id, fields) in entries {
        let spot = Spot::Entry(id);
        match fields {
            Some(fields) => {
                let text = |name: Vec<u8>| String::from_utf8_lossy(&name).into_owned();
                let fields = fields.into_iter().map(|(name, value)| (text(name), value));
                records.push(Record { spot, key: None, value: None, fields: fields.collect() });
            }
            None => gone.push(spot),
        }
    }
    (records, gone)
}

/// How many to ask for, going by how large these were.
fn fitting(records: &[Record]) -> usize {
    let size = |it: &Record| it.fields.iter().map(|(name, value)| name.len() + value.len()).sum();
    let bytes: usize = records.iter().map(size).map(|size: usize| size.max(1)).sum();
    (BATCH_BYTES * records.len() / bytes.max(1)).clamp(1, BATCH)
}
