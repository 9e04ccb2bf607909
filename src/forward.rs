//! The recorder's way to answer: pass the request on to its origin, and take the copy.
