//! A miss as plain text: one screen, whatever the size of the bodies.

use super::{Criterion, MissReport, NearReport, item_words};
use crate::diff::tree::{Change, Kind};
use crate::report::terminal;

/// Lines of a report at most.
const MAX_LINES: usize = 38;
/// Scenarios shown at most.
const MAX_NEAR: usize = 3;

/// How a line is meant, for whoever colours it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// As it is.
    Plain,
    /// Stands out.
    Strong,
    /// Agrees.
    Good,
    /// Does not agree.
    Bad,
    /// Stands back.
    Dim,
}

impl MissReport {
    /// The report as lines of at most `width` characters, safe for a terminal, at most a screen.
    pub fn lines(&self, width: usize) -> Vec<(Tone, String)> {
        let mut shown = MAX_NEAR.min(self.near.len());
        loop {
            let lines = self.lines_with(shown, width);
            if lines.len() <= MAX_LINES || shown <= 1 {
                return lines;
            }
            shown -= 1;
        }
    }

    /// [`MissReport::lines`] as one text with a line feed at the end, 100 columns wide.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for (_, line) in self.lines(100) {
            text.push_str(&line);
            text.push('\n');
        }
        text
    }

    fn lines_with(&self, shown: usize, width: usize) -> Vec<(Tone, String)> {
        let mut page = Page { width, lines: Vec::new() };
        page.add(Tone::Strong, format!("retake: no scenario answers {} {}", self.method, self.url));
        page.add(Tone::Plain, format!("{} ({}, {})", self.detail, self.reason.as_str(), self.miss));
        if !self.served.is_empty() {
            page.add(Tone::Plain, format!("served are: {}", self.served.join(", ")));
        }
        for (at, near) in self.near.iter().take(shown).enumerate() {
            page.add(Tone::Plain, String::new());
            page.near(at, near);
        }
        if self.near.len() > shown {
            page.add(Tone::Dim, format!("  … and {} further away", self.near.len() - shown));
        }
        page.add(Tone::Plain, String::new());
        for fix in &self.fixes {
            page.wrapped(Tone::Plain, &format!("fix {}: ", fix.number), &fix.title);
            page.wrapped(Tone::Strong, "       ", &fix.command);
        }
        page.lines
    }
}

struct Page {
    width: usize,
    lines: Vec<(Tone, String)>,
}

impl Page {
    fn add(&mut self, tone: Tone, line: String) {
        let clean = terminal::clean(&line);
        self.lines.push((tone, terminal::cut(&clean, self.width).into_owned()));
    }

    /// A text that must stay whole, since it is to be copied: up to four lines.
    fn wrapped(&mut self, tone: Tone, lead: &str, text: &str) {
        let clean = terminal::clean(text).into_owned();
        let limit = self.width.saturating_mul(4);
        self.lines.push((tone, format!("{lead}{}", terminal::cut(&clean, limit))));
    }

    fn near(&mut self, at: usize, near: &NearReport) {
        let lead = if at == 0 { "nearest" } else { "then" };
        // A score says nothing about a scenario that was shut out by its method or path.
        let shut_out = near.criteria.iter().any(|told| !told.agrees && matches!(&*told.name, "method" | "path"));
        let score = if shut_out { String::new() } else { format!("score {}; ", near.score.round()) };
        self.add(Tone::Strong, format!("{lead}: {}  ({score}{}, {})", near.scenario, near.collection, near.file));
        let listed = if at == 0 { 8 } else { 2 };
        for criterion in &near.criteria {
            self.criterion(criterion, listed);
        }
    }

    fn criterion(&mut self, told: &Criterion, listed: usize) {
        let (sign, tone) = if told.agrees { ('✓', Tone::Good) } else { ('✗', Tone::Bad) };
        let mut line = format!("  {sign} {:<7} {}", told.name, told.note);
        if let (Some(expected), Some(got)) = (&told.expected, &told.got) {
            line += &format!(": expected {expected}, got {got}");
        }
        // One difference fits on the line of its criterion.
        if let ([only], 0, true) = (told.differences.as_slice(), told.more, told.changes.is_empty()) {
            line += &format!(": {}", self.item(only));
            self.add(tone, line);
            return;
        }
        self.add(tone, line);
        for item in told.differences.iter().take(listed) {
            self.add(Tone::Bad, format!("      {}", self.item(item)));
        }
        for change in told.changes.iter().take(listed) {
            self.add(Tone::Bad, format!("      {}", change_words(change)));
        }
        let more =
            told.more + told.changes.len().saturating_sub(listed) + told.differences.len().saturating_sub(listed);
        if more > 0 {
            self.add(Tone::Dim, format!("      … and {more} more"));
        }
        if told.coarse {
            self.add(Tone::Dim, "      (large: not searched for the smallest difference)".to_owned());
        }
        for line in told.lines.iter().take(if listed > 2 { 12 } else { 4 }) {
            self.add(Tone::Plain, format!("      {} {}", line.sign(), line.text));
        }
    }

    /// The words of an item, its values cut so that both are seen.
    fn item(&self, item: &crate::matching::Item) -> String {
        let room = self.width.saturating_sub(30 + item.name.chars().count().min(40)).max(20) / 2;
        let mut short = item.clone();
        if let (Some(expected), Some(got)) = (&item.expected, &item.got) {
            let (expected, got) = crate::diff::around(expected, got, room);
            (short.expected, short.got) = (Some(expected), Some(got));
        }
        item_words(&short)
    }
}

/// What a change of a body says, in words: `/items/0 moved to /items/2`, `missing: /items/1 = 3`.
pub(super) fn change_words(change: &Change) -> String {
    let before = change.before.as_deref().unwrap_or_default();
    let after = change.after.as_deref().unwrap_or_default();
    let place = &change.pointer;
    match change.kind {
        Kind::Moved => format!("moved: {place} to {after}"),
        Kind::Removed => format!("missing: {place} = {before}"),
        Kind::Added => format!("extra: {place} = {after}"),
        Kind::Changed => format!("{place} expected {before}, got {after}"),
    }
}
