//! A commit is whole: one that the server refuses in its middle leaves nothing of itself.
//!
//! Constraints that a test adds make one of its statements fail, and none of those before it.

use crate::kind::{Kind, on_both};
use crate::owner::{draft, named, records};
use roundsman_store::{AcceptError, Bounds, Store};
use std::sync::Arc;
use std::time::Duration;

/// Accepts one more once the store is back, and answers the payloads of all that is there.
async fn kept(store: &Arc<dyn Store>) -> Vec<String> {
    // Until then it tells everybody what it failed of.
    let back = async {
        while store.accept(vec![draft(7)], Bounds::NONE).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), back).await.expect("it does not come back");
    let records = records(&**store, "user:42").await;
    assert_eq!(store.counts().await.unwrap().backlog, records.len() as u64);
    records.iter().map(|it| String::from_utf8_lossy(&it.payload).into_owned()).collect()
}

/// A message whose id cannot be written is not there either.
async fn a_message_and_its_id(kind: Kind) {
    let name = crate::new_name();
    let store = kind.open(&name).await.unwrap();
    let refuse = format!("ALTER TABLE {} ADD CHECK (id <> 'refused')", kind.table("ids"));
    kind.run(&name, &refuse).await;
    let batch = vec![draft(1), named("refused", r#"{"n":2}"#)];
    let answer = store.accept(batch, Bounds::NONE).await;
    assert!(matches!(answer, Err(AcceptError::Store(_))), "{answer:?}");
    assert_eq!(kept(&store).await, [r#"{"n":7}"#]);
    store.close().await.unwrap();
    kind.remove(&name).await;
}

/// A row of the outbox that cannot be deleted is not accepted.
async fn a_message_and_its_row(kind: Kind) {
    let name = crate::new_name();
    let store = kind.open(&name).await.unwrap();
    let outbox = kind.table("outbox");
    let insert = format!("INSERT INTO {outbox} (topic, payload) VALUES ('user:42', '{{}}')");
    kind.run(&name, &insert).await;
    let hold = format!(
        "CREATE TABLE held_on AS SELECT number FROM {outbox};
         ALTER TABLE held_on ADD FOREIGN KEY (number) REFERENCES {outbox} (number)"
    );
    for statement in hold.split(';') {
        kind.run(&name, statement).await;
    }
    let door = store.outbox().unwrap();
    let rows = door.rows(9, 99, Vec::new()).await.unwrap();
    let numbers: Vec<_> = rows.iter().map(|row| row.number).collect();
    let taken = door.take(vec![draft(1)], Bounds::NONE, numbers.clone()).await;
    assert!(matches!(taken, Err(AcceptError::Store(_))), "{taken:?}");
    assert_eq!(kept(&store).await, [r#"{"n":7}"#]);

    kind.run(&name, "DROP TABLE held_on").await;
    assert_eq!(door.rows(9, 99, Vec::new()).await.unwrap(), rows);
    door.take(vec![draft(1)], Bounds::NONE, numbers).await.unwrap();
    assert_eq!(kept(&store).await, [7, 1, 7].map(|n| format!(r#"{{"n":{n}}}"#)));
    store.close().await.unwrap();
    kind.remove(&name).await;
}

on_both!(a_message_and_its_id, a_message_and_its_row);
