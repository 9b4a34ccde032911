//! What nodes that stand by hand to the owner, and what they are answered.

use super::connect::Connection;
use super::error::Sql;
use super::open;
use super::row::{bytes, number, signed};
use super::rows::{Rows, table};
use super::url::Place;
use crate::served::backend::Hand;
use crate::served::changes::Changes;
use crate::served::handed::{HandedRow, Part};
use mysql_async::Value;
use roundsman_store::StoreError;

const ROWS: &str = "SELECT number, node, ticket, parts, body FROM roundsman_handed
     ORDER BY number LIMIT ?";
const GONE: &str = concat!(
    "DELETE h FROM ",
    table!("number BIGINT"),
    " STRAIGHT_JOIN roundsman_handed h ON h.number = j.number"
);
const ANSWER: &str = "INSERT INTO roundsman_answer (node, ticket, answer) VALUES (?, ?, ?)";
const PUT: &str = "INSERT INTO roundsman_handed (node, ticket, parts, body) VALUES (?, ?, ?, ?)";
const ANSWERS: &str = "SELECT ticket, answer FROM roundsman_answer WHERE node = ?";
const FORGET: &str = concat!(
    "DELETE a FROM ",
    table!("node BIGINT", "ticket BIGINT" 1),
    " STRAIGHT_JOIN roundsman_answer a ON a.node = j.node AND a.ticket = j.ticket"
);

/// The oldest rows, as the owner reads them.
pub(super) async fn rows(connection: &mut Connection, most: usize) -> Sql<Vec<HandedRow>> {
    let rows = connection.query(ROWS, vec![most.into()]).await?;
    let row = |row: &mysql_async::Row| HandedRow {
        number: number(row, 0),
        node: number(row, 1),
        ticket: number(row, 2),
        parts: usize::try_from(number(row, 3)).unwrap_or(1),
        body: bytes(row, 4).to_vec(),
    };
    Ok(rows.iter().map(row).collect())
}

/// The statements that write what was taken up, and how it was answered.
pub(super) fn each(changes: &Changes, mut add: impl FnMut(&str, Vec<Value>)) {
    let Changes { handed_gone, answers, .. } = changes;
    if !handed_gone.is_empty() {
        let gone = Rows::of(handed_gone, |cells, number| cells.int(signed(*number)));
        add(GONE, vec![gone]);
    }
    for one in answers {
        let place = [signed(one.node).into(), signed(one.ticket).into()];
        add(ANSWER, [&place[..], &[one.answer.as_slice().into()]].concat());
    }
}

/// A connection that hands in.
pub(super) struct Handing(Connection);

impl Handing {
    pub(super) async fn open(place: &Place) -> Result<Self, StoreError> {
        let mut connection = Connection::open(place).await?;
        open::enter(&mut connection, false).await?;
        Ok(Self(connection))
    }

    fn explain<T>(&self, answer: Sql<T>) -> Result<T, StoreError> {
        answer.map_err(|error| self.0.explain(&error))
    }

    async fn put_all(&mut self, node: u64, parts: Vec<Part>) -> Sql<()> {
        self.0.run("START TRANSACTION").await?;
        for part in parts {
            let place = [signed(node).into(), signed(part.ticket).into()];
            let rest = [(part.parts as u64).into(), part.body.into()];
            self.0.execute(PUT, [place, rest].concat()).await?;
        }
        self.0.run("COMMIT").await
    }
}

impl Hand for Handing {
    async fn put(&mut self, node: u64, parts: Vec<Part>) -> Result<(), StoreError> {
        let put = self.put_all(node, parts).await;
        self.explain(put)
    }

    async fn answers(&mut self, node: u64) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let rows = self.0.query(ANSWERS, vec![signed(node).into()]).await;
        let rows = self.explain(rows)?;
        Ok(rows.iter().map(|row| (number(row, 0), bytes(row, 1).to_vec())).collect())
    }

    async fn forget(&mut self, node: u64, tickets: Vec<u64>) -> Result<(), StoreError> {
        let rows = Rows::of(tickets, |cells, ticket| cells.int(signed(node)).int(signed(ticket)));
        let gone = self.0.execute(FORGET, vec![rows]).await;
        self.explain(gone)
    }
}
