//! From flow to exchange to history: the copy on the side, masked, and the last bytes held until the record is safe.

pub mod copy;
