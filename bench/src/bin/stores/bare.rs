//! What the tool that comes with a server puts in and takes out of it.

use crate::kind::{Kind, brokers};
use crate::{BATCH, Outcomes, SENDERS};
use std::process::Command;
use std::time::Instant;

/// Messages a second, a thousand a statement; `None` where there is no such tool.
pub(crate) fn rate(
    kind: Kind,
    runtime: &tokio::runtime::Runtime,
    server: &str,
) -> Outcomes<Option<f64>> {
    Ok(match kind {
        Kind::Sqlite => None,
        Kind::Postgres => Some(pgbench(server)?),
        Kind::Mysql => Some(slap(server)?),
        Kind::Redis => Some(runtime.block_on(push_and_pop(server))?),
        Kind::Kafka => Some(perf(server)?),
    })
}

fn pgbench(server: &str) -> Outcomes<f64> {
    let folder = tempfile::tempdir()?;
    let script = folder.path().join("bare.sql");
    let made = Command::new("psql")
        .args([
            server,
            "-qc",
            "DROP TABLE IF EXISTS bare; CREATE TABLE bare (id bigint PRIMARY KEY, payload bytea)",
        ])
        .status()?;
    if !made.success() {
        return Err("psql failed".into());
    }
    // The rows as they are sent: a batch of ids and payloads, in arrays, and the ids again.
    let ids = (0..BATCH).map(|id| id.to_string()).collect::<Vec<_>>().join(",");
    let payload = format!("\"\\\\\\\\x{}\"", "20".repeat(256));
    let payloads = vec![payload; BATCH].join(",");
    std::fs::write(
        &script,
        format!(
            "INSERT INTO bare SELECT id + :client_id * 1000000, payload \
             FROM unnest('{{{ids}}}'::bigint[], E'{{{payloads}}}'::bytea[]) AS r(id, payload);\n\
             DELETE FROM bare USING unnest('{{{ids}}}'::bigint[]) AS r(id) \
             WHERE bare.id = r.id + :client_id * 1000000;\n"
        ),
    )?;
    let ran = Command::new("pgbench")
        .args(["-n", "-M", "simple", "-c", "4", "-j", "1", "-T", "8", "-f"])
        .arg(&script)
        .arg(server)
        .output()?;
    let text = String::from_utf8_lossy(&ran.stdout);
    let tps =
        text.lines().find_map(|line| line.strip_prefix("tps = ")).ok_or("pgbench said nothing")?;
    let tps: f64 = tps.split(' ').next().unwrap_or_default().parse()?;
    Ok(tps * 1000.0)
}

/// The same payloads into lists and out of them, each command on its own, a thousand pipelined,
/// from as many senders as the engine has.
async fn push_and_pop(server: &str) -> Outcomes<f64> {
    const ROUNDS: usize = 200;
    let payload = format!("{{\"n\":\"{}\"}}", "x".repeat(248));
    let begun = Instant::now();
    let senders = (0..SENDERS).map(|sender| {
        let (client, payload) = (redis::Client::open(server), payload.clone());
        tokio::spawn(async move {
            let mut line = client?.get_multiplexed_async_connection().await?;
            let list = format!("bare-{}-{sender}", std::process::id());
            let (mut push, mut pop) = (redis::pipe(), redis::pipe());
            for _ in 0..BATCH {
                push.cmd("RPUSH").arg(&list).arg(&payload).ignore();
                pop.cmd("LPOP").arg(&list);
            }
            for _ in 0..ROUNDS {
                push.exec_async(&mut line).await?;
                let popped: Vec<String> = pop.query_async(&mut line).await?;
                assert_eq!(popped.len(), BATCH);
            }
            Ok::<_, redis::RedisError>(())
        })
    });
    for sender in senders.collect::<Vec<_>>() {
        sender.await??;
    }
    Ok((SENDERS * ROUNDS * BATCH) as f64 / begun.elapsed().as_secs_f64())
}

