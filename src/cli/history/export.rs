//! `retake history export`: exchanges as a file that other tools read, oldest first. Nothing is held but one exchange
//! without its large bodies, however many there are.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;

use super::{Context, show};
use crate::cli::args::{ExportFormat, HistoryExportArgs};
use crate::cli::exit::{CliError, Exit, Outcome};
use crate::cli::output::Printer;
use crate::cli::select;
use crate::formats::har::{self, Lost};
use crate::report::exchange as report;
use crate::report::terminal::{clean, clean_json};
use crate::store::HistoryError;

/// Bytes gathered before they are written.
const BUFFER: usize = 128 << 10;
/// Of what could not be read, so many are named.
const NAMED: usize = 10;

pub(super) fn run(context: &Context, args: &HistoryExportArgs) -> Outcome {
    let selection = context.selection_of(&args.which)?;
    let numbers = selection.numbers(&*context.history, context.printer)?;
    if numbers.is_empty() {
        return Err(context.nothing_selected(&args.which.select));
    }
    let report = match &args.output {
        None => write(context, &numbers, args.format, stdout(context.printer)).map(|(_, report)| report),
        Some(path) => to_file(context, &numbers, args, path),
    }?;
    let Some(report) = report else { return Ok(Exit::SUCCESS) };
    tell(context.printer, &report, args.output.as_deref());
    Ok(if report.is_whole() { Exit::SUCCESS } else { Exit::FAILURE })
}

/// `retake history show --as har`.
pub(super) fn shown(context: &Context, numbers: &[u64]) -> Outcome {
    let ranges: Vec<(u64, u64)> = numbers.iter().map(|&number| (number, number)).collect();
    let (_, report) = write(context, &ranges, ExportFormat::Har, stdout(context.printer))?;
    let Some(report) = report else { return Ok(Exit::SUCCESS) };
    lost(context.printer, &report);
    Ok(if report.is_whole() { Exit::SUCCESS } else { Exit::FAILURE })
}

/// What was written, and what was not.
#[derive(Debug, Default)]
struct Report {
    exchanges: u64,
    /// Deleted while the export ran.
    gone: u64,
    /// Records that cannot be read, and the first sentences about them.
    damaged: u64,
    damaged_first: Vec<String>,
    lost: Lost,
}

impl Report {
    /// Whether everything that was asked for could be read.
    fn is_whole(&self) -> bool {
        self.damaged == 0 && self.lost.unreadable == 0
    }
}

