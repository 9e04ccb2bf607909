//! `retake explain`

use super::args::{ExplainArgs, Global};
use super::exit::Outcome;
use super::output::Printer;

pub(super) fn run(_args: ExplainArgs, _global: &Global, _printer: Printer) -> Outcome {
    todo!()
}
