//! `retake ca`

use super::args::{CaArgs, Global};
use super::exit::Outcome;
use super::output::Printer;

pub(super) fn run(_args: CaArgs, _global: &Global, _printer: Printer) -> Outcome {
    todo!()
}
