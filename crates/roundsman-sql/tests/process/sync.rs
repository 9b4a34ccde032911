//! A kill cannot show a missing sync, since the page cache outlives the process: the calls to the
//! operating system show it.
//!
//! The child runs under `strace`. Whenever it says that it was answered, everything written to the
//! WAL so far must have been synced, and something must have been.

use super::child;
use std::collections::HashMap;
use std::process::Command;

pub(crate) fn every_answer_comes_after_its_sync() {
    let folder = tempfile::tempdir().unwrap();
    let (file, trace) = (folder.path().join("roundsman.db"), folder.path().join("trace"));
    let mut strace = Command::new("strace");
    strace.args(["-f", "-y", "-e", "trace=pwrite64,write,fsync,fdatasync", "-o"]);
    strace.arg(&trace).arg(std::env::current_exe().unwrap());
    child::environment(&mut strace, "accept", &file);
    let mut strace = strace.spawn().expect("strace is needed: apt-get install strace");
    let told = child::lines(&mut strace).take(30).count();
    drop(strace.stdin.take());
    strace.wait().unwrap();
    assert_eq!(told, 30);

    let trace = std::fs::read_to_string(&trace).unwrap();
    assert_eq!(answers_after_syncs(&trace), Ok(30));
    // The test itself can fail: without its syncs the same trace is refused.
    let unsynced: Vec<_> = trace.lines().filter(|line| !line.contains("sync")).collect();
    assert!(answers_after_syncs(&unsynced.join("\n")).is_err());
}

/// What is known of the WAL at one point of a trace.
#[derive(Default)]
struct Wal {
    /// Written since the last answer.
    written: bool,
    /// Written since the last sync that has returned.
    unsynced: bool,
}

/// Counts the answers in a trace, or names the first that came too early.
fn answers_after_syncs(trace: &str) -> Result<usize, String> {
    let (mut wal, mut answers) = (Wal::default(), 0);
    // Calls that had not returned when another thread's came in between.
    let mut unfinished = HashMap::new();
    for line in trace.lines() {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        let is_begin = !call.starts_with("<...");
        let began = if is_begin { call } else { unfinished.remove(thread).unwrap_or("") };
        let is_end = !call.contains("<unfinished ...>");
        if !is_end {
            unfinished.insert(thread, call);
        }
        if began.starts_with("pwrite64(") && began.contains("-wal>") && is_begin {
            wal = Wal { written: true, unsynced: true };
        }
        let is_sync = began.starts_with("fsync(") || began.starts_with("fdatasync(");
        if is_sync && began.contains("-wal>") && is_end && call.contains("= 0") {
            wal.unsynced = false;
        }
        if began.contains("\"accepted ") && is_begin {
            if wal.unsynced || !wal.written {
                return Err(format!("answered before its sync: {line}"));
            }
            wal.written = false;
            answers += 1;
        }
    }
    Ok(answers)
}
