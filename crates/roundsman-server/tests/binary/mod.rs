//! The real binary, as a person runs it: in a folder of its own, with nothing of ours around it.
#![allow(dead_code, unreachable_pub, missing_debug_implementations)]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Output, Stdio};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_roundsman");

/// A working directory, and the binary in it.
pub struct Folder(TempDir);

/// What a run left.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// A server that runs.
pub struct Serving {
    child: Child,
    pub url: String,
    pub out: BufReader<ChildStdout>,
    pub err: BufReader<ChildStderr>,
}

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// The names of the files in it.
    pub fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// The binary, with pipes all around and no setting from outside.
    pub fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        self.clean(Command::new(BINARY), arguments)
    }

    /// A line for the shell, in which `$0` is the binary.
    pub fn shell(&self, line: &str) -> Command {
        self.clean(Command::new("sh"), ["-c", line, BINARY])
    }

    fn clean<A: AsRef<OsStr>>(
        &self,
        mut command: Command,
        arguments: impl IntoIterator<Item = A>,
    ) -> Command {
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("ROUNDSMAN_") {
                command.env_remove(name);
            }
        }
        command.args(arguments).current_dir(self.0.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs it to its end; `line` is split at spaces.
    pub fn run(&self, line: &str) -> Ended {
        Ended::from(self.command(line.split(' ')).output().unwrap())
    }

    /// Runs it to its end with this on standard input.
    pub fn run_with_input(&self, line: &str, input: &str) -> Ended {
        let mut child = self.command(line.split(' ')).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        Ended::from(child.wait_with_output().unwrap())
    }

    /// Starts a server and waits until it is ready.
    pub fn serve(&self, flags: &str) -> Serving {
        let line = format!("serve --listen 127.0.0.1:0 {flags}");
        Serving::start(&mut self.command(line.split_whitespace()))
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Serving {
    /// Starts it, and reads the one line that says that it is ready.
    #[track_caller]
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut err = BufReader::new(child.stderr.take().unwrap());
        let ready = line(&mut out);
        let Some(url) = ready.strip_prefix("roundsman is listening on ") else {
            let mut why = String::new();
            std::io::Read::read_to_string(&mut err, &mut why).unwrap();
            panic!("not ready: {ready:?} {why}");
        };
        let url = url.to_owned();
        Self { child, url, out, err }
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        self.url.split_once("://").unwrap().1
    }

    /// Sends it a signal, like `TERM`.
    pub fn signal(&self, name: &str) {
        let killed = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(killed.unwrap().success());
    }

    /// Reads its log up to the line that holds `words`, and answers that line.
    #[track_caller]
    pub fn log_until(&mut self, words: &str) -> String {
        loop {
            let line = line(&mut self.err);
            assert!(!line.is_empty(), "the log ended before {words:?}");
            if line.contains(words) {
                return line;
            }
        }
    }

    /// Waits for its end.
    pub fn end(mut self) -> Ended {
        let (mut out, mut err) = (String::new(), String::new());
        std::io::Read::read_to_string(&mut self.out, &mut out).unwrap();
        std::io::Read::read_to_string(&mut self.err, &mut err).unwrap();
        Ended { code: self.child.wait().unwrap().code(), out, err }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It has ended already where the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One line without its end; empty where there is none.
pub fn line(reader: &mut impl BufRead) -> String {
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

/// A file under `tests/keys`.
pub fn key_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys").join(name)
}
