//! Bounds, aims, and what was reached.

use super::play::{Play, Question};
use super::stage::{Outcome, Waits};
use super::{SERVICE, SLOTS};
use std::fmt::Write;

/// What a play came to, in Markdown.
pub(crate) fn report(play: &Play, outcome: &Outcome) -> String {
    let mut text = format!(
        "### fair, {}: {}\n\n{} messages of backlog, {SLOTS} slots of {} ms on average, watched for {:.0} s.\n\n",
        play.store,
        play.sentence,
        play.backlog,
        SERVICE.as_millis(),
        outcome.span,
    );
    // Writing to a string does not fail.
    let _ = match play.question {
        Question::Waits => waits(&mut text, play, outcome),
        Question::Team => team(&mut text, outcome),
        Question::Weights => weights(&mut text, outcome),
        Question::Restart => restart(&mut text, outcome),
    };
    text
}

/// How quiet ones wait beside their bound, and what the noisy one has of the rest.
#[allow(clippy::cast_precision_loss)]
fn waits(text: &mut String, play: &Play, outcome: &Outcome) -> std::fmt::Result {
    let slots = f64::from(SLOTS);
    let quiet = outcome.served[..play.quiet].iter().sum::<u64>() as f64 / outcome.span;
    let noisy = outcome.served[play.noisy_ones()].iter().sum::<u64>() as f64 / outcome.span;
    // What is left of the slots, with services as long as they really were.
    let busy = outcome.busy.iter().sum::<f64>();
    let service = busy / outcome.served.iter().sum::<u64>() as f64;
    let left = slots / service - quiet;
    // Head of line without interruption: every slot is busy, other quiet ones go before.
    let rate = slots / SERVICE.as_secs_f64() - quiet;
    let bound = |share: f64| -(1.0 - share).ln() / rate * 1000.0;
    table(text, outcome)?;
    writeln!(text, "| bound | {:.2} | {:.2} | {:.2} | |\n", bound(0.5), bound(0.99), bound(0.999))?;
    let most = 1.5 * bound(0.99) + outcome.idle.0[1];
    let p99 = outcome.clear.0[1];
    aim(
        text,
        p99 <= most,
        &format!(
            "quiet p99 at most {most:.2} ms, 1.5 times the bound and what it is alone: {p99:.2}"
        ),
    )?;
    let share = noisy / left;
    aim(
        text,
        share >= 0.95,
        &format!("the noisy one has at least 0.95 of what is left, {left:.0}/s: {share:.3}"),
    )?;
    let (before, peak) = outcome.memory;
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    let more = peak - before;
    let memory =
        format!("memory at most 100 MiB above idle: {more:.0}, from {before:.0} to {peak:.0}");
    match play.store {
        "memory" => writeln!(text, "- {memory}; this store is the backlog")?,
        _ => aim(text, more <= 100.0, &memory)?,
    }
    writeln!(
        text,
        "- services took {:.2} ms on average, slots were busy {:.1} % of the time, the server used {:.0} % of a core; \
         nothing came at all {} times, for at most {:.0} ms; the machine's host gave {:.1} % of its time to others",
        service * 1000.0,
        busy / slots / outcome.span * 100.0,
        outcome.cpu / outcome.span * 100.0,
        outcome.stalls.0,
        outcome.stalls.1.as_secs_f64() * 1000.0,
        outcome.stolen / outcome.span / cores * 100.0,
    )
}

fn table(text: &mut String, outcome: &Outcome) -> std::fmt::Result {
    writeln!(
        text,
        "| quiet, accepted to arrived | p50 ms | p99 ms | p99.9 ms | worst ms |\n\
         | --- | ---: | ---: | ---: | ---: |"
    )?;
    row(text, "alone, stalls apart", outcome.idle)?;
    row(text, "beside the backlog", outcome.waits)?;
    row(text, "the same, stalls apart", outcome.clear)
}

fn row(text: &mut String, name: &str, Waits([p50, p99, p999, worst]): Waits) -> std::fmt::Result {
    writeln!(text, "| {name} | {p50:.2} | {p99:.2} | {p999:.2} | {worst:.1} |")
}

/// What a team of many keys has among teams of one.
#[allow(clippy::cast_precision_loss)]
fn team(text: &mut String, outcome: &Outcome) -> std::fmt::Result {
    // 999 teams of one key, then one of 1,000.
    let (teams, large) = outcome.served.split_at(999);
    let large = large.iter().sum::<u64>() as f64;
    let usual = teams.iter().sum::<u64>() as f64 / teams.len() as f64;
    let (least, most) = (teams.iter().min(), teams.iter().max());
    writeln!(
        text,
        "| of each of 999 teams | least | most | of the team of 1,000 keys |\n\
         | ---: | ---: | ---: | ---: |\n| {usual:.2} | {} | {} | {large:.0} |\n",
        least.unwrap_or(&0),
        most.unwrap_or(&0),
    )?;
    let off = (large - usual).abs();
    let line = (usual * 0.02).max(1.0);
    aim(
        text,
        off <= line,
        &format!("as much as a team of one, within 2 % or one message: {off:.2} off"),
    )
}

/// Slot time by weight.
fn weights(text: &mut String, outcome: &Outcome) -> std::fmt::Result {
    let all: f64 = outcome.busy.iter().sum();
    let wanted = [1.0 / 7.0, 2.0 / 7.0, 4.0 / 7.0];
    writeln!(
        text,
        "| weight | messages | slot time | wanted | off |\n| ---: | ---: | ---: | ---: | ---: |"
    )?;
    let mut worst = 0.0f64;
    for (number, wanted) in wanted.iter().enumerate() {
        let share = outcome.busy[number] / all;
        let off = (share / wanted - 1.0).abs() * 100.0;
        worst = worst.max(off);
        writeln!(
            text,
            "| {} | {} | {:.2} % | {:.2} % | {off:.2} % |",
            1 << number,
            outcome.served[number],
            share * 100.0,
            wanted * 100.0,
        )?;
    }
    writeln!(text)?;
    aim(text, worst <= 1.0, &format!("slot time within 1 %: {worst:.2} % off"))
}

/// What a kill in the middle did.
fn restart(text: &mut String, outcome: &Outcome) -> std::fmt::Result {
    table(text, outcome)?;
    writeln!(text)?;
    let (lost, disordered, again) = (outcome.lost, outcome.disordered, outcome.again);
    aim(text, lost == 0, &format!("nothing accepted is lost: {lost}"))?;
    aim(
        text,
        disordered == 0,
        &format!("order inside each topic holds: {disordered} behind a later one"),
    )?;
    writeln!(
        text,
        "- {again} came twice, of {} slots; nothing came for {:.0} ms at most",
        SLOTS,
        outcome.stalls.1.as_secs_f64() * 1000.0
    )
}

fn aim(text: &mut String, is_met: bool, words: &str) -> std::fmt::Result {
    writeln!(text, "- {}: {words}", if is_met { "met" } else { "missed" })
}
