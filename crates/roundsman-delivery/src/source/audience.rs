//! Who is there: for each topic how many clients joined, how many of them acknowledge, and how
//! much they have out. Pure.

use roundsman_store::LaneId;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// One topic that somebody joined, or of which lanes are resident.
#[derive(Debug, Default)]
pub(crate) struct Topic {
    /// Clients joined.
    pub(crate) clients: u32,
    /// Those of them that asked for acknowledgement.
    pub(crate) askers: u32,
    /// Messages in flight or unacknowledged, over all lanes of the topic.
    pub(crate) out: usize,
    /// Its resident lanes.
    pub(crate) lanes: Vec<LaneId>,
}

/// The topics of a node.
#[derive(Debug, Default)]
pub(crate) struct Audience(FxHashMap<Arc<str>, Topic>);

impl Audience {
    pub(crate) fn get(&self, topic: &str) -> Option<&Topic> {
        self.0.get(topic)
    }

    pub(crate) fn is_there(&self, topic: &str) -> bool {
        self.0.get(topic).is_some_and(|topic| topic.clients > 0)
    }

    pub(crate) fn lanes_of(&self, topic: &str) -> Vec<LaneId> {
        self.0.get(topic).map_or_else(Vec::new, |topic| topic.lanes.clone())
    }

    pub(crate) fn join(&mut self, name: &Arc<str>, asks: bool) {
        let topic = self.0.entry(name.clone()).or_default();
        topic.clients += 1;
        topic.askers += u32::from(asks);
    }

    pub(crate) fn leave(&mut self, name: &str, asks: bool) {
        self.change(name, |topic| {
            topic.clients = topic.clients.saturating_sub(1);
            topic.askers = topic.askers.saturating_sub(u32::from(asks));
        });
    }

    pub(crate) fn add_lane(&mut self, name: &Arc<str>, lane: LaneId) {
        self.0.entry(name.clone()).or_default().lanes.push(lane);
    }

    pub(crate) fn remove_lane(&mut self, name: &str, lane: LaneId) {
        self.change(name, |topic| topic.lanes.retain(|other| *other != lane));
    }

    pub(crate) fn add_out(&mut self, name: &str, count: usize) {
        self.change(name, |topic| topic.out += count);
    }

    pub(crate) fn remove_out(&mut self, name: &str, count: usize) {
        self.change(name, |topic| topic.out = topic.out.saturating_sub(count));
    }

    /// Forgets the topic where nothing is left of it: nobody joined, no lane resident.
    fn change(&mut self, name: &str, change: impl FnOnce(&mut Topic)) {
        if let Some(topic) = self.0.get_mut(name) {
            change(topic);
            if topic.clients == 0 && topic.lanes.is_empty() {
                self.0.remove(name);
            }
        }
    }
}
