//! `retake mock`

use super::args::{Global, MockArgs};
use super::exit::Outcome;
use super::output::Printer;

pub(super) fn run(_args: MockArgs, _global: &Global, _printer: Printer) -> Outcome {
    todo!()
}
