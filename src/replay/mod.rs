//! The other way to answer: from collections, offline.
