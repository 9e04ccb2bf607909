//! What a dry run would write, as a unified diff that `patch -p1` and `git apply` read.

use std::path::Path;

use crate::app::promote::Texts;
use crate::cli::collections::shown;
use crate::cli::output::{BAD, BOLD, DIM, GOOD, Printer};
use crate::diff::unified;
use crate::report::terminal::clean_lines;

/// Prints the difference of every file, coloured on a terminal.
pub(super) fn print(texts: &[Texts], folder: &Path, printer: Printer) {
    for Texts { path, before, after } in texts {
        let name = shown(&folder.join(path));
        // The content of a body's file is no text that a reviewer reads.
        if after.is_none() && path.starts_with("bodies/") {
            printer.data(clean_lines(&format!("Binary file b/{name} differs")));
            continue;
        }
        for line in unified(&name, before.as_deref(), after.as_deref()).lines() {
            let line = clean_lines(line);
            let style = match line.as_bytes() {
                [b'-', b'-', b'-', ..] | [b'+', b'+', b'+', ..] => BOLD,
                [b'@', ..] => DIM,
                [b'-', ..] => BAD,
                [b'+', ..] => GOOD,
                _ => anstyle::Style::new(),
            };
            printer.data(format_args!("{style}{line}{style:#}"));
        }
    }
}
