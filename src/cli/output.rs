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

    /// Columns of the terminal that stdout is; without one, no limit is meant and `None` returned.
    pub fn width(&self) -> Option<usize> {
        if !std::io::stdout().is_terminal() {
            return None;
        }
        let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
        (size.ws_col > 0).then_some(usize::from(size.ws_col))
    }
}
