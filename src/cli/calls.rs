//! `retake calls`

use super::args::{CallsArgs, Global};
use super::exit::Outcome;
use super::output::Printer;

pub(super) fn run(_args: CallsArgs, _global: &Global, _printer: Printer) -> Outcome {
    todo!()
}
