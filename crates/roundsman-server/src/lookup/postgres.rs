//! Lookups in PostgreSQL.
//!
//! Parameters are sent as text, and the server reads them as whatever type it inferred for them;
//! rows come back as JSON that the server makes. So every type is read and shown as PostgreSQL
//! does, and none of them is known here, but for those whose text can be no value at all: a string
//! that is no number is not in a column of numbers, and must not fail the others of its query.

use super::pool::Pool;
use super::query::Query;
use super::row::{Asked, Scalar};
use bytes::{BufMut, BytesMut};
use roundsman_delivery::{Finding, Found, Lookup, Value};
use rustls::ClientConfig;
use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::types::{Format, IsNull, Kind, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Config, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

/// A lookup in PostgreSQL.
pub(super) struct Postgres(Arc<Inner>);

struct Inner {
    config: Config,
    tls: ClientConfig,
    query: Query,
    idle: Pool<Connection>,
}

struct Connection {
    client: Client,
    /// By how many parameters they have.
    statements: HashMap<usize, Statement>,
}

impl Postgres {
    /// A lookup in the database that this URL names; queries that take longer than `within` are
    /// ended by the server.
    pub(super) fn new(
        url: &str,
        query: Query,
        within: Duration,
        tls: ClientConfig,
    ) -> Result<Self, String> {
        let mut config: Config = url.parse().map_err(|error| said(&error))?;
        if config.get_application_name().is_none() {
            config.application_name("roundsman");
        }
        let own = config.get_options().unwrap_or_default();
        let millis = within.as_millis().max(1);
        config.options(format!("{own} -c statement_timeout={millis}").trim());
        Ok(Self(Arc::new(Inner { config, tls, query, idle: Pool::new() })))
    }

    /// The columns of its rows.
    pub(super) async fn columns(&self) -> Result<Vec<String>, String> {
        let Connection { client, .. } = self.0.connect().await?;
        let statement = client.prepare(&self.0.query.numbered(1)).await;
        let statement = statement.map_err(|error| said(&error))?;
        Ok(statement.columns().iter().map(|column| column.name().to_owned()).collect())
    }
}

impl Lookup for Postgres {
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
        let mut connection = match self.idle.take(|it| !it.client.is_closed()) {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let count = if self.query.takes_list() { 1 } else { scalars.len() };
        let statement = connection.statement(&self.query, count).await?;
        if let Some(parameters) = parameters(&scalars, statement.params(), &self.query)? {
            let parameters: Vec<&(dyn ToSql + Sync)> =
                parameters.iter().map(|it| it as &(dyn ToSql + Sync)).collect();
            let rows = connection.client.query(&statement, &parameters).await;
            for row in rows.map_err(|error| said(&error))? {
                let json: &str = row.try_get(0).map_err(|error| said(&error))?;
                asked.row(json)?;
            }
        }
        self.idle.give(connection);
        Ok(asked.found())
    }

    async fn connect(&self) -> Result<Connection, String> {
        let tls = MakeRustlsConnect::new(self.tls.clone());
        let (client, connection) = self.config.connect(tls).await.map_err(|error| said(&error))?;
        // Ends when the client is dropped.
        tokio::spawn(connection);
        Ok(Connection { client, statements: HashMap::new() })
    }
}

impl Connection {
    async fn statement(&mut self, query: &Query, count: usize) -> Result<Statement, String> {
        if let Some(statement) = self.statements.get(&count) {
            return Ok(statement.clone());
        }
        let text =
            format!("select row_to_json(found)::text from ({}) found", query.numbered(count));
        let statement = self.client.prepare(&text).await.map_err(|error| said(&error))?;
        self.statements.insert(count, statement.clone());
        Ok(statement)
    }
}

/// The parameters of a statement; `None` where no value can be in its column.
fn parameters(
    scalars: &[Scalar],
    types: &[Type],
    query: &Query,
) -> Result<Option<Vec<Text>>, String> {
    let first = types.first().ok_or("the query takes no parameters")?;
    let element = match first.kind() {
        Kind::Array(element) if query.takes_list() => element,
        _ => first,
    };
    let fit: Vec<&str> =
        scalars.iter().map(Scalar::text).filter(|text| fits(text, element)).collect();
    let Some(last) = fit.last() else { return Ok(None) };
    if query.takes_list() {
        let quoted =
            |text: &&str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        let list: Vec<String> = fit.iter().map(quoted).collect();
        return Ok(Some(vec![Text(format!("{{{}}}", list.join(",")))]));
    }
    // Where some do not fit, the last one is asked for more than once.
    let all = fit.iter().copied().chain(std::iter::repeat(*last)).take(types.len());
    Ok(Some(all.map(|text| Text(text.to_owned())).collect()))
}

/// Whether a text can be a value of a type.
fn fits(text: &str, kind: &Type) -> bool {
    if text.contains('\0') {
        return false;
    }
    match *kind {
        Type::INT2 => text.parse::<i16>().is_ok(),
        Type::INT4 => text.parse::<i32>().is_ok(),
        Type::INT8 => text.parse::<i64>().is_ok(),
        Type::OID => text.parse::<u32>().is_ok(),
        Type::FLOAT4 | Type::FLOAT8 | Type::NUMERIC => is_number(text),
        Type::BOOL => matches!(text, "true" | "false"),
        Type::UUID => is_uuid(text),
        _ => true,
    }
}

fn is_number(text: &str) -> bool {
    text.parse::<f64>().is_ok_and(f64::is_finite)
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// A parameter as text, whatever its type.
#[derive(Debug)]
struct Text(String);

impl ToSql for Text {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

/// What the database says.
fn said(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(said) => format!("{} ({})", said.message(), said.code().code()),
        None => match error.source() {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        },
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_column_can_hold_is_not_asked_for() {
        let scalars: Vec<Scalar> = ["1", "\"x\"", "\"2\"", "99999999999"]
            .iter()
            .filter_map(|it| Scalar::parse(it))
            .collect();
        let query: Query = "select id from t where id in ({values})".parse().unwrap();
        let types = vec![Type::INT4; 4];
        let texts = |it: Option<Vec<Text>>| it.map(|it| it.into_iter().map(String::from).collect());
        let expected = Some(vec!["1".to_owned(), "2".to_owned(), "2".to_owned(), "2".to_owned()]);
        assert_eq!(texts(parameters(&scalars, &types, &query).unwrap()), expected);
        let none = parameters(&scalars[1..2], &types[..1], &query).unwrap();
        assert!(none.is_none());
        let query: Query = "select id from t where id = any({values})".parse().unwrap();
        let words = [Scalar::Text("a\"b\\c".into()), Scalar::Text("d,e".into())];
        let list: Option<Vec<String>> =
            texts(parameters(&words, &[Type::TEXT_ARRAY], &query).unwrap());
        assert_eq!(list, Some(vec![r#"{"a\"b\\c","d,e"}"#.to_owned()]));
    }
}
