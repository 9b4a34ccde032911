//! What only shows from outside of a process: locks, syncs, kills, full disks.
//!
//! A test program of its own, because it starts itself again as the child that is locked out,
//! watched by `strace`, starved of disk or killed. Arguments choose tests by name, as usual.

#![allow(clippy::unwrap_used, clippy::panic)] // In tests, also outside of `#[test]` functions.
#![allow(clippy::print_stdout)] // What a test program and its children say.

mod child;
mod full_disk;
mod lock;
mod recover;
mod sync;
mod torn;

fn main() {
    if let Ok(role) = std::env::var(child::ROLE) {
        return child::run(&role);
    }
    let tests: [(&str, fn()); 8] = [
        ("a_second_process_is_refused", lock::a_second_process_is_refused),
        ("every_answer_comes_after_its_sync", sync::every_answer_comes_after_its_sync),
        ("a_full_disk_keeps_nothing_unanswered", full_disk::a_full_disk_keeps_nothing_unanswered),
        ("a_full_disk_can_be_emptied", full_disk::a_full_disk_can_be_emptied),
        ("what_was_answered_survives_kills", recover::what_was_answered_survives_kills),
        (
            "what_was_answered_survives_kills_while_the_wal_is_moved",
            recover::what_was_answered_survives_kills_while_the_wal_is_moved,
        ),
        ("a_kill_while_the_file_is_made", recover::a_kill_while_the_file_is_made),
        ("a_torn_tail_takes_no_earlier_commit", torn::a_torn_tail_takes_no_earlier_commit),
    ];
    let wanted: Vec<_> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    for (name, test) in tests {
        if wanted.is_empty() || wanted.iter().any(|word| name.contains(word.as_str())) {
            println!("test {name} ...");
            test();
            println!("test {name} ... ok");
        }
    }
}
