//! A stream of Redis as a source of messages.

use crate::world::{World, metric, until};
use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::time::sleep;

/// A stream of a test's own, on the server for tests.
struct Stream {
    server: String,
    name: String,
    line: MultiplexedConnection,
}

impl Stream {
    async fn fresh() -> Self {
        let server = std::env::var("ROUNDSMAN_TEST_REDIS_URL");
        Self::on(&server.expect("ROUNDSMAN_TEST_REDIS_URL names the server for tests")).await
    }

    async fn on(server: &str) -> Self {
        let name = format!("intake:{:08x}", rand::random::<u32>());
        let client = redis::Client::open(server).unwrap();
        let line = client.get_multiplexed_async_connection().await.unwrap();
        Self { server: server.to_owned(), name, line }
    }

    fn table(&self, more: &str) -> String {
        format!("[[intake]]\nfrom = \"{}/{}\"\n{more}\n", self.server, self.name)
    }

    async fn ask<T: FromRedisValue>(&mut self, command: &str, arguments: &[&str]) -> T {
        let mut asked = Cmd::new();
        asked.arg(command).arg(arguments);
        asked.query_async(&mut self.line).await.unwrap()
    }

    /// Adds an entry, and answers its id.
    async fn add(&mut self, fields: &[&str]) -> String {
        let name = self.name.clone();
        self.ask("XADD", &[&[name.as_str(), "*"], fields].concat()).await
    }

    async fn add_number(&mut self, user: u64, number: u64) {
        let payload = format!("{{\"user\": {user}, \"n\": {number}}}");
        self.add(&["topic", &format!("user:{user}"), "payload", &payload]).await;
    }

