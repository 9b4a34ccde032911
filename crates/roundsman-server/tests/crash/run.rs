//! One run: senders, whoever takes what is delivered, and the ledger of both.

use crate::graves;
use crate::ledger::{Ledger, Name};
use crate::trouble::Trouble;
use crate::wire::{exchange, post, request};
use futures_util::{SinkExt, StreamExt};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;

const TOPICS: usize = 8;
/// Every so many messages of a sender one is scheduled; to a webhook, one will never be taken.
const SCHEDULED: u64 = 31;
const HOPELESS: u64 = 43;
const SENDERS: usize = 4;
/// Longer than any step here takes on a loaded machine; only a failure gets there.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// What is answered while there is trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answers {
    /// 202, or nothing at all.
    Accepted,
    /// Something always, and 503 is something.
    Always,
    /// Either.
    Any,
}

/// How long a node may say nothing where there is another.
const STILL: Duration = Duration::from_secs(8);

/// What has to be accepted of a store for tests: of Kafka, that its cluster is one broker.
pub(crate) fn accepted_of(store: &str) -> &'static str {
    match store.starts_with("kafka:") {
        true => "accept_weaker = [\"kafka-one-replica\"]\n",
        false => "",
    }
}

/// What the tasks of a run share.
pub(crate) struct Run {
    name: &'static str,
    /// How a channel acknowledges, or `webhook`.
    ack: &'static str,
    pub(crate) times: usize,
    pub(crate) seed: u64,
    pub(crate) store: String,
    ledger: Mutex<Ledger>,
    /// How many have arrived, with those that came again.
    arrived: watch::Sender<u64>,
    /// How many calls were answered with 202.
    taken: watch::Sender<u64>,
    /// Where Roundsman is, as far as it is there.
    addresses: watch::Sender<Vec<String>>,
    stop: AtomicBool,
    /// Requests without an answer, and those that were told to come again.
    unanswered: AtomicU64,
    turned_away: AtomicU64,
}

impl Run {
    pub(crate) fn new(
        name: &'static str,
        ack: &'static str,
        times: usize,
        store: String,
    ) -> Arc<Self> {
        let number = |name| std::env::var(name).ok().and_then(|value| value.parse().ok());
        Arc::new(Self {
            name,
            ack,
            times: number("ROUNDSMAN_CRASH_KILLS").map_or(times, |times: u64| times as usize),
            seed: number("ROUNDSMAN_CRASH_SEED").unwrap_or_else(rand::random),
            store,
            ledger: Mutex::default(),
            arrived: watch::Sender::new(0),
            taken: watch::Sender::new(0),
            addresses: watch::Sender::new(Vec::new()),
            stop: AtomicBool::new(false),
            unanswered: AtomicU64::new(0),
            turned_away: AtomicU64::new(0),
        })
    }

    pub(crate) async fn go(self: Arc<Self>, mut trouble: Trouble) {
        println!("{}: seed {}", self.name, self.seed);
        let folder = tempfile::tempdir().unwrap();
        let (rule, listeners) = self.clone().listeners().await;
        let weaker = accepted_of(&self.store);
        std::fs::write(folder.path().join("roundsman.toml"), format!("{weaker}{rule}")).unwrap();
        let answers = trouble.answers();
        let senders: Vec<_> =
            (0..SENDERS).map(|i| tokio::spawn(self.clone().send(i, answers))).collect();
        let mut roundsman = trouble.strike(&self, folder.path()).await;
        self.stop.store(true, Ordering::Relaxed);
        for sender in senders {
            timeout(PATIENCE, sender).await.expect("a sender got no answer").unwrap();
        }
        let is_everything_here = self.everything_arrives().await;
        self.report(answers).await;
        assert!(is_everything_here, "what was answered 202 did not arrive");
        let address = self.address();
        let hopeless = self.ledger.lock().hopeless.clone();
        timeout(PATIENCE, graves::all_are_buried(&address, hopeless))
            .await
            .expect("what nobody takes is not among the dead");
        listeners.iter().for_each(JoinHandle::abort);
        roundsman.kill().await.unwrap();
    }

    /// Roundsman is to be found here from now on.
    pub(crate) fn is_at(&self, addresses: Vec<String>) {
        self.addresses.send_replace(addresses);
    }

    fn address(&self) -> String {
        self.addresses.borrow().first().unwrap().clone()
    }

    /// Returns once calls are taken that were sent after this was asked.
    pub(crate) async fn goes_on(&self) {
        let mut taken = self.taken.subscribe();
        let before = *taken.borrow();
        // As many as there are senders may have been on their way.
        let goes_on = taken.wait_for(|taken| *taken > before + SENDERS as u64);
        let goes_on = timeout(PATIENCE, goes_on).await;
        assert!(goes_on.is_ok(), "{}: nothing is taken any more", self.name);
    }

    fn topic(&self, number: u64) -> String {
        if self.ack == "webhook" && number % HOPELESS == 7 {
            format!("{NEVER}{}", number % TOPICS as u64)
        } else if number % SCHEDULED == 5 {
            LATER.to_owned()
        } else {
            ordinary(number)
        }
    }

