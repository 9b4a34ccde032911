//! What the node says of itself: `/v1/stats` and `/metrics`.

#![allow(clippy::unwrap_used)] // In tests, also outside of `#[test]` functions.

mod house;

use house::{House, Mood};
use roundsman_store::StoreError;
use std::collections::BTreeMap;
use std::time::Duration;

async fn busy() -> House {
    let house = House::new();
    let body = r#"[{"topic":"user:1","payload":{},"id":"a"},{"topic":"user:2","payload":{},"id":"b"},
        {"topic":"user:3","payload":{},"id":"c","deliver_at":"2126-12-01T09:00:00Z"}]"#;
    assert_eq!(house.post_json(body).await.status, 202);
    assert_eq!(house.post_json(body).await.status, 202);
    house.node.joined(&"user:1".into(), false);
    house.until("a", "delivered").await;
    house.until("b", "held").await;
    house
}

#[tokio::test]
async fn stats_tell_what_waits_where() {
    let house = busy().await;
    let stats = house.get("/v1/stats").await.json();
    for (name, count) in [
        ("backlog", 2),
        ("in_flight", 0),
        ("unacknowledged", 0),
        ("held", 1),
        ("scheduled", 1),
        ("dead", 0),
        ("connections", 0),
    ] {
        assert_eq!(stats[name], count, "{name}: {stats}");
    }
    let stages: Vec<_> =
        stats["stages"].as_array().unwrap().iter().map(|stage| &stage["stage"]).collect();
    assert_eq!(stages, ["source", "deliver", "settle"]);
    assert!(
        stats["stages"]
            .as_array()
            .unwrap()
            .iter()
            .all(|stage| stage["demand"].is_u64() && stage["buffered"].is_u64())
    );
    assert!(stats["busiest"].is_array());
    assert!(stats["rates"]["accepted_per_second"].is_number());
    assert!(stats["rates"]["delivered_per_second"].is_number());
}

#[tokio::test(start_paused = true)]
async fn rates_count_the_last_seconds() {
    let house = House::new();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let lines = "{\"topic\":\"user:1\",\"payload\":{}}\n".repeat(50);
    assert_eq!(house.post("application/x-ndjson", lines).await.status, 202);
    tokio::time::sleep(Duration::from_secs(4)).await;
    let rates = house.get("/v1/stats").await.json()["rates"].clone();
    assert_eq!(
        (&rates["accepted_per_second"], &rates["delivered_per_second"]),
        (&serde_json::json!(10.0), &serde_json::json!(0.0))
    );
}

/// One family of metrics.
#[derive(Debug, Default)]
struct Family {
    kind: String,
    /// By what follows the family's name: suffix and labels.
    samples: Vec<(String, f64)>,
}

/// Reads the text format strictly: HELP, then TYPE, then the samples, each family once.
fn read_metrics(text: &str) -> BTreeMap<String, Family> {
    assert!(text.ends_with('\n'));
    let mut families = BTreeMap::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let (name, help) = line.strip_prefix("# HELP ").unwrap().split_once(' ').unwrap();
        assert!(!help.is_empty());
        let (typed, kind) =
            lines.next().unwrap().strip_prefix("# TYPE ").unwrap().split_once(' ').unwrap();
        assert_eq!(typed, name);
        let mut family = Family { kind: kind.to_owned(), samples: Vec::new() };
        while let Some(sample) = lines.next_if(|line| !line.starts_with('#')) {
            let (of, value) = sample.rsplit_once(' ').unwrap();
            let rest = of.strip_prefix(name).unwrap();
            family.samples.push((rest.to_owned(), value.parse().unwrap()));
        }
        assert!(families.insert(name.to_owned(), family).is_none(), "{name} comes twice");
    }
    families
}

