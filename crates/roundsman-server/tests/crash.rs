//! Kills the real binary at random moments under load: what was answered 202 arrives.
//!
//! Senders repeat what got no answer with the same ids; clients come back as often as they are cut
//! off. `ROUNDSMAN_CRASH_KILLS=500` makes a long run, `ROUNDSMAN_CRASH_SEED` repeats one: the
//! moments, that is, not what the operating system makes of them.
//!
//! What is sent to sockets, and what is posted to a webhook that is there all the time.
//!
//! A killed process takes nothing back that the kernel had taken, so a client that reads to the
//! end of its connection gets every byte that was written. With `ack = "sent"` therefore nothing
//! at all may be missing here: a message that is, was settled before it was written.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

use futures_util::{SinkExt, StreamExt};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::error::Error;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;

const TOPICS: usize = 8;
const SENDERS: usize = 4;
/// Longer than anything here takes on a loaded machine; only a failure gets there.
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_by_clients_nothing_is_lost() {
    Run::new("client").go().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn posted_to_a_webhook_nothing_is_lost() {
    Run::new("webhook").go().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sent_only_what_was_written_may_be_missing() {
    Run::new("sent").go().await;
}

/// One run and everything its tasks share.
struct Run {
    /// How a channel acknowledges, or `webhook`.
    ack: &'static str,
    kills: usize,
    seed: u64,
    ledger: Mutex<Ledger>,
    arrived: Notify,
    /// Where the server is, while it is there.
    address: watch::Sender<Option<String>>,
    stop: AtomicBool,
    resent: AtomicU64,
}

/// What was promised and what came.
#[derive(Default)]
struct Ledger {
    /// Answered with 202, by message.
    accepted: Vec<Name>,
    arrivals: HashMap<Name, u32>,
    /// The highest number that arrived of each sender on each topic.
    highest: HashMap<(usize, String), u64>,
    /// First arrivals behind a later one of their sender and topic.
    disordered: Vec<Name>,
}

/// A message: which sender, and which of its messages.
type Name = (usize, u64);

impl Run {
    fn new(ack: &'static str) -> Arc<Self> {
        let number = |name| std::env::var(name).ok().and_then(|value| value.parse().ok());
        Arc::new(Self {
            ack,
            kills: number("ROUNDSMAN_CRASH_KILLS").map_or(20, |kills: u64| kills as usize),
            seed: number("ROUNDSMAN_CRASH_SEED").unwrap_or_else(rand::random),
            ledger: Mutex::default(),
            arrived: Notify::new(),
            address: watch::Sender::new(None),
            stop: AtomicBool::new(false),
            resent: AtomicU64::new(0),
        })
    }

    async fn go(self: Arc<Self>) {
        println!("ack = {}: seed {}", self.ack, self.seed);
        let folder = tempfile::tempdir().unwrap();
        let (rule, listeners) = self.clone().listeners().await;
        std::fs::write(folder.path().join("roundsman.toml"), rule).unwrap();
        let senders: Vec<_> = (0..SENDERS).map(|i| tokio::spawn(self.clone().send(i))).collect();
        let mut server = self.clone().kill_again_and_again(folder.path()).await;
        self.stop.store(true, Ordering::Relaxed);
        for sender in senders {
            timeout(PATIENCE, sender).await.expect("a sender got no answer").unwrap();
        }
        let everything = timeout(PATIENCE, self.everything_arrives()).await;
        self.report().await;
        assert!(everything.is_ok(), "what was answered 202 did not arrive");
        listeners.iter().for_each(JoinHandle::abort);
        server.kill().await.unwrap();
    }

    /// Starts the server and kills it; the last one started lives on.
    async fn kill_again_and_again(self: Arc<Self>, folder: &Path) -> Child {
        let mut random = StdRng::seed_from_u64(self.seed);
        let mut kills = 0;
        while kills < self.kills {
            let mut child = spawn(folder);
            // Every sixth dies while it starts, when it is reading what the one before left.
            if random.random_ratio(1, 6) {
                sleep(Duration::from_millis(random.random_range(0..60))).await;
            } else {
                self.address.send_replace(Some(ready(&mut child, folder).await));
                sleep(Duration::from_millis(random.random_range(0..700))).await;
            }
            child.kill().await.unwrap();
            self.address.send_replace(None);
            kills += 1;
        }
        let mut child = spawn(folder);
        self.address.send_replace(Some(ready(&mut child, folder).await));
        child
    }

    /// Sends small batches until told to stop; what got no answer is sent again as it was.
    async fn send(self: Arc<Self>, sender: usize) {
        let mut random = StdRng::seed_from_u64(self.seed ^ (sender as u64 + 1));
        let mut number = 0;
        let mut address = self.address.subscribe();
        while !self.stop.load(Ordering::Relaxed) {
            let batch = number..number + random.random_range(1..20);
            number = batch.end;
            let messages: Vec<Value> = batch.clone().map(|n| message(sender, n)).collect();
            let body = serde_json::to_string(&messages).unwrap();
            loop {
                let to = address.wait_for(Option::is_some).await.unwrap().clone().unwrap();
                match post(&to, &body).await {
                    Ok((202, _)) => break,
                    Ok((status, answer)) => panic!("answered {status}: {answer}"),
                    Err(_) => self.resent.fetch_add(1, Ordering::Relaxed),
                };
                tokio::task::yield_now().await;
            }
            self.ledger.lock().accepted.extend(batch.map(|n| (sender, n)));
            // The load: a little less than a debug build can carry.
            sleep(Duration::from_millis(random.random_range(0..8))).await;
        }
    }

    /// The rule, and whoever takes what it delivers: a receiver, or a client for each topic.
    async fn listeners(self: Arc<Self>) -> (String, Vec<JoinHandle<()>>) {
        if self.ack == "webhook" {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let rule = format!(
                "[[deliver]]\nto = \"webhook\"\nurl = \"http://{}/\"\nallow_private = true\n\
                 per_host = 20\norder = \"topic\"\n",
                listener.local_addr().unwrap()
            );
            return (rule, vec![tokio::spawn(self.receive(listener))]);
        }
        let rule = format!(
            "[[deliver]]\ntopics = \"*\"\nto = \"channel\"\nack = \"{}\"\nack_timeout = \"2s\"\n",
            self.ack
        );
        let clients = (0..TOPICS).map(|i| tokio::spawn(self.clone().listen(topic(i))));
        (rule, clients.collect())
    }

    /// Takes webhooks, over as many connections as come.
    async fn receive(self: Arc<Self>, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            let run = self.clone();
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                // Ends with the connection; why is the killer's business.
                while let Ok(body) = request(&mut stream).await {
                    let data =
                        &serde_json::from_slice::<Value>(&body).expect("a body of ours")["data"];
                    run.arrive(&topic(data["number"].as_u64().unwrap() as usize % TOPICS), data);
                    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
                    if stream.write_all(answer).await.is_err() {
                        return;
                    }
                }
            });
        }
    }

    /// Joins a topic, again and again.
    async fn listen(self: Arc<Self>, topic: String) {
        let mut address = self.address.subscribe();
        loop {
            let to = address.wait_for(Option::is_some).await.unwrap().clone().unwrap();
            // Ends with the connection; why is the killer's business.
            let _ = self.session(&to, &topic).await;
            sleep(Duration::from_millis(5)).await;
        }
    }

    async fn session(
        &self,
        address: &str,
        topic: &str,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        let url = format!("ws://{address}/socket/websocket?vsn=2.0.0");
        let (mut socket, _) = tokio_tungstenite::connect_async(url).await?;
        let asks = self.ack == "client";
        let params = if asks { json!({"ack": "client"}) } else { json!({}) };
        let join = json!(["1", "1", topic, "phx_join", params]);
        socket.send(Message::text(join.to_string())).await?;
        while let Some(frame) = socket.next().await {
            let Message::Text(text) = frame? else { continue };
            let frame: Value = serde_json::from_str(&text)?;
            if frame[3] != "push" {
                continue;
            }
            let payload = &frame[4];
            self.arrive(topic, if asks { &payload["payload"] } else { payload });
            if asks {
                let ack = json!(["1", "2", topic, "ack", {"ids": [payload["id"]]}]);
                socket.send(Message::text(ack.to_string())).await?;
            }
        }
        Ok(())
    }

    fn arrive(&self, topic: &str, payload: &Value) {
        let number = |field| payload[field].as_u64().expect("a payload of ours");
        let name = (number("sender") as usize, number("number"));
        let mut ledger = self.ledger.lock();
        let times = ledger.arrivals.entry(name).or_default();
        *times += 1;
        if *times == 1 {
            let highest = ledger.highest.entry((name.0, topic.into())).or_default();
            let late = name.1 < *highest;
            *highest = name.1.max(*highest);
            if late {
                ledger.disordered.push(name);
            }
        }
        drop(ledger);
        self.arrived.notify_one();
    }

    async fn everything_arrives(&self) {
        while !self.ledger.lock().missing().is_empty() {
            // Not for each arrival: looking for what is missing costs.
            self.arrived.notified().await;
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn report(&self) {
        let (missing, accepted, duplicates, disordered) = {
            let ledger = self.ledger.lock();
            let times: u64 = ledger.arrivals.values().map(|times| u64::from(*times)).sum();
            let duplicates = times - ledger.arrivals.len() as u64;
            (ledger.missing(), ledger.accepted.len(), duplicates, ledger.disordered.clone())
        };
        println!(
            "ack = {}: {} kills, {accepted} messages, {} requests sent again, {duplicates} \
             duplicates, {} lost, {} out of order",
            self.ack,
            self.kills,
            self.resent.load(Ordering::Relaxed),
            missing.len(),
            disordered.len(),
        );
        let address = self.address.borrow().clone().unwrap();
        for (sender, number) in missing.iter().take(5) {
            let path = format!("/v1/messages/{sender}-{number}");
            println!("lost {sender}-{number}: {:?}", exchange(&address, "GET", &path, "").await);
        }
        assert!(accepted > self.kills * 5, "a run without load shows nothing");
        assert!(disordered.is_empty(), "out of order: {disordered:?}");
    }
}

impl Ledger {
    fn missing(&self) -> Vec<Name> {
        let came = |name: &&Name| !self.arrivals.contains_key(*name);
        self.accepted.iter().filter(came).copied().collect()
    }
}

fn topic(i: usize) -> String {
    format!("user:{i}")
}

fn message(sender: usize, number: u64) -> Value {
    json!({
        "topic": topic(number as usize % TOPICS),
        "event": "push",
        "id": format!("{sender}-{number}"),
        "payload": {"sender": sender, "number": number},
    })
}

fn spawn(folder: &Path) -> Child {
    let log = std::fs::File::options().create(true).append(true).open(folder.join("log")).unwrap();
    Command::new(env!("CARGO_BIN_EXE_roundsman"))
        .args(["serve", "--config", "roundsman.toml", "--listen", "127.0.0.1:0"])
        .args(["--store", &store(folder)])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// The store under test: an embedded file, or what `ROUNDSMAN_CRASH_STORE` names: `redis`, on the
/// server of `ROUNDSMAN_TEST_REDIS_URL`, with keys of this folder's own.
fn store(folder: &Path) -> String {
    match std::env::var("ROUNDSMAN_CRASH_STORE").as_deref() {
        Ok("redis") => {
            let server = std::env::var("ROUNDSMAN_TEST_REDIS_URL")
                .expect("ROUNDSMAN_TEST_REDIS_URL names no server");
            let name = folder.file_name().unwrap().to_string_lossy().replace('.', "");
            format!("{server}?prefix=crash-{name}")
        }
        _ => "sqlite:crash.db".to_owned(),
    }
}

/// Waits for the line that says where the server is.
async fn ready(child: &mut Child, folder: &Path) -> String {
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    let line = timeout(PATIENCE, lines.next_line()).await.expect("no ready line").unwrap();
    let address = line.as_deref().and_then(|line| line.split("http://").nth(1));
    address.map(Into::into).unwrap_or_else(|| {
        panic!("no start: {}", std::fs::read_to_string(folder.join("log")).unwrap())
    })
}

/// The body of the next request of a connection.
async fn request(stream: &mut BufReader<TcpStream>) -> io::Result<Vec<u8>> {
    let (mut line, mut length) = (String::new(), 0);
    while line != "\r\n" {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(body)
}

async fn post(address: &str, body: &str) -> Result<(u16, String), Box<dyn Error + Send + Sync>> {
    exchange(address, "POST", "/v1/messages", body).await
}

/// One request on a connection of its own. An answer that was cut off is no answer.
async fn exchange(
    address: &str,
    method: &str,
    path: &str,
    body: &str,
) -> Result<(u16, String), Box<dyn Error + Send + Sync>> {
    let mut stream = TcpStream::connect(address).await?;
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
    let status = head.split(' ').nth(1).ok_or("no status")?.parse()?;
    Ok((status, body.into()))
}
