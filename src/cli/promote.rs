//! `retake promote`

use super::args::{Global, PromoteArgs};
use super::exit::Outcome;
use super::output::Printer;

pub(super) fn run(_args: PromoteArgs, _global: &Global, _printer: Printer) -> Outcome {
    todo!()
}
