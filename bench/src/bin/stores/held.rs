//! Throughput while somebody else holds a transaction open, so that nothing deleted is cleaned up.

use crate::kind::Kind;
use crate::measure::{Pace, flood, node, topics};
use crate::{LANES, Outcomes};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Messages a second, in the first and the last fifth of a minute.
pub(crate) async fn held(kind: Kind, server: &str) -> Outcomes {
    let node = node(kind.open(server).await?)?;
    let topics = topics(LANES);
    topics.iter().for_each(|topic| node.joined(topic, false));
    flood(&node, &topics, Duration::from_secs(2), Pace::AsItComes).await?;
    let mut holder = holder(kind, server)?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut speeds = Vec::new();
    for _ in 0..10 {
        let (count, took) = flood(&node, &topics, Duration::from_secs(6), Pace::AsItComes).await?;
        speeds.push(count as f64 / took.as_secs_f64());
    }
    holder.kill()?;
    holder.wait()?;
    let (first, last) = (f64::midpoint(speeds[0], speeds[1]), f64::midpoint(speeds[8], speeds[9]));
    println!(
        "{kind:?}: a transaction held open for 60 s   {first:.0}/s at first, {last:.0}/s at last, {:.2}",
        last / first
    );
    node.stop().await;
    Ok(())
}

/// Somebody who has read something in a transaction that sees the past, and does not end it.
fn holder(kind: Kind, server: &str) -> Outcomes<Child> {
    const POSTGRES: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class;
                            SELECT pg_sleep(100)";
    const MYSQL: &str = "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ;
                         START TRANSACTION WITH CONSISTENT SNAPSHOT; SELECT SLEEP(100)";
    let mut command;
    if kind == Kind::Postgres {
        command = Command::new("psql");
        command.args([server, "-qc", POSTGRES]);
    } else {
        let opts = mysql_async::Opts::from_url(server)?;
        command = Command::new("mariadb");
        command.args(crate::bare::login(&opts)).args(["-e", MYSQL]);
    }
    Ok(command.stdout(Stdio::null()).spawn()?)
}
