//! What nodes that stand by hand to the owner, and what they are answered.

use super::connect::Connection;
use super::error::Sql;
use super::load::values;
use super::row::{int, number};
use super::url::Place;
use super::write::Jobs;
use crate::served::backend::Hand;
use crate::served::changes::Changes;
use crate::served::handed::{HandedRow, Part};
use roundsman_store::StoreError;
use tokio_postgres::Row;

pub(super) const ROWS: &str =
    "SELECT number, node, ticket, parts, body FROM handed ORDER BY number LIMIT $1";
const GONE: &str =
    "DELETE FROM handed h USING unnest($1::bigint[]) AS gone(number) WHERE h.number = gone.number";
const ANSWER: &str = "INSERT INTO answer (node, ticket, answer)
     SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[])";
const PUT: &str = "INSERT INTO handed (node, ticket, parts, body)
     SELECT $1, part.ticket, part.parts, part.body
     FROM unnest($2::bigint[], $3::bigint[], $4::bytea[])
         WITH ORDINALITY AS part(ticket, parts, body, place)
     ORDER BY part.place";
const ANSWERS: &str = "SELECT ticket, answer FROM answer WHERE node = $1";
const FORGET: &str = "DELETE FROM answer a USING unnest($2::bigint[]) AS gone(ticket)
     WHERE a.node = $1 AND a.ticket = gone.ticket";

/// A row, as the owner reads it.
pub(super) fn row(row: &Row) -> HandedRow {
    HandedRow {
        number: number(row, 0),
        node: number(row, 1),
        ticket: number(row, 2),
        parts: usize::try_from(row.get::<_, i64>(3)).unwrap_or(1),
        body: row.get(4),
    }
}

/// The statements that write what was taken up, and how it was answered.
pub(super) fn add<'a>(jobs: &mut Jobs<'a>, Changes { handed_gone, answers, .. }: &'a Changes) {
    if handed_gone.is_empty() {
        return;
    }
    let gone: Vec<_> = handed_gone.iter().map(|number| int(*number)).collect();
    jobs.add(GONE, values![gone]);
    let nodes: Vec<_> = answers.iter().map(|one| int(one.node)).collect();
    let tickets: Vec<_> = answers.iter().map(|one| int(one.ticket)).collect();
    let texts: Vec<_> = answers.iter().map(|one| &*one.answer).collect();
    jobs.add(ANSWER, values![nodes, tickets, texts]);
}

/// A connection that hands in.
pub(super) struct Handing(Connection);

impl Handing {
    pub(super) async fn open(place: &Place) -> Result<Self, StoreError> {
        let connection = Connection::open(place).await?;
        // What is committed here is confirmed by the owner's commit, which is behind it in the log.
        let unhurried = connection.client.batch_execute("SET synchronous_commit = off").await;
        unhurried.map_err(|error| connection.explain(&error))?;
        connection.fix_plans().await.map_err(|error| connection.explain(&error))?;
        Ok(Self(connection))
    }

    fn explain<T>(&self, answer: Sql<T>) -> Result<T, StoreError> {
        answer.map_err(|error| self.0.explain(&error))
    }
}

impl Hand for Handing {
    async fn put(&mut self, node: u64, parts: Vec<Part>) -> Result<(), StoreError> {
        let tickets: Vec<_> = parts.iter().map(|part| int(part.ticket)).collect();
        let of: Vec<_> = parts.iter().map(|part| part.parts as i64).collect();
        let bodies: Vec<_> = parts.iter().map(|part| &*part.body).collect();
        let put = self.0.query(PUT, &[&int(node), &tickets, &of, &bodies]).await;
        self.explain(put).map(drop)
    }

    async fn answers(&mut self, node: u64) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let rows = self.0.query(ANSWERS, &[&int(node)]).await;
        let rows = self.explain(rows)?;
        Ok(rows.iter().map(|row| (number(row, 0), row.get(1))).collect())
    }

    async fn forget(&mut self, node: u64, tickets: Vec<u64>) -> Result<(), StoreError> {
        let tickets: Vec<_> = tickets.into_iter().map(int).collect();
        let gone = self.0.query(FORGET, &[&int(node), &tickets]).await;
        self.explain(gone).map(drop)
    }
}
