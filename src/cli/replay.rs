//! `retake replay`

use super::args::{Global, ReplayArgs};
use super::exit::Outcome;
use super::output::Printer;

pub(super) fn run(_args: ReplayArgs, _global: &Global, _printer: Printer) -> Outcome {
    todo!()
}
