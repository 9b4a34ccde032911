//! Delivery rules: which topics go where, and what each target owes them. First match wins.

use roundsman_store::Pattern;
use std::sync::Arc;
use std::time::Duration;

/// What makes a channel message delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ack {
    /// The kernel took the bytes for a joined client.
    Sent,
    /// A client says so.
    Client,
}

/// Whether a lane's messages keep their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// They arrive in the order they were accepted.
    Topic,
    /// Each by itself.
    None,
}

/// What happens while nobody is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offline {
    /// Kept until someone joins.
    Hold,
    /// Gone, counted.
    Drop,
}

/// Which kind of target, by its number in [`NodeBuilder::target`](crate::NodeBuilder::target).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum To {
    /// Sockets: has an audience, which joins and leaves.
    Channel,
    /// A target without an audience: always there.
    Target(u16),
}

/// One delivery rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Which topics.
    pub topics: Pattern,
    /// Where they go.
    pub to: To,
    /// What makes a message delivered; for channels.
    pub ack: Ack,
    /// Unacknowledged messages that a topic may have out.
    pub ack_window: usize,
    /// When what is unacknowledged comes again.
    pub ack_timeout: Duration,
    /// Whether a lane keeps its order.
    pub order: Order,
    /// What happens while nobody is there; for channels.
    pub offline: Offline,
}

impl Rule {
    /// Whether a lane has one message in flight at a time. A target may fail, and then what is
    /// behind must not have overtaken; a channel only ever hands back, all of it in order.
    #[must_use]
    pub fn is_serial(&self) -> bool {
        self.order == Order::Topic && self.to != To::Channel
    }

    /// The rule for channels with every default, for these topics.
    #[must_use]
    pub fn channel(topics: &str) -> Self {
        Self {
            topics: Pattern::new(topics),
            to: To::Channel,
            ack: Ack::Sent,
            ack_window: 100,
            ack_timeout: Duration::from_secs(30),
            order: Order::Topic,
            offline: Offline::Hold,
        }
    }
}

/// The rules of a node, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules(Arc<[Rule]>);

impl Rules {
    /// These rules, in this order; with none given, every topic goes to channels.
    #[must_use]
    pub fn new(rules: Vec<Rule>) -> Self {
        if rules.is_empty() { Self::default() } else { Self(rules.into()) }
    }

    /// The first rule that matches, with its number; `None` where no rule does, and then the
    /// topic's messages are refused.
    #[must_use]
    pub fn find(&self, topic: &str) -> Option<(usize, &Rule)> {
        self.0.iter().enumerate().find(|(_, rule)| rule.topics.matches(topic))
    }

    /// Rule `number`.
    #[must_use]
    pub fn get(&self, number: usize) -> Option<&Rule> {
        self.0.get(number)
    }

    /// The number of the rule before this one that takes all of its topics, where one does: it is
    /// never used then.
    #[must_use]
    pub fn hidden_by(&self, number: usize) -> Option<usize> {
        let hidden = &self.0.get(number)?.topics;
        self.0[..number].iter().position(|rule| rule.topics.covers(hidden))
    }

    /// Every rule, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.0.iter()
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self(Arc::new([Rule::channel("*")]))
    }
}
