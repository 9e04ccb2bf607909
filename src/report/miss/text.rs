//! A miss as plain text: one screen, whatever the size of the bodies.

use super::{Criterion, MissReport, NearReport, item_words};
use crate::diff;
use crate::diff::tree::{Change, Kind};
use crate::matching::{Item, Verdict};
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
    /// The report as lines, safe for a terminal, at most a screen of them. They have at most `width` characters; what a fix
    /// does has up to four times as many, and its command stays whole, since it is to be copied.
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
        page.folded(Tone::Bad, &self.detail);
        if !self.served.is_empty() && !self.detail.starts_with("wrong") {
            page.folded(Tone::Plain, &format!("served here: {}", self.served.join(", ")));
        }
        page.add(Tone::Dim, format!("miss {} ({})", self.miss, self.reason.as_str()));
        for (at, near) in self.near.iter().take(shown).enumerate() {
            page.add(Tone::Plain, String::new());
            page.near(at, near);
        }
        if self.near.len() > shown {
            page.add(Tone::Dim, format!("  … and {} further away", self.near.len() - shown));
        }
        page.add(Tone::Plain, String::new());
        for fix in &self.fixes {
            page.title(&format!("fix {}: ", fix.number), &fix.title);
            page.command(&fix.command);
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

    /// What a fix does, on up to four lines of the screen.
    fn title(&mut self, lead: &str, title: &str) {
        let clean = terminal::clean(title);
        let limit = self.width.saturating_mul(4);
        self.lines.push((Tone::Plain, format!("{lead}{}", terminal::cut(&clean, limit))));
    }

    /// Not cut, and nothing in it is written otherwise: only what is short and plain is proposed.
    fn command(&mut self, command: &str) {
        self.lines.push((Tone::Strong, format!("       {}", terminal::clean(command))));
    }

    /// A sentence, on as many lines as it needs; four at most.
    fn folded(&mut self, tone: Tone, text: &str) {
        let clean = terminal::clean(text);
        let mut rest: &str = &clean;
        for at in 0..4 {
            let end = rest.char_indices().nth(self.width).map_or(rest.len(), |(end, _)| end);
            if end == rest.len() || at == 3 {
                break;
            }
            let Some(space) = rest[..end].rfind(' ').filter(|space| *space > 0) else { break };
            self.lines.push((tone, rest[..space].to_owned()));
            rest = &rest[space + 1..];
        }
        self.lines.push((tone, terminal::cut(rest, self.width).into_owned()));
    }

    fn near(&mut self, at: usize, near: &NearReport) {
        let lead = if at == 0 { "nearest" } else { "then" };
        // A score says nothing about a scenario that was shut out by its method or path.
        let shut_out = near.criteria.iter().any(|told| !told.agrees && matches!(&*told.name, "method" | "path"));
        let score = if shut_out { String::new() } else { format!("score {}; ", near.score.floor()) };
        let (scenario, place) =
            (format!("{lead}: {}", near.scenario), format!("({score}{}, {})", near.collection, near.file));
        // The file is what is edited: it is not cut for the sake of a long name.
        if scenario.chars().count() + place.chars().count() + 2 <= self.width {
            self.add(Tone::Strong, format!("{scenario}  {place}"));
        } else {
            self.add(Tone::Strong, scenario);
            self.add(Tone::Strong, format!("  {place}"));
        }
        let listed = if at == 0 { 8 } else { 2 };
        // Of those further away only what is wrong is told.
        for criterion in near.criteria.iter().filter(|told| !told.agrees || at == 0 && told.is_compared()) {
            self.criterion(criterion, listed);
        }
    }

    fn criterion(&mut self, told: &Criterion, listed: usize) {
        let (sign, tone) = if told.agrees { ('✓', Tone::Good) } else { ('✗', Tone::Bad) };
        let line = format!("  {sign} {:<7} {}", told.name, told.note);
        let both = told.expected.as_deref().zip(told.got.as_deref());
        if let Some((expected, got)) = both {
            return self.pair(tone, &line, ":", (expected, got));
        }
        // One difference fits on the line of its criterion.
        match (told.differences.as_slice(), told.changes.as_slice(), told.more) {
            ([only], [], 0) => return self.item(tone, &format!("{line}: "), only),
            ([], [only], 0) => return self.change(tone, &format!("{line}: "), only),
            _ => self.add(tone, line),
        }
        told.differences.iter().take(listed).for_each(|item| self.item(Tone::Bad, "      ", item));
        told.changes.iter().take(listed).for_each(|change| self.change(Tone::Bad, "      ", change));
        let more =
            told.more + told.changes.len().saturating_sub(listed) + told.differences.len().saturating_sub(listed);
        if more > 0 {
            self.add(Tone::Dim, format!("      … and {more} more"));
        }
        if told.coarse {
            self.add(Tone::Dim, "      (large: not searched for all that differs)".to_owned());
        }
        for line in told.lines.iter().take(if listed > 2 { 12 } else { 4 }) {
            self.add(Tone::Plain, format!("      {} {}", line.sign(), line.text));
        }
    }

    /// What an item says; both values where it has two.
    fn item(&mut self, tone: Tone, lead: &str, item: &Item) {
        match (&item.expected, &item.got) {
            (Some(expected), Some(got)) if item.verdict == Verdict::Different => {
                self.pair(tone, &format!("{lead}{}", item.name), "", (expected, got));
            }
            _ => self.add(tone, format!("{lead}{}", item_words(item))),
        }
    }

    fn change(&mut self, tone: Tone, lead: &str, change: &Change) {
        match (&change.before, &change.after) {
            (Some(before), Some(after)) if change.kind == Kind::Changed => {
                self.pair(tone, &format!("{lead}{}", change.pointer), "", (before, after));
            }
            _ => self.add(tone, format!("{lead}{}", change_words(change))),
        }
    }

    /// What was expected, and what came: on one line, or, where they are too long, one below the other, so that it is
    /// seen where they part.
    fn pair(&mut self, tone: Tone, lead: &str, colon: &str, (expected, got): (&str, &str)) {
        let (expected, got) = (terminal::clean(expected), terminal::clean(got));
        let lead = lead.trim_end();
        let line = format!("{lead}{colon} expected {expected}, got {got}");
        if line.chars().count() <= self.width {
            return self.add(tone, line);
        }
        let (expected, got) = diff::around(&expected, &got, self.width.saturating_sub(17).max(20));
        self.add(tone, lead.to_owned());
        self.add(tone, format!("        expected {expected}"));
        self.add(tone, format!("        got      {got}"));
    }
}

/// What a change of a body says, in words: `/items/0 moved to /items/2`, `missing: /items/1 = 3`.
pub(super) fn change_words(change: &Change) -> String {
    let before = change.before.as_deref().unwrap_or_default();
    let after = change.after.as_deref().unwrap_or_default();
    let place = &change.pointer;
    match change.kind {
        Kind::Moved => format!("moved: {place} to {after}"),
        // A field of GraphQL is its own name.
        Kind::Removed if is_own_name(place, before) => format!("missing: {place}"),
        Kind::Added if is_own_name(place, after) => format!("extra: {place}"),
        Kind::Removed => format!("missing: {place} = {before}"),
        Kind::Added => format!("extra: {place} = {after}"),
        Kind::Changed => format!("{place} expected {before}, got {after}"),
    }
}

fn is_own_name(place: &str, value: &str) -> bool {
    !place.starts_with('/') && place.rsplit('/').next() == Some(value)
}
