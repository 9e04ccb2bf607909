//! What is recorded already, masked once more.

use crate::redact::MaskRules;
use crate::store::history::{EditReport, HistoryError};
use crate::store::reader::DiskHistory;

pub(super) fn run(_history: &DiskHistory, _rules: &MaskRules, _dry_run: bool) -> Result<EditReport, HistoryError> {
    Err(HistoryError::Unsupported("this history cannot be masked again".into()))
}
