//! Promotion: exchanges of the history become stubs and scenarios of a collection. Pure: the store reads and writes.