/// Writes to a file beside, and gives it its name when it is whole.
fn to_file(
    context: &Context,
    numbers: &[(u64, u64)],
    args: &HistoryExportArgs,
    path: &Path,
) -> Result<Option<Report>, CliError> {
    let failed =
        |error: &dyn std::fmt::Display| CliError::failure(format!("{} cannot be written: {error}", path.display()));
    let there = || {
        CliError::usage(format!("{} is there already", path.display()))
            .hint("`--force` replaces it; another name after `-o` spares it")
    };
    if !args.force && path.symlink_metadata().is_ok() {
        return Err(there());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // It is readable by its owner only from the start.
    let file = tempfile::Builder::new().prefix(".retake-").tempfile_in(folder).map_err(|error| failed(&error))?;
    let (file, report) = write(context, numbers, args.format, file)?;
    file.as_file().sync_data().map_err(|error| failed(&error))?;
    let named = if args.force { file.persist(path) } else { file.persist_noclobber(path) };
    match named {
        Ok(_) => Ok(report),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Err(there()),
        Err(error) => Err(failed(&error.error)),
    }
}

/// Writes the exchanges of these numbers. No report when nobody reads any more.
fn write<W: Write>(
    context: &Context,
    numbers: &[(u64, u64)],
    format: ExportFormat,
    out: W,
) -> Result<(W, Option<Report>), CliError> {
    let mut report = Report::default();
    let mut out = Output::begin(format, BufWriter::with_capacity(BUFFER, out)).map_err(broken)?;
    for number in numbers.iter().flat_map(|&(from, to)| from..=to) {
        match context.history.get(number) {
            Ok(exchange) => {
                out.exchange(context, &exchange).map_err(broken)?;
                report.exchanges += 1;
            }
            Err(HistoryError::Unknown(_)) => report.gone += 1,
            Err(HistoryError::Damaged(why)) => {
                report.damaged += 1;
                if report.damaged_first.len() < NAMED {
                    report.damaged_first.push(why);
                }
            }
            Err(error) => return Err(select::failed(error)),
        }
        if context.printer.is_closed() {
            break;
        }
    }
    let (out, lost) = out.finish().map_err(broken)?;
    report.lost = lost;
    let out = out.into_inner().map_err(|error| broken(error.into_error()))?;
    Ok((out, (!context.printer.is_closed()).then_some(report)))
}

fn broken(error: io::Error) -> CliError {
    CliError::failure(format!("the export could not be written to its end: {error}"))
}

/// A form that is being written.
enum Output<W: Write> {
    Har(har::Writer<W>),
    Lines(W),
}

impl<W: Write> Output<W> {
    fn begin(format: ExportFormat, out: W) -> io::Result<Self> {
        Ok(match format {
            ExportFormat::Har => Output::Har(har::Writer::new(out)?),
            ExportFormat::Jsonl => Output::Lines(out),
        })
    }

    fn exchange(&mut self, context: &Context, exchange: &crate::model::Exchange) -> io::Result<()> {
        match self {
            Output::Har(writer) => {
                let open = |exchange: &_, body: &_| context.history.body(exchange, body).map_err(io::Error::other);
                writer.entry(exchange, &open)
            }
            Output::Lines(out) => {
                let bodies = show::bodies(context, exchange, show::WHOLE_LIMIT);
                serde_json::to_writer(&mut *out, &report::json(exchange, &bodies))?;
                out.write_all(b"\n")
            }
        }
    }

    fn finish(self) -> io::Result<(W, Lost)> {
        match self {
            Output::Har(writer) => writer.finish(),
            Output::Lines(out) => Ok((out, Lost::default())),
        }
    }
}

/// Standard output: a closed pipe is no error, and nothing acts on a terminal.
struct Stdout {
    printer: Printer,
    is_terminal: bool,
    /// The bytes of a character that is not whole yet.
    rest: Vec<u8>,
}

fn stdout(printer: Printer) -> Stdout {
    Stdout { printer, is_terminal: io::stdout().is_terminal(), rest: Vec::new() }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.is_terminal {
            self.printer.bytes(bytes)?;
            return Ok(bytes.len());
        }
        self.rest.extend_from_slice(bytes);
        // JSON is UTF-8: only the end of what is there can be cut off.
        let end = std::str::from_utf8(&self.rest).map_or_else(|error| error.valid_up_to(), str::len);
        let text = String::from_utf8_lossy(&self.rest[..end]);
        self.printer.bytes(clean_json(&text).as_bytes())?;
        self.rest.drain(..end);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush()
    }
}

/// What was done, and what could not be.
fn tell(printer: Printer, report: &Report, path: Option<&Path>) {
    let to = path.map_or_else(String::new, |path| format!(" to {}", clean(&path.display().to_string())));
    printer.say(format_args!("exported {}{to}", super::edit::exchanges(report.exchanges)));
    lost(printer, report);
}

/// What is not in the export, by kind.
fn lost(printer: Printer, report: &Report) {
    let Report { gone, damaged, damaged_first, lost, .. } = report;
    let warn = |count: u64, one: &str, many: &str| {
        if count > 0 {
            printer.warn(format_args!("{count} {}", if count == 1 { one } else { many }));
        }
    };
    warn(
        *damaged,
        "exchange could not be read, and is left out:",
        "exchanges could not be read, and are left out; the first of them:",
    );
    damaged_first.iter().for_each(|why| printer.warn(format_args!("  {}", clean(why))));
    warn(
        lost.unreadable,
        "body could not be read, and is left out:",
        "bodies could not be read, and are left out; the first of them:",
    );
    for (number, why) in &lost.unreadable_first {
        printer.warn(format_args!("  exchange {number}: {}", clean(why)));
    }
    warn(*gone, "exchange was deleted meanwhile", "exchanges were deleted meanwhile");
    warn(
        lost.undecodable,
        "body could not be decoded: it stands as it was carried",
        "bodies could not be decoded: they stand as they were carried",
    );
    warn(
        lost.pages,
        "page has the id of another page, and is left out",
        "pages have the id of another page, and are left out",
    );
    warn(
        lost.pageless,
        "entry names a page that is not among the pages",
        "entries name a page that is not among the pages",
    );
}
