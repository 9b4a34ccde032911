//! The list of all cases, as the macro that makes a named test of each.

/// Makes a test of each case of the suite, for the store that this harness opens.
///
/// The harness is an expression, evaluated for each test; see
/// [the module](mod@crate::conformance).
#[macro_export]
macro_rules! conformance {
    ($harness:expr) => {
        $crate::conformance! { @cases $harness;
            accept {
                answers_in_order
                keeps_every_field
                keeps_long_names
                an_empty_batch
                sequences_grow_across_lanes
                made_ids_read_back
                the_configured_expiry
                many_at_once
                closed_is_closed
            }
            duplicate {
                the_same_again
                twice_in_one_batch
                a_conflict_refuses_the_batch
                a_conflict_within_a_batch
                known_while_kept
                known_for_a_day_after_delivery
                known_after_expiry
                known_while_dead
                a_race_has_one_winner
            }
            bounds {
                backlog
                the_last_tenth
                backlog_per_key
                held_per_topic
                held_per_topic_in_a_batch
                ids
                a_duplicate_needs_no_room
                a_conflict_before_a_bound
                settling_makes_room
            }
            fetch {
                page_by_page
                bytes_are_bounded
                each_ask_is_answered
                blocked_lanes_are_read
                claimed_records_are_read
                lanes_are_apart
            }
            walk {
                page_by_page
                lanes_know_their_shard
                only_ready_lanes
                an_empty_lane_comes_back
            }
            claim {
                numbers_differ
                of_a_message_that_is_gone
                a_crash_cuts_off
                settled_attempts_are_not_cut_off
                a_second_sending_is_cut_off
                a_crash_counts_once
                alone_and_then_dead
                late_settlements_are_stale
            }
            settle {
                delivered_is_gone
                the_answer_says_where
                delivered_is_remembered_by_given_id
                sent_is_kept
                released_counts_no_failure
                retry_in_place_holds_the_lane
                retry_at_once
                retries_wait_for_the_latest
                retry_elsewhere_lets_the_lane_go_on
                dropped_and_expired_are_gone
                an_older_attempt_is_stale
                strangers_are_unknown
                a_mixed_batch
                by_id
                by_id_on_its_topic_only
                by_id_once_it_was_out
                by_id_after_a_move
                failures_are_told
                answers_are_told
                an_augmented_payload_is_kept
            }
            block {
                until_released
                a_join_releases_the_absent
                an_endpoint_releases_its_lanes
                all_endpoints_release_theirs
                newcomers_wait_too
                an_empty_lane_is_not_blocked
                the_last_block_holds
                until_a_moment
                held_is_counted
            }
            schedule {
                waits_until_due
                takes_its_place_when_due
                in_the_order_of_moments
                the_past_is_now
                keeps_its_id
                waits_with_its_lane
                many_are_due
                a_clock_that_is_set_back
            }
            expire {
                leaves_the_others
                in_blocked_lanes
                not_under_way
                expired_on_arrival
                while_it_waits_for_a_retry
                a_retried_head_lets_its_lane_go_on
                many_at_once
            }
            dead {
                is_kept_with_its_history
                takes_no_room
                without_a_failure
                stays_dead
                the_last_failures
            }
            take_back {
                one_that_is_ready
                one_that_is_scheduled
                only_where_it_was_seen
                what_is_gone_is_elsewhere
                its_id_is_known_for_a_day
                a_retried_head_lets_its_lane_go_on
                other_blocks_stay
            }
            letters {
                page_by_page
                show_everything
                by_every_filter
                by_id
                a_replayed_one_comes_as_new
                a_replayed_one_keeps_its_id
                a_replay_is_no_duplicate
                a_replay_into_a_busy_lane
                a_replay_into_a_blocked_lane
                replayed_step_by_step
                dropped_for_good
                a_dropped_id_is_known_for_a_day
            }
            hints {
                are_taken_once
                name_what_was_committed
                the_one_before_is_kept
                say_nothing_of_what_waits
                say_nothing_of_the_refused
                nothing_is_missed_unsaid
            }
            inspect {
                strangers_are_not_found
                a_place_is_no_name
                shows_every_field
                counts_add_up
                says_what_it_promises
            }
            order {
                histories_agree_with_a_model
            }
            reopen {
                accepted_is_kept
                settled_is_settled
                numbers_are_not_used_again
                blocks_stay
                history_stays
                parked_lanes_stay
                taken_back_is_gone
                a_replay_in_the_middle
                a_drop_in_the_middle
            }
        }
    };
    (@cases $harness:expr; $($verb:ident { $($case:ident)* })*) => {
        mod conformance {
            use super::*;

            fn harness() -> impl $crate::conformance::Harness {
                $harness
            }
            $(mod $verb {
                $(#[test]
                fn $case() {
                    $crate::conformance::run(
                        concat!(stringify!($verb), "::", stringify!($case)),
                        super::harness(),
                        $crate::conformance::$verb::$case,
                    );
                })*
            })*
        }
    };
}
