//! A server of a test's own, that it may set, fill, stop and kill.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A `redis-server` in a folder of its own; killed and removed at the end.
pub(crate) struct Own {
    folder: tempfile::TempDir,
    port: u16,
    settings: Vec<String>,
    process: Child,
}

/// Settings with which it keeps what it confirms.
pub(crate) const DURABLE: &[&str] = &["--appendonly", "yes", "--appendfsync", "always"];

impl Own {
    pub(crate) fn start(settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let settings: Vec<String> = settings.iter().map(|word| (*word).to_owned()).collect();
        let process = launch(folder.path(), port, &settings);
        Self { folder, port, settings, process }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Ends it without a word.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again on what it has written.
    pub(crate) fn restart(&mut self) {
        self.process = launch(self.folder.path(), self.port, &self.settings);
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

fn launch(folder: &std::path::Path, port: u16, settings: &[String]) -> Child {
    let process = Command::new("redis-server")
        .args(["--bind", "127.0.0.1", "--save", "", "--port", &port.to_string()])
        .args(settings)
        .current_dir(folder)
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server is installed");
    let begun = Instant::now();
    while !answers(port) {
        assert!(begun.elapsed() < Duration::from_secs(30), "the server does not come up");
        std::thread::sleep(Duration::from_millis(10));
    }
    process
}

/// Whether it is up and has loaded its file; a refusal for want of a password is an answer.
fn answers(port: u16) -> bool {
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap();
    match client.get_connection() {
        Ok(mut line) => match redis::cmd("PING").exec(&mut line) {
            Ok(()) => true,
            Err(error) => error.code() == Some("NOAUTH"),
        },
        Err(error) => error.code() == Some("NOAUTH"),
    }
}
