//! `retake record`

use super::args::{Global, RecordArgs};
use super::exit::Outcome;
use super::output::Printer;

pub(super) fn run(_args: RecordArgs, _global: &Global, _printer: Printer) -> Outcome {
    todo!()
}
