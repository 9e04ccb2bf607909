//! Front doors: request targets, CONNECT, and the dispatch of what a socket turns out to speak.
