//! `retake env`

use super::args::{EnvArgs, Global};
use super::exit::Outcome;
use super::output::Printer;

pub(super) fn run(_args: EnvArgs, _global: &Global, _printer: Printer) -> Outcome {
    todo!()
}
