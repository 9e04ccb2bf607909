//! The control socket: the history of a store that another process holds.
