//! The printer: data to stdout, talk to stderr. The only place that prints.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::exit::CliError;

/// Owns stdout and stderr for one command. `NO_COLOR` and pipes are honoured by the streams themselves.
#[derive(Debug, Clone, Copy)]
pub struct Printer {
    quiet: bool,
}

/// Whether the reader of stdout has gone.
static CLOSED: AtomicBool = AtomicBool::new(false);

/// What is green: hits, success.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// What is red: misses, errors.
pub const BAD: Style = AnsiColor::Red.on_default();
/// What is yellow: warnings, redirects.
pub const WARN: Style = AnsiColor::Yellow.on_default();
/// What stands back.
pub const DIM: Style = Style::new().dimmed();
/// What was looked for.
pub const MATCH: Style = AnsiColor::Red.on_default().bold();
/// What stands out.
pub const BOLD: Style = Style::new().bold();

impl Printer {
    /// A printer; with `quiet`, only data, warnings and errors are printed.
    pub fn new(quiet: bool) -> Self {
        Printer { quiet }
    }

    /// Whether talk is not printed.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// One line of data, on stdout. A closed pipe ends the output in silence.
    pub fn data(&self, line: impl std::fmt::Display) {
        if let Err(error) = writeln!(anstream::stdout(), "{line}")
            && error.kind() == std::io::ErrorKind::BrokenPipe
        {
            CLOSED.store(true, Ordering::Relaxed);
        }
    }

    /// Whether nobody reads stdout any more: what prints for long may as well stop.
    pub fn is_closed(&self) -> bool {
        CLOSED.load(Ordering::Relaxed)
    }

    /// Whether nobody reads stdout any more, looked up also where nothing was printed since: for what looks long before
    /// it prints.
    pub fn is_left(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let stdout = std::io::stdout();
        let mut watched = [PollFd::new(&stdout, PollFlags::empty())];
        let polled = poll(&mut watched, Some(&Timespec::default()));
        self.is_closed() || polled.is_ok() && watched[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
    }

    /// How far long work has come, on a line of stderr that the next such line replaces; an empty one removes it. Only
    /// where stderr is a terminal, and not when quiet.
    pub fn progress(&self, line: &str) {
        let mut stderr = std::io::stderr();
        if self.quiet || !stderr.is_terminal() {
            return;
        }
        let columns = rustix::termios::tcgetwinsize(&stderr).map_or(80, |size| usize::from(size.ws_col.max(20)));
        let line = crate::report::terminal::cut(line, columns - 1);
        let _ = write!(stderr, "\r{line}\x1b[K");
        let _ = stderr.flush();
    }

    /// Data as it is, without a line feed, on stdout; raw bytes for `--raw`.
    ///
    /// # Errors
    /// Those of the stream; a closed pipe is none.
    pub fn bytes(&self, bytes: &[u8]) -> std::io::Result<()> {
        match std::io::stdout().lock().write_all(bytes) {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                CLOSED.store(true, Ordering::Relaxed);
                Ok(())
            }
            other => other,
        }
    }

    /// One value as a line of JSON, on stdout.
    pub fn json(&self, value: &impl Serialize) {
        match serde_json::to_string(value) {
            Ok(text) => self.data(crate::report::terminal::clean_json(&text)),
            Err(error) => self.warn(format_args!("could not be written as JSON: {error}")),
        }
    }

    /// One line of talk, on stderr, unless quiet.
    pub fn say(&self, line: impl std::fmt::Display) {
        if !self.quiet {
            let _ = writeln!(anstream::stderr(), "{line}");
        }
    }

    /// A question, on stderr, quiet or not; the answer follows on the same line.
    pub fn ask(&self, question: impl std::fmt::Display) {
        let mut stderr = anstream::stderr();
        let _ = write!(stderr, "{question}");
        let _ = stderr.flush();
    }

    /// A warning, on stderr, quiet or not.
    pub fn warn(&self, line: impl std::fmt::Display) {
        let _ = writeln!(anstream::stderr(), "{WARN}warning:{WARN:#} {line}");
    }

    /// The error that ends the command, with its hint on a line of its own.
    pub fn error(&self, error: &CliError) {
        let mut stderr = anstream::stderr();
        let _ = writeln!(stderr, "{BAD}error:{BAD:#} {}", error.message);
        if let Some(hint) = &error.hint {
            let _ = writeln!(stderr, "\n{BOLD}hint:{BOLD:#} {hint}");
        }
    }

    /// Whether stdout is a terminal that makes links of OSC 8; where colour is off, links are.
    pub fn has_links(&self) -> bool {
        let stdout = std::io::stdout();
        let is_styled = anstream::AutoStream::choice(&stdout) != anstream::ColorChoice::Never;
        is_styled && supports_hyperlinks::on(supports_hyperlinks::Stream::Stdout)
    }

    /// Columns of the terminal that stdout is; without one, no limit is meant and `None` returned.
    pub fn width(&self) -> Option<usize> {
        if !std::io::stdout().is_terminal() {
            return None;
        }
        let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
        (size.ws_col > 0).then_some(usize::from(size.ws_col))
    }
}