/// The same rows into a table and out of it, from as many clients as the engine has senders.
fn slap(server: &str) -> Outcomes<f64> {
    const ROUNDS: usize = 150;
    let opts = mysql_async::Opts::from_url(server)?;
    let login = login(&opts);
    let database = opts.db_name().unwrap_or("roundsman");
    let made = Command::new("mariadb")
        .args(&login)
        .args([
            "-e",
            "DROP TABLE IF EXISTS bare;
             CREATE TABLE bare (id bigint PRIMARY KEY AUTO_INCREMENT, payload blob NOT NULL)",
            database,
        ])
        .status()?;
    if !made.success() {
        return Err("mariadb failed".into());
    }
    let folder = tempfile::tempdir()?;
    let queries = folder.path().join("bare.sql");
    let row = format!("('{}')", "x".repeat(256));
    let rows = vec![row; BATCH].join(",");
    let insert = format!("INSERT INTO bare (payload) VALUES {rows}");
    // Numbers of one statement lie side by side, and the first is told to its connection.
    let delete = format!(
        "DELETE FROM bare WHERE id >= LAST_INSERT_ID() AND id < LAST_INSERT_ID() + {BATCH}"
    );
    std::fs::write(&queries, format!("{insert};{delete}"))?;
    let ran = Command::new("mariadb-slap")
        .args(&login)
        .args([
            &format!("--create-schema={database}"),
            "--no-drop",
            "--delimiter=;",
            &format!("--concurrency={SENDERS}"),
            &format!("--number-of-queries={}", SENDERS * ROUNDS * 2),
            "--csv",
        ])
        .arg(format!("--query={}", queries.display()))
        .output()?;
    let text = String::from_utf8_lossy(&ran.stdout);
    // Names, then the seconds that it took on average.
    let seconds = text.trim().split(',').find_map(|field| field.parse::<f64>().ok());
    let seconds = seconds.ok_or_else(|| format!("mariadb-slap said {text:?}"))?;
    Ok((SENDERS * ROUNDS * BATCH) as f64 / seconds)
}

/// Into a topic and out of it by Kafka's own tools, one after the other.
fn perf(server: &str) -> Outcomes<f64> {
    const RECORDS: u64 = 100_000;
    let (brokers, topic) = (brokers(server)?, format!("bare-{}", std::process::id()));
    let jars = std::env::var("ROUNDSMAN_TEST_KAFKA_JARS")?;
    let tool = |name: &str, arguments: &[&str]| -> Outcomes<String> {
        let mut java = Command::new("java");
        java.args([
            "-Xmx512m",
            "-cp",
            &format!("{jars}/*"),
            &format!("org.apache.kafka.tools.{name}"),
        ]);
        Ok(String::from_utf8(java.args(arguments).output()?.stdout)?)
    };
    let (count, bootstrap) = (RECORDS.to_string(), format!("bootstrap.servers={brokers}"));
    let common = ["--topic", &topic, "--num-records", &count, "--record-size", "256"];
    let producing = ["--throughput", "-1", "--producer-props", &bootstrap, "acks=all"];
    let said = tool("ProducerPerformance", &[&common[..], &producing].concat())?;
    // 1000000 records sent, 123456.789 records/sec (30.1 MB/sec), …
    let last = said.lines().rfind(|line| line.contains("records sent")).ok_or("it sent nothing")?;
    let into = last.split([',', ' ']).find_map(|word| word.contains('.').then(|| word.parse()));
    let into: f64 = into.ok_or("it says no rate")??;
    let consuming = ["--bootstrap-server", &brokers, "--topic", &topic, "--messages", &count];
    let said = tool("ConsumerPerformance", &consuming)?;
    // The last number is records a second from the first one on; those before count its start too.
    let out = said.lines().last().and_then(|line| line.rsplit(", ").next()).ok_or("nothing")?;
    let out: f64 = out.trim().parse()?;
    Ok(1.0 / (1.0 / into + 1.0 / out))
}

/// How programs of MySQL are told where a server is.
pub(crate) fn login(opts: &mysql_async::Opts) -> Vec<String> {
    vec![
        "--no-defaults".to_owned(),
        "--protocol=tcp".to_owned(),
        format!("--host={}", opts.ip_or_hostname()),
        format!("--port={}", opts.tcp_port()),
        format!("--user={}", opts.user().unwrap_or_default()),
        format!("--password={}", opts.pass().unwrap_or_default()),
    ]
}
