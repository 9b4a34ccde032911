//! The topics that one socket has joined, and which frames belong to which join.
//!
//! A join is told from an earlier one to the same topic by its reference: a frame that carries
//! another one is late and is dropped without a word; `null` stands for whichever join there is.

use super::frame::Ref;
use std::sync::Arc;

/// One topic as it was joined.
#[derive(Clone, Debug)]
pub(super) struct Membership {
    pub(super) topic: Arc<str>,
    pub(super) join_ref: Ref,
    /// It is going to acknowledge what it gets.
    pub(super) asks: bool,
}

/// What a frame's topic and join reference say together.
#[derive(Debug)]
pub(super) enum Belongs<'a> {
    /// To this join.
    To(&'a Membership),
    /// To one that is over, while a newer one lives.
    Stale,
    /// To none: the topic is not joined.
    Unjoined,
}

/// The topics of one socket. At most a hundred: a list that is walked.
#[derive(Debug, Default)]
pub(super) struct Memberships(Vec<Membership>);

impl Memberships {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Where a frame with this topic and this join reference belongs.
    pub(super) fn find(&self, topic: &str, join_ref: &str) -> Belongs<'_> {
        match self.0.iter().find(|membership| *membership.topic == *topic) {
            None => Belongs::Unjoined,
            Some(found) if join_ref == "null" || found.join_ref.as_json() == join_ref => {
                Belongs::To(found)
            }
            Some(_) => Belongs::Stale,
        }
    }

    pub(super) fn add(&mut self, membership: Membership) {
        self.0.push(membership);
    }

    pub(super) fn remove(&mut self, topic: &str) -> Option<Membership> {
        let place = self.0.iter().position(|membership| *membership.topic == *topic)?;
        Some(self.0.swap_remove(place))
    }

    pub(super) fn take(&mut self) -> Vec<Membership> {
        std::mem::take(&mut self.0)
    }
}

/// Where an answer goes.
#[derive(Clone, Debug)]
pub(super) struct Address {
    pub(super) topic: Arc<str>,
    pub(super) join_ref: Ref,
    pub(super) reference: Ref,
}

impl Address {
    /// Of the frame `reference` that came to `membership`.
    pub(super) fn new(membership: &Membership, reference: Ref) -> Self {
        let (topic, join_ref) = (membership.topic.clone(), membership.join_ref.clone());
        Self { topic, join_ref, reference }
    }
}
