//! Lookups in MySQL and MariaDB.

use super::pool::Pool;
use super::query::Query;
use super::row::{Asked, Scalar};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mysql_async::consts::{ColumnFlags, ColumnType};
use mysql_async::prelude::Queryable;
use mysql_async::{Column, Conn, Opts, OptsBuilder, Params, Row, Value as Cell};
use roundsman_delivery::{Finding, Found, Lookup, Value};
use serde_json::value::RawValue;
use serde_json::{Number, json};
use std::sync::Arc;
use std::time::Duration;

/// A lookup in MySQL or MariaDB.
pub(super) struct Mysql(Arc<Inner>);

struct Inner {
    opts: Opts,
    query: Query,
    within: Duration,
    idle: Pool<Conn>,
}

impl Mysql {
    /// A lookup in the database that this URL names, with TLS where `require_ssl=true` is in it.
    pub(super) fn new(url: &str, query: Query, within: Duration) -> Result<Self, String> {
        let opts = Opts::from_url(url).map_err(|error| error.to_string())?;
        let opts = OptsBuilder::from_opts(opts).prefer_socket(false);
        Ok(Self(Arc::new(Inner { opts: opts.into(), query, within, idle: Pool::new() })))
    }

    /// The columns of its rows.
    pub(super) async fn columns(&self) -> Result<Vec<String>, String> {
        let statement = self.0.connect().await?.prep(self.0.query.marked(1)).await.map_err(said)?;
        Ok(statement.columns().iter().map(|column| column.name_str().into_owned()).collect())
    }
}

impl Lookup for Mysql {
    fn look_up(&self, values: Vec<Value>) -> Finding {
        let inner = self.0.clone();
        Box::pin(async move {
            inner.look_up(Asked::new(values)).await.map_err(|what| what.as_str().into())
        })
    }
}

impl Inner {
    async fn look_up(&self, mut asked: Asked) -> Result<Found, String> {
        let scalars = asked.scalars();
        if scalars.is_empty() {
            return Ok(asked.found());
        }
        let mut connection = match self.idle.take(|_| true) {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let query = self.query.marked(scalars.len());
        let parameters = Params::Positional(scalars.iter().map(cell).collect());
        let rows: Vec<Row> = connection.exec(query, parameters).await.map_err(said)?;
        for row in &rows {
            asked.row(&object(row)?)?;
        }
        self.idle.give(connection);
        Ok(asked.found())
    }

    async fn connect(&self) -> Result<Conn, String> {
        let mut connection = Conn::new(self.opts.clone()).await.map_err(said)?;
        // A query that was given up on is ended by the server as well. Each of the two knows only
        // its own variable, and reads only its own kind of comment.
        let (seconds, millis) = (self.within.as_secs_f64(), self.within.as_millis().max(1));
        let limit = format!("/*M! set session max_statement_time={seconds} */");
        let limit_mysql = format!("/*!50708 set session max_execution_time={millis} */");
        let is_maria =
            connection.query_first::<String, _>("select version()").await.map_err(said)?;
        let is_maria = is_maria.is_some_and(|version| version.contains("MariaDB"));
        let limit = if is_maria { limit } else { limit_mysql };
        connection.query_drop(limit).await.map_err(said)?;
        Ok(connection)
    }
}

/// A parameter. A number that fits is one, so that a column of numbers is looked up by its index.
fn cell(scalar: &Scalar) -> Cell {
    match scalar {
        Scalar::Text(text) => Cell::Bytes(text.clone().into_bytes()),
        Scalar::Bool(truth) => Cell::Int(i64::from(*truth)),
        Scalar::Number(number) => match number.parse() {
            Ok(whole) => Cell::Int(whole),
            Err(_) => Cell::Bytes(number.clone().into_bytes()),
        },
    }
}

/// A row as a JSON object, its members in the order of the columns.
fn object(row: &Row) -> Result<String, String> {
    let mut object = String::from("{");
    for (at, column) in row.columns_ref().iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        let value = row.as_ref(at).map_or(Ok("null".to_owned()), |cell| shown(cell, column))?;
        object.push_str(&format!("{comma}{}:{value}", json!(column.name_str())));
    }
    object.push('}');
    Ok(object)
}

/// A cell as JSON.
fn shown(cell: &Cell, column: &Column) -> Result<String, String> {
    Ok(match cell {
        Cell::NULL => "null".to_owned(),
        Cell::Int(number) => number.to_string(),
        Cell::UInt(number) => number.to_string(),
        Cell::Float(number) => finite(number.to_string().parse().unwrap_or(f64::NAN)),
        Cell::Double(number) => finite(*number),
        Cell::Bytes(bytes) => return text(bytes, column),
        Cell::Date(year, month, day, hour, minute, second, micros) => {
            let date = format!("{year:04}-{month:02}-{day:02}");
            let time = format!("{hour:02}:{minute:02}:{second:02}");
            let fraction = if *micros > 0 { format!(".{micros:06}") } else { String::new() };
            match column.column_type() {
                ColumnType::MYSQL_TYPE_DATE => json!(date).to_string(),
                _ => json!(format!("{date}T{time}{fraction}")).to_string(),
            }
        }
        Cell::Time(negative, days, hours, minutes, seconds, _) => {
            let sign = if *negative { "-" } else { "" };
            let hours = u32::from(*hours) + days * 24;
            json!(format!("{sign}{hours:02}:{minutes:02}:{seconds:02}")).to_string()
        }
    })
}

fn finite(number: f64) -> String {
    Number::from_f64(number).map_or("null".to_owned(), |number| number.to_string())
}

fn text(bytes: &[u8], column: &Column) -> Result<String, String> {
    /// The number of the character set that means none.
    const BINARY: u16 = 63;
    let text = std::str::from_utf8(bytes);
    Ok(match (column.column_type(), text) {
        (ColumnType::MYSQL_TYPE_NEWDECIMAL | ColumnType::MYSQL_TYPE_DECIMAL, Ok(number)) => {
            number.to_owned()
        }
        (ColumnType::MYSQL_TYPE_JSON, Ok(json)) => {
            let json: &RawValue = serde_json::from_str(json).map_err(|error| error.to_string())?;
            json.get().to_owned()
        }
        (_, Ok(text)) if column.character_set() != BINARY => json!(text).to_string(),
        (_, Ok(text)) if !column.flags().contains(ColumnFlags::BINARY_FLAG) => {
            json!(text).to_string()
        }
        _ => json!(STANDARD.encode(bytes)).to_string(),
    })
}

/// What the database says.
fn said(error: mysql_async::Error) -> String {
    match error {
        mysql_async::Error::Server(said) => format!("{} ({})", said.message, said.code),
        other => other.to_string(),
    }
}
