//! Sequences: which step of a scenario answers next.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::collection::{EndPolicy, ResponseSpec};

/// Counts the calls that one scenario answered, and chooses the step by that. One atomic operation per call, in the
/// order in which calls reach the matcher.
#[derive(Debug)]
pub struct Sequence {
    /// For each step, the number of calls after which it is over.
    ends: Vec<u64>,
    policy: EndPolicy,
    served: AtomicU64,
}

impl Sequence {
    /// The sequence of these steps.
    pub fn new(steps: &[ResponseSpec], policy: EndPolicy) -> Self {
        let mut total = 0;
        let ends = steps.iter().map(|step| {
            total += step.times.map_or(1, |times| u64::from(times.get()));
            total
        });
        Sequence { ends: ends.collect(), policy, served: AtomicU64::new(0) }
    }

    /// Takes the step of the next call; `None` when the sequence is used up, or has no step at all.
    pub fn advance(&self) -> Option<usize> {
        let count = |call| self.step_of(call).map(|_| call + 1);
        let call = self.served.fetch_update(Ordering::Relaxed, Ordering::Relaxed, count).ok()?;
        self.step_of(call)
    }

    /// Whether the next call would find it used up.
    pub fn is_used_up(&self) -> bool {
        self.step_of(self.served()).is_none()
    }

    /// How many calls it answered.
    pub fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }

    /// How many answers it has before its end policy sets in.
    pub fn answers(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Whether more was asked of it than was recorded: the end policy answered, or refused.
    pub fn is_exhausted(&self) -> bool {
        self.ends.len() > 1 && self.served() > self.answers()
    }

    fn step_of(&self, call: u64) -> Option<usize> {
        let total = self.answers();
        if total == 0 {
            return None;
        }
        let call = match self.policy {
            EndPolicy::RepeatLast => call.min(total - 1),
            EndPolicy::Cycle => call % total,
            EndPolicy::Miss if call >= total => return None,
            EndPolicy::Miss => call,
        };
        Some(self.ends.partition_point(|&end| end <= call))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(policy: EndPolicy) -> Vec<Option<usize>> {
        let steps: Vec<ResponseSpec> =
            serde_json::from_value(serde_json::json!([{ "status": 200, "times": 2 }, { "status": 404 }])).unwrap();
        let sequence = Sequence::new(&steps, policy);
        (0..6).map(|_| sequence.advance()).collect()
    }

    #[test]
    fn steps_follow_their_times_and_the_end_its_policy() {
        assert_eq!(taken(EndPolicy::RepeatLast), [0, 0, 1, 1, 1, 1].map(Some));
        assert_eq!(taken(EndPolicy::Cycle), [0, 0, 1, 0, 0, 1].map(Some));
        assert_eq!(taken(EndPolicy::Miss), [Some(0), Some(0), Some(1), None, None, None]);
    }

    #[test]
    fn a_used_up_sequence_says_so_and_does_not_count_further() {
        let steps: Vec<ResponseSpec> = serde_json::from_value(serde_json::json!([{ "status": 200 }])).unwrap();
        let sequence = Sequence::new(&steps, EndPolicy::Miss);
        assert!(!sequence.is_used_up());
        sequence.advance();
        assert!(sequence.is_used_up());
        sequence.advance();
        assert_eq!(sequence.served(), 1);
    }

    #[test]
    fn each_step_is_taken_once_whatever_the_concurrency() {
        let steps: Vec<ResponseSpec> =
            (0..64).map(|_| serde_json::from_value(serde_json::json!({ "status": 200 })).unwrap()).collect();
        let sequence = Sequence::new(&steps, EndPolicy::Miss);
        let mut taken: Vec<usize> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..16).filter_map(|_| sequence.advance()).collect::<Vec<_>>()))
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        taken.sort_unstable();
        assert_eq!(taken, (0..64).collect::<Vec<_>>());
    }
}
