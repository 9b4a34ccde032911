//! Step 4, fair: users share what there is; one has three parts, and ten slots at most.

use roundsman_delivery::{Augment, Batch, Found, Node, Rule, Rules, Settings, Target, To, Value};
use roundsman_sql::SqliteStore;
use roundsman_store::{Draft, SystemClock};
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Where messages leave the house: here, a line for each. Its answer is what makes them delivered.
struct Lines(mpsc::UnboundedSender<String>);

impl Target for Lines {
    fn deliver(&self, batch: Batch) {
        for message in &batch.messages {
            let payload = String::from_utf8_lossy(&message.record.payload);
            let _ = self.0.send(format!("{}: {payload}", batch.topic));
        }
        batch.acknowledger.delivered();
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (lines, mut arrived) = mpsc::unbounded_channel();
    let store = SqliteStore::open("grow.db", Arc::new(SystemClock))?;
    let named = |n: Value| (n.clone(), format!("\"No. {n}\"").into());
    let names = move |ns: Vec<Value>| Ok(ns.into_iter().map(named).collect::<Found>());
    let rule = Rule { to: To::Target(0), ..Rule::channel("*") };
    let dispatch = Settings::default().dispatch.weigh("user:42", 3)?.cap("user:42", 10)?;
    let node = Node::builder(Arc::new(store))
        .settings(Settings { dispatch, rules: Rules::new(vec![rule]), ..Settings::default() })
        .target(To::Target(0), Arc::new(Lines(lines)))
        .augment(Augment::new("names", "/n", "/name", names)?)
        .start()?;

    let greeting = |n| Draft::new("user:42", format!(r#"{{"n":{n}}}"#));
    node.accept(vec![greeting(1)?, greeting(2)?, greeting(3)?]).await?;

    for _ in 0..3 {
        let line = arrived.recv().await.ok_or("the node is gone")?;
        writeln!(std::io::stdout(), "{line}")?;
    }
    node.drain(Duration::from_secs(5)).await;
    Ok(())
}
