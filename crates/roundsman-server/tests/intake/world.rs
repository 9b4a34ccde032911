//! A folder with a configuration, and a receiver that writes down what arrives, in order.

use crate::binary::{Folder, Serving};
use crate::wire::{exchange, request};
use parking_lot::Mutex;
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

/// Longer than anything here takes on a loaded machine; only a failure gets there.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct World {
    pub(crate) folder: Folder,
    receiver: String,
    got: Arc<Mutex<Vec<Value>>>,
}

impl World {
    pub(crate) async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = listener.local_addr().unwrap().to_string();
        let got: Arc<Mutex<Vec<Value>>> = Arc::default();
        let writes = got.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let writes = writes.clone();
                tokio::spawn(async move {
                    let mut stream = BufReader::new(stream);
                    // It ends with the connection.
                    while let Ok(body) = request(&mut stream).await {
                        writes.lock().push(serde_json::from_slice(&body).unwrap());
                        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
                        if stream.write_all(answer.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { folder: Folder::new(), receiver, got }
    }

    /// Writes the configuration: these intakes, and everything to the receiver, in order.
    pub(crate) fn configure(&self, intakes: &str) {
        let receiver = &self.receiver;
        let text = format!(
            "store = \"sqlite:messages.db\"\n{intakes}\n[[deliver]]\ntopics = \"*\"\nto = \"webhook\"\n\
             url = \"http://{receiver}/\"\nsecret = \"whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD\"\n\
             allow_private = true\nper_host = 20\norder = \"topic\"\n"
        );
        self.folder.write("roundsman.toml", text);
    }

    pub(crate) fn serve(&self) -> Serving {
        self.folder.serve("--config roundsman.toml")
    }

    /// What arrived so far, duplicates too.
    pub(crate) fn got(&self) -> Vec<Value> {
        self.got.lock().clone()
    }

    /// The numbers that arrived for each user, each where it came first.
    pub(crate) fn firsts(&self) -> BTreeMap<String, Vec<u64>> {
        let (mut seen, mut firsts) = (HashSet::new(), BTreeMap::<_, Vec<_>>::new());
        for got in &*self.got.lock() {
            let user = got["data"]["user"].to_string();
            let number = got["data"]["n"].as_u64().unwrap();
            if seen.insert((user.clone(), number)) {
                firsts.entry(user).or_default().push(number);
            }
        }
        firsts
    }

    /// Waits until so many different ones arrived, and checks that those of each user came in order.
    pub(crate) async fn arrive(&self, count: usize) {
        let count_now = || self.firsts().values().map(Vec::len).sum::<usize>();
        until(&format!("{count} arrive"), async || count_now() >= count).await;
        assert_eq!(count_now(), count);
        for (user, numbers) in self.firsts() {
            assert!(numbers.is_sorted(), "{user}: {numbers:?}");
        }
    }
}

/// A value of the metrics.
pub(crate) async fn metric(serving: &Serving, name: &str) -> u64 {
    let (_, text) = exchange(serving.address(), "GET", "/metrics", "").await.unwrap();
    let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    found.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("never: {what}"));
}
