//! What became of messages that their receiver never takes: each is among the dead, once, and
//! nowhere else.

use crate::ledger::Name;
use crate::wire::exchange;
use serde_json::Value;
use std::time::Duration;
use tokio::time::sleep;

/// Returns once these, and nothing else, are dead, and nothing is left to be delivered.
pub(crate) async fn all_are_buried(address: &str, hopeless: Vec<Name>) {
    let mut expected: Vec<_> =
        hopeless.iter().map(|(sender, number)| format!("{sender}-{number}")).collect();
    expected.sort();
    loop {
        let stats = read(address, "/v1/stats").await;
        if stats["backlog"] == 0 {
            let mut dead = dead(address).await;
            dead.sort();
            assert_eq!(dead, expected);
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// The ids of all dead letters, page by page.
async fn dead(address: &str) -> Vec<String> {
    let (mut ids, mut after) = (Vec::new(), String::new());
    loop {
        let page = read(address, &format!("/v1/dead?limit=500{after}")).await;
        let messages = page["messages"].as_array().unwrap();
        ids.extend(messages.iter().map(|message| message["id"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return ids,
        }
    }
}

async fn read(address: &str, path: &str) -> Value {
    let (status, answer) = exchange(address, "GET", path, "").await.unwrap();
    assert_eq!(status, 200, "{path}: {answer}");
    serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{path}: {error}: {answer}"))
}
