//! A receiver of webhooks that answers when it is told to, and says how many of a key it has at once.

use crate::wire::request;
use serde_json::Value;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

/// A message that came.
#[derive(Debug)]
pub(crate) struct Arrived {
    /// As JSON.
    pub(crate) key: String,
    pub(crate) topic: String,
    pub(crate) number: u64,
    /// How many of the first part of its key are here and not answered, this one among them.
    pub(crate) at_once: usize,
}

pub(crate) struct Desk {
    address: SocketAddr,
    gate: Arc<Semaphore>,
    arrived: mpsc::UnboundedReceiver<Arrived>,
}

/// Longer than anything here takes on a loaded machine; only a failure gets there.
const PATIENCE: Duration = Duration::from_secs(60);

impl Desk {
    /// Listens, and lets nothing go.
    pub(crate) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let gate = Arc::new(Semaphore::new(0));
        let (told, arrived) = mpsc::unbounded_channel();
        let here: Arc<Mutex<HashMap<String, usize>>> = Arc::default();
        let doors = gate.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, (doors.clone(), here.clone(), told.clone())));
            }
        });
        Self { address, gate, arrived }
    }

    /// A rule that sends these topics here.
    pub(crate) fn rule(&self, topics: &str, more: &str) -> String {
        let address = self.address;
        format!(
            "[[deliver]]\ntopics = \"{topics}\"\nto = \"webhook\"\nurl = \"http://{address}/\"\n\
             allow_private = true\n{more}"
        )
    }

    /// Answers so many requests, these or those to come.
    pub(crate) fn let_go(&self, count: usize) {
        self.gate.add_permits(count);
    }

    /// The next messages that come.
    pub(crate) async fn take(&mut self, count: usize) -> Vec<Arrived> {
        let mut taken = Vec::with_capacity(count);
        while taken.len() < count {
            let arrived = timeout(PATIENCE, self.arrived.recv()).await;
            taken.push(arrived.expect("a message in time").expect("a receiver"));
        }
        taken
    }
}

type Shared = (Arc<Semaphore>, Arc<Mutex<HashMap<String, usize>>>, mpsc::UnboundedSender<Arrived>);

async fn serve(stream: TcpStream, (gate, here, told): Shared) {
    let mut stream = BufReader::new(stream);
    while let Ok(body) = request(&mut stream).await {
        let body: Value = serde_json::from_slice(&body).unwrap();
        let data = &body["data"];
        let (key, topic) = (data["key"].to_string(), data["topic"].as_str().unwrap().to_owned());
        let whose = data["key"][0].as_str().unwrap().to_owned();
        let at_once = {
            let mut here = here.lock().unwrap();
            let count = here.entry(whose.clone()).or_default();
            *count += 1;
            *count
        };
        let number = data["n"].as_u64().unwrap();
        let _ = told.send(Arrived { key, topic, number, at_once });
        gate.acquire().await.unwrap().forget();
        *here.lock().unwrap().entry(whose).or_default() -= 1;
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        if stream.write_all(answer).await.is_err() {
            return;
        }
    }
}
