//! The intakes of one server: started together, ended together.

use super::Intake;
use super::counts::{Counts, Intakes};
use super::pump::Pump;
use crate::config::Limits;
use roundsman_delivery::Node;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

/// How long logs may take to hear how far we are: what is in flight has to end as well.
const FAREWELL: Duration = Duration::from_secs(3);

/// The intakes of one server. Dropped, they go on until the runtime ends.
#[derive(Debug)]
pub(crate) struct Running {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Running {
    /// Starts them. None fails at the start: what is away is waited for.
    pub(crate) fn start(node: &Node, limits: Limits, intakes: &[Intake]) -> (Self, Intakes) {
        let counts: Intakes = intakes.iter().map(|_| Counts::default()).collect();
        let (stop, stopping) = watch::channel(false);
        let one = |(number, intake): (usize, &Intake)| {
            let (node, intake) = (node.clone(), intake.clone());
            let (counts, stopping) = (counts.clone(), stopping.clone());
            tokio::spawn(Pump { node, limits, intake, counts, number, stopping }.run())
        };
        let tasks = intakes.iter().enumerate().map(one).collect();
        (Self { stop, tasks }, counts)
    }

    /// Reads no more, and waits until what is on its way into the store is there and the logs know it.
    pub(crate) async fn stop(self, deadline: Instant) {
        self.stop.send_replace(true);
        let deadline = deadline.min(Instant::now() + FAREWELL);
        for task in self.tasks {
            // What the log does not know comes again, and is a duplicate then.
            let _ = timeout_at(deadline, task).await;
        }
    }
}
