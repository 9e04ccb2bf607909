//! Which pages there are, and their summaries, read group by group when something asks for them: a listing of the newest
//! needs none, and opening costs the same however long the history.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::IndexError;
use super::db::Db;
use super::row::Summary;

/// Pages whose summaries lie in one value: as many as [`Group::pages`] has bits.
const PAGES: u64 = 32;

/// The groups by number. Readers take the map as it is; it is copied only when a batch comes while one has it.
pub(super) type Groups = Arc<BTreeMap<u64, Arc<Group>>>;

/// The names in summaries, each in memory once: a thousand pages name the same few hosts.
#[derive(Default)]
pub(super) struct Names(Mutex<HashSet<Arc<str>>>);

impl Names {
    /// Puts names known already in the place of these.
    pub(super) fn share<'n>(&self, names: impl IntoIterator<Item = &'n mut Arc<str>>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for name in names {
            match known.get(name) {
                Some(same) => *name = same.clone(),
                None => drop(known.insert(name.clone())),
            }
        }
    }
}

/// Pages that follow each other.
pub(super) struct Group {
    /// Bit N: the Nth of its pages is there.
    pages: u32,
    /// How many rows they have.
    rows: u32,
    /// Of the pages that are there, in their order.
    summaries: OnceLock<Vec<Arc<Summary>>>,
}

impl Group {
    /// A group that the index knows of.
    pub(super) fn known(pages: u32, rows: u32) -> Group {
        Group { pages, rows, summaries: OnceLock::new() }
    }

    /// What is written of it beside its summaries.
    pub(super) fn known_by(&self) -> (u32, u32) {
        (self.pages, self.rows)
    }

    /// Its summaries, read when they have not been yet.
    ///
    /// # Errors
    /// They cannot be read, or are not those of the pages that are there.
    pub(super) fn summaries(&self, number: u64, db: &Db, names: &Names) -> Result<&[Arc<Summary>], IndexError> {
        if let Some(known) = self.summaries.get() {
            return Ok(known);
        }
        let read = db.summaries(number).map_err(IndexError::from).and_then(|read| {
            let rows: u32 = read.iter().map(|summary| summary.rows).sum();
            match (read.len() as u32, rows) == (self.pages.count_ones(), self.rows) {
                true => Ok(read),
                false => Err(IndexError::Damaged(format!("its pages should have {} rows and have {rows}", self.rows))),
            }
        });
        // Who writes the next state of a group has read this one before: what was read may be newer than this.
        if let Some(known) = self.summaries.get() {
            return Ok(known);
        }
        let shared = read?.into_iter().map(|mut summary| {
            names.share(summary.names());
            Arc::new(summary)
        });
        let shared = shared.collect();
        Ok(self.summaries.get_or_init(|| shared))
    }

    /// The group as it is with these pages, each with its number.
    pub(super) fn with(
        &self,
        number: u64,
        new: impl Iterator<Item = (u64, Arc<Summary>)>,
        db: &Db,
        names: &Names,
    ) -> Result<Group, IndexError> {
        let old = if self.pages == 0 { &[] } else { self.summaries(number, db, names)? };
        let mut all: BTreeMap<u64, Arc<Summary>> = self.numbers(number).zip(old.iter().cloned()).collect();
        all.extend(new);
        let pages = all.keys().fold(0, |bits, page| bits | 1 << (page % PAGES));
        let rows = all.values().map(|summary| summary.rows).sum();
        Ok(Group { pages, rows, summaries: OnceLock::from(all.into_values().collect::<Vec<_>>()) })
    }

    /// The summaries that are in memory.
    pub(super) fn loaded(&self) -> &[Arc<Summary>] {
        self.summaries.get().map_or(&[], Vec::as_slice)
    }

    /// The numbers of its pages.
    fn numbers(&self, number: u64) -> impl Iterator<Item = u64> {
        let pages = self.pages;
        (0..PAGES).filter(move |bit| pages & 1 << bit != 0).map(move |bit| number * PAGES + bit)
    }
}

/// The number of the group of a page.
pub(super) fn group_of(page: u64) -> u64 {
    page / PAGES
}

/// The last page before `below`.
pub(super) fn last_below(groups: &BTreeMap<u64, Arc<Group>>, below: u64) -> Option<u64> {
    let last = below.checked_sub(1)?;
    groups.range(..=group_of(last)).rev().find_map(|(&number, group)| {
        let wanted = if number == group_of(last) { u32::MAX >> (PAGES - 1 - last % PAGES) } else { u32::MAX };
        let highest = (group.pages & wanted).checked_ilog2()?;
        Some(number * PAGES + u64::from(highest))
    })
}

/// Whether there is such a page.
pub(super) fn has(groups: &BTreeMap<u64, Arc<Group>>, page: u64) -> bool {
    groups.get(&group_of(page)).is_some_and(|group| group.pages & 1 << (page % PAGES) != 0)
}

/// How many rows all pages have.
pub(super) fn rows(groups: &BTreeMap<u64, Arc<Group>>) -> u64 {
    groups.values().map(|group| u64::from(group.rows)).sum()
}

/// The summary of a page, if there is such a page.
pub(super) fn summary<'g>(
    groups: &'g BTreeMap<u64, Arc<Group>>,
    page: u64,
    db: &Db,
    names: &Names,
) -> Result<Option<&'g Summary>, IndexError> {
    let Some(group) = groups.get(&group_of(page)).filter(|_| has(groups, page)) else { return Ok(None) };
    let before = group.pages & ((1 << (page % PAGES)) - 1);
    Ok(group.summaries(group_of(page), db, names)?.get(before.count_ones() as usize).map(Arc::as_ref))
}

/// All pages with their summaries, in order.
pub(super) fn all(
    groups: &BTreeMap<u64, Arc<Group>>,
    db: &Db,
    names: &Names,
) -> Result<Vec<(u64, Arc<Summary>)>, IndexError> {
    let mut found = Vec::new();
    for (&number, group) in groups {
        found.extend(group.numbers(number).zip(group.summaries(number, db, names)?.iter().cloned()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_page_below_another_is_found_across_groups() {
        let groups: BTreeMap<u64, Arc<Group>> = [(0, 0b1001), (2, 1 << 31), (5, 1)]
            .map(|(number, pages)| (number, Arc::new(Group::known(pages, 1))))
            .into();
        let pages: Vec<u64> =
            std::iter::successors(last_below(&groups, u64::MAX), |below| last_below(&groups, *below)).collect();
        assert_eq!(pages, [160, 95, 3, 0]);
        assert_eq!(
            (last_below(&groups, 95), last_below(&groups, 96), last_below(&groups, 3)),
            (Some(3), Some(95), Some(0))
        );
        assert!(has(&groups, 95) && !has(&groups, 94) && !has(&groups, 4096));
        assert_eq!((rows(&groups), last_below(&groups, 0)), (3, None));
    }

    #[test]
    fn a_name_is_in_memory_once() {
        let names = Names::default();
        let mut of: Vec<Arc<str>> = ["a", "b", "a"].map(Arc::from).into();
        names.share(&mut of);
        assert!(Arc::ptr_eq(&of[0], &of[2]) && &*of[1] == "b");
    }
}
