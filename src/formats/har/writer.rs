//! A log, entry by entry, into anything that takes bytes.

use std::collections::HashMap;
use std::io::{self, Read, Write};

use serde_json::{Value, json};

use super::bodies::Problem;
use super::export;
use super::text::Trouble;
use crate::model::{Body, Exchange};

/// Pages of other tools' files that are given back.
const PAGES_MAX: usize = 10_000;
/// Of what is lost, so many are named.
const NAMED: usize = 10;

/// Opens the stored bytes of a body that is not in the record of its exchange.
pub type Open<'a> = dyn Fn(&Exchange, &Body) -> io::Result<Box<dyn Read + Send>> + 'a;

/// What a log does not have, by kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lost {
    /// Bodies whose bytes could not be read.
    pub unreadable: u64,
    /// Of the first of them, the number of the exchange, and why.
    pub unreadable_first: Vec<(u64, String)>,
    /// Bodies that stand as they were carried, since their coding could not be undone; other tools take them for the
    /// decoded content.
    pub undecodable: u64,
    /// Pages of imported files that have the id of another page, or are more than are kept.
    pub pages: u64,
    /// Entries whose page is not among the pages.
    pub pageless: u64,
}

/// Writes a log. Memory does not grow with exchanges or with bodies; one entry stands on one line.
pub struct Writer<W: Write> {
    out: W,
    entries: u64,
    pages: HashMap<String, Value>,
    order: Vec<String>,
    lost: Lost,
}

impl<W: Write> Writer<W> {
    /// Begins a log.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn new(mut out: W) -> io::Result<Self> {
        let creator = json!({"name": "retake", "version": env!("CARGO_PKG_VERSION")});
        write!(out, "{{\"log\":{{\"version\":\"1.2\",\"creator\":{creator},\"entries\":[")?;
        Ok(Writer { out, entries: 0, pages: HashMap::new(), order: Vec::new(), lost: Lost::default() })
    }

    /// Adds the entry of an exchange.
    ///
    /// # Errors
    /// Those of `out`, and of a body that fails half-way: the log is then broken off.
    pub fn entry(&mut self, exchange: &Exchange, open: &Open<'_>) -> io::Result<()> {
        let trouble = Trouble::default();
        let (entry, problems) = export::entry(exchange, open, &trouble);
        self.out.write_all(if self.entries == 0 { b"\n" } else { b",\n" })?;
        serde_json::to_writer(&mut self.out, &entry)?;
        drop(entry);
        if let Some(error) = trouble.into_inner() {
            let message = format!("a body of exchange {} failed half-way: {error}", exchange.number);
            return Err(io::Error::new(error.kind(), message));
        }
        self.entries += 1;
        for problem in problems {
            match problem {
                Problem::Unreadable(why) => {
                    self.lost.unreadable += 1;
                    if self.lost.unreadable_first.len() < NAMED {
                        self.lost.unreadable_first.push((exchange.number, why));
                    }
                }
                Problem::Undecodable(_) => self.lost.undecodable += 1,
            }
        }
        self.note_page(exchange);
        Ok(())
    }

    /// Ends the log: the pages, and the end of the document.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn finish(mut self) -> io::Result<(W, Lost)> {
        self.out.write_all(b"\n],\"pages\":[")?;
        for (place, id) in self.order.iter().enumerate() {
            self.out.write_all(if place == 0 { b"\n" } else { b",\n" })?;
            serde_json::to_writer(&mut self.out, &self.pages[id])?;
        }
        self.out.write_all(b"]}}\n")?;
        self.out.flush()?;
        Ok((self.out, self.lost))
    }

    /// The page of an imported entry is with the first entry of it.
    fn note_page(&mut self, exchange: &Exchange) {
        if let Some(page) = exchange.vendor.get("page") {
            let id = page.get("id").and_then(Value::as_str).unwrap_or_default();
            match self.pages.get(id) {
                Some(other) if other == page => {}
                None if self.pages.len() < PAGES_MAX => {
                    self.order.push(id.to_owned());
                    self.pages.insert(id.to_owned(), page.clone());
                }
                _ => self.lost.pages += 1,
            }
        }
        let page = export::of_vendor(exchange, "entry").get("pageref").and_then(Value::as_str);
        self.lost.pageless += u64::from(page.is_some_and(|id| !self.pages.contains_key(id)));
    }
}
