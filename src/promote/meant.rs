//! Which recorded value a fresh one stands for: the first, in order of use, whose scenario gives the same answers; else
//! the first that no other call of the selection means.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use super::bucket::{Bucket, Buckets};
use super::committed::{Committed, Place, committed_steps};
use super::group::{self, Sample, Step};
use crate::model::ExchangeId;

/// By when its first request started.
type First = (Timestamp, ExchangeId);

/// For each bucket that fits committed scenarios only by a fresh value the one that is meant; none where its answers
/// are those of no scenario and all are taken: then it is a new one.
pub(super) fn meant(committed: &Committed<'_>, buckets: &Buckets) -> HashMap<First, Option<Place>> {
    let mut taken: HashSet<Place> = HashSet::new();
    let mut fresh: Vec<&Bucket> = Vec::new();
    for bucket in buckets.values() {
        if bucket.is_fresh {
            fresh.push(bucket);
        } else {
            taken.extend(bucket.fits.iter().copied());
        }
    }
    fresh.sort_by_key(|bucket| bucket.first);
    let mut meant = HashMap::new();
    let mut known: HashMap<Place, Option<Vec<Step>>> = HashMap::new();
    for bucket in fresh {
        let mut samples = bucket.samples.clone();
        samples.sort_by_key(Sample::order);
        let steps = group::steps(&samples);
        let mut is_alike = |place: &&Place| {
            let old = known.entry(**place).or_insert_with(|| committed_steps(committed, **place));
            old.as_ref().is_some_and(|old| group::alike(old, &steps))
        };
        let free = || bucket.fits.iter().filter(|place| !taken.contains(place));
        let alike = free().find(&mut is_alike).or_else(|| bucket.fits.iter().find(&mut is_alike));
        let place = alike.or_else(|| free().next()).copied();
        taken.extend(place);
        meant.insert(bucket.first, place);
    }
    meant
}
