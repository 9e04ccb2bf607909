//! The running recorders and replays of a store: who they are, and where they listen.
