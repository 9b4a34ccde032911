//! A server of a test's own, to be killed and started again: PostgreSQL, MariaDB, Redis.

use crate::kind::Kind;
use crate::run::PATIENCE;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

/// A server in a folder of its own, which keeps what it confirms.
pub(crate) struct Own {
    kind: Kind,
    folder: tempfile::TempDir,
    address: SocketAddrV4,
    /// Whom it runs as: PostgreSQL does not run as root.
    user: Option<(u32, u32)>,
    process: Option<Child>,
}

impl Own {
    /// `None`, and a word about it, where its programs are not installed.
    pub(crate) async fn start(kind: Kind) -> Option<Self> {
        let program = match kind {
            Kind::Postgres => "initdb",
            Kind::Mysql => "mariadb-install-db",
            _ => "redis-server",
        };
        if Command::new(program).arg("--version").stdout(Stdio::null()).status().is_err() {
            println!("skipped, {kind:?}: {program} is not in PATH");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let is_root = rustix::process::geteuid().is_root();
        let user = (is_root && kind == Kind::Postgres).then(|| user("postgres"));
        if let Some((uid, gid)) = user {
            chown(folder.path(), Some(uid), Some(gid)).unwrap();
        }
        let mut own = Self { kind, folder, address: free_address(), user, process: None };
        own.make();
        own.restart().await;
        Some(own)
    }

    pub(crate) fn url(&self) -> String {
        match self.kind {
            Kind::Postgres => format!("postgres://roundsman@{}/postgres", self.address),
            Kind::Mysql => format!("mysql://roundsman:roundsman@{}/roundsman", self.address),
            _ => format!("redis://{}/0", self.address),
        }
    }

    /// Ends it without a word, and every process of its own.
    pub(crate) async fn kill(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        let mut ids = vec![process.id()];
        ids.extend(children(process.id()));
        let ids = ids.iter().map(ToString::to_string);
        let killed = Command::new("kill").arg("-9").args(ids).stderr(Stdio::null()).status();
        // Some may have been gone already.
        killed.unwrap();
        process.wait().unwrap();
    }

    /// Starts it on what it has written, and waits until it listens.
    pub(crate) async fn restart(&mut self) {
        let begun = Instant::now();
        loop {
            assert!(begun.elapsed() < PATIENCE, "{:?} does not come up", self.kind);
            let process = self
                .process
                .get_or_insert_with(|| launch(self.kind, &self.folder, self.address, self.user));
            if process.try_wait().unwrap().is_some() {
                // PostgreSQL refuses while what is left of the one before still has its memory.
                self.process = None;
            } else if TcpStream::connect(self.address).await.is_ok() {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Its files as they are before it runs for the first time.
    fn make(&self) {
        let data = self.folder.path().join("data");
        let mut command = match self.kind {
            Kind::Postgres => {
                let mut command = Command::new("initdb");
                command.args(["-U", "roundsman", "--auth=trust", "-E", "UTF8", "--locale=C"]);
                command.args(["--no-sync", "-D"]).arg(&data);
                command
            }
            Kind::Mysql => {
                let init = "CREATE DATABASE IF NOT EXISTS roundsman;\n\
                            CREATE USER IF NOT EXISTS roundsman@'%' IDENTIFIED BY 'roundsman';\n\
                            GRANT ALL ON *.* TO roundsman@'%';\n\
                            DROP USER IF EXISTS ''@localhost;\n";
                std::fs::write(self.folder.path().join("init.sql"), init).unwrap();
                let mut command = Command::new("mariadb-install-db");
                command.args(["--no-defaults", "--auth-root-authentication-method=normal"]);
                command.args(["--skip-test-db", &format!("--user={}", name())]);
                command.arg(format!("--datadir={}", data.display()));
                command
            }
            _ => return std::fs::create_dir(&data).unwrap(),
        };
        run_as(&mut command, self.user).current_dir(self.folder.path());
        let made = command.output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // PostgreSQL's other processes end with their parent only if it is asked to end them.
            let ids = [process.id()].into_iter().chain(children(process.id()));
            let ids = ids.map(|id| id.to_string());
            let _ = Command::new("kill").arg("-9").args(ids).stderr(Stdio::null()).status();
            let _ = process.wait();
        }
    }
}

fn launch(
    kind: Kind,
    folder: &tempfile::TempDir,
    address: SocketAddrV4,
    user: Option<(u32, u32)>,
) -> Child {
    let (folder, data) = (folder.path(), folder.path().join("data"));
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let mut command;
    match kind {
        Kind::Postgres => {
            command = Command::new("postgres");
            command.arg("-D").arg(&data).args(["-h", &host, "-p", &port]);
            command.arg("-k").arg(folder);
            for setting in ["fsync=on", "synchronous_commit=on", "full_page_writes=on"] {
                command.args(["-c", setting]);
            }
        }
        Kind::Mysql => {
            command = Command::new("mariadbd");
            command.args(["--no-defaults", "--innodb-flush-log-at-trx-commit=1", "--skip-log-bin"]);
            command.args([format!("--bind-address={host}"), format!("--port={port}")]);
            command.arg(format!("--user={}", name()));
            for (flag, path) in [
                ("datadir", &data),
                ("socket", &folder.join("socket")),
                ("pid-file", &folder.join("pid")),
                ("init-file", &folder.join("init.sql")),
            ] {
                command.arg(format!("--{flag}={}", path.display()));
            }
        }
        _ => {
            command = Command::new("redis-server");
            command.args(["--bind", &host, "--port", &port, "--save", "", "--dir"]).arg(&data);
            command.args(["--appendonly", "yes", "--appendfsync", "always"]);
        }
    }
    let log = std::fs::File::options().create(true).append(true).open(folder.join("log")).unwrap();
    run_as(&mut command, user).current_dir(folder).stdout(log.try_clone().unwrap()).stderr(log);
    command.spawn().unwrap()
}

fn run_as(command: &mut Command, user: Option<(u32, u32)>) -> &mut Command {
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command
}

/// A loopback address of its own: the port of a killed server must not become another's.
fn free_address() -> SocketAddrV4 {
    let [one, two, three]: [u8; 3] = rand::random();
    let host = Ipv4Addr::new(127, one, two, three.clamp(2, 250));
    let port = TcpListener::bind((host, 0)).unwrap().local_addr().unwrap().port();
    SocketAddrV4::new(host, port)
}

/// The numbers of a user and its group.
fn user(name: &str) -> (u32, u32) {
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let mut users = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let user = users.find(|user| user[0] == name).expect("a user of that name");
    (user[2].parse().unwrap(), user[3].parse().unwrap())
}

/// This process's user.
fn name() -> String {
    let id = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(id.stdout).unwrap().trim().to_owned()
}

/// The processes that this one has started.
fn children(of: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    numbers
        .filter(|id| parent(Path::new("/proc").join(id.to_string()).as_path()) == Some(of))
        .collect()
}

fn parent(process: &Path) -> Option<u32> {
    let stat = std::fs::read_to_string(process.join("stat")).ok()?;
    // Behind the name, which may hold anything: state, parent.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}
