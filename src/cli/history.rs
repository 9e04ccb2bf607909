//! `retake history`

use super::args::{Global, HistoryArgs};
use super::exit::Outcome;
use super::output::Printer;

pub(super) fn run(_args: HistoryArgs, _global: &Global, _printer: Printer) -> Outcome {
    todo!()
}
