//! The stores, and how each is opened.

use crate::Outcomes;
use roundsman_kafka::{KafkaConfig, KafkaStore};
use roundsman_redis::RedisStore;
use roundsman_sql::{MysqlStore, PostgresStore, SqliteStore};
use roundsman_store::{Store, SystemClock};
use std::path::Path;
use std::sync::Arc;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
    Mysql,
    Redis,
    Kafka,
}

impl Kind {
    /// Where it is, if it is there. SQLite's files are put into this folder.
    pub(crate) fn server(self, folder: &Path) -> Option<String> {
        let variable = match self {
            Self::Sqlite => return Some(folder.display().to_string()),
            Self::Postgres => "ROUNDSMAN_TEST_POSTGRES_URL",
            Self::Mysql => "ROUNDSMAN_TEST_MYSQL_URL",
            Self::Redis => "ROUNDSMAN_TEST_REDIS_URL",
            Self::Kafka => "ROUNDSMAN_TEST_KAFKA_URL",
        };
        std::env::var(variable).ok()
    }

    /// Whether a transaction of somebody else keeps its server from cleaning up.
    pub(crate) fn holds(self) -> bool {
        matches!(self, Self::Postgres | Self::Mysql)
    }

    /// A store that nobody has used.
    pub(crate) async fn open(self, server: &str) -> Outcomes<Arc<dyn Store>> {
        let name = format!("bench_{}_{:x}", std::process::id(), nanos());
        let and = if server.contains('?') { '&' } else { '?' };
        let clock = Arc::new(SystemClock);
        Ok(match self {
            Self::Sqlite => Arc::new(SqliteStore::open(format!("{server}/{name}.db"), clock)?),
            Self::Postgres => {
                let url = format!("{server}{and}schema={name}");
                Arc::new(PostgresStore::open(&url, clock).await?)
            }
            Self::Mysql => {
                let url = format!("{server}{and}schema={name}");
                Arc::new(MysqlStore::open(&url, clock).await?)
            }
            Self::Redis => {
                Arc::new(RedisStore::open(&format!("{server}{and}prefix={name}")).await?)
            }
            Self::Kafka => {
                let config = KafkaConfig::new(&brokers(server)?, &name);
                let opening = tokio::task::spawn_blocking(|| KafkaStore::open(config, clock));
                Arc::new(opening.await??)
            }
        })
    }
}

/// `host:port,…` of `kafka://host:port,…/PREFIX`.
pub(crate) fn brokers(server: &str) -> Outcomes<String> {
    let rest = server.strip_prefix("kafka://").ok_or("no URL of Kafka")?;
    Ok(rest.split('/').next().unwrap_or_default().to_owned())
}

fn nanos() -> u32 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.subsec_nanos())
}
