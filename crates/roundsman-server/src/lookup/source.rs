//! What the configuration says of one augmentation, and the augmentation that it makes.

use super::http::Http;
use super::mysql::Mysql;
use super::postgres::Postgres;
use super::query::Query;
use super::redis::{Command, Redis};
use super::request::Request;
use super::shape::Template;
use super::sqlite::Sqlite;
use crate::config::Secret;
use crate::webhook::Surroundings;
use roundsman_delivery::{Augment, Lookup, OnFailure, OnMissing, Pattern, Pointer, Shape};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// One `[[augment]]`: plain data, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Augmentation {
    /// Its name.
    pub name: String,
    /// Which messages.
    pub topics: Pattern,
    /// Where it is found, and what is asked there.
    pub from: From,
    /// What is looked up.
    pub value: Pointer,
    /// Where it goes.
    pub into: Pointer,
    /// What is made of it first.
    pub template: Option<Template>,
    /// Queries at once.
    pub concurrency: usize,
    /// Values in one query.
    pub batch: usize,
    /// How long a query waits for company.
    pub batch_wait: Duration,
    /// Queries a second.
    pub rate: Option<f64>,
    /// How long a query may take.
    pub timeout: Duration,
    /// How long an answer serves.
    pub cache: Duration,
    /// Bytes of answers kept.
    pub cache_bytes: u64,
    /// How long beyond that an old one serves.
    pub stale: Duration,
    /// What becomes of messages whose query failed.
    pub on_failure: OnFailure,
    /// What becomes of messages that there is nothing for.
    pub on_missing: OnMissing,
}

/// Where it is found, and what is asked there.
#[derive(Clone, Debug, PartialEq)]
pub enum From {
    /// PostgreSQL: URL and query.
    Postgres(Secret, Query),
    /// MySQL or MariaDB.
    Mysql(Secret, Query),
    /// A file of SQLite.
    Sqlite(PathBuf, Query),
    /// Redis or Valkey.
    Redis(Secret, Command),
    /// A service.
    Http(Box<Request>),
}

impl Augmentation {
    /// The lookup.
    ///
    /// # Errors
    /// Its URL says nothing that can be connected to.
    pub(super) fn lookup(&self, around: &Surroundings) -> Result<Arc<dyn Lookup>, String> {
        let within = self.timeout;
        Ok(match &self.from {
            From::Postgres(url, query) => Arc::new(self.postgres(url, query, around)?),
            From::Mysql(url, query) => Arc::new(Mysql::new(url.reveal(), query.clone(), within)?),
            From::Sqlite(path, query) => Arc::new(Sqlite::new(path.clone(), query.clone(), within)),
            From::Redis(url, command) => Arc::new(Redis::new(url.reveal(), command.clone())?),
            From::Http(request) => {
                Arc::new(Http::new((**request).clone(), within, self.concurrency, around))
            }
        })
    }

    fn postgres(
        &self,
        url: &Secret,
        query: &Query,
        around: &Surroundings,
    ) -> Result<Postgres, String> {
        Postgres::new(url.reveal(), query.clone(), self.timeout, around.tls.clone())
    }

    /// Of a database the query, and the columns of its rows.
    ///
    /// # Errors
    /// What the database says of the query.
    pub(super) async fn columns(
        &self,
        around: &Surroundings,
    ) -> Result<Option<(&Query, Vec<String>)>, String> {
        let within = self.timeout;
        let (query, columns) = match &self.from {
            From::Postgres(url, query) => {
                (query, self.postgres(url, query, around)?.columns().await?)
            }
            From::Mysql(url, query) => {
                (query, Mysql::new(url.reveal(), query.clone(), within)?.columns().await?)
            }
            From::Sqlite(path, query) => {
                (query, Sqlite::new(path.clone(), query.clone(), within).columns().await?)
            }
            From::Redis(..) | From::Http(_) => return Ok(None),
        };
        Ok(Some((query, columns)))
    }

    /// The augmentation, for the engine.
    ///
    /// # Errors
    /// Its URL says nothing that can be connected to.
    pub fn augment(&self, around: &Surroundings) -> Result<Augment, String> {
        let lookup = self.lookup(around)?;
        Ok(Augment {
            name: self.name.as_str().into(),
            topics: self.topics.clone(),
            value: self.value.clone(),
            into: self.into.clone(),
            concurrency: self.concurrency,
            batch: self.batch,
            batch_wait: self.batch_wait,
            rate: self.rate,
            timeout: self.timeout,
            cache: self.cache,
            cache_bytes: self.cache_bytes,
            stale: self.stale,
            on_failure: self.on_failure,
            on_missing: self.on_missing.clone(),
            probe: PROBE,
            shape: self.template.clone().map(|it| Arc::new(it) as Arc<dyn Shape>),
            lookup,
        })
    }
}

/// How a source that fails is tried again.
const PROBE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
