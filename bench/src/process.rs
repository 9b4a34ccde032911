//! Servers as processes: started, measured through `/proc`, stopped.

use crate::Error;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// `HOST:PORT` that it listens on.
    pub(crate) address: String,
    /// From the start of the process to the line that says it is ready.
    pub(crate) ready_after: Duration,
}

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// The bare one, in this same program.
    Bare,
    /// The one that is measured.
    Roundsman,
}

impl Which {
    /// Its name in the report.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Roundsman => "roundsman",
        }
    }
}

/// Builds the release binary and says where it is: beside this program.
pub(crate) fn build() -> Result<PathBuf, Error> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let build = ["build", "--release", "--quiet", "--package", "roundsman-server"];
    if !Command::new(cargo).args(build).status()?.success() {
        return Err("the release binary does not build".into());
    }
    let binary = std::env::current_exe()?.with_file_name("roundsman");
    if binary.exists() { Ok(binary) } else { Err(format!("no {}", binary.display()).into()) }
}

impl Server {
    /// Starts a server and waits for its ready line. Its log goes to a file in `folder`.
    pub(crate) fn start(
        which: Which,
        binary: &Path,
        store: &str,
        folder: &Path,
    ) -> Result<Self, Error> {
        let command = match which {
            Which::Bare => {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg("bare");
                command
            }
            Which::Roundsman => serve(binary, store),
        };
        Self::spawn(which, command, folder)
    }

    /// Starts Roundsman with this file of configuration in `folder`.
    pub(crate) fn start_with(
        binary: &Path,
        store: &str,
        folder: &Path,
        configuration: &str,
    ) -> Result<Self, Error> {
        let store = match store {
            "memory" => "memory:".into(),
            _ => format!("sqlite:{}", folder.join("bench.db").display()),
        };
        let mut command = serve(binary, &store);
        command.args(["--config", configuration]);
        Self::spawn(Which::Roundsman, command, folder)
    }

    fn spawn(which: Which, mut command: Command, folder: &Path) -> Result<Self, Error> {
        let log = fs::File::create(folder.join(format!("{}.log", which.name())))?;
        command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let began = Instant::now();
        let mut child = command.spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        let ready_after = began.elapsed();
        let Some((_, address)) = line.trim().split_once("http://") else {
            return Err(
                format!("{} did not become ready: see {}", which.name(), folder.display()).into()
            );
        };
        Ok(Self { child, address: address.into(), ready_after })
    }

    /// Processor time used so far, in seconds.
    pub(crate) fn cpu(&self) -> Result<f64, Error> {
        cpu_of(&self.child.id().to_string())
    }

    /// A size of `/proc/PID/status`, in KiB: `VmRSS` now, `VmHWM` at most so far.
    pub(crate) fn memory(&self, name: &str) -> Result<f64, Error> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find(|line| line.starts_with(name)).ok_or("no such size")?;
        Ok(line.split_whitespace().nth(1).ok_or("no number")?.parse()?)
    }

    /// Kills it as nothing can be prepared for and waits until it is gone.
    pub(crate) fn kill(mut self) -> Result<(), Error> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Stops it as a supervisor would and waits until it is gone.
    pub(crate) fn stop(mut self) -> Result<(), Error> {
        Command::new("kill").arg(self.child.id().to_string()).status()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    /// A run that failed half-way leaves no server behind.
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn serve(binary: &Path, store: &str) -> Command {
    let mut command = Command::new(binary);
    command.args(["serve", "--listen", "127.0.0.1:0", "--store", store]);
    command
}

/// Processor time of a process (`self` is this one) in seconds, user and system together.
pub(crate) fn cpu_of(process: &str) -> Result<f64, Error> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The second field is a name in brackets that may itself hold blanks and brackets.
    let fields: Vec<&str> =
        stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    Ok(ticks / TICKS)
}

/// Processor seconds, of all cores, that the host of a virtual machine gave to others since it started:
/// what is measured meanwhile is theirs as much as ours.
pub(crate) fn stolen() -> Result<f64, Error> {
    let stat = fs::read_to_string("/proc/stat")?;
    let all = stat.lines().next().unwrap_or_default();
    Ok(all.split_whitespace().nth(8).unwrap_or("0").parse::<f64>()? / TICKS)
}

/// Clock ticks a second in `/proc`: 100 on every Linux there is, whatever the kernel's own rate.
const TICKS: f64 = 100.0;
