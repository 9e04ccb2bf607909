//! Structural differences: JSON by pointer, text by line. Pure, bounded by a deadline.