    /// Entries that were delivered and not acknowledged.
    async fn pending(&mut self) -> u64 {
        let name = self.name.clone();
        let (pending, ..): (u64, Option<String>, Option<String>, redis::Value) =
            self.ask("XPENDING", &[&name, "roundsman"]).await;
        pending
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_arrive_in_order_as_they_are_mapped() {
    let (world, mut stream) = (World::new().await, Stream::fresh().await);
    for number in 0..1200 {
        stream.add_number(number % 5, number).await;
    }
    world.configure(&stream.table(""));
    let serving = world.serve();
    world.arrive(1200).await;
    stream.add(&["topic", "user:9", "event", "late", "payload", "{\"user\":9,\"n\":0}"]).await;
    world.arrive(1201).await;
    let last = world.got().pop().unwrap();
    assert_eq!((&last["type"], &last["data"]["n"]), (&"late".into(), &0.into()));
    assert_eq!(world.got()[0]["type"], "message");
    until("all are acknowledged", async || stream.pending().await == 0).await;
    assert_eq!(metric(&serving, "roundsman_intake_taken_total{intake=\"1\"}").await, 1201);
    assert_eq!(metric(&serving, "roundsman_intake_refused_total{intake=\"1\"}").await, 0);
    until("the lag is seen", async || {
        metric(&serving, "roundsman_intake_lag{intake=\"1\"}").await == 0
    })
    .await;
    serving.signal("TERM");
    assert_eq!(serving.end().code, Some(0));

    let mut mapped = Stream::fresh().await;
    world.configure(&mapped.table(
        "group = \"shop\"\ntopic = \"user:{field:doc/who/id}\"\nevent = \"{field:kind}\"\n\
         key = \"{field:team}/{field:doc/who/id}\"\nid = \"{field:id}\"\n\
         payload = \"{field:doc/order}\"\nadd = { trace = \"{field:trace}\" }",
    ));
    let doc = "{\"who\":{\"id\":\"a/b\"},\"order\":{\"user\":7,\"n\":1}}";
    mapped.add(&["doc", doc, "team", "t", "trace", "x", "kind", "paid", "id", "o-1"]).await;
    let serving = world.serve();
    world.arrive(1202).await;
    let last = world.got().pop().unwrap();
    assert_eq!(last["type"], "paid");
    assert_eq!(last["data"], serde_json::json!({"user": 7, "n": 1, "trace": "x"}));
    let found = crate::wire::exchange(serving.address(), "GET", "/v1/messages/o-1", "").await;
    let found: serde_json::Value = serde_json::from_str(&found.unwrap().1).unwrap();
    assert_eq!(
        (&found["topic"], &found["key"]),
        (&"user:a/b".into(), &serde_json::json!(["t", "a/b"]))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_it_is_killed_again_and_again() {
    const ALL: u64 = 1500;
    let (world, mut stream) = (World::new().await, Stream::fresh().await);
    world.configure(&stream.table(""));
    let producing = tokio::spawn(async move {
        for number in 0..ALL {
            stream.add_number(number % 7, number).await;
            if number % 5 == 0 {
                sleep(Duration::from_millis(20)).await;
            }
        }
        stream
    });
    for round in 0..4u64 {
        let serving = world.serve();
        // Anywhere: the moment it is killed in is what is tried. It may wait for the lease first.
        sleep(Duration::from_millis(1000 + 437 * round)).await;
        serving.signal("KILL");
        assert_eq!(serving.end().code, None);
    }
    let _serving = world.serve();
    let mut stream = producing.await.unwrap();
    world.arrive(ALL as usize).await;
    until("all are acknowledged", async || stream.pending().await == 0).await;
}

/// What no message can be made of, among what is good.
async fn add_faults(stream: &mut Stream) -> Vec<String> {
    let large = format!("{{\"it\": \"{}\"}}", "x".repeat(300_000));
    let mut ids = Vec::new();
    stream.add_number(1, 0).await;
    for fields in [
        ["topic", "user:1", "payload", "{\"user\": 1"],
        ["topic", "user:1", "payload", "{},\"topic\":\"user:2\""],
        ["topic", "user:1", "payload", "[1]"],
        ["topic", "user:1", "payload", &large],
        ["topic", "phoenix", "payload", "{}"],
        ["title", "user:1", "payload", "{}"],
        ["topic", "user:1", "body", "{}"],
    ] {
        ids.push(stream.add(&fields).await);
    }
    stream.add_number(1, 1).await;
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_at_fault_are_skipped_where_that_is_said() {
    let (world, mut stream) = (World::new().await, Stream::fresh().await);
    let ids = add_faults(&mut stream).await;
    world.configure(&stream.table("on_error = \"skip\""));
    let mut serving = world.serve();
    let line = serving.log_until("is passed over");
    assert!(line.contains(&format!("entry {} ", ids[0])) && line.contains("no JSON"), "{line}");
    let line = serving.log_until("more, the last of them");
    assert!(line.contains("and 6 more") && line.contains(&ids[6]), "{line}");
    world.arrive(2).await;
    assert_eq!(metric(&serving, "roundsman_intake_refused_total{intake=\"1\"}").await, 7);
    assert_eq!(metric(&serving, "roundsman_intake_stopped{intake=\"1\"}").await, 0);
    until("all are acknowledged", async || stream.pending().await == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_stops_in_front_of_an_entry_at_fault() {
    let (world, mut stream) = (World::new().await, Stream::fresh().await);
    let ids = add_faults(&mut stream).await;
    world.configure(&stream.table(""));
    let mut serving = world.serve();
    let line = serving.log_until("cannot be a message");
    assert!(line.contains("ERROR") && line.contains(&ids[0]), "{line}");
    world.arrive(1).await;
    assert_eq!(metric(&serving, "roundsman_intake_stopped{intake=\"1\"}").await, 1);
    assert_eq!(stream.pending().await, 8, "nothing behind it is given up");
    serving.signal("TERM");
    assert_eq!(serving.end().code, Some(0));
    world.configure(&stream.table("on_error = \"skip\""));
    let _serving = world.serve();
    world.arrive(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pending_with_another_consumer_is_claimed() {
    let (world, mut stream) = (World::new().await, Stream::fresh().await);
    let name = stream.name.clone();
    for number in 0..3 {
        stream.add_number(1, number).await;
    }
    let _: String = stream.ask("XGROUP", &["CREATE", &name, "roundsman", "0"]).await;
    let read = ["GROUP", "roundsman", "gone", "COUNT", "2", "STREAMS", &name, ">"];
    type Entries = Vec<(String, Vec<String>)>;
    let read: Vec<(String, Entries)> = stream.ask("XREADGROUP", &read).await;
    for (id, _) in &read[0].1 {
        let idle = [name.as_str(), "roundsman", "gone", "0", id, "IDLE", "60000"];
        let _: redis::Value = stream.ask("XCLAIM", &idle).await;
    }
    world.configure(&stream.table(""));
    let _serving = world.serve();
    world.arrive(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_reads_and_the_next_takes_over() {
    let (world, mut stream) = (World::new().await, Stream::fresh().await);
    let other = World::new().await;
    world.configure(&stream.table("start = \"newest\""));
    other.configure(&stream.table("start = \"newest\""));
    stream.add_number(1, 0).await;
    let mut first = world.serve();
    first.log_until("open");
    let mut second = other.serve();
    second.log_until("another process reads this stream");
    stream.add_number(1, 1).await;
    world.arrive(1).await;
    assert_eq!(world.firsts()["1"], [1], "what was there before the group is not taken");
    first.signal("TERM");
    assert_eq!(first.end().code, Some(0));
    stream.add_number(1, 2).await;
    other.arrive(1).await;
    assert_eq!((world.got().len(), other.firsts()["1"].clone()), (1, vec![2]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_again_is_a_duplicate_however_it_is_mapped_now() {
    let (world, mut stream) = (World::new().await, Stream::fresh().await);
    for number in 0..20 {
        stream.add_number(1, number).await;
    }
    world.configure(&stream.table(""));
    let serving = world.serve();
    world.arrive(20).await;
    serving.signal("TERM");
    assert_eq!(serving.end().code, Some(0));
    let name = stream.name.clone();
    let _: String = stream.ask("XGROUP", &["SETID", &name, "roundsman", "0"]).await;
    stream.add_number(1, 20).await;
    world.configure(&stream.table("event = \"another\""));
    let serving = world.serve();
    world.arrive(21).await;
    assert_eq!(world.got().len(), 21);
    assert_eq!(metric(&serving, "roundsman_intake_taken_total{intake=\"1\"}").await, 1);
    assert_eq!(metric(&serving, "roundsman_intake_refused_total{intake=\"1\"}").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn at_a_bound_it_waits() {
    let (world, mut stream) = (World::new().await, Stream::fresh().await);
    for number in 0..200 {
        stream.add_number(number % 2, number).await;
    }
    world.configure(&format!("[limits]\nmax_backlog_per_key = 7\n{}", stream.table("")));
    let _serving = world.serve();
    world.arrive(200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_permissions_that_are_printed_are_enough() {
    const DOCS: &str = include_str!("../../../../docs/intake.md");
    let (world, mut stream) = (World::new().await, Stream::fresh().await);
    let (name, user) = (stream.name.clone(), format!("u{:08x}", rand::random::<u32>()));
    let line = DOCS.lines().find(|line| line.starts_with("ACL SETUSER")).unwrap();
    let line = line.replace("roundsman on", &format!("{user} on")).replace("PASSWORD", "pw");
    let line = line.replace("~orders", &format!("~{name}"));
    let words: Vec<&str> = line.split(' ').skip(1).collect();
    let _: String = stream.ask("ACL", &words).await;
    stream.add_number(1, 0).await;
    let server = stream.server.replace("redis://", &format!("redis://{user}:pw@"));
    let serving = {
        world.configure(&Stream { server, name, line: stream.line.clone() }.table(""));
        world.serve()
    };
    world.arrive(1).await;
    until("it is acknowledged", async || stream.pending().await == 0).await;
    until("the lag is seen", async || {
        metric(&serving, "roundsman_intake_lag{intake=\"1\"}").await == 0
    })
    .await;
    serving.signal("TERM");
    assert_eq!(serving.end().code, Some(0));
    let checked = world.folder.run("check --config roundsman.toml");
    assert_eq!(checked.code, Some(0), "{checked:?}");
    let _: u64 = stream.ask("ACL", &["DELUSER", &user]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn check_says_what_is_there() {
    let (world, mut stream) = (World::new().await, Stream::fresh().await);
    let check = || world.folder.run("check --config roundsman.toml");
    world.configure(&stream.table(""));
    let ended = check();
    assert!(ended.out.contains("yet; it is waited for"), "{ended:?}");
    assert_eq!(ended.code, Some(0));
    let name = stream.name.clone();
    let kind: String = stream.ask("TYPE", &[&name]).await;
    assert_eq!(kind, "none", "check makes nothing");
    stream.add_number(1, 0).await;
    assert!(check().out.contains("a stream of 1 entries; the group `roundsman` is new"));
    let serving = world.serve();
    world.arrive(1).await;
    until("it is acknowledged", async || stream.pending().await == 0).await;
    serving.signal("TERM");
    assert_eq!(serving.end().code, Some(0));
    let ended = check();
    assert!(ended.out.contains("has 0 left to read and 0 to acknowledge"), "{ended:?}");
    let _: u64 = stream.ask("DEL", &[&name]).await;
    let _: String = stream.ask("SET", &[&name, "x"]).await;
    let ended = check();
    assert!(ended.out.contains("is no stream but a string; write the key"), "{ended:?}");
    assert!(ended.err.contains("these intakes cannot be read: 1"), "{ended:?}");
    assert_eq!(ended.code, Some(1));
    world.configure("[[intake]]\nfrom = \"redis://:pw@127.0.0.1:1/s\"\n");
    let ended = check();
    assert_eq!(ended.code, Some(1));
    assert!(ended.out.contains("redis://:***@127.0.0.1:1/0/s: ") && !ended.out.contains("pw@"));
}

/// A server of a test's own, which keeps what it confirms.
struct Own {
    folder: tempfile::TempDir,
    port: u16,
    process: Child,
}

impl Own {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Self::launch(&folder, port).await;
        Self { folder, port, process }
    }

    async fn launch(folder: &tempfile::TempDir, port: u16) -> Child {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--dir"]);
        command.arg(folder.path()).args(["--appendonly", "yes", "--appendfsync", "always"]);
        let process = command.stdout(Stdio::null()).spawn().unwrap();
        until("the server is up", async || {
            let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap();
            let Ok(mut line) = client.get_multiplexed_async_connection().await else {
                return false;
            };
            redis::cmd("PING").query_async::<String>(&mut line).await.is_ok()
        })
        .await;
        process
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // It may have been killed already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_on_when_the_server_is_back() {
    let mut own = Own::start().await;
    let server = format!("redis://127.0.0.1:{}/0", own.port);
    let mut stream = Stream::on(&server).await;
    let world = World::new().await;
    world.configure(&stream.table(""));
    let mut serving = world.serve();
    for round in 0..3u64 {
        for number in 0..400 {
            stream.add_number(number % 3, round * 400 + number).await;
        }
        if round < 2 {
            own.kill();
            serving.log_until("trying again");
            own.process = Own::launch(&own.folder, own.port).await;
            let name = stream.name.clone();
            stream = Stream { name, ..Stream::on(&server).await };
        }
    }
    world.arrive(1200).await;
    until("all are acknowledged", async || stream.pending().await == 0).await;
}
