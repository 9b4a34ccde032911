//! One connection, its settings, and the statements that are prepared on it.

use super::error::{Sql, store_error};
use super::schema::quoted;
use super::tls;
use super::url::Place;
use futures_util::future::join_all;
use roundsman_store::StoreError;
use rustc_hash::FxHashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement};

/// A connection. It ends when this is dropped.
pub(super) struct Connection {
    pub(super) client: Client,
    pub(super) schema: String,
    pub(super) name: Arc<str>,
    statements: FxHashMap<&'static str, Statement>,
    task: AbortHandle,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// How long a server may take to let us in.
const CONNECT: Duration = Duration::from_secs(10);

/// A value of a statement.
pub(super) type Value<'a> = Box<dyn ToSql + Sync + Send + 'a>;

/// A statement with its values.
pub(super) struct Job<'a> {
    pub(super) statement: &'static str,
    pub(super) values: Vec<Value<'a>>,
}

/// Every statement of ours finds its rows by an index, and is prepared while the tables may be empty:
/// a plan that was best then would be the worst later.
const PLANS: &str = "
SET plan_cache_mode = force_generic_plan; SET jit = off;
SET enable_seqscan = off; SET enable_bitmapscan = off;
SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off;
";

impl Connection {
    /// Connects, and sees to it that names without a schema are ours.
    pub(super) async fn open(place: &Place) -> Result<Self, StoreError> {
        let wrapping = tls::wrapping(place)?;
        let connected = timeout(CONNECT, place.config.connect(wrapping)).await;
        let (client, connection) = connected
            .map_err(|_| StoreError::Unavailable(format!("{}: no answer", place.name)))?
            .map_err(|error| store_error(&place.name, &error))?;
        // What it fails of is told to whoever waits for an answer.
        let task = tokio::spawn(async move { drop(connection.await) }).abort_handle();
        let schema = place.schema.clone();
        let name = place.name.as_str().into();
        let this = Self { client, schema, name, statements: FxHashMap::default(), task };
        let settings = format!(
            "SET search_path = {}; SET client_min_messages = warning; SET bytea_output = hex;
             SET idle_in_transaction_session_timeout = 0; SET statement_timeout = 0;
             SET default_transaction_isolation = 'read committed'",
            quoted(&this.schema)
        );
        this.client.batch_execute(&settings).await.map_err(|error| this.explain(&error))?;
        Ok(this)
    }

    /// From now on rows are only looked for by index.
    pub(super) async fn fix_plans(&self) -> Sql<()> {
        self.client.batch_execute(PLANS).await
    }

    pub(super) fn explain(&self, error: &tokio_postgres::Error) -> StoreError {
        store_error(&self.name, error)
    }

    /// Prepares those of these statements that are not yet.
    pub(super) async fn prepare(&mut self, statements: &[&'static str]) -> Sql<()> {
        let mut missing = statements.to_vec();
        missing.retain(|statement| !self.statements.contains_key(statement));
        let prepared = join_all(missing.iter().map(|statement| self.client.prepare(statement)));
        for (statement, prepared) in missing.iter().zip(prepared.await) {
            self.statements.insert(statement, prepared?);
        }
        Ok(())
    }

    /// One statement, and its rows.
    pub(super) async fn query(
        &mut self,
        statement: &'static str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Sql<Vec<Row>> {
        self.prepare(&[statement]).await?;
        self.client.query(&self.statements[statement], values).await
    }

    /// All of them in one round trip, in this order, and the rows of each.
    pub(super) async fn query_all(&mut self, jobs: &[Job<'_>]) -> Sql<Vec<Vec<Row>>> {
        let statements: Vec<_> = jobs.iter().map(|job| job.statement).collect();
        self.prepare(&statements).await?;
        let values: Vec<Vec<_>> = jobs.iter().map(Job::values).collect();
        // Each is sent when it is polled first, which is in this order.
        let answers = join_all(jobs.iter().zip(&values).map(|(job, values)| {
            let statement = &self.statements[job.statement];
            self.client.query(statement, values)
        }));
        answers.await.into_iter().collect()
    }
}

impl Job<'_> {
    fn values(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.values.iter().map(|value| &**value as &(dyn ToSql + Sync)).collect()
    }
}
