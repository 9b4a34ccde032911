//! What goes wrong while messages are sent and delivered.

use crate::proxy::{Network, Proxy};
use crate::run::{Answers, PATIENCE, Run};
use crate::server::Own;
use crate::succession;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

pub(crate) enum Trouble {
    /// Roundsman is killed.
    Roundsman,
    /// The server of the store is killed, and started again on what it has.
    Server(Own),
    /// The way to it is cut, or nothing moves on it.
    Network(Proxy),
    /// There are two of it, and the one that owns the store is killed or stands still.
    Owner,
}

impl Trouble {
    /// What senders are answered meanwhile.
    pub(crate) fn answers(&self) -> Answers {
        match self {
            Self::Roundsman => Answers::Accepted,
            Self::Server(_) | Self::Network(_) => Answers::Always,
            Self::Owner => Answers::Any,
        }
    }

    /// Strikes as often as the run says; what runs at the end lives on.
    pub(crate) async fn strike(&mut self, run: &Run, folder: &Path) -> Child {
        let mut random = StdRng::seed_from_u64(run.seed);
        match self {
            Self::Owner => succession::strike(run, folder, &mut random).await,
            Self::Roundsman => kill_again_and_again(run, folder, &mut random).await,
            Self::Server(own) => {
                let mut child = open(run, folder).await;
                for _ in 0..run.times {
                    run.goes_on().await;
                    sleep(Duration::from_millis(random.random_range(0..500))).await;
                    own.kill().await;
                    sleep(Duration::from_millis(random.random_range(0..300))).await;
                    own.restart().await;
                }
                lives(&mut child, run, folder).await;
                child
            }
            Self::Network(proxy) => {
                let mut child = open(run, folder).await;
                for number in 0..run.times {
                    run.goes_on().await;
                    sleep(Duration::from_millis(random.random_range(0..500))).await;
                    match number % 5 {
                        // Its lines are gone, and nobody says so: that has to be noticed.
                        4 => proxy.lose_lines(),
                        1 | 3 => proxy.set(Network::Still),
                        _ => proxy.set(Network::Cut),
                    }
                    sleep(Duration::from_millis(random.random_range(0..1500))).await;
                    proxy.set(Network::Up);
                }
                lives(&mut child, run, folder).await;
                child
            }
        }
    }
}

/// Starts Roundsman and kills it; the last one started lives on.
async fn kill_again_and_again(run: &Run, folder: &Path, random: &mut StdRng) -> Child {
    for _ in 0..run.times {
        let mut child = spawn(run, folder);
        // Every sixth dies while it starts, when it is reading what the one before left.
        if random.random_ratio(1, 6) {
            sleep(Duration::from_millis(random.random_range(0..60))).await;
        } else {
            run.is_at(vec![ready(&mut child, folder).await]);
            sleep(Duration::from_millis(random.random_range(0..700))).await;
        }
        child.kill().await.unwrap();
        run.is_at(Vec::new());
    }
    open(run, folder).await
}

async fn open(run: &Run, folder: &Path) -> Child {
    let mut child = spawn(run, folder);
    run.is_at(vec![ready(&mut child, folder).await]);
    child
}

/// It goes on by itself once the trouble is over, and was never started again.
async fn lives(child: &mut Child, run: &Run, folder: &Path) {
    run.goes_on().await;
    assert!(child.try_wait().unwrap().is_none(), "it has ended: {}", log(folder));
}

pub(crate) fn spawn(run: &Run, folder: &Path) -> Child {
    serve(&run.store, folder).spawn().unwrap()
}

/// `roundsman serve` by the rule of this folder.
pub(crate) fn serve(store: &str, folder: &Path) -> Command {
    let log = std::fs::File::options().create(true).append(true).open(folder.join("log")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_roundsman"));
    command
        .args(["serve", "--config", "roundsman.toml", "--listen", "127.0.0.1:0"])
        .args(["--store", store])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .kill_on_drop(true);
    command
}

/// Waits for the line that says where it is.
pub(crate) async fn ready(child: &mut Child, folder: &Path) -> String {
    ready_or_end(child).await.unwrap_or_else(|| panic!("no start: {}", log(folder)))
}

/// The same; `None` when it ends before.
pub(crate) async fn ready_or_end(child: &mut Child) -> Option<String> {
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    let line = timeout(PATIENCE, lines.next_line()).await.expect("no ready line").unwrap();
    line.as_deref().and_then(|line| line.split("http://").nth(1)).map(Into::into)
}

pub(crate) fn log(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("log")).unwrap()
}
