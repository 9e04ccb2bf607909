//! Sequences: which step of a scenario answers next. Pure: who counts the calls is the cursor's affair.

use crate::collection::{EndPolicy, ResponseSpec};

/// The steps of one scenario, chosen by how many calls it has answered for a cursor.
#[derive(Debug)]
pub struct Sequence {
    /// For each step, the number of calls after which it is over.
    ends: Vec<u64>,
    policy: EndPolicy,
}

impl Sequence {
    /// The sequence of these steps.
    pub fn new(steps: &[ResponseSpec], policy: EndPolicy) -> Self {
        let mut total = 0;
        let ends = steps.iter().map(|step| {
            total += step.times.map_or(1, |times| u64::from(times.get()));
            total
        });
        Sequence { ends: ends.collect(), policy }
    }

    /// The step of the next call after `served` ones; `None` when the sequence is used up, or has no step at all.
    pub fn step(&self, served: u64) -> Option<usize> {
        let total = self.answers();
        if total == 0 {
            return None;
        }
        let call = match self.policy {
            EndPolicy::RepeatLast => served.min(total - 1),
            EndPolicy::Cycle => served % total,
            EndPolicy::Miss | EndPolicy::Pass if served >= total => return None,
            EndPolicy::Miss | EndPolicy::Pass => served,
        };
        Some(self.ends.partition_point(|&end| end <= call))
    }

    /// How many answers it has before its end policy sets in.
    pub fn answers(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Whether it matters how many calls it has answered.
    pub fn counts(&self) -> bool {
        self.ends.len() > 1 || self.policy.ends()
    }

    /// Whether a call after `served` ones asks for more than was recorded.
    pub fn is_past_end(&self, served: u64) -> bool {
        self.counts() && served >= self.answers()
    }

    /// How many calls come before a step, counted from 0.
    pub fn calls_before(&self, step: usize) -> Option<u64> {
        match step {
            0 => Some(0),
            _ if step <= self.ends.len() => self.ends.get(step - 1).copied(),
            _ => None,
        }
    }

    /// How many steps it has.
    pub fn steps(&self) -> usize {
        self.ends.len()
    }

    /// Whether a cursor's place in this sequence means the same in that one.
    pub fn goes_on_as(&self, other: &Sequence) -> bool {
        self.ends == other.ends
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(policy: EndPolicy) -> Vec<Option<usize>> {
        let steps: Vec<ResponseSpec> =
            serde_json::from_value(serde_json::json!([{ "status": 200, "times": 2 }, { "status": 404 }])).unwrap();
        let sequence = Sequence::new(&steps, policy);
        (0..6).map(|served| sequence.step(served)).collect()
    }

    #[test]
    fn steps_follow_their_times_and_the_end_its_policy() {
        assert_eq!(taken(EndPolicy::RepeatLast), [0, 0, 1, 1, 1, 1].map(Some));
        assert_eq!(taken(EndPolicy::Cycle), [0, 0, 1, 0, 0, 1].map(Some));
        for ends in [EndPolicy::Miss, EndPolicy::Pass] {
            assert_eq!(taken(ends), [Some(0), Some(0), Some(1), None, None, None]);
        }
    }

    #[test]
    fn a_single_answer_counts_nothing_unless_it_can_be_used_up() {
        let steps: Vec<ResponseSpec> = serde_json::from_value(serde_json::json!([{ "status": 200 }])).unwrap();
        let single = Sequence::new(&steps, EndPolicy::RepeatLast);
        assert!(!single.counts() && !single.is_past_end(5));
        let once = Sequence::new(&steps, EndPolicy::Miss);
        assert!(once.counts() && once.is_past_end(1) && !once.is_past_end(0));
        assert_eq!((once.step(0), once.step(1)), (Some(0), None));
    }
}
