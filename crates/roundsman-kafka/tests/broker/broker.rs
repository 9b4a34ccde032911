//! A broker of a test's own, to be killed and started again.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A cluster of one, in a folder that goes with it.
pub(crate) struct Broker {
    folder: tempfile::TempDir,
    jars: String,
    port: u16,
    /// How long it may take to come up.
    patience: Duration,
    process: Option<Child>,
}

impl Broker {
    /// Starts one, and waits until it takes connections.
    pub(crate) fn start(patience: Duration) -> Self {
        let jars = std::env::var("ROUNDSMAN_TEST_KAFKA_JARS").unwrap_or_else(|_| {
            panic!(
                "ROUNDSMAN_TEST_KAFKA_JARS is not set: it names the folder with Kafka's jars, and \
                 `source scripts/servers; start_servers kafka` sets it"
            )
        });
        let folder = tempfile::tempdir().unwrap();
        let (port, controller) = (free_port(), free_port());
        let data = folder.path().join("data");
        let properties = format!(
            "process.roles=broker,controller\nnode.id=1\n\
             controller.quorum.voters=1@127.0.0.1:{controller}\n\
             controller.listener.names=CONTROLLER\n\
             listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
             log.dirs={}\nlog.flush.interval.messages=1\noffsets.topic.replication.factor=1\n\
             group.initial.rebalance.delay.ms=0\n",
            data.display()
        );
        std::fs::write(folder.path().join("server.properties"), properties).unwrap();
        let mut broker = Self { folder, jars, port, patience, process: None };
        let format = ["kafka.tools.StorageTool", "format", "-t", "AAAAAAAAAAAAAAAAAAAAAQ", "-c"];
        assert!(broker.java(&format).status().unwrap().success(), "the folder is not formatted");
        broker.again();
        broker
    }

    /// Kills it, as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Starts it again on what it left.
    pub(crate) fn again(&mut self) {
        self.process = Some(self.java(&["kafka.Kafka"]).spawn().unwrap());
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(began.elapsed() < self.patience, "the broker does not come up");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// `HOST:PORT`.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn java(&self, arguments: &[&str]) -> Command {
        let properties: &Path = &self.folder.path().join("server.properties");
        let mut java = Command::new("java");
        java.args(["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
            .args(["-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp"])
            .arg(format!("{}/*", self.jars))
            .args(arguments)
            .arg(properties)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        java
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// A port that nobody listens on, below those that outgoing connections take.
fn free_port() -> u16 {
    loop {
        let port = rand::random_range(20_000..32_000);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
