//! The demand ledger, by itself.

use proptest::prelude::*;
use roundsman::demand::{Ledger, Slice};

fn slices(ledger: &mut Ledger, events: usize) -> Vec<(usize, usize)> {
    ledger.slices(events).map(|Slice { events, ask }| (events, ask)).collect()
}

#[test]
fn slices_are_counted_from_the_start_of_a_message() {
    assert_eq!(slices(&mut Ledger::new(1000, 500), 1000), [(500, 500), (500, 500)]);
    assert_eq!(slices(&mut Ledger::new(100, 80), 100), [(20, 20); 5]);
    let mut ledger = Ledger::new(100, 20);
    assert_eq!(slices(&mut ledger, 100), [(80, 80), (20, 0)]);
    assert_eq!(slices(&mut ledger, 80), [(80, 100)]);
    assert_eq!(slices(&mut Ledger::new(1, 0), 1), [(1, 1)]);
}

/// D11: the whole third hundred is handled and 300 asked for; the re-ask is not aligned to `min`.
#[test]
fn the_ask_comes_after_the_slice_that_reaches_the_minimum() {
    let mut ledger = Ledger::new(1000, 750);
    assert_eq!(slices(&mut ledger, 100), [(100, 0)]);
    assert_eq!(slices(&mut ledger, 100), [(100, 0)]);
    assert_eq!(slices(&mut ledger, 100), [(100, 300)]);
}

#[test]
fn an_excess_is_handled_and_not_counted() {
    let mut ledger = Ledger::new(4, 2);
    assert_eq!(ledger.excess(7), 3);
    let asked: Vec<_> = slices(&mut ledger, 7).into_iter().map(|(events, _)| events).collect();
    assert_eq!(asked, [2, 2, 2, 1]);
    assert!(ledger.outstanding() <= 4);
}

#[test]
fn bounds_change_while_demand_is_outstanding() {
    let mut ledger = Ledger::new(10, 5);
    assert_eq!((ledger.resize(20, 15), ledger.outstanding()), (10, 20));
    assert_eq!((ledger.resize(4, 2), ledger.outstanding()), (0, 20));
    assert_eq!(
        slices(&mut ledger, 17),
        [(2, 0); 8].into_iter().chain([(1, 0)]).collect::<Vec<_>>()
    );
    assert_eq!((slices(&mut ledger, 1), ledger.outstanding()), (vec![(1, 2)], 4));
    assert_eq!(ledger.resize(5, 4), 1);
}

proptest! {
    /// What is outstanding is always above `min` and at most `max`, and equals what was asked
    /// less what came, as long as no more comes than was asked.
    #[test]
    fn outstanding_is_asked_less_come(
        max in 1..200_usize,
        min in 0..200_usize,
        messages in prop::collection::vec(0..300_usize, 0..50),
    ) {
        prop_assume!(min < max);
        let mut ledger = Ledger::new(max, min);
        let mut outstanding = ledger.first_ask();
        for message in messages {
            let message = message.min(outstanding);
            let mut cut = 0;
            for slice in ledger.slices(message) {
                prop_assert!((1..=max - min).contains(&slice.events));
                cut += slice.events;
                outstanding = outstanding - slice.events + slice.ask;
                prop_assert!(outstanding > min && outstanding <= max);
            }
            prop_assert_eq!(cut, message);
            prop_assert_eq!(ledger.outstanding(), outstanding);
        }
    }
}
