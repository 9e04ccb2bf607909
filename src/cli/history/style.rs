//! Lines in colour.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};

use super::super::output::{BAD, BOLD, DIM, GOOD, WARN};
use super::status_style;
use crate::report::styled::{Line, Tone};

/// The line with the colours of its pieces; the streams take them out where none are wanted.
pub(in crate::cli) fn styled(line: &Line) -> String {
    let mut out = String::new();
    for (tone, text) in line.pieces() {
        let style = style(tone);
        // Writing to a String cannot fail.
        let _ = write!(out, "{style}{text}{style:#}");
    }
    out
}

fn style(tone: Tone) -> Style {
    match tone {
        Tone::Plain => Style::new(),
        Tone::Bold => BOLD,
        Tone::Status(status) => status_style(status).bold(),
        Tone::Masked => WARN,
        Tone::Dim => DIM,
        Tone::Bad | Tone::Removed => BAD,
        Tone::Added | Tone::Text => GOOD,
        Tone::Name => AnsiColor::Cyan.on_default(),
        Tone::Word => AnsiColor::Magenta.on_default(),
        Tone::RemovedHere => BAD.bold().underline(),
        Tone::AddedHere => GOOD.bold().underline(),
    }
}
