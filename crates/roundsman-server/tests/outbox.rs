//! Sending by plain SQL, on real servers, by the statements that `docs/outbox.md` prints.

#![allow(clippy::unwrap_used, clippy::panic)] // In tests, also outside of `#[test]` functions.

use mysql_async::prelude::Queryable;
use roundsman_server::Server;
use roundsman_server::config::{Config, StoreUrl};
use roundsman_sql::{MysqlStore, PostgresStore};
use roundsman_store::{
    AcceptError, Ask, Bounds, Draft, OutboxRow, Record, Release, State, Store, StoreError,
    SystemClock,
};
use std::sync::Arc;
use std::time::Duration;

/// The statements of the documentation, in order.
const DOCS: &str = include_str!("../../../docs/outbox.md");

/// One store in one of the databases.
#[derive(Clone)]
struct Place {
    is_postgres: bool,
    server: String,
    name: String,
}

/// A connection of an application.
enum Session {
    Postgres(tokio_postgres::Client),
    Mysql(mysql_async::Conn),
}

impl Place {
    fn new(variable: &str) -> Self {
        let server = std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set"));
        let name = format!("outbox_{}_{:x}", std::process::id(), rand::random::<u32>());
        Self { is_postgres: server.starts_with("postgres"), server, name }
    }

    fn url(&self) -> String {
        let and = if self.server.contains('?') { '&' } else { '?' };
        format!("{}{and}schema={}", self.server, self.name)
    }

    fn table(&self) -> String {
        let table = if self.is_postgres { "outbox" } else { "roundsman_outbox" };
        format!("{}.{table}", self.name)
    }

    /// A block of SQL of the documentation, for this place.
    fn printed(&self, block: usize) -> String {
        let text = DOCS.split("```sql\n").nth(block + 1).unwrap().split("```").next().unwrap();
        text.replace("roundsman.", &format!("{}.", self.name))
            .replace("SCHEMA roundsman ", &format!("SCHEMA {} ", self.name))
    }

    async fn serve(&self) -> Server {
        let listen = "127.0.0.1:0".parse().unwrap();
        let store: StoreUrl = self.url().parse().unwrap();
        let weaker = ["postgres-fsync-off", "mysql-flush-log-at-trx-commit", "mysql-sync-binlog"];
        let accept_weaker = weaker.map(str::to_owned).into();
        Server::start(Config { listen, store, accept_weaker, ..Config::default() }).await.unwrap()
    }

    async fn session(&self) -> Session {
        if self.is_postgres {
            let (client, connection) =
                tokio_postgres::connect(&self.server, tokio_postgres::NoTls).await.unwrap();
            tokio::spawn(async move { drop(connection.await) });
            return Session::Postgres(client);
        }
        let opts = mysql_async::Opts::from_url(&self.server).unwrap();
        Session::Mysql(mysql_async::Conn::new(opts).await.unwrap())
    }

    fn insert(&self, topic: &str, id: &str, payload: &str) -> String {
        format!(
            "INSERT INTO {} (topic, id, payload) VALUES ('{topic}', '{id}', '{payload}')",
            self.table()
        )
    }

    /// Waits until the table has so many rows left that are not marked.
    async fn left(&self, session: &mut Session, rows: i64) {
        let count = format!("SELECT count(*) FROM {} WHERE error IS NULL", self.table());
        let waiting = async {
            while session.number(&count).await != rows {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), waiting).await.unwrap();
    }

    async fn open(&self) -> Arc<dyn Store> {
        let clock = Arc::new(SystemClock);
        match self.is_postgres {
            true => Arc::new(PostgresStore::open(&self.url(), clock).await.unwrap()),
            false => Arc::new(MysqlStore::open(&self.url(), clock).await.unwrap()),
        }
    }

    /// What is in the store, by lane, once nobody has it open.
    async fn kept(&self) -> Vec<Record> {
        let store = self.open().await;
        let counts = store.counts().await.unwrap();
        let lanes = store.walk(None, 1000).await.unwrap();
        let mut held = Vec::new();
        for topic in ["user:1", "user:42"] {
            held.extend(store.release(Release::Topic(topic.into())).await.unwrap());
        }
        let mut ids: Vec<_> = lanes.iter().chain(&held).map(|lane| lane.id).collect();
        ids.dedup();
        let asks = ids.into_iter().map(|lane| Ask {
            lane,
            after: 0,
            limit: 100_000,
            max_bytes: usize::MAX,
        });
        let fetched = store.fetch(asks.collect()).await.unwrap();
        let records: Vec<_> = fetched.into_iter().flat_map(|lane| lane.records).collect();
        assert_eq!(counts.backlog, records.len() as u64);
        store.close().await.unwrap();
        records
    }

