//! The scenarios as data: who sends how much to whom, on which store, and what is aimed at.

use clap::ValueEnum;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// Durable: 100 clients on 100 topics, 4 senders, batches of 100.
    Sqlite,
    /// The same in memory.
    Memory,
    /// Single requests from 16 senders, in memory.
    Single,
    /// One topic with 1,000 subscribers.
    Fanout,
    /// One message at a time at 1,000 a second, durable: latency.
    Paced,
    /// 5,000 joined clients that do nothing: memory.
    Idle,
    /// 1,000,000 messages for nobody: memory, and the start on that file.
    Backlog,
    /// Webhooks to a local receiver, durable, against a bare client.
    Webhook,
    /// The same in memory.
    WebhookMemory,
    /// 1,000 endpoints of webhooks, of which one hangs: the others' latency.
    Hanging,
    /// 1,000 quiet keys beside a million messages of one, webhooks with 20 slots: who waits.
    Fair,
    /// The same in memory.
    FairMemory,
    /// The same, where the million is that of a team's 1,000 keys.
    FairPaths,
    /// A team of 1,000 keys against 999 teams of one, all with a backlog: shares.
    FairTeams,
    /// Weights 1 : 2 : 4, all with a backlog: shares.
    FairWeights,
    /// Killed and started again beside a backlog: order and losses.
    FairRestart,
}

/// A load on both servers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// The store of the server under test, a URL or its scheme.
    pub(crate) store: &'static str,
    /// Clients.
    pub(crate) clients: usize,
    /// Topics; client `i` joins topic `i % topics`.
    pub(crate) topics: usize,
    /// Senders, each with one request under way.
    pub(crate) senders: usize,
    /// Messages a request.
    pub(crate) batch: usize,
    /// Messages in all.
    pub(crate) messages: usize,
    /// Messages a second, where the load is paced.
    pub(crate) pace: Option<u32>,
}

/// What one scenario aims at.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Aim {
    /// Deliveries a second, as a share of the bare server's, at least.
    Rate(f64),
    /// CPU a delivery, as a multiple of the bare server's, at most.
    Cpu(f64),
    /// End-to-end latency at most so many milliseconds: median, and 99 of 100.
    Latency(f64, f64),
}

impl Scenario {
    /// Every scenario, in the order of the report.
    pub(crate) const ALL: [Self; 16] = [
        Self::Sqlite,
        Self::Memory,
        Self::Single,
        Self::Fanout,
        Self::Paced,
        Self::Idle,
        Self::Backlog,
        Self::Webhook,
        Self::WebhookMemory,
        Self::Hanging,
        Self::Fair,
        Self::FairMemory,
        Self::FairPaths,
        Self::FairTeams,
        Self::FairWeights,
        Self::FairRestart,
    ];

    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Memory => "memory",
            Self::Single => "single",
            Self::Fanout => "fanout",
            Self::Paced => "paced",
            Self::Idle => "idle",
            Self::Backlog => "backlog",
            Self::Webhook => "webhook",
            Self::WebhookMemory => "webhook-memory",
            Self::Hanging => "hanging",
            Self::Fair => "fair",
            Self::FairMemory => "fair-memory",
            Self::FairPaths => "fair-paths",
            Self::FairTeams => "fair-teams",
            Self::FairWeights => "fair-weights",
            Self::FairRestart => "fair-restart",
        }
    }

    /// In words, for the report.
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            Self::Sqlite => {
                "100 clients on 100 topics, 256-byte payloads, 4 senders, batches of 100, SQLite"
            }
            Self::Memory => "the same load, memory store",
            Self::Single => "single requests from 16 senders, memory store",
            Self::Fanout => "one topic with 1,000 subscribers, memory store",
            Self::Paced => "one message a request at 1,000/s, SQLite",
            Self::Idle => "5,000 joined clients that do nothing",
            Self::Backlog => "1,000,000 messages for nobody, SQLite",
            Self::Webhook => "webhooks to a local receiver, SQLite",
            Self::WebhookMemory => "webhooks to a local receiver, memory store",
            Self::Hanging => "one endpoint of 1,000 hangs, memory store",
            Self::Fair => "1,000 quiet keys beside 1,000,000 messages of one, SQLite",
            Self::FairMemory => "the same, memory store",
            Self::FairPaths => "the same, with the backlog of a team of 1,000 keys, SQLite",
            Self::FairTeams => "a team of 1,000 keys against 999 teams of one, SQLite",
            Self::FairWeights => "weights 1 : 2 : 4, SQLite",
            Self::FairRestart => "a restart beside a backlog, SQLite",
        }
    }

    /// The load; `None` where something else than deliveries is measured.
    pub(crate) fn load(self) -> Option<Load> {
        let batches = Load {
            store: "sqlite",
            clients: 100,
            topics: 100,
            senders: 4,
            batch: 100,
            messages: 800_000,
            pace: None,
        };
        match self {
            Self::Sqlite => Some(batches),
            Self::Memory => Some(Load { store: "memory", ..batches }),
            Self::Single => {
                Some(Load { store: "memory", senders: 16, batch: 1, messages: 150_000, ..batches })
            }
            Self::Fanout => Some(Load {
                store: "memory",
                clients: 1000,
                topics: 1,
                batch: 10,
                messages: 2000,
                ..batches
            }),
            Self::Paced => {
                Some(Load { senders: 16, batch: 1, messages: 10_000, pace: Some(1000), ..batches })
            }
            _ => None,
        }
    }

    /// What is aimed at.
    pub(crate) fn aims(self) -> &'static [Aim] {
        match self {
            Self::Sqlite => &[Aim::Rate(0.75), Aim::Cpu(1.3)],
            Self::Memory => &[Aim::Rate(1.1)],
            Self::Single => &[Aim::Cpu(1.3)],
            Self::Fanout => &[Aim::Rate(1.5)],
            Self::Paced => &[Aim::Latency(2.0, 10.0)],
            _ => &[],
        }
    }
}

impl Load {
    /// The same with a share of the messages, in whole requests.
    pub(crate) fn scaled(self, scale: f64) -> Self {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss
        )]
        let wanted = (self.messages as f64 * scale) as usize;
        let round = self.senders * self.batch;
        Self { messages: wanted.div_ceil(round).max(1) * round, ..self }
    }

    /// Clients on each topic.
    pub(crate) fn subscribers(&self) -> usize {
        self.clients / self.topics
    }
}
