//! Lookups in a file of SQLite, which is only read.

use super::pool::Pool;
use super::query::Query;
use super::row::{Asked, Scalar};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use roundsman_delivery::{Finding, Found, Lookup, Value};
use rusqlite::types::{Value as Cell, ValueRef};
use rusqlite::{Connection, InterruptHandle, OpenFlags, Row, params_from_iter};
use serde_json::{Number, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::spawn_blocking;

/// A lookup in a file of SQLite.
pub(super) struct Sqlite(Arc<Inner>);

struct Inner {
    path: PathBuf,
    query: Query,
    within: Duration,
    idle: Pool<Connection>,
}

/// Interrupts the query of a connection when it is given up on.
struct GivenUp(Option<InterruptHandle>);

impl Drop for GivenUp {
    fn drop(&mut self) {
        if let Some(handle) = self.0.take() {
            handle.interrupt();
        }
    }
}

impl Sqlite {
    pub(super) fn new(path: PathBuf, query: Query, within: Duration) -> Self {
        Self(Arc::new(Inner { path, query, within, idle: Pool::new() }))
    }

    /// The columns of its rows.
    pub(super) async fn columns(&self) -> Result<Vec<String>, String> {
        let inner = self.0.clone();
        let names = move || {
            let connection = inner.open()?;
            let statement = connection.prepare(&inner.query.marked(1));
            let statement = statement.map_err(|error| error.to_string())?;
            Ok(statement.column_names().map(str::to_owned).collect())
        };
        spawn_blocking(names).await.map_err(|error| error.to_string())?
    }
}

impl Lookup for Sqlite {
    fn look_up(&self, values: Vec<Value>) -> Finding {
        let inner = self.0.clone();
        Box::pin(async move { inner.look_up(values).await.map_err(|what| what.as_str().into()) })
    }
}

impl Inner {
    async fn look_up(self: Arc<Self>, values: Vec<Value>) -> Result<Found, String> {
        let opens = self.clone();
        let connection = match self.idle.take(|_| true) {
            Some(connection) => connection,
            None => spawn_blocking(move || opens.open()).await.map_err(|it| it.to_string())??,
        };
        let mut given_up = GivenUp(Some(connection.get_interrupt_handle()));
        let query = self.query.clone();
        let reading = spawn_blocking(move || {
            let found = read(&connection, &query, Asked::new(values));
            (connection, found)
        });
        let (connection, found) = reading.await.map_err(|error| error.to_string())?;
        given_up.0 = None;
        if found.is_ok() {
            self.idle.give(connection);
        }
        found
    }

    fn open(&self) -> Result<Connection, String> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let failed = |error: rusqlite::Error| {
            let (path, error) = (self.path.display().to_string(), error.to_string());
            if error.contains(&path) { error } else { format!("{path}: {error}") }
        };
        let connection = Connection::open_with_flags(&self.path, flags).map_err(failed)?;
        connection.busy_timeout(self.within).map_err(failed)?;
        Ok(connection)
    }
}

fn read(connection: &Connection, query: &Query, mut asked: Asked) -> Result<Found, String> {
    let scalars = asked.scalars();
    if scalars.is_empty() {
        return Ok(asked.found());
    }
    let failed = |error: rusqlite::Error| error.to_string();
    let mut statement = connection.prepare_cached(&query.marked(scalars.len())).map_err(failed)?;
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut rows = statement.query(params_from_iter(scalars.iter().map(cell))).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        asked.row(&object(&names, row)?)?;
    }
    Ok(asked.found())
}

fn cell(scalar: &Scalar) -> Cell {
    match scalar {
        Scalar::Text(text) => Cell::Text(text.clone()),
        Scalar::Bool(truth) => Cell::Integer(i64::from(*truth)),
        Scalar::Number(number) => match (number.parse(), number.parse()) {
            (Ok(whole), _) => Cell::Integer(whole),
            (_, Ok(real)) => Cell::Real(real),
            _ => Cell::Text(number.clone()),
        },
    }
}

/// A row as a JSON object, its members in the order of the columns.
fn object(names: &[String], row: &Row<'_>) -> Result<String, String> {
    let mut object = String::from("{");
    for (at, name) in names.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        let value = match row.get_ref(at).map_err(|error| error.to_string())? {
            ValueRef::Null => "null".to_owned(),
            ValueRef::Integer(number) => number.to_string(),
            ValueRef::Real(number) => {
                Number::from_f64(number).map_or("null".to_owned(), |number| number.to_string())
            }
            ValueRef::Text(text) => json!(String::from_utf8_lossy(text)).to_string(),
            ValueRef::Blob(bytes) => json!(STANDARD.encode(bytes)).to_string(),
        };
        object.push_str(&format!("{comma}{}:{value}", json!(name)));
    }
    object.push('}');
    Ok(object)
}
