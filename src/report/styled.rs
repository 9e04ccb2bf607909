//! Lines of text with what each piece of them is, so that a terminal can colour them. Always safe for a terminal.

use super::terminal::clean_line;

/// What a piece of a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// A headline.
    Bold,
    /// A status line, by its code; 0 without one.
    Status(u16),
    /// Carries a masked value.
    Masked,
    /// Nothing special.
    Plain,
    /// What stands back.
    Dim,
    /// What went wrong.
    Bad,
    /// The name of a member, a field, an element.
    Name,
    /// A string.
    Text,
    /// A number, `true`, `false`, `null`.
    Word,
    /// On the left only, in a comparison.
    Removed,
    /// On the right only.
    Added,
    /// On the left only, within a line that is on both sides.
    RemovedHere,
    /// On the right only, within such a line.
    AddedHere,
}

/// One line, in pieces. Whatever is added is made safe for a terminal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Line(Vec<(Tone, String)>);

impl Line {
    /// A line of one piece.
    pub fn of(tone: Tone, text: impl AsRef<str>) -> Self {
        let mut line = Line::default();
        line.push(tone, text);
        line
    }

    /// Adds a piece.
    pub fn push(&mut self, tone: Tone, text: impl AsRef<str>) {
        let text = text.as_ref();
        if !text.is_empty() {
            self.0.push((tone, clean_line(text).into_owned()));
        }
    }

    /// The pieces.
    pub fn pieces(&self) -> impl Iterator<Item = (Tone, &str)> {
        self.0.iter().map(|(tone, text)| (*tone, text.as_str()))
    }

    /// Whether nothing stands in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Cuts the line to that many characters; returns how many were left out.
    pub fn cut(&mut self, columns: usize) -> usize {
        let (mut room, mut left_out) = (columns, 0);
        for (_, text) in &mut self.0 {
            match text.char_indices().nth(room) {
                None => room -= text.chars().count(),
                Some((at, _)) => {
                    left_out += text[at..].chars().count();
                    text.truncate(at);
                    room = 0;
                }
            }
        }
        self.0.retain(|(_, text)| !text.is_empty());
        left_out
    }
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|(_, text)| f.write_str(text))
    }
}

/// How much of a text is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Lines of a body.
    pub lines: usize,
    /// Characters of a line.
    pub columns: usize,
}

impl Limits {
    /// What does not flood a terminal.
    pub const SHORT: Limits = Limits { lines: 200, columns: 1000 };
    /// Everything.
    pub const NONE: Limits = Limits { lines: usize::MAX, columns: usize::MAX };
}

/// Takes lines, and passes on those within its limits; counts the others. Nothing is kept.
pub struct Page<'a> {
    emit: &'a mut dyn FnMut(Line),
    limits: Limits,
    indent: usize,
    shown: usize,
    lines_left_out: usize,
    was_cut: bool,
}

impl<'a> Page<'a> {
    /// A page over a sink of lines.
    pub fn new(limits: Limits, emit: &'a mut dyn FnMut(Line)) -> Self {
        Page { emit, limits, indent: 0, shown: 0, lines_left_out: 0, was_cut: false }
    }

    /// A line, within the limits.
    pub fn line(&mut self, line: Line) {
        if self.shown >= self.limits.lines {
            self.lines_left_out += 1;
            return;
        }
        self.shown += 1;
        let mut line = line;
        let left_out = line.cut(self.limits.columns);
        if left_out > 0 {
            self.was_cut = true;
            line.push(Tone::Dim, format!("… {left_out} more characters"));
        }
        if self.indent > 0 && !line.is_empty() {
            line.0.insert(0, (Tone::Plain, " ".repeat(self.indent)));
        }
        (self.emit)(line);
    }

    /// A line of one piece.
    pub fn say(&mut self, tone: Tone, text: impl AsRef<str>) {
        // A line that is only counted needs no care.
        let line = if self.is_full() { Line::default() } else { Line::of(tone, text) };
        self.line(line);
    }

    /// What `inside` writes stands that many columns to the right.
    pub fn indented(&mut self, by: usize, inside: impl FnOnce(&mut Page<'_>)) {
        self.indent += by;
        inside(self);
        self.indent -= by;
    }

    /// Whether further lines are only counted.
    pub fn is_full(&self) -> bool {
        self.shown >= self.limits.lines
    }

    /// Lines that were not passed on.
    pub fn lines_left_out(&self) -> usize {
        self.lines_left_out
    }

    /// Whether a long line was cut.
    pub fn was_cut(&self) -> bool {
        self.was_cut
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_exceeds_a_page_is_counted() {
        let mut lines = Vec::new();
        let mut emit = |line: Line| lines.push(line.to_string());
        let mut page = Page::new(Limits { lines: 2, columns: 5 }, &mut emit);
        page.say(Tone::Plain, "naïve\u{1b}");
        page.indented(2, |page| page.say(Tone::Plain, "ab"));
        page.say(Tone::Plain, "gone");
        assert_eq!((page.lines_left_out(), page.was_cut()), (1, true));
        assert_eq!(lines, ["naïve… 6 more characters", "  ab"]);
    }

    #[test]
    fn no_piece_breaks_its_line() {
        let mut line = Line::of(Tone::Name, "a\nb");
        line.push(Tone::Text, "\u{202e}\tc\r");
        assert_eq!(line.to_string(), "a\\nb\\u{202e}\tc\\r");
    }
}