    /// Sends small batches until told to stop, each to any node; what got no answer is sent again
    /// as it was.
    async fn send(self: Arc<Self>, sender: usize, answers: Answers) {
        let mut random = StdRng::seed_from_u64(self.seed ^ (sender as u64 + 1));
        let mut number = 0;
        let mut addresses = self.addresses.subscribe();
        while !self.stop.load(Ordering::Relaxed) {
            let batch = number..number + random.random_range(1..20);
            number = batch.end;
            let messages: Vec<Value> =
                batch.clone().map(|n| message(sender, n, &self.topic(n))).collect();
            let body = serde_json::to_string(&messages).unwrap();
            loop {
                let to = addresses.wait_for(|all| !all.is_empty()).await.unwrap().clone();
                let to = &to[random.random_range(0..to.len())];
                // One that stands still says nothing, to whoever waits for it.
                let most = if answers == Answers::Any { STILL } else { PATIENCE };
                let posted = timeout(most, post(to, &body)).await;
                match posted.unwrap_or_else(|late| Err(late.into())) {
                    Ok((202, _)) => break,
                    Ok((503, _)) if answers != Answers::Accepted => {
                        self.turned_away.fetch_add(1, Ordering::Relaxed);
                        sleep(Duration::from_millis(10)).await;
                    }
                    Ok((status, answer)) => panic!("answered {status}: {answer}"),
                    Err(error) if answers == Answers::Always => panic!("no answer: {error}"),
                    Err(_) => _ = self.unanswered.fetch_add(1, Ordering::Relaxed),
                }
                tokio::task::yield_now().await;
            }
            let (hopeless, others): (Vec<_>, Vec<_>) =
                batch.map(|n| (sender, n)).partition(|name| self.topic(name.1).starts_with(NEVER));
            self.ledger.lock().accept(others, hopeless);
            self.taken.send_modify(|taken| *taken += 1);
            // The load: a little less than a debug build can carry.
            sleep(Duration::from_millis(random.random_range(0..8))).await;
        }
    }

    /// The rule, and whoever takes what it delivers: a receiver, or a client for each topic.
    async fn listeners(self: Arc<Self>) -> (String, Vec<JoinHandle<()>>) {
        if self.ack == "webhook" {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let rule = |topics, path| {
                format!(
                    "[[deliver]]\ntopics = \"{topics}\"\nto = \"webhook\"\n\
                     url = \"http://{address}/{path}\"\nallow_private = true\nper_host = 20\n\
                     order = \"topic\"\n"
                )
            };
            let retry = "[retry]\nmax_attempts = 2\nbackoff = \"10ms..50ms\"\n".to_owned();
            let rules = retry + &rule("hopeless:*", "hopeless") + &rule("*", "");
            return (rules, vec![tokio::spawn(self.receive(listener))]);
        }
        let rule = format!(
            "[[deliver]]\ntopics = \"*\"\nto = \"channel\"\nack = \"{}\"\nack_timeout = \"2s\"\n",
            self.ack
        );
        let topics = (0..TOPICS as u64).map(ordinary).chain([LATER.to_owned()]);
        (rule, topics.map(|topic| tokio::spawn(self.clone().listen(topic))).collect())
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
                    let topic = run.topic(data["number"].as_u64().unwrap());
                    let answer = if topic.starts_with(NEVER) {
                        "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
                    } else {
                        run.arrive(&topic, data);
                        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
                    };
                    if stream.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    }

    /// Joins a topic, again and again.
    async fn listen(self: Arc<Self>, topic: String) {
        let mut addresses = self.addresses.subscribe();
        loop {
            let to = addresses.wait_for(|all| !all.is_empty()).await.unwrap()[0].clone();
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
        let name: Name = (number("sender") as usize, number("number"));
        self.ledger.lock().arrive(topic, name);
        self.arrived.send_modify(|count| *count += 1);
    }

    /// Whether all arrives, and something does every while.
    async fn everything_arrives(&self) -> bool {
        let mut arrived = self.arrived.subscribe();
        while !self.ledger.lock().is_complete() {
            if timeout(PATIENCE, arrived.changed()).await.is_err() {
                return false;
            }
        }
        true
    }

    async fn report(&self, answers: Answers) {
        let (missing, accepted, duplicates, disordered) = {
            let ledger = self.ledger.lock();
            let disordered = ledger.disordered.clone();
            (ledger.missing(), ledger.accepted, ledger.duplicates(), disordered)
        };
        let turned_away = self.turned_away.load(Ordering::Relaxed);
        println!(
            "{}: {} times, {accepted} messages, {} requests sent again, {turned_away} of them \
             after 503, {duplicates} duplicates, {} lost, {} out of order",
            self.name,
            self.times,
            self.unanswered.load(Ordering::Relaxed) + turned_away,
            missing.len(),
            disordered.len(),
        );
        let address = self.address();
        for (sender, number) in missing.iter().take(5) {
            let path = format!("/v1/messages/{sender}-{number}");
            println!("lost {sender}-{number}: {:?}", exchange(&address, "GET", &path, "").await);
        }
        assert!(accepted > self.times * 5, "a run without load shows nothing");
        assert!(
            answers != Answers::Always || turned_away > 0,
            "nobody was turned away, so nothing was in the way"
        );
        assert!(disordered.is_empty(), "out of order: {disordered:?}");
    }
}

/// The topic of what is scheduled, and how the topics begin of what its receiver will never take.
pub(crate) const LATER: &str = "later:1";
const NEVER: &str = "hopeless:";

fn ordinary(number: u64) -> String {
    format!("user:{}", number % TOPICS as u64)
}

fn message(sender: usize, number: u64, topic: &str) -> Value {
    let mut message = json!({
        "topic": topic,
        "event": "push",
        "id": format!("{sender}-{number}"),
        "payload": {"sender": sender, "number": number},
    });
    if topic == LATER {
        let wait = Duration::from_millis(100 + number % 400);
        message["deliver_at"] = json!((jiff::Timestamp::now() + wait).to_string());
    }
    message
}
