//! `roundsman send`: one message, or a file of them.

use super::args::Send;
use super::failure::Failure;
use super::lines::{Bodies, Line, body};
use super::post::{Answer, Api};
use super::remote::{Problem, refusal};
use indicatif::{ProgressBar, ProgressStyle};
use roundsman_store::Key;
use serde_json::{Map, Value, value::RawValue};
use std::fs::File;
use std::io::{BufRead, BufReader, Write, stderr, stdin, stdout};
use std::path::Path;
use std::time::Duration;

pub(super) async fn run(send: Send) -> Result<(), Failure> {
    let api = Api::new(&send.remote.url, send.api_key.clone())?;
    match &send.file {
        Some(file) => send_file(&api, file).await,
        None => send_one(&api, message(&send)?).await,
    }
}

/// The one message of the command line. The payload goes as it was written.
fn message(send: &Send) -> Result<String, Failure> {
    let (Some(topic), Some(payload)) = (&send.topic, &send.payload) else {
        return Err(Failure::Usage("a topic and a payload are needed".to_owned()));
    };
    let payload: Box<RawValue> = serde_json::from_str(payload).map_err(|error| {
        Failure::Usage(format!(
            "the payload is not JSON: {error}; quote it for the shell: '{{\"n\": 1}}'"
        ))
    })?;
    let mut fields = Map::new();
    fields.insert("topic".to_owned(), Value::from(topic.as_str()));
    if let Some(event) = &send.event {
        fields.insert("event".to_owned(), Value::from(event.as_str()));
    }
    if let Some(key) = &send.key {
        let key = Key::parse(key).map_err(|error| Failure::Usage(format!("--key: {error}")))?;
        fields.insert("key".to_owned(), key.parts().map(String::from).collect());
    }
    let head = Value::Object(fields).to_string();
    Ok(format!("{},\"payload\":{}}}", head.trim_end_matches('}'), payload.get()))
}

async fn send_one(api: &Api, message: String) -> Result<(), Failure> {
    let waits = |wait: Duration, why: &str| {
        let _ = writeln!(stderr(), "{why}; again in {} s", wait.as_secs());
    };
    match api.post("application/json", message, waits).await? {
        Answer::Taken(taken) => {
            let mut out = stdout().lock();
            for message in taken {
                writeln!(out, "{}", message.id)?;
            }
            Ok(())
        }
        Answer::Refused(problem) => Err(refusal(&problem)),
    }
}

/// What became of a file's messages so far.
#[derive(Debug, Default)]
struct Tally {
    accepted: u64,
    duplicates: u64,
    refused: u64,
}

async fn send_file(api: &Api, file: &Path) -> Result<(), Failure> {
    let name = file.display().to_string();
    let (reader, size) = open(file).map_err(|error| Failure::Failed(format!("{name}: {error}")))?;
    let bar = progress(size);
    let mut bodies = Bodies::new(reader);
    let mut tally = Tally::default();
    loop {
        let lines = match bodies.next() {
            Ok(lines) => lines,
            Err(error) => {
                bar.abandon();
                return Err(Failure::Failed(format!("{name}:{error}; {}", tally.words())));
            }
        };
        let Some((first, last)) = lines.first().zip(lines.last()) else { break };
        let place = format!("{name}:{}-{}", first.number, last.number);
        if let Err(failure) = send_lines(api, &name, lines, &bar, &mut tally).await {
            bar.abandon();
            return Err(Failure::Failed(format!("{place}: {failure}; {}", tally.words())));
        }
        bar.set_position(bodies.read());
    }
    bar.finish_and_clear();
    writeln!(stdout(), "{}", tally.words())?;
    if tally.refused == 0 { Ok(()) } else { Err(Failure::Said) }
}

/// Sends lines as one body, and those of them that are not at fault again, until they are taken.
async fn send_lines(
    api: &Api,
    name: &str,
    mut lines: Vec<Line>,
    bar: &ProgressBar,
    tally: &mut Tally,
) -> Result<(), Failure> {
    while !lines.is_empty() {
        let waits = |wait: Duration, why: &str| {
            let words = format!("{why}; again in {} s", wait.as_secs());
            if bar.is_hidden() {
                let _ = writeln!(stderr(), "{name}: {words}");
            }
            bar.set_message(words);
        };
        match api.post("application/x-ndjson", body(&lines), waits).await? {
            Answer::Taken(taken) => {
                let duplicates = taken.iter().filter(|message| message.duplicate).count() as u64;
                tally.duplicates += duplicates;
                tally.accepted += taken.len() as u64 - duplicates;
                bar.set_message(tally.words());
                return Ok(());
            }
            Answer::Refused(problem) => {
                let before = lines.len();
                lines = sound(name, lines, &problem, bar)?;
                tally.refused += (before - lines.len()) as u64;
            }
        }
    }
    Ok(())
}

/// Names the lines at fault and gives back the others.
fn sound(
    name: &str,
    lines: Vec<Line>,
    problem: &Problem,
    bar: &ProgressBar,
) -> Result<Vec<Line>, Failure> {
    let faults: Vec<_> = problem.errors.iter().filter(|fault| fault.index < lines.len()).collect();
    if faults.is_empty() {
        return Err(Failure::failed(problem.detail.as_str()));
    }
    for fault in &faults {
        let number = lines[fault.index].number;
        bar.suspend(|| {
            let gap = if fault.pointer.is_empty() { "" } else { " " };
            let _ = writeln!(stderr(), "{name}:{number}:{gap}{} {}", fault.pointer, fault.detail);
        });
    }
    let at_fault = |index: usize| faults.iter().any(|fault| fault.index == index);
    let numbered = lines.into_iter().enumerate();
    Ok(numbered.filter(|(index, _)| !at_fault(*index)).map(|(_, line)| line).collect())
}

fn open(file: &Path) -> std::io::Result<(Box<dyn BufRead>, Option<u64>)> {
    if file.as_os_str() == "-" {
        return Ok((Box::new(BufReader::new(stdin())), None));
    }
    let opened = File::open(file)?;
    let size = opened.metadata()?.len();
    Ok((Box::new(BufReader::new(opened)), Some(size)))
}

/// Shown where standard error is a terminal.
fn progress(size: Option<u64>) -> ProgressBar {
    let (bar, template) = match size {
        Some(size) => (ProgressBar::new(size), "{bar:30} {bytes}/{total_bytes} {eta} {msg}"),
        None => (ProgressBar::new_spinner(), "{spinner} {bytes} {msg}"),
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

impl Tally {
    fn words(&self) -> String {
        format!(
            "{} accepted, {} duplicates, {} refused",
            self.accepted, self.duplicates, self.refused
        )
    }
}
