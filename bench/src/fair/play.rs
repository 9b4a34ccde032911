//! The plays as data: who takes part, with how much, on which store, for how long.

use super::SLOTS;
use std::time::Duration;

/// A key and a topic that messages are sent for.
#[derive(Clone, Debug)]
pub(crate) struct Party {
    pub(crate) topic: String,
    /// As JSON.
    pub(crate) key: String,
}

/// What is looked at in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// How long quiet keys wait.
    Waits,
    /// Whether 1,000 keys of one team have what each of 999 teams has.
    Team,
    /// Whether slot time is shared 1 : 2 : 4.
    Weights,
    /// Whether a restart keeps order and loses nothing.
    Restart,
}

/// One play.
#[derive(Clone, Debug)]
pub(crate) struct Play {
    pub(crate) sentence: &'static str,
    pub(crate) question: Question,
    pub(crate) store: &'static str,
    /// The quiet ones first.
    pub(crate) parties: Vec<Party>,
    pub(crate) quiet: usize,
    /// Messages of all noisy ones together, accepted first.
    pub(crate) backlog: usize,
    /// Lines of configuration beside the rule's.
    pub(crate) dispatch: &'static str,
    pub(crate) order: &'static str,
    /// How long it is watched.
    pub(crate) span: Duration,
}

impl Play {
    /// A million messages of one key, then 1,000 keys with one message a second each.
    pub(crate) fn noisy(store: &'static str) -> Self {
        let mut parties = crowd(0..1000, |user| format!(r#"["user-{user}"]"#));
        parties.push(Party { topic: "flood".into(), key: r#"["noisy"]"#.into() });
        Self {
            sentence: "1,000 quiet keys at 1/s each beside a backlog of one key",
            question: Question::Waits,
            store,
            parties,
            quiet: 1000,
            backlog: 1_000_000,
            dispatch: "",
            order: "none",
            span: Duration::from_secs(20),
        }
    }

    /// The same, where the backlog is that of a team of 1,000 keys, among 999 teams of one.
    pub(crate) fn sybil() -> Self {
        let mut parties = crowd(0..999, |team| format!(r#"["team-{team}","one"]"#));
        parties.extend(crowd(1000..2000, |user| format!(r#"["team-999","user-{user}"]"#)));
        Self {
            sentence: "999 quiet teams at 1/s each beside a backlog of one team's 1,000 keys",
            parties,
            quiet: 999,
            ..Self::noisy("sqlite")
        }
    }

    /// Every key of every team has a backlog: what each team gets.
    pub(crate) fn teams() -> Self {
        Self {
            sentence: "one team of 1,000 keys against 999 teams of one, all with a backlog",
            question: Question::Team,
            quiet: 0,
            backlog: 200_000,
            dispatch: "[dispatch]\ncharge = \"count\"\n",
            span: Duration::from_secs(25),
            ..Self::sybil()
        }
    }

    /// Three keys with a backlog, of weight 1, 2 and 4.
    pub(crate) fn weights() -> Self {
        let key = |name: &str| Party { topic: name.into(), key: format!(r#"["{name}"]"#) };
        Self {
            sentence: "weights 1 : 2 : 4, all with a backlog",
            question: Question::Weights,
            parties: ["one", "two", "four"].map(key).to_vec(),
            quiet: 0,
            backlog: 300_000,
            dispatch: "[dispatch]\nweights = { one = 1, two = 2, four = 4 }\n",
            span: Duration::from_secs(20),
            ..Self::noisy("sqlite")
        }
    }

    /// One key with a backlog over 100 topics in order, and quiet ones; killed in the middle.
    pub(crate) fn restart() -> Self {
        let mut parties = crowd(0..1000, |user| format!(r#"["user-{user}"]"#));
        parties.extend(crowd(1000..1100, |_| r#"["noisy"]"#.into()));
        Self {
            sentence: "killed and started again in the middle, in the order of topics",
            question: Question::Restart,
            parties,
            backlog: 20_000,
            order: "topic",
            span: Duration::from_secs(16),
            ..Self::noisy("sqlite")
        }
    }

    /// The same with a share of the backlog.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    pub(crate) fn scaled(mut self, scale: f64) -> Self {
        self.backlog = ((self.backlog as f64 * scale) as usize).max(LEAST);
        self
    }

    /// The configuration, for a receiver at this address.
    pub(crate) fn configuration(&self, receiver: std::net::SocketAddr) -> String {
        let (order, dispatch) = (self.order, self.dispatch);
        format!(
            "[[deliver]]\nto = \"webhook\"\nurl = \"http://{receiver}/\"\nallow_private = true\n\
             secret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\norder = \"{order}\"\n\
             concurrency = {SLOTS}\nper_host = {SLOTS}\n\
             [limits]\nmax_backlog_per_key = 10_000_000\n{dispatch}"
        )
    }

    /// The noisy ones.
    pub(crate) fn noisy_ones(&self) -> std::ops::Range<usize> {
        self.quiet..self.parties.len()
    }
}

/// A backlog of fewer would be over before the play is.
const LEAST: usize = 20_000;

/// Parties with a topic of their own each.
fn crowd(numbers: std::ops::Range<usize>, key: impl Fn(usize) -> String) -> Vec<Party> {
    numbers.map(|number| Party { topic: format!("user:{number}"), key: key(number) }).collect()
}
