//! A server of a test's own, that it may set, fill, stop and kill.

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A `redis-server` in a folder of its own; killed and removed at the end.
pub(crate) struct Own {
    folder: tempfile::TempDir,
    address: SocketAddrV4,
    settings: Vec<String>,
    process: Child,
}

/// Settings with which it keeps what it confirms.
pub(crate) const DURABLE: &[&str] = &["--appendonly", "yes", "--appendfsync", "always"];

impl Own {
    pub(crate) fn start(settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // A loopback address of its own: the port of a killed server must not become another's.
        let [one, two, three]: [u8; 3] = rand::random();
        let host = Ipv4Addr::new(127, one, two, three.clamp(2, 250));
        let port = TcpListener::bind((host, 0)).unwrap().local_addr().unwrap().port();
        let address = SocketAddrV4::new(host, port);
        let settings: Vec<String> = settings.iter().map(|word| (*word).to_owned()).collect();
        let process = launch(folder.path(), address, &settings);
        Self { folder, address, settings, process }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}/0", self.address)
    }

    pub(crate) fn address(&self) -> SocketAddrV4 {
        self.address
    }

    /// Ends it without a word.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again on what it has written.
    pub(crate) fn restart(&mut self) {
        self.process = launch(self.folder.path(), self.address, &self.settings);
    }

    /// Sends a command that must succeed.
    pub(crate) fn tell(&self, words: &[&str]) {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        let mut connection = redis::Client::open(self.url()).unwrap().get_connection().unwrap();
        command.exec(&mut connection).unwrap();
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // One that was killed already is gone.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn launch(folder: &std::path::Path, address: SocketAddrV4, settings: &[String]) -> Child {
    let process = Command::new("redis-server")
        .args(["--bind", &address.ip().to_string(), "--port", &address.port().to_string()])
        .args(["--save", ""])
        .args(settings)
        .current_dir(folder)
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server is installed");
    let begun = Instant::now();
    while !answers(address) {
        assert!(begun.elapsed() < Duration::from_secs(30), "the server does not come up");
        std::thread::sleep(Duration::from_millis(10));
    }
    process
}

/// Whether it is up and has loaded its file; a refusal for want of a password is an answer.
fn answers(address: SocketAddrV4) -> bool {
    let client = redis::Client::open(format!("redis://{address}")).unwrap();
    match client.get_connection() {
        Ok(mut line) => match redis::cmd("PING").exec(&mut line) {
            Ok(()) => true,
            Err(error) => error.code() == Some("NOAUTH"),
        },
        Err(error) => error.code() == Some("NOAUTH"),
    }
}