fn check_histogram(name: &str, family: &Family, count: f64) {
    let (mut below, mut bound) = (0.0, 0.0);
    for (rest, value) in &family.samples {
        let Some(le) = rest.strip_prefix("_bucket{le=\"") else { continue };
        let le: f64 = le.strip_suffix("\"}").unwrap().parse().unwrap();
        assert!(le > bound && *value >= below, "{name} at {le}");
        (below, bound) = (*value, le);
    }
    assert_eq!(bound, f64::INFINITY, "{name}");
    let of = |suffix: &str| family.samples.iter().find(|(rest, _)| rest == suffix).unwrap().1;
    assert_eq!((of("_count"), below), (count, count), "{name}");
    assert!(of("_sum") >= 0.0);
}

#[tokio::test]
async fn metrics_are_prometheus_text() {
    let house = busy().await;
    let answer = house.get("/metrics").await;
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let families = read_metrics(&answer.text);
    for (name, value) in [
        ("accepted_total", 3.0),
        ("delivered_total", 1.0),
        ("failed_total", 0.0),
        ("dead_total", 0.0),
        ("expired_total", 0.0),
        ("dropped_total", 0.0),
        ("duplicates_total", 3.0),
        ("backlog", 2.0),
        ("held", 1.0),
        ("in_flight", 0.0),
        ("unacknowledged", 0.0),
        ("connections", 0.0),
    ] {
        let family = &families[&format!("roundsman_{name}")];
        let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
        assert_eq!((family.kind.as_str(), &family.samples), (kind, &vec![(String::new(), value)]));
    }
    for name in ["roundsman_stage_demand", "roundsman_stage_buffered"] {
        let stages: Vec<_> = families[name].samples.iter().map(|(rest, _)| rest.as_str()).collect();
        assert_eq!(stages, ["{stage=\"source\"}", "{stage=\"deliver\"}", "{stage=\"settle\"}"]);
    }
    for (name, count) in [("accept", 6.0), ("wait", 1.0), ("delivery", 1.0)] {
        let name = format!("roundsman_{name}_seconds");
        assert_eq!(families[&name].kind, "histogram");
        check_histogram(&name, &families[&name], count);
    }
    for name in ["replayed_total", "dead_dropped_total", "taken_back_total", "dead_letters"] {
        let samples = &families[&format!("roundsman_{name}")].samples;
        assert_eq!(samples, &vec![(String::new(), 0.0)], "{name}");
    }
    assert_eq!(families.len(), 21);
    assert!(!answer.text.contains("user:"), "no topic and no key in any label");
}

#[tokio::test]
async fn metrics_are_there_while_the_store_is_away() {
    let house = busy().await;
    house.store.feel(Mood::Fails(StoreError::Unavailable("away".into())));
    let answer = house.get("/metrics").await;
    assert_eq!(answer.status, 200);
    let families = read_metrics(&answer.text);
    assert_eq!(families["roundsman_accepted_total"].samples, [(String::new(), 3.0)]);
    assert!(!families.contains_key("roundsman_backlog"));
    house.get("/readyz").await.problem(503);
}

#[tokio::test]
async fn a_key_says_why_it_waits() {
    let house = House::new();
    let body = r#"[{"topic":"user:1","payload":{},"key":["team/7","a"]},
        {"topic":"user:1","payload":{},"key":["team/7","a"],"id":"last"}]"#;
    assert_eq!(house.post_json(body).await.status, 202);
    house.until("last", "held").await;
    let report = house.get("/v1/keys/team~17/a").await.json();
    assert_eq!(report["parts"], serde_json::json!(["team/7", "a"]));
    assert_eq!((&report["backlog"], &report["held"]), (&2.into(), &2.into()));
    assert_eq!(
        (&report["state"], &report["parked"][0]["why"]),
        (&"parked".into(), &"absent".into())
    );
    house.node.joined(&"user:1".into(), false);
    house.until("last", "delivered").await;
    for (path, state) in
        [("/v1/keys/team~17/a", "idle"), ("/v1/keys/*", "idle"), ("/v1/keys/stats", "idle")]
    {
        assert_eq!(house.get(path).await.json()["state"], state, "{path}");
    }
    for bad in ["/v1/keys/a//b", "/v1/keys/a~2", "/v1/keys/1/2/3/4/5/6/7/8/9"] {
        let problem = house.get(bad).await.problem(422);
        assert_eq!(problem["errors"][0]["pointer"], "/key", "{bad}");
    }
}
