//! The live log: one line per exchange, written by a thread of its own, so that a slow terminal never slows traffic.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::cli::output::{BAD, DIM, GOOD, Printer, WARN};
use crate::recorder::{Observer, Summary};
use crate::report::exchange::{duration, size};
use crate::report::terminal::{clean, cut};
use crate::store::AppendError;

/// Lines that wait for the terminal; further ones are counted only.
const WAITING: usize = 10_000;
/// Lines of so much time are written together.
const TOGETHER: Duration = Duration::from_millis(20);
/// Characters of a URL.
const URL_WIDTH: usize = 100;

/// Writes what it hears to stderr.
pub(super) struct Log {
    lines: SyncSender<Message>,
    left_out: AtomicU64,
    quiet: bool,
    writer: Mutex<Option<JoinHandle<()>>>,
}

enum Message {
    Exchange(Box<Summary>),
    Warning(String),
    End,
}

impl Log {
    pub(super) fn start(printer: Printer) -> Self {
        let (lines, received) = sync_channel(WAITING);
        let writer = std::thread::Builder::new().name("log".into()).spawn(move || write(&received, printer)).ok();
        Log { lines, left_out: AtomicU64::new(0), quiet: printer.is_quiet(), writer: Mutex::new(writer) }
    }

    /// Writes what waits, and ends.
    pub(super) fn finish(&self) {
        let left_out = self.left_out.load(Ordering::Relaxed);
        if left_out > 0 {
            self.send(Message::Warning(format!("{left_out} lines of the log were left out: the terminal is too slow")));
        }
        // The thread ends by itself when it cannot be told: nobody waits for more than it has.
        let _ = self.lines.send(Message::End);
        if let Some(writer) = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = writer.join();
        }
    }

    fn send(&self, message: Message) {
        if self.lines.try_send(message).is_err() {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Observer for Log {
    fn finished(&self, summary: Summary) {
        if !self.quiet {
            self.send(Message::Exchange(Box::new(summary)));
        }
    }

    fn not_recorded(&self, reason: &AppendError) {
        self.send(Message::Warning(format!(
            "{reason}: traffic goes on, unrecorded; make room or mend the store (`--strict-recording` fails such calls instead)"
        )));
    }

    fn note(&self, text: String) {
        self.send(Message::Warning(text));
    }
}

fn write(received: &Receiver<Message>, printer: Printer) {
    let mut going = true;
    while going {
        let Ok(first) = received.recv() else { return };
        if !matches!(first, Message::End) {
            std::thread::sleep(TOGETHER);
        }
        let mut together = Vec::new();
        for message in std::iter::once(first).chain(received.try_iter()) {
            match message {
                Message::Exchange(summary) => together.push(line(&summary)),
                Message::Warning(text) => {
                    say(&mut together, printer);
                    printer.warn(clean(&text));
                }
                Message::End => going = false,
            }
        }
        say(&mut together, printer);
    }
}

fn say(lines: &mut Vec<String>, printer: Printer) {
    if !lines.is_empty() {
        printer.say(lines.join("\n"));
        lines.clear();
    }
}

/// Number, method, answer, duration, size, URL, in the columns of `retake history`; and what is not as usual.
fn line(summary: &Summary) -> String {
    let url = clean(&summary.url);
    let url = cut(&url, URL_WIDTH);
    let (answer, style) = match (summary.outcome, summary.status) {
        ("complete", Some(status @ ..400)) => (status.to_string(), GOOD),
        ("complete", Some(status @ ..500)) => (status.to_string(), WARN),
        ("complete", Some(status)) => (status.to_string(), BAD),
        ("relayed", _) => ("relayed".to_owned(), DIM),
        (outcome, _) => (outcome.to_owned(), BAD),
    };
    let micros = u64::try_from(summary.duration.as_micros()).unwrap_or(u64::MAX);
    let mut line = format!(
        "{DIM}{:>7}{DIM:#}  {:<7} {style}{answer:<11}{style:#} {:>8}  {:>10}  {url}",
        summary.number,
        clean(&summary.method),
        duration(micros),
        size(summary.response_bytes),
    );
    if let Some(reason) = &summary.reason {
        line.push_str(&format!(": {}", clean(reason)));
    }
    if !summary.recorded {
        line.push_str(&format!(" {BAD}not recorded{BAD:#}"));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary() -> Summary {
        Summary {
            number: 7,
            method: "GET".into(),
            url: "https://a.example/\u{1b}[31mx".into(),
            status: Some(200),
            outcome: "complete",
            reason: None,
            response_bytes: 2048,
            duration: Duration::from_millis(34),
            recorded: true,
        }
    }

    /// A line without its styles.
    fn plain(summary: &Summary) -> String {
        anstream::adapter::strip_str(&line(summary)).to_string()
    }

    #[test]
    fn a_line_says_it_all_and_never_acts_on_the_terminal() {
        assert_eq!(
            plain(&summary()),
            "      7  GET     200            34 ms     2.0 KiB  https://a.example/\\u{1b}[31mx"
        );
    }

    #[test]
    fn what_is_not_as_usual_is_said() {
        let failed = Summary {
            status: None,
            outcome: "failed",
            reason: Some("nobody listens\n".into()),
            recorded: false,
            ..summary()
        };
        let line = plain(&failed);
        assert!(line.contains("  failed ") && line.ends_with("x: nobody listens\\n not recorded"), "{line}");
    }
}
