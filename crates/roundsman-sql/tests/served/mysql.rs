//! The suite that every store runs, on MySQL or MariaDB: each store in a database of its own. A crash
//! is a store that is dropped without being closed, and another that is opened in its place.

use mysql_async::prelude::Queryable;
use roundsman_sql::MysqlStore;
use roundsman_store::{Answer, Clock, Store, conformance::Harness};
use std::sync::{Arc, Mutex};

pub(crate) struct Mysql {
    /// The database of each store, by its address.
    databases: Mutex<Vec<(usize, String)>>,
}

/// The server with a database in its URL.
pub(crate) fn url(database: &str) -> String {
    let server = crate::server("ROUNDSMAN_TEST_MYSQL_URL");
    let and = if server.contains('?') { '&' } else { '?' };
    format!("{server}{and}schema={database}")
}

/// Runs statements as anybody could.
pub(crate) async fn run(statements: &[String]) {
    let server = crate::server("ROUNDSMAN_TEST_MYSQL_URL");
    let opts = mysql_async::Opts::from_url(&server).unwrap();
    let mut conn = mysql_async::Conn::new(opts).await.unwrap();
    for statement in statements {
        conn.query_drop(statement).await.unwrap();
    }
}

/// Ends the connection of the owner of a database, from outside.
pub(crate) async fn cut(database: &str) {
    let server = crate::server("ROUNDSMAN_TEST_MYSQL_URL");
    let opts = mysql_async::Opts::from_url(&server).unwrap();
    let mut conn = mysql_async::Conn::new(opts).await.unwrap();
    let print = roundsman_store::Fingerprint::of(&[database.as_bytes()]).0;
    let digits: String = print.iter().map(|byte| format!("{byte:02x}")).collect();
    let holder: Option<Option<u64>> =
        conn.exec_first("SELECT IS_USED_LOCK(?)", (format!("roundsman:{digits}"),)).await.unwrap();
    conn.query_drop(format!("KILL CONNECTION {}", holder.flatten().unwrap())).await.unwrap();
}

impl Mysql {
    fn new() -> Self {
        Self { databases: Mutex::default() }
    }

    async fn open_database(
        &self,
        database: String,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<dyn Store>, roundsman_store::StoreError> {
        let store: Arc<dyn Store> = Arc::new(MysqlStore::open(&url(&database), clock).await?);
        self.databases.lock().unwrap().push((Arc::as_ptr(&store).addr(), database));
        Ok(store)
    }
}

impl Harness for Mysql {
    fn open(&self, clock: Arc<dyn Clock>) -> Answer<'_, Arc<dyn Store>> {
        Box::pin(self.open_database(crate::new_name(), clock))
    }

    fn crash_and_reopen(
        &self,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Answer<'_, Option<Arc<dyn Store>>> {
        Box::pin(async move {
            let address = Arc::as_ptr(&store).addr();
            let databases = self.databases.lock().unwrap().clone();
            let database = databases.into_iter().rev().find(|(of, _)| *of == address).unwrap().1;
            drop(store);
            self.open_database(database, clock).await.map(Some)
        })
    }
}

impl Drop for Mysql {
    fn drop(&mut self) {
        let databases = std::mem::take(&mut *self.databases.lock().unwrap());
        let drops = databases.into_iter();
        let drops: Vec<_> =
            drops.map(|(_, database)| format!("DROP DATABASE IF EXISTS {database}")).collect();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(run(&drops));
        })
        .join()
        .unwrap();
    }
}

mod conformance {
    use super::Mysql;

    roundsman_store::conformance!(Mysql::new());
}
