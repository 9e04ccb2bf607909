//! `retake demo`

use super::args::{DemoArgs, Global};
use super::exit::Outcome;
use super::output::Printer;

pub(super) fn run(_args: DemoArgs, _global: &Global, _printer: Printer) -> Outcome {
    todo!()
}
