//! The stores, and a fresh place in one for each test.

use mysql_async::prelude::Queryable;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
    Mysql,
    Redis,
    Kafka,
}

/// A part of a store that nobody else uses.
pub(crate) struct Place {
    kind: Kind,
    server: String,
    name: String,
    /// What `--store` is told.
    pub(crate) url: String,
}

impl Kind {
    fn variable(self) -> Option<&'static str> {
        match self {
            Self::Sqlite => None,
            Self::Postgres => Some("ROUNDSMAN_TEST_POSTGRES_URL"),
            Self::Mysql => Some("ROUNDSMAN_TEST_MYSQL_URL"),
            Self::Redis => Some("ROUNDSMAN_TEST_REDIS_URL"),
            Self::Kafka => Some("ROUNDSMAN_TEST_KAFKA_URL"),
        }
    }
}

impl Place {
    /// `None`, and a word about it, where the server for tests is not there.
    pub(crate) async fn fresh(kind: Kind) -> Option<Self> {
        let name = format!("crash_{:08x}", rand::random::<u32>());
        let Some(variable) = kind.variable() else {
            let url = "sqlite:crash.db".to_owned();
            return Some(Self { kind, server: String::new(), name, url });
        };
        let Ok(server) = std::env::var(variable) else {
            println!("skipped, {kind:?}: {variable} names no server");
            return None;
        };
        let and = if server.contains('?') { '&' } else { '?' };
        let url = match kind {
            Kind::Redis => format!("{server}{and}prefix={name}"),
            Kind::Kafka => format!("{server}-{name}"),
            _ => format!("{server}{and}schema={name}"),
        };
        Some(Self { kind, server, name, url })
    }

    /// Removes it, where that is a matter of one statement.
    pub(crate) async fn remove(&self) {
        match self.kind {
            Kind::Postgres => {
                let connected = tokio_postgres::connect(&self.server, tokio_postgres::NoTls).await;
                let (client, connection) = connected.unwrap();
                tokio::spawn(connection);
                let drop = format!("DROP SCHEMA IF EXISTS {} CASCADE", self.name);
                client.batch_execute(&drop).await.unwrap();
            }
            Kind::Mysql => {
                let opts = mysql_async::Opts::from_url(&self.server).unwrap();
                let mut conn = mysql_async::Conn::new(opts).await.unwrap();
                let drop = format!("DROP DATABASE IF EXISTS {}", self.name);
                conn.query_drop(drop).await.unwrap();
            }
            Kind::Sqlite | Kind::Redis | Kind::Kafka => {}
        }
    }
}
