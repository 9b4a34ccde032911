//! Stores by their URLs: the one file that names the store crates.

use crate::config::StoreUrl;
use roundsman_redis::RedisStore;
use roundsman_sql::{MysqlStore, PostgresStore, SqliteStore};
use roundsman_store::{Guarantee, MemoryStore, Store, StoreError, SystemClock};
use std::sync::Arc;
use tokio::task::spawn_blocking;

/// Opens the store for serving: makes it where there is none, and locks it. With `shares` it stands by
/// where another node has it that shares it too, if it is of a kind that can.
///
/// # Errors
/// It cannot be reached, is of a strange kind, or another process has it.
pub(crate) async fn open(url: &StoreUrl, shares: bool) -> Result<Arc<dyn Store>, StoreError> {
    let clock = Arc::new(SystemClock);
    match url {
        StoreUrl::Memory => Ok(Arc::new(MemoryStore::new(clock))),
        StoreUrl::Sqlite(path) => {
            let path = path.clone();
            // Recovery after a crash reads and writes: not on a thread that answers requests.
            let opened = spawn_blocking(move || SqliteStore::open(path, clock)).await;
            Ok(Arc::new(opened.map_err(|error| StoreError::Unusable(error.to_string()))??))
        }
        StoreUrl::Postgres(url) if shares => {
            Ok(Arc::new(PostgresStore::open_shared(url.reveal(), clock).await?))
        }
        StoreUrl::Mysql(url) if shares => {
            Ok(Arc::new(MysqlStore::open_shared(url.reveal(), clock).await?))
        }
        StoreUrl::Postgres(url) => Ok(Arc::new(PostgresStore::open(url.reveal(), clock).await?)),
        StoreUrl::Mysql(url) => Ok(Arc::new(MysqlStore::open(url.reveal(), clock).await?)),
        // It goes by the clock of its server.
        StoreUrl::Redis(url) if shares => {
            Ok(Arc::new(RedisStore::open_shared(url.reveal()).await?))
        }
        StoreUrl::Redis(url) => Ok(Arc::new(RedisStore::open(url.reveal()).await?)),
        StoreUrl::Kafka { cluster, prefix } => kafka::open(cluster, prefix, clock).await,
    }
}

/// What is wrong with a URL by itself. Nobody is asked.
pub(crate) fn fault(url: &StoreUrl) -> Option<String> {
    let checked = match url {
        StoreUrl::Memory | StoreUrl::Sqlite(_) | StoreUrl::Kafka { .. } => Ok(()),
        StoreUrl::Postgres(url) => PostgresStore::check_url(url.reveal()),
        StoreUrl::Mysql(url) => MysqlStore::check_url(url.reveal()),
        StoreUrl::Redis(url) => RedisStore::check_url(url.reveal()),
    };
    match checked {
        Ok(()) => None,
        Err(StoreError::Unusable(words)) => Some(words),
        Err(error) => Some(error.to_string()),
    }
}

/// What the store would promise, without opening it for serving: nothing is made, nothing locked.
///
/// # Errors
/// It cannot be reached, or is of a strange kind.
pub(crate) async fn probe(url: &StoreUrl) -> Result<Guarantee, StoreError> {
    match url {
        StoreUrl::Memory => open(url, false).await?.probe().await,
        StoreUrl::Sqlite(path) => Ok(SqliteStore::inspect_file(path)?.0),
        StoreUrl::Postgres(url) => Ok(PostgresStore::inspect_url(url.reveal()).await?.0),
        StoreUrl::Mysql(url) => Ok(MysqlStore::inspect_url(url.reveal()).await?.0),
        StoreUrl::Redis(url) => RedisStore::inspect_server(url.reveal()).await,
        StoreUrl::Kafka { cluster, prefix } => kafka::probe(cluster, prefix).await,
    }
}

#[cfg(feature = "kafka")]
mod kafka {
    use super::{Arc, Guarantee, Store, StoreError, SystemClock, spawn_blocking};
    use roundsman_kafka::{KafkaConfig, KafkaStore};
    use roundsman_logs::Cluster;

    /// The journal is read before it returns: not on a thread that answers requests.
    pub(super) async fn open(
        cluster: &Cluster,
        prefix: &str,
        clock: Arc<SystemClock>,
    ) -> Result<Arc<dyn Store>, StoreError> {
        let config = config(cluster, prefix);
        let opened = spawn_blocking(move || KafkaStore::open(config, clock)).await;
        Ok(Arc::new(opened.map_err(|error| StoreError::Unusable(error.to_string()))??))
    }

    pub(super) async fn probe(cluster: &Cluster, prefix: &str) -> Result<Guarantee, StoreError> {
        let config = config(cluster, prefix);
        let looked = spawn_blocking(move || KafkaStore::inspect(&config)).await;
        looked.map_err(|error| StoreError::Unusable(error.to_string()))?
    }

    fn config(cluster: &Cluster, prefix: &str) -> KafkaConfig {
        let access = cluster.settings();
        KafkaConfig { access, ..KafkaConfig::new(cluster.brokers(), prefix) }
    }
}

#[cfg(not(feature = "kafka"))]
mod kafka {
    use super::{Arc, Guarantee, Store, StoreError, SystemClock};
    use roundsman_logs::Cluster;

    pub(super) async fn open(
        _cluster: &Cluster,
        _prefix: &str,
        _clock: Arc<SystemClock>,
    ) -> Result<Arc<dyn Store>, StoreError> {
        Err(left_out())
    }

    pub(super) async fn probe(_cluster: &Cluster, _prefix: &str) -> Result<Guarantee, StoreError> {
        Err(left_out())
    }

    fn left_out() -> StoreError {
        StoreError::Unusable(
            "this program was built without Kafka; build it with the feature `kafka`".to_owned(),
        )
    }
}

/// Settings that make the promise weaker, and that `accepted` does not name.
#[must_use]
pub(crate) fn unaccepted(guarantee: &Guarantee, accepted: &[String]) -> Vec<String> {
    guarantee.weaker.iter().filter(|name| !accepted.contains(name)).cloned().collect()
}
