//! What a message costs between the socket and the store, and on the way back: a body of 100
//! messages read, and its answer written. Divide by 100 for one message.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use roundsman_delivery::Rules;
use roundsman_server::config::Limits;
use roundsman_server::http::{Form, accepted, parse};
use roundsman_store::{IdSalt, LaneId, MessageId, Receipt};
use serde_json::json;
use std::hint::black_box;

const MESSAGES: u64 = 100;

/// 100 messages to 100 topics, each with a payload of 256 bytes.
fn bodies() -> Vec<(&'static str, Vec<u8>)> {
    let payload = json!({ "n": 1, "text": "x".repeat(256 - r#"{"n":1,"text":""}"#.len()) });
    let plain =
        |n: u64| json!({ "topic": format!("user:{n}"), "event": "push", "payload": payload });
    let full = |n: u64| {
        json!({
            "topic": format!("user:{n}"), "event": "push", "payload": payload,
            "key": ["team-7", format!("user-{n}")], "id": format!("order-{n}"),
            "deliver_at": "2026-12-01T09:00:00Z", "expires_at": "2026-12-02T09:00:00Z",
        })
    };
    let body = |of: &dyn Fn(u64) -> serde_json::Value| {
        serde_json::Value::from((0..MESSAGES).map(of).collect::<Vec<_>>()).to_string().into_bytes()
    };
    vec![("plain", body(&plain)), ("every field", body(&full))]
}

fn parse_and_answer(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse and answer 100 messages");
    group.throughput(Throughput::Elements(MESSAGES));
    let (rules, limits) = (Rules::default(), Limits::default());
    for (name, body) in bodies() {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let Ok(parsed) = parse(black_box(&body), Form::Json, &rules, &limits, &|_| true)
                else {
                    return String::new();
                };
                let receipts: Vec<_> = (0..parsed.drafts.len() as u64)
                    .map(|seq| Receipt {
                        id: MessageId::Made { salt: IdSalt(7), lane: LaneId::new(3, seq), seq },
                        duplicate: false,
                    })
                    .collect();
                accepted(&receipts)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, parse_and_answer);
criterion_main!(benches);