    async fn drop(&self, session: &mut Session) {
        let kind = if self.is_postgres { "SCHEMA" } else { "DATABASE" };
        let cascade = if self.is_postgres { " CASCADE" } else { "" };
        session.say(&format!("DROP {kind} {}{cascade}", self.name)).await;
    }
}

impl Session {
    async fn say(&mut self, statement: &str) {
        match self {
            Self::Postgres(client) => client.batch_execute(statement).await.unwrap(),
            Self::Mysql(conn) => conn.query_drop(statement).await.unwrap(),
        }
    }

    async fn number(&mut self, statement: &str) -> i64 {
        match self {
            Self::Postgres(client) => client.query_one(statement, &[]).await.unwrap().get(0),
            Self::Mysql(conn) => conn.query_first(statement).await.unwrap().unwrap(),
        }
    }
}

fn ids(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| record.id.to_string()).collect()
}

/// Committed rows appear, whatever the order of their commits; what was rolled back does not.
async fn commits(place: Place) {
    let server = place.serve().await;
    let (mut early, mut late) = (place.session().await, place.session().await);
    early.say("BEGIN").await;
    early.say(&place.insert("user:1", "slow", "{}")).await;
    late.say(&place.insert("user:1", "quick", "{}")).await;
    place.left(&mut late, 0).await;
    early.say("COMMIT").await;
    place.left(&mut late, 0).await;
    early.say("BEGIN").await;
    early.say(&place.insert("user:1", "undone", "{}")).await;
    early.say("ROLLBACK").await;
    early.say("BEGIN").await;
    for n in 0..1200 {
        early.say(&place.insert("user:1", &format!("n{n}"), &format!("{{\"n\":{n}}}"))).await;
    }
    early.say("COMMIT").await;
    late.say(&place.printed(usize::from(!place.is_postgres))).await;
    place.left(&mut late, 0).await;
    let held = async {
        loop {
            let found = server.app().node.find("order-991-shipped").await.unwrap().unwrap();
            assert_eq!((&*found.topic, &*found.event), ("user:42", "order.shipped"));
            // It is ready until it is found that nobody is there.
            if found.state == State::Held {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), held).await.unwrap();
    server.app().node.find("undone").await.unwrap().ok_or(()).unwrap_err();
    server.stop(Duration::from_secs(5)).await;
    let mut wanted = vec!["quick".to_owned(), "slow".to_owned()];
    wanted.extend((0..1200).map(|n| format!("n{n}")));
    let session = &mut place.session().await;
    session.say(&place.insert("user:1", "later", "{}")).await;
    let server = place.serve().await;
    place.left(session, 0).await;
    assert!(server.app().node.find("later").await.unwrap().is_some());
    server.stop(Duration::from_secs(5)).await;
    wanted.push("later".to_owned());
    let kept = place.kept().await;
    let of_one: Vec<_> = kept.into_iter().filter(|it| &*it.lane.topic == "user:1").collect();
    assert_eq!(ids(&of_one), wanted);
    place.drop(session).await;
}

/// A row at fault is kept and marked, holds nobody up, and is tried again once it is mended.
async fn faults(place: Place) {
    let server = place.serve().await;
    let mut session = place.session().await;
    session.say(&place.insert("phoenix", "one", "{}")).await;
    session.say(&place.insert("user:1", "two", "[1]")).await;
    session.say(&place.insert("user:1", "three", "{},\"topic\":\"x\"")).await;
    session.say(&place.insert("user:1", "good", "{}")).await;
    place.left(&mut session, 0).await;
    session.say(&place.insert("user:1", "good", "{}")).await;
    place.left(&mut session, 0).await;
    session.say(&place.insert("user:1", "good", "{\"other\":1}")).await;
    place.left(&mut session, 0).await;
    let marked =
        |what: &str| format!("SELECT count(*) FROM {} WHERE error LIKE '{what}%'", place.table());
    for what in
        ["/topic: the topic", "/payload: a payload is a JSON object", "/payload: no JSON", "/id: "]
    {
        assert_eq!(session.number(&marked(what)).await, 1, "{what}");
    }
    assert_eq!(session.number(&marked("")).await, 4);
    let mend = "UPDATE {} SET payload = '{}', error = NULL WHERE id = 'two'";
    session.say(&mend.replacen("{}", &place.table(), 1)).await;
    place.left(&mut session, 0).await;
    assert!(server.app().node.find("two").await.unwrap().is_some());
    server.stop(Duration::from_secs(5)).await;
    assert_eq!(ids(&place.kept().await), ["good", "two"]);
    place.drop(&mut session).await;
}

/// A server that ends in the middle, at whatever it does, loses nothing and takes nothing twice.
async fn crashes(place: Place) {
    place.serve().await.stop(Duration::from_secs(5)).await;
    let mut session = place.session().await;
    for round in 0..6u64 {
        session.say("BEGIN").await;
        for n in 0..400 {
            session.say(&place.insert("user:1", &format!("r{round}-{n}"), "{}")).await;
        }
        session.say("COMMIT").await;
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let other = place.clone();
        let server = runtime.spawn(async move { other.serve().await }).await.unwrap();
        // Anywhere: the moment it ends in is what is tried.
        tokio::time::sleep(Duration::from_millis(round * 4)).await;
        runtime.shutdown_background();
        drop(server);
    }
    let server = place.serve().await;
    place.left(&mut session, 0).await;
    server.stop(Duration::from_secs(5)).await;
    let wanted: Vec<_> =
        (0..6).flat_map(|round| (0..400).map(move |n| format!("r{round}-{n}"))).collect();
    assert_eq!(ids(&place.kept().await), wanted);
    place.drop(&mut session).await;
}

/// Rows that were read before a commit took them out are not taken in again: whoever reads them may
/// have heard nothing of that commit.
async fn stale(place: Place) {
    let store = place.open().await;
    let mut session = place.session().await;
    let outbox = store.outbox().unwrap();
    for n in 0..3 {
        session.say(&place.insert("user:1", &format!("n{n}"), "{}")).await;
    }
    let rows = outbox.rows(10, 100, Vec::new()).await.unwrap();
    let take = |from: &[OutboxRow]| {
        let draft = |row: &OutboxRow| Draft::new(&row.topic, row.payload.clone()).unwrap();
        let numbers = from.iter().map(|row| row.number).collect();
        outbox.take(from.iter().map(draft).collect(), Bounds::NONE, numbers)
    };
    assert_eq!(take(&rows[..1]).await.unwrap().len(), 1);
    for stale in [&rows[..1], &rows[..]] {
        let again = take(stale).await;
        assert!(matches!(again, Err(AcceptError::Store(StoreError::Unavailable(_)))), "{again:?}");
    }
    assert_eq!(take(&rows[1..]).await.unwrap().len(), 2);
    assert_eq!(store.counts().await.unwrap().backlog, 3);
    store.close().await.unwrap();
    place.drop(&mut session).await;
}

/// The permissions that are printed are enough to insert, and for nothing else.
#[tokio::test]
async fn postgres_permissions() {
    let place = Place::new("ROUNDSMAN_TEST_POSTGRES_URL");
    place.serve().await.stop(Duration::from_secs(5)).await;
    let role = format!("shop_{}", place.name);
    let mut session = place.session().await;
    session.say(&format!("CREATE ROLE {role}")).await;
    session.say(&place.printed(2).replace("TO shop", &format!("TO {role}"))).await;
    session.say(&format!("SET ROLE {role}")).await;
    session.say(&place.printed(0)).await;
    let Session::Postgres(client) = &session else { unreachable!() };
    let read = format!("SELECT 1 FROM {}", place.table());
    let error = client.batch_execute(&read).await.unwrap_err();
    assert!(error.as_db_error().unwrap().message().contains("permission denied"));
    session.say("RESET ROLE").await;
    place.drop(&mut session).await;
    session.say(&format!("DROP ROLE {role}")).await;
}

/// Tables of version 1, which had no outbox, get one.
async fn migrates(place: Place) {
    place.serve().await.stop(Duration::from_secs(5)).await;
    let mut session = place.session().await;
    let state = if place.is_postgres { "state" } else { "roundsman_state" };
    session.say(&format!("DROP TABLE {}", place.table())).await;
    session.say(&format!("UPDATE {}.{state} SET version = 1", place.name)).await;
    place.serve().await.stop(Duration::from_secs(5)).await;
    session.say(&place.insert("user:1", "one", "{}")).await;
    place.drop(&mut session).await;
}

macro_rules! on_both {
    ($($name:ident)*) => {
        mod postgres {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::Place::new("ROUNDSMAN_TEST_POSTGRES_URL")).await;
            })*
        }
        mod mysql {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::Place::new("ROUNDSMAN_TEST_MYSQL_URL")).await;
            })*
        }
    };
}
on_both!(commits faults crashes stale migrates);
