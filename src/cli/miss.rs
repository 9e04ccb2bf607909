//! The report of a miss on a terminal: coloured, and with the files of stubs as links where the terminal knows them.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use super::output::{BAD, BOLD, DIM, GOOD, Printer};
use crate::report::miss::{MissReport, Tone};
use crate::report::terminal::clean;

/// Prints a report; `folder` says where the collection of a name lies.
pub(super) fn print(printer: Printer, report: &MissReport, folder: impl Fn(&str) -> Option<PathBuf>) {
    let mut near = report.near.iter();
    // The scenario whose file is to come, on its own line or on the next.
    let mut awaited = None;
    for (tone, text) in report.lines(printer.width().unwrap_or(120)) {
        if ["nearest: ", "then: "].iter().any(|lead| text.starts_with(lead)) {
            awaited = near.next();
        }
        let here = awaited.filter(|near| printer.has_links() && text.contains(&*clean(&near.file)));
        match here.and_then(|near| Some(linked(&text, &near.file, &folder(&near.collection)?))) {
            Some(linked) => line(printer, tone, &linked),
            None => line(printer, tone, &text),
        }
        awaited = awaited.filter(|_| here.is_none());
    }
}

/// Prints a line by its tone.
pub(super) fn line(printer: Printer, tone: Tone, line: &str) {
    match tone {
        Tone::Plain => printer.data(line),
        Tone::Strong => printer.data(format_args!("{BOLD}{line}{BOLD:#}")),
        Tone::Good => printer.data(format_args!("{GOOD}{line}{GOOD:#}")),
        Tone::Bad => printer.data(format_args!("{BAD}{line}{BAD:#}")),
        Tone::Dim => printer.data(format_args!("{DIM}{line}{DIM:#}")),
    }
}

/// The line with the file as a link (OSC 8). A line in which the file was cut stays as it is.
fn linked<'l>(line: &'l str, file: &str, folder: &Path) -> Cow<'l, str> {
    let shown = clean(file);
    let whole = std::path::absolute(folder.join(file)).ok().and_then(|path| url::Url::from_file_path(path).ok());
    match (line.rfind(&*shown), whole) {
        // What would act on a terminal is escaped in a URL.
        (Some(at), Some(url)) => {
            let (head, tail) = (&line[..at], &line[at + shown.len()..]);
            Cow::Owned(format!("{head}\x1b]8;;{url}\x1b\\{shown}\x1b]8;;\x1b\\{tail}"))
        }
        _ => Cow::Borrowed(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_a_link_and_nothing_of_its_name_acts() {
        let line = "nearest: GET /a#a  (shop, stubs/get-{a} b.json)";
        let linked_line = linked(line, "stubs/get-{a} b.json", Path::new("/mocks/a\x1b\u{9b}b/shop"));
        assert_eq!(
            linked_line,
            "nearest: GET /a#a  (shop, \x1b]8;;file:///mocks/a%1B%C2%9Bb/shop/stubs/get-%7Ba%7D%20b.json\x1b\\stubs/get-{a} b.json\x1b]8;;\x1b\\)"
        );
        assert!(matches!(
            linked("nearest: GET /a#a  (shop, stubs/ge…", "stubs/get.json", Path::new("/")),
            Cow::Borrowed(_)
        ));
    }
}
