//! A log that is open: the next records, and which of them are done.

#[cfg(not(feature = "kafka"))]
use crate::address::WITHOUT_KAFKA;
#[cfg(feature = "kafka")]
use crate::kafka::{self, Topic};
use crate::redis::{self, Stream};
use crate::{Address, LogError, Record, Spot};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// How a log is opened.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Where it is.
    pub address: Address,
    /// The name by which the server remembers how far this reader is.
    pub group: String,
    /// Where a group begins that is new.
    pub start: Start,
    /// Kept at how many records are not done yet, as far as the server says; looked at now and then.
    pub lag: Arc<AtomicU64>,
}

/// Where a group begins that is new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// At the oldest record that is kept.
    #[default]
    Oldest,
    /// Behind the newest one.
    Newest,
}

/// Records of one batch, at most.
pub(crate) const BATCH: usize = 500;
/// Bytes of one batch, about.
pub(crate) const BATCH_BYTES: usize = 4 << 20;

/// One log, open. After an error it is of no more use: open it again.
#[derive(Debug)]
pub struct Log(Kind);

#[derive(Debug)]
enum Kind {
    Redis(Box<Stream>),
    #[cfg(feature = "kafka")]
    Kafka(Box<Topic>),
}

impl Log {
    /// Opens a log. Waits while another process reads where only one may.
    ///
    /// # Errors
    /// The server is away or refuses; in words with the cure.
    ///
    /// # Cancel safety
    /// Dropped, nothing is open.
    pub async fn open(opening: &Opening) -> Result<Self, LogError> {
        match &opening.address {
            Address::Redis { server, stream } => {
                let stream = Stream::open(opening, server, stream).await?;
                Ok(Self(Kind::Redis(Box::new(stream))))
            }
            #[cfg(feature = "kafka")]
            Address::Kafka { cluster, topic } => {
                let topic = Topic::open(opening, cluster, topic).await?;
                Ok(Self(Kind::Kafka(Box::new(topic))))
            }
            #[cfg(not(feature = "kafka"))]
            Address::Kafka { .. } => Err(LogError(WITHOUT_KAFKA.to_owned())),
        }
    }

    /// The next records, in order, at least one: waits for it. Those before must be done.
    ///
    /// # Errors
    /// The server is away or refuses, or another took over.
    ///
    /// # Cancel safety
    /// What was read on the way comes again once the log is opened anew, not before: ask no more.
    pub async fn next(&mut self) -> Result<Vec<Record>, LogError> {
        match &mut self.0 {
            Kind::Redis(stream) => stream.next().await,
            #[cfg(feature = "kafka")]
            Kind::Kafka(topic) => topic.next().await,
        }
    }

    /// These records are safe elsewhere, with all before them: they do not come again.
    ///
    /// # Errors
    /// Whether the server knows that is unknown: they may come again.
    ///
    /// # Cancel safety
    /// As an error.
    pub async fn done(&mut self, spots: &[Spot]) -> Result<(), LogError> {
        match &mut self.0 {
            Kind::Redis(stream) => stream.done(spots).await,
            #[cfg(feature = "kafka")]
            Kind::Kafka(topic) => topic.done(spots),
        }
    }

    /// Lets another have it at once.
    ///
    /// # Cancel safety
    /// Dropped, another has to wait until it is clear that this one has ended.
    pub async fn close(self) {
        match self.0 {
            Kind::Redis(stream) => stream.close().await,
            #[cfg(feature = "kafka")]
            Kind::Kafka(topic) => topic.close().await,
        }
    }
}

/// What is to be said of a log, without opening it: nothing is made or changed.
///
/// # Errors
/// The server is away or refuses, or what is there is no log.
pub async fn probe(opening: &Opening) -> Result<String, LogError> {
    match &opening.address {
        Address::Redis { server, stream } => redis::probe(opening, server, stream).await,
        #[cfg(feature = "kafka")]
        Address::Kafka { cluster, .. } => kafka::probe(opening, cluster).await,
        #[cfg(not(feature = "kafka"))]
        Address::Kafka { .. } => Err(LogError(WITHOUT_KAFKA.to_owned())),
    }
}
