//! Taking messages in from the table that applications insert into.
//!
//! For PostgreSQL and MySQL or MariaDB, where `ROUNDSMAN_TEST_POSTGRES_URL` and
//! `ROUNDSMAN_TEST_MYSQL_URL` name them: a backlog of 100,000 rows, beside the same messages sent over
//! HTTP to the same server in the same run; then single rows while nothing else goes on, from the
//! commit to the moment that the message is found. `cargo bench -p roundsman-server --bench outbox`.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use mysql_async::prelude::Queryable;
use roundsman_server::Server;
use roundsman_server::config::Config;
use std::time::{Duration, Instant};

const ROWS: usize = 100_000;
/// Rows of a statement, and messages of a body.
const EACH: usize = 1000;
const TOPICS: usize = 250;
const SINGLE: usize = 200;

enum Session {
    Postgres(tokio_postgres::Client),
    Mysql(mysql_async::Conn),
}

impl Session {
    async fn open(server: &str) -> Self {
        if server.starts_with("postgres") {
            let (client, connection) =
                tokio_postgres::connect(server, tokio_postgres::NoTls).await.unwrap();
            tokio::spawn(connection);
            return Self::Postgres(client);
        }
        let opts = mysql_async::Opts::from_url(server).unwrap();
        Self::Mysql(mysql_async::Conn::new(opts).await.unwrap())
    }

    async fn say(&mut self, statement: &str) {
        match self {
            Self::Postgres(client) => client.batch_execute(statement).await.unwrap(),
            Self::Mysql(conn) => conn.query_drop(statement).await.unwrap(),
        }
    }
}

fn payload() -> String {
    format!("{{\"n\":\"{}\"}}", "x".repeat(248))
}

async fn serve(url: &str) -> Server {
    let config = Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        store: url.parse().unwrap(),
        ..Config::default()
    };
    Server::start(config).await.unwrap()
}

/// Memory of this process, in MiB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

async fn backlog(client: &reqwest::Client, server: &Server) -> u64 {
    let url = format!("http://{}/v1/stats", server.address());
    let text = client.get(url).send().await.unwrap().text().await.unwrap();
    let stats: serde_json::Value = serde_json::from_str(&text).unwrap();
    stats["backlog"].as_u64().unwrap()
}

/// Rows that are there when the server starts, a second.
async fn drained(url: &str, table: &str, session: &mut Session) -> f64 {
    for from in (0..ROWS).step_by(EACH) {
        let row = |n: usize| format!("('user:{}','{}')", (from + n) % TOPICS, payload());
        let rows: Vec<String> = (0..EACH).map(row).collect();
        session
            .say(&format!("INSERT INTO {table} (topic, payload) VALUES {}", rows.join(",")))
            .await;
    }
    let (client, before, mut most) = (reqwest::Client::new(), memory(), 0);
    let server = serve(url).await;
    let begun = Instant::now();
    while backlog(&client, &server).await < ROWS as u64 {
        most = most.max(memory());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let rate = ROWS as f64 / begun.elapsed().as_secs_f64();
    println!("  {} MiB more than before at the most", most.saturating_sub(before));
    server.stop(Duration::from_secs(10)).await;
    rate
}

/// The same messages over HTTP, as bodies, one after the other.
async fn sent(url: &str) -> f64 {
    let server = serve(url).await;
    let client = reqwest::Client::new();
    let to = format!("http://{}/v1/messages", server.address());
    let begun = Instant::now();
    for from in (0..ROWS).step_by(EACH) {
        let message =
            |n| format!("{{\"topic\":\"user:{}\",\"payload\":{}}}", (from + n) % TOPICS, payload());
        let messages: Vec<String> = (0..EACH).map(message).collect();
        let request = client.post(&to).header("content-type", "application/json");
        let answer = request.body(format!("[{}]", messages.join(","))).send().await.unwrap();
        assert_eq!(answer.status(), 202);
    }
    let rate = ROWS as f64 / begun.elapsed().as_secs_f64();
    server.stop(Duration::from_secs(10)).await;
    rate
}

/// From the commit of a row until its message is found.
async fn single(url: &str, table: &str, session: &mut Session) -> Vec<Duration> {
    let server = serve(url).await;
    let (client, mut waits) = (reqwest::Client::new(), Vec::new());
    for n in 0..SINGLE as u64 {
        tokio::time::sleep(Duration::from_millis(100 + n * 37 % 100)).await;
        let to = format!("http://{}/v1/messages/single-{n}", server.address());
        session
            .say(&format!(
                "INSERT INTO {table} (topic, id, payload) VALUES ('t', 'single-{n}', '{{}}')"
            ))
            .await;
        let begun = Instant::now();
        while client.get(&to).send().await.unwrap().status() != 200 {
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
        waits.push(begun.elapsed());
    }
    server.stop(Duration::from_secs(10)).await;
    waits.sort();
    waits
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    for variable in ["ROUNDSMAN_TEST_POSTGRES_URL", "ROUNDSMAN_TEST_MYSQL_URL"] {
        let Ok(server) = std::env::var(variable) else { continue };
        let is_postgres = server.starts_with("postgres");
        let name = if is_postgres { "PostgreSQL" } else { "MySQL or MariaDB" };
        let and = if server.contains('?') { '&' } else { '?' };
        let schema = |what: &str| format!("outbox_bench_{what}_{}", std::process::id());
        let mut session = Session::open(&server).await;
        let mut of = Vec::new();
        for what in ["rows", "http"] {
            let (schema, outbox) =
                (schema(what), if is_postgres { "outbox" } else { "roundsman_outbox" });
            of.push((
                format!("{server}{and}schema={schema}"),
                format!("{schema}.{outbox}"),
                schema,
            ));
        }
        let [(rows, table, first), (http, _, second)] = of.try_into().unwrap();
        println!("{name}");
        // It makes the table.
        serve(&rows).await.stop(Duration::from_secs(10)).await;
        let (rate, beside) = (drained(&rows, &table, &mut session).await, sent(&http).await);
        println!("  {rate:.0} rows/s, over HTTP {beside:.0}/s, ratio {:.2}", rate / beside);
        let waits = single(&rows, &table, &mut session).await;
        println!(
            "  one row, from its commit until it is accepted: p50 {:.1?}, p99 {:.1?}",
            waits[waits.len() / 2],
            waits[waits.len() * 99 / 100]
        );
        for schema in [first, second] {
            let what = if is_postgres { "SCHEMA" } else { "DATABASE" };
            let cascade = if is_postgres { " CASCADE" } else { "" };
            session.say(&format!("DROP {what} {schema}{cascade}")).await;
        }
    }
}
