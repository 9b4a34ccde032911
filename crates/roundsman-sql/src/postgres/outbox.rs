//! The outbox: what others inserted, and how it leaves.

use super::connect::Connection;
use super::error::Sql;
use super::row::{moment, number};
use roundsman_store::{OutboxRow, Timestamp};
use std::sync::Arc;
use tokio_postgres::Row;

/// What is endless is no moment, and said to be at fault by whoever checks the row.
macro_rules! moment {
    ($column:literal) => {
        concat!(
            "CASE WHEN isfinite(",
            $column,
            ") THEN (extract(epoch FROM ",
            $column,
            ") * 1000000)::bigint WHEN ",
            $column,
            " IS NOT NULL THEN ",
            "9223372036854775807 END"
        )
    };
}
/// No field that is within its bounds is cut off.
const ROWS: &str = concat!(
    "SELECT number, left(topic, 1024), left(payload, $2), left(event, 1024), left(key, 8192),
            left(id, 1024), ",
    moment!("deliver_at"),
    ", ",
    moment!("expires_at"),
    " FROM outbox WHERE error IS NULL AND coalesce(key, topic) <> ALL($3::text[])
      ORDER BY number LIMIT $1"
);
pub(super) const THERE: &str = "SELECT count(*) FROM outbox WHERE number = ANY($1::bigint[])";
pub(super) const TAKEN: &str = "DELETE FROM outbox o USING unnest($1::bigint[]) AS taken(number) WHERE o.number = taken.number";
pub(super) const MARKED: &str = "UPDATE outbox o SET error = marked.error
     FROM unnest($1::bigint[], $2::text[]) AS marked(number, error) WHERE o.number = marked.number";

/// The oldest rows.
pub(super) async fn rows(
    connection: &mut Connection,
    most: usize,
    max_chars: usize,
    without: &[Arc<str>],
) -> Sql<Vec<OutboxRow>> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let max_chars = i32::try_from(max_chars).unwrap_or(i32::MAX);
    let without: Vec<&str> = without.iter().map(|account| &**account).collect();
    let rows = connection.query(ROWS, &[&most, &max_chars, &without]).await?;
    Ok(rows.iter().map(row).collect())
}

fn row(row: &Row) -> OutboxRow {
    let text = |column| row.get::<_, Option<&str>>(column).map(Arc::from);
    let time = |column| -> Option<Timestamp> { moment(row, column) };
    OutboxRow {
        number: number(row, 0),
        topic: row.get::<_, &str>(1).into(),
        payload: row.get(2),
        event: text(3),
        key: text(4),
        id: text(5),
        deliver_at: time(6),
        expires_at: time(7),
    }
}
