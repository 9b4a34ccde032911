//! The two kinds of servers, and how a test opens a store on one and meddles with it.

use crate::{mysql, postgres};
use roundsman_sql::{MysqlStore, PostgresStore};
use roundsman_store::{Store, StoreError, SystemClock};
use std::sync::Arc;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Postgres,
    Mysql,
}

impl Kind {
    pub(crate) async fn open(self, name: &str) -> Result<Arc<dyn Store>, StoreError> {
        let clock = Arc::new(SystemClock);
        Ok(match self {
            Self::Postgres => Arc::new(PostgresStore::open(&postgres::url(name), clock).await?),
            Self::Mysql => Arc::new(MysqlStore::open(&mysql::url(name), clock).await?),
        })
    }

    pub(crate) async fn open_shared(self, name: &str) -> Result<Arc<dyn Store>, StoreError> {
        let clock = Arc::new(SystemClock);
        Ok(match self {
            Self::Postgres => {
                Arc::new(PostgresStore::open_shared(&postgres::url(name), clock).await?)
            }
            Self::Mysql => Arc::new(MysqlStore::open_shared(&mysql::url(name), clock).await?),
        })
    }

    /// What PostgreSQL or MySQL calls a table of the store.
    pub(crate) fn table(self, name: &str) -> String {
        match self {
            Self::Postgres => name.to_owned(),
            Self::Mysql => format!("roundsman_{name}"),
        }
    }

    pub(crate) async fn run(self, name: &str, statement: &str) {
        match self {
            Self::Postgres => {
                postgres::run(&format!("SET search_path = {name}; {statement}")).await;
            }
            Self::Mysql => mysql::run(&[format!("USE {name}"), statement.to_owned()]).await,
        }
    }

    /// Ends the connection of the owner, from outside.
    pub(crate) async fn cut(self, name: &str) {
        match self {
            Self::Postgres => {
                let statement = "SELECT pg_terminate_backend(pid) FROM pg_locks
                     WHERE locktype = 'advisory' AND objid = 'state'::regclass::oid";
                self.run(name, statement).await;
            }
            Self::Mysql => mysql::cut(name).await,
        }
    }

    /// Makes it seem that the owner has said nothing for a long time.
    pub(crate) async fn silence(self, name: &str) {
        let statement = match self {
            Self::Postgres => "UPDATE state SET seen = seen - interval '60 seconds'",
            Self::Mysql => "UPDATE roundsman_state SET seen = seen - 60",
        };
        self.run(name, statement).await;
    }

    pub(crate) async fn remove(self, name: &str) {
        match self {
            Self::Postgres => postgres::run(&format!("DROP SCHEMA {name} CASCADE")).await,
            Self::Mysql => mysql::run(&[format!("DROP DATABASE {name}")]).await,
        }
    }
}

/// A test of each case on both of them.
macro_rules! on_both {
    ($($case:ident),*) => { $(
        mod $case {
            use crate::kind::Kind;

            #[tokio::test]
            async fn postgres() {
                super::$case(Kind::Postgres).await;
            }

            #[tokio::test]
            async fn mysql() {
                super::$case(Kind::Mysql).await;
            }
        }
    )* };
}

pub(crate) use on_both;
