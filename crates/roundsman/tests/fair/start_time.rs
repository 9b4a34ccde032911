//! Start-time fair queueing (Goyal, Vin and Cheng, 1996), which knows beforehand what a message
//! costs: the oracle.

use std::collections::VecDeque;

use crate::world::{Discipline, Job};

/// SFQ over keys with weights: the smallest start tag first; virtual time is the tag in service.
pub(crate) struct StartTime {
    keys: Vec<(u64, VecDeque<Job>, u64)>,
    time: u64,
}

const SCALE: u64 = 1 << 20;

impl StartTime {
    pub(crate) fn new(weights: &[u32]) -> Self {
        let keys = weights.iter().map(|weight| (u64::from(*weight), VecDeque::new(), 0)).collect();
        Self { keys, time: 0 }
    }
}

impl Discipline for StartTime {
    fn put(&mut self, job: Job, _: u64) {
        let (_, queue, tag) = &mut self.keys[job.key as usize];
        if queue.is_empty() {
            *tag = self.time.max(*tag);
        }
        queue.push_back(job);
    }

    fn take(&mut self, _: u64) -> Option<Job> {
        let backlogged = self.keys.iter_mut().filter(|(_, queue, _)| !queue.is_empty());
        let (weight, queue, tag) = backlogged.min_by_key(|(_, _, tag)| *tag)?;
        let job = queue.pop_front()?;
        self.time = *tag;
        *tag += job.service * SCALE / *weight;
        Some(job)
    }

    fn done(&mut self, _: Job, _: u64) {}
}
