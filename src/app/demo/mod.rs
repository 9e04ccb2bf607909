//! What `retake demo` needs beside the product: a sample API to record, and a client to call it with.

pub mod api;
pub mod client;
