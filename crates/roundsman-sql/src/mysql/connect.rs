//! One connection and its settings.

use super::error::{Sql, store_error};
use super::url::{Place, Tls};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, DriverError, Error, Opts, OptsBuilder, Params, Row, SslOpts, Value};
use roundsman_store::StoreError;
use std::time::Duration;

/// A connection. It ends when this is dropped.
pub(super) struct Connection {
    conn: Conn,
    pub(super) name: String,
    pub(super) database: String,
    /// Statements with their values stay below so many bytes.
    pub(super) packet: usize,
}

const CONNECT: Duration = Duration::from_secs(5);

impl Connection {
    /// Connects. The database need not be there yet.
    pub(super) async fn open(place: &Place) -> Result<Self, StoreError> {
        let explain = |error: &Error| store_error(&place.name, error);
        let connecting = async {
            match &place.tls {
                Tls::Never => connect(&place.opts, None).await,
                Tls::Always(tls) => connect(&place.opts, Some(tls)).await,
                Tls::Preferred(tls) => match connect(&place.opts, Some(tls)).await {
                    Err(Error::Driver(DriverError::NoClientSslFlagFromServer)) => {
                        connect(&place.opts, None).await
                    }
                    connected => connected,
                },
            }
        };
        let connected = tokio::time::timeout(CONNECT, connecting).await;
        let conn = connected
            .map_err(|_| StoreError::Unavailable(format!("{}: no answer", place.name)))?
            .map_err(|error| explain(&error))?;
        let (name, database) = (place.name.clone(), place.database.clone());
        let mut this = Self { conn, name, database, packet: 0 };
        this.set_up().await.map_err(|error| explain(&error))?;
        Ok(this)
    }

    async fn set_up(&mut self) -> Sql<()> {
        self.run("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED").await?;
        self.run(
            "SET SESSION sql_mode = 'STRICT_ALL_TABLES', autocommit = 1, wait_timeout = 86400",
        )
        .await?;
        let rows = self.query("SELECT @@max_allowed_packet", Vec::new()).await?;
        let most = rows.first().map_or(1 << 20, |row| super::row::number(row, 0));
        self.packet = usize::try_from(most / 2).unwrap_or(usize::MAX).min(4 << 20);
        Ok(())
    }

    pub(super) fn explain(&self, error: &Error) -> StoreError {
        store_error(&self.name, error)
    }

    /// A statement without values, which is not prepared.
    pub(super) async fn run(&mut self, statement: &str) -> Sql<()> {
        self.conn.query_drop(statement).await
    }

    /// One statement, and its rows.
    pub(super) async fn query(&mut self, statement: &str, values: Vec<Value>) -> Sql<Vec<Row>> {
        self.conn.exec(statement, params(values)).await
    }

    /// One statement whose rows nobody wants.
    pub(super) async fn execute(&mut self, statement: &str, values: Vec<Value>) -> Sql<()> {
        self.conn.exec_drop(statement, params(values)).await
    }
}

fn params(values: Vec<Value>) -> Params {
    if values.is_empty() { Params::Empty } else { Params::Positional(values) }
}

async fn connect(opts: &Opts, tls: Option<&SslOpts>) -> Sql<Conn> {
    Conn::new(OptsBuilder::from_opts(opts.clone()).ssl_opts(tls.cloned())).await
}
