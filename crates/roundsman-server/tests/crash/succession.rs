//! Two nodes on one store: one owns it, the other stands by and succeeds it.

use crate::kind::{Kind, Place};
use crate::paused::signal;
use crate::run::{PATIENCE, Run};
use crate::trouble::{log, ready, serve};
use rand::RngExt;
use rand::rngs::StdRng;
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

#[tokio::test(flavor = "multi_thread")]
async fn postgres() {
    sockets_are_those_of_one(Kind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mysql() {
    sockets_are_those_of_one(Kind::Mysql).await;
}
