//! What a message has to wait for on its way: the sources of what it lacks, and its target. Pure.

use crate::augment::Augment;
use roundsman_store::{Endpoint, Record};

/// Augmentations that a message is looked up for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Needs(u64);

/// What can be away for the messages of a lane.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    /// The augmentations for its topic.
    augments: Needs,
    target: Option<Endpoint>,
}

impl Needs {
    /// Augmentations that can be told apart; a node has no more.
    pub(crate) const MOST: usize = u64::BITS as usize;

    pub(crate) fn is_none(self) -> bool {
        self.0 == 0
    }

    fn each(self) -> impl Iterator<Item = usize> {
        (0..Self::MOST).filter(move |number| self.0 >> number & 1 == 1)
    }

    fn add(&mut self, number: usize) {
        self.0 |= 1 << number.min(Self::MOST - 1);
    }
}

impl Way {
    /// The way of the messages of `topic` to a target that is at this endpoint.
    pub(crate) fn of(augments: &[Augment], topic: &str, target: Option<Endpoint>) -> Self {
        let mut needs = Needs::default();
        let all = augments.iter().enumerate();
        all.filter(|(_, it)| it.topics.matches(topic)).for_each(|(number, _)| needs.add(number));
        Self { augments: needs, target }
    }

    /// The endpoint of its target, where that has any.
    pub(crate) fn target(&self) -> Option<Endpoint> {
        self.target
    }

    /// Whether messages of its topic may need lookups.
    pub(crate) fn has_lookups(&self) -> bool {
        !self.augments.is_none()
    }

    /// What a message needs: what it is looked up for as it is, and what an earlier lookup may add
    /// a value for.
    pub(crate) fn needs(&self, augments: &[Augment], record: &Record) -> Needs {
        let mut needs = Needs::default();
        if record.history.as_ref().is_some_and(|history| history.augmented) {
            return needs;
        }
        for number in self.augments.each() {
            let Some(augment) = augments.get(number) else { break };
            let is_made = |before: usize| augments[before].into.meets(&augment.value);
            if augment.wants(&record.payload).is_some() || needs.each().any(is_made) {
                needs.add(number);
            }
        }
        needs
    }

    /// What has to answer for messages that need this.
    pub(crate) fn endpoints(
        &self,
        sources: &[Endpoint],
        needs: Needs,
    ) -> impl Iterator<Item = Endpoint> {
        let sources = sources.iter().enumerate();
        let needed = sources.filter(move |(number, _)| needs.0 >> number & 1 == 1);
        needed.map(|(_, endpoint)| *endpoint).chain(self.target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::{Found, Value};
    use bytes::Bytes;
    use roundsman_store::{History, Key, Lane, LaneId, MessageId, Pattern, Timestamp};
    use std::sync::Arc;

    fn augment(name: &str, topics: &str, value: &str, into: &str) -> Augment {
        let nothing = |_: Vec<Value>| Ok(Found::new());
        let augment = Augment::new(name, value, into, nothing).unwrap();
        Augment { topics: Pattern::new(topics), ..augment }
    }

    fn record(payload: &'static str) -> Record {
        let key = Key::parse("k").unwrap();
        Record {
            lane: Arc::new(Lane { id: LaneId(1), key, topic: "a:1".into() }),
            seq: 1,
            id: MessageId::Given("1".into()),
            event: "message".into(),
            payload: Bytes::from_static(payload.as_bytes()),
            accepted_at: Timestamp(0),
            expires_at: None,
            history: None,
        }
    }

    #[test]
    fn a_message_needs_what_stands_in_it_or_is_made_on_the_way() {
        let augments = [
            augment("user", "*", "/id", "/user"),
            augment("team", "a:*", "/user/team", "/team"),
            augment("price", "*", "/article", "/price"),
            augment("other", "b:*", "/id", "/other"),
        ];
        let way = Way::of(&augments, "a:1", Some(Endpoint(9)));
        let sources: Vec<Endpoint> = (0..4).map(Endpoint).collect();
        let of = |record: &Record| {
            let needs = way.needs(&augments, record);
            way.endpoints(&sources, needs).map(|it| it.0).collect::<Vec<_>>()
        };
        assert_eq!(of(&record("{}")), [9]);
        assert_eq!(of(&record(r#"{"id":{}}"#)), [9], "no value to look up");
        assert_eq!(of(&record(r#"{"id":1}"#)), [0, 1, 9], "the team is in what user adds");
        assert_eq!(of(&record(r#"{"article":1,"user":{"team":2}}"#)), [1, 2, 9]);
        let history = History { augmented: true, ..History::default() };
        let again = Record { history: Some(Box::new(history)), ..record(r#"{"id":1}"#) };
        assert_eq!(of(&again), [9], "lookups have had their say");
    }
}
