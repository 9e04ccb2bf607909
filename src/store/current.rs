//! The state of the store that readers see: an index, and the segments that its rows point into. An edit puts the next
//! state in its place in one step; who still reads the old one reads it to the end, whole.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::history::Row;
use super::index::Index;
use super::layout::Layout;
use super::segment::{Kind, read_record};
use crate::model::Exchange;

/// Segments kept open for reading.
const OPEN_SEGMENTS: usize = 8;

/// An index with the segments that fit it.
pub(super) struct View {
    pub(super) index: Arc<Index>,
    layout: Arc<Layout>,
    open: Mutex<Vec<(u32, Arc<File>)>>,
    /// Segments as they were before an edit wrote them anew.
    kept: Mutex<HashMap<u32, Arc<File>>>,
}

impl View {
    fn new(layout: Arc<Layout>, index: Arc<Index>) -> Self {
        View { index, layout, open: Mutex::default(), kept: Mutex::default() }
    }

    /// Keeps a segment open as it is now: its name is about to go to another file.
    pub(super) fn keep(&self, number: u32) -> io::Result<()> {
        let file = Arc::new(File::open(self.layout.segment(number))?);
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).entry(number).or_insert(file);
        Ok(())
    }

    /// A segment as it fits the index.
    pub(super) fn segment(&self, number: u32) -> io::Result<Arc<File>> {
        if let Some(file) = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(&number) {
            return Ok(file.clone());
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, file)) = open.iter().find(|(known, _)| *known == number) {
            return Ok(file.clone());
        }
        let file = Arc::new(File::open(self.layout.segment(number))?);
        if open.len() >= OPEN_SEGMENTS {
            open.remove(0);
        }
        open.push((number, file.clone()));
        Ok(file)
    }

    /// The record that a row points to.
    pub(super) fn read(&self, row: &Row) -> Result<(Kind, Exchange), String> {
        let file = self.segment(row.at.0).map_err(|error| error.to_string())?;
        let (kind, exchange) = read_record(&file, row.at.1)?;
        if exchange.number != row.number {
            return Err(format!("it is exchange {}", exchange.number));
        }
        Ok((kind, exchange))
    }
}

/// The state that is current.
pub(super) struct Current {
    layout: Arc<Layout>,
    view: RwLock<Arc<View>>,
}

impl Current {
    pub(super) fn new(layout: Arc<Layout>, index: Arc<Index>) -> Self {
        let view = RwLock::new(Arc::new(View::new(layout.clone(), index)));
        Current { layout, view }
    }

    pub(super) fn view(&self) -> Arc<View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn index(&self) -> Arc<Index> {
        self.view().index.clone()
    }

    /// Puts another index, and the segments as they are now, in the place of the current ones. To be called where
    /// nothing is appended meanwhile.
    pub(super) fn replace(&self, index: Arc<Index>) {
        let next = Arc::new(View::new(self.layout.clone(), index));
        let old = std::mem::replace(&mut *self.view.write().unwrap_or_else(PoisonError::into_inner), next);
        old.index.close();
    }

    /// The work of the index's thread, through every index there is, until the last one is closed.
    pub(super) fn run(&self) {
        loop {
            let index = self.index();
            index.run();
            if Arc::ptr_eq(&index, &self.index()) {
                return;
            }
        }
    }
}
