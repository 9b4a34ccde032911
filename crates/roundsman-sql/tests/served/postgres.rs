//! The suite that every store runs, on PostgreSQL: each store in a schema of its own. A crash is a
//! store that is dropped without being closed, and another that is opened in its place.

use roundsman_sql::PostgresStore;
use roundsman_store::{Answer, Clock, Store, conformance::Harness};
use std::sync::{Arc, Mutex};

pub(crate) struct Postgres {
    /// The schema of each store, by its address.
    schemas: Mutex<Vec<(usize, String)>>,
}

/// The server with a schema in its URL.
pub(crate) fn url(schema: &str) -> String {
    let server = crate::server("ROUNDSMAN_TEST_POSTGRES_URL");
    let and = if server.contains('?') { '&' } else { '?' };
    format!("{server}{and}schema={schema}")
}

/// Runs statements as anybody could.
pub(crate) async fn run(statements: &str) {
    let server = crate::server("ROUNDSMAN_TEST_POSTGRES_URL");
    let (client, connection) =
        tokio_postgres::connect(&server, tokio_postgres::NoTls).await.unwrap();
    let task = tokio::spawn(async move { drop(connection.await) });
    client.batch_execute(statements).await.unwrap();
    task.abort();
}

impl Postgres {
    fn new() -> Self {
        Self { schemas: Mutex::default() }
    }

    async fn open_schema(
        &self,
        schema: String,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<dyn Store>, roundsman_store::StoreError> {
        let store: Arc<dyn Store> = Arc::new(PostgresStore::open(&url(&schema), clock).await?);
        self.schemas.lock().unwrap().push((Arc::as_ptr(&store).addr(), schema));
        Ok(store)
    }
}

impl Harness for Postgres {
    fn open(&self, clock: Arc<dyn Clock>) -> Answer<'_, Arc<dyn Store>> {
        Box::pin(self.open_schema(crate::new_name(), clock))
    }

    fn crash_and_reopen(
        &self,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Answer<'_, Option<Arc<dyn Store>>> {
        Box::pin(async move {
            let address = Arc::as_ptr(&store).addr();
            let schemas = self.schemas.lock().unwrap().clone();
            let schema = schemas.into_iter().rev().find(|(of, _)| *of == address).unwrap().1;
            drop(store);
            self.open_schema(schema, clock).await.map(Some)
        })
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let schemas = std::mem::take(&mut *self.schemas.lock().unwrap());
        let drops: Vec<_> = schemas
            .into_iter()
            .map(|(_, schema)| format!("DROP SCHEMA IF EXISTS {schema} CASCADE"))
            .collect();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(run(&drops.join("; ")));
        })
        .join()
        .unwrap();
    }
}

mod conformance {
    use super::Postgres;

    roundsman_store::conformance!(Postgres::new());
}

/// Of version 4, whose claims were compressed.
#[tokio::test]
async fn an_older_schema_is_brought_up_to_date() {
    let schema = crate::new_name();
    let clock = || Arc::new(roundsman_store::SystemClock);
    PostgresStore::open(&url(&schema), clock()).await.unwrap().close().await.unwrap();
    run(&format!(
        "ALTER TABLE {schema}.claim ALTER COLUMN members SET STORAGE EXTENDED;
         UPDATE {schema}.state SET version = 4"
    ))
    .await;
    PostgresStore::open(&url(&schema), clock()).await.unwrap().close().await.unwrap();
    // It fails by a division where that is not so.
    run(&format!(
        "SELECT 1 / (SELECT count(*) FROM pg_attribute
                     WHERE attrelid = '{schema}.claim'::regclass AND attname = 'members' AND attstorage = 'e');
         SELECT 1 / (SELECT count(*) FROM {schema}.state WHERE version > 4);
         DROP SCHEMA {schema} CASCADE"
    ))
    .await;
}
