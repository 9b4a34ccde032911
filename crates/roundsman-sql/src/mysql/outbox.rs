//! The outbox: what others inserted, and how it leaves.

use super::connect::Connection;
use super::error::Sql;
use super::row::{bytes, moment, number, signed, text, text_or_none};
use super::rows::{Rows, table};
use crate::served::changes::Changes;
use mysql_async::{Row, Value};
use roundsman_store::OutboxRow;
use std::sync::Arc;

/// No field that is within its bounds is cut off.
const ROWS: &str = "SELECT number, LEFT(topic, 1024), LEFT(payload, ?), LEFT(event, 1024),
            LEFT(`key`, 8192), LEFT(id, 1024),
            CAST(ROUND(UNIX_TIMESTAMP(deliver_at) * 1000000) AS SIGNED),
            CAST(ROUND(UNIX_TIMESTAMP(expires_at) * 1000000) AS SIGNED)
     FROM roundsman_outbox WHERE error IS NULL";
const THERE: &str = concat!(
    "SELECT COUNT(*) FROM ",
    table!("number BIGINT"),
    " STRAIGHT_JOIN roundsman_outbox o ON o.number = j.number"
);
const TAKEN: &str = concat!(
    "DELETE o FROM ",
    table!("number BIGINT"),
    " STRAIGHT_JOIN roundsman_outbox o ON o.number = j.number"
);
const MARKED: &str = concat!(
    "UPDATE ",
    table!("number BIGINT", "error LONGTEXT" 1),
    " STRAIGHT_JOIN roundsman_outbox o ON o.number = j.number
      SET o.error = CONVERT(UNHEX(j.error) USING utf8mb4)"
);

/// The statements that write what left the outbox, and what was marked in it.
pub(super) fn each(changes: &Changes, mut add: impl FnMut(&str, Value)) {
    let Changes { outbox_taken, outbox_marked, .. } = changes;
    if !outbox_taken.is_empty() {
        add(TAKEN, Rows::of(outbox_taken, |cells, number| cells.int(signed(*number))));
    }
    if !outbox_marked.is_empty() {
        let rows = Rows::of(outbox_marked, |cells, (number, why)| {
            cells.int(signed(*number)).bytes(why.as_bytes())
        });
        add(MARKED, rows);
    }
}

/// How many of these rows are there.
pub(super) async fn there(connection: &mut Connection, numbers: &[u64]) -> Sql<usize> {
    let rows = Rows::of(numbers, |cells, number| cells.int(signed(*number)));
    let rows = connection.query(THERE, vec![rows]).await?;
    Ok(rows.first().map_or(0, |row| number(row, 0) as usize))
}

/// The oldest rows.
pub(super) async fn rows(
    connection: &mut Connection,
    most: usize,
    max_chars: usize,
    without: &[Arc<str>],
) -> Sql<Vec<OutboxRow>> {
    let mut statement = ROWS.to_owned();
    let mut values = vec![Value::from(max_chars)];
    if !without.is_empty() {
        let marks = vec!["?"; without.len()].join(",");
        statement.push_str(&format!(" AND COALESCE(`key`, topic) NOT IN ({marks})"));
        values.extend(without.iter().map(|account| Value::from(account.as_bytes())));
    }
    statement.push_str(" ORDER BY number LIMIT ?");
    values.push(most.into());
    Ok(connection.query(&statement, values).await?.iter().map(row).collect())
}

fn row(row: &Row) -> OutboxRow {
    OutboxRow {
        number: number(row, 0),
        topic: text(row, 1),
        payload: String::from_utf8_lossy(bytes(row, 2)).into_owned(),
        event: text_or_none(row, 3),
        key: text_or_none(row, 4),
        id: text_or_none(row, 5),
        deliver_at: moment(row, 6),
        expires_at: moment(row, 7),
    }
}
