//! Two nodes on one store: one owns it, the other stands by and succeeds it.

use crate::kind::{Kind, Place};
use crate::paused::signal;
use crate::run::{PATIENCE, Run};
use crate::trouble::{log, ready, serve};
use crate::wire::{exchange, post};
use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::process::Child;
use tokio::time::{Instant, sleep, timeout};

struct Node {
    child: Child,
    address: String,
    folder: PathBuf,
}

impl Node {
    /// In a folder of its own, by the rules of the run.
    async fn start(run: &Run, rules: &Path, number: usize) -> Self {
        let folder = rules.join(number.to_string());
        std::fs::create_dir(&folder).unwrap();
        std::fs::copy(rules.join("roundsman.toml"), folder.join("roundsman.toml")).unwrap();
        let mut child = serve(&run.store, &folder).spawn().unwrap();
        let address = ready(&mut child, &folder).await;
        Self { child, address, folder }
    }

    async fn says(&self, words: &str) {
        let says = async {
            while !log(&self.folder).contains(words) {
                sleep(Duration::from_millis(20)).await;
            }
        };
        let said = timeout(PATIENCE, says).await;
        assert!(said.is_ok(), "it never says {words:?}: {}", log(&self.folder));
    }
}

/// The owner is killed, and the next one stands still past its lease, as often as the run says. The
/// other succeeds it by itself, and another comes to stand by.
pub(crate) async fn strike(run: &Run, folder: &Path, random: &mut StdRng) -> Child {
    let mut owner = Node::start(run, folder, 0).await;
    let mut next = Node::start(run, folder, 1).await;
    next.says("standing by").await;
    for number in 0..run.times {
        run.is_at(vec![owner.address.clone(), next.address.clone()]);
        run.goes_on().await;
        sleep(Duration::from_millis(random.random_range(0..500))).await;
        let is_paused = number % 2 == 1;
        signal(&owner.child, if is_paused { "STOP" } else { "KILL" }).await;
        let since = Instant::now();
        run.is_at(vec![next.address.clone()]);
        next.says("the store is this node's now").await;
        println!(
            "{}: succeeded after {:?}",
            if is_paused { "paused" } else { "killed" },
            since.elapsed()
        );
        run.goes_on().await;
        if is_paused {
            signal(&owner.child, "CONT").await;
            let ended = timeout(PATIENCE, owner.child.wait()).await.expect("it does not notice");
            assert!(!ended.unwrap().success());
            assert!(log(&owner.folder).contains("has taken it over"), "{}", log(&owner.folder));
        }
        owner = std::mem::replace(&mut next, Node::start(run, folder, number + 2).await);
    }
    run.is_at(vec![owner.address.clone(), next.address.clone()]);
    run.goes_on().await;
    next.child.kill().await.unwrap();
    run.is_at(vec![owner.address]);
    owner.child
}

/// A node that stands by accepts and looks; what only the owner can do it does not pretend to.
async fn whoever_stands_by_accepts(kind: Kind) {
    let Some(place) = Place::fresh(kind).await else { return };
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let rule = "[[deliver]]\nto = \"webhook\"\nurl = \"https://nowhere.invalid/\"\n";
    for folder in [&one, &two] {
        std::fs::write(folder.path().join("roundsman.toml"), rule).unwrap();
    }
    let mut owner = serve(&place.url, one.path()).spawn().unwrap();
    let at_owner = ready(&mut owner, one.path()).await;
    let mut other = serve(&place.url, two.path()).spawn().unwrap();
    let at_other = ready(&mut other, two.path()).await;
    assert_eq!(exchange(&at_other, "GET", "/readyz", "").await.unwrap().0, 200);
    let message =
        r#"{"topic": "a", "id": "one", "deliver_at": "2999-01-01T00:00:00Z", "payload": {}}"#;
    let answers = [(&at_other, false), (&at_owner, true), (&at_other, true)];
    for (node, duplicate) in answers {
        let (status, answer) = post(node, message).await.unwrap();
        let expected = json!({"messages": [{"id": "one", "duplicate": duplicate}]});
        assert_eq!((status, serde_json::from_str::<Value>(&answer).unwrap()), (202, expected));
    }
    let changed = message.replace("{}", r#"{"n": 1}"#);
    let [here, there] = [post(&at_other, &changed), post(&at_owner, &changed)];
    let (here, there) = tokio::join!(here, there);
    assert_eq!(here.as_ref().unwrap().0, 409);
    assert_eq!(here.unwrap().1, there.unwrap().1);
    assert_eq!(post(&at_other, "{}").await.unwrap().0, 422);
    let path = "/v1/messages/one";
    let (status, seen) = exchange(&at_other, "GET", path, "").await.unwrap();
    assert!(status == 200 && seen.contains("\"scheduled\""), "{status} {seen}");
    assert_eq!(exchange(&at_other, "GET", "/v1/dead", "").await.unwrap().0, 200);
    for (method, path, body) in [
        ("DELETE", path, ""),
        ("GET", "/v1/keys/a", ""),
        ("POST", "/v1/dead/replay", r#"{"all": true}"#),
    ] {
        let (status, why) = exchange(&at_other, method, path, body).await.unwrap();
        assert!(status == 503 && why.contains("stands by"), "{path}: {status} {why}");
    }
    assert_eq!(exchange(&at_owner, "DELETE", path, "").await.unwrap().0, 204);
    for mut node in [owner, other] {
        node.kill().await.unwrap();
    }
    place.remove().await;
}

/// While a rule delivers to sockets there is one node: whoever comes second is refused, and told why.
async fn sockets_are_those_of_one(kind: Kind) {
    let webhook = "[[deliver]]\nto = \"webhook\"\nurl = \"https://example.com/\"\n";
    let channel = "[[deliver]]\nto = \"channel\"\n";
    for (first, second) in [(channel, webhook), (webhook, channel)] {
        let Some(place) = Place::fresh(kind).await else { return };
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(one.path().join("roundsman.toml"), first).unwrap();
        std::fs::write(two.path().join("roundsman.toml"), second).unwrap();
        let mut owner = serve(&place.url, one.path()).spawn().unwrap();
        ready(&mut owner, one.path()).await;
        let refused = serve(&place.url, two.path()).status().await.unwrap();
        assert!(!refused.success());
        let why = log(two.path());
        assert!(why.contains("`channel`") && why.contains("`[[deliver]]`"), "{why}");
        owner.kill().await.unwrap();
        place.remove().await;
    }
}

macro_rules! on_each {
    ($($case:ident),*) => { $(
        mod $case {
            use crate::kind::Kind;

            #[tokio::test(flavor = "multi_thread")]
            async fn postgres() {
                super::$case(Kind::Postgres).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn mysql() {
                super::$case(Kind::Mysql).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn redis() {
                super::$case(Kind::Redis).await;
            }
        }
    )* };
}

on_each!(whoever_stands_by_accepts, sockets_are_those_of_one);
