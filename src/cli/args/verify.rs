//! `retake verify`

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::app::verify::Against;

/// `retake verify`
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The collection: a name under the collections folder, or a path
    #[arg(value_name = "COLLECTION")]
    pub collection: String,
    /// Call the API here instead of where it was recorded: https://staging.example.com/v1, or ORIGIN=URL for one of
    /// several origins; repeatable
    #[arg(long, value_name = "[ORIGIN=]URL")]
    pub against: Vec<Against>,
    /// Send requests that may change something, too (POST, PUT, PATCH, DELETE): one after the other
    #[arg(long = "unsafe")]
    pub with_unsafe: bool,
    /// What makes the command fail, with exit code 3
    #[arg(long, value_name = "WHAT", default_value = "breaking")]
    pub fail_on: FailOnArg,
    /// Requests under way at the same time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub concurrency: u8,
    /// Requests begun in a second, at most
    #[arg(long, value_name = "N", default_value_t = 10.0, value_parser = rate)]
    pub rate: f64,
    /// Seconds for one request, to the last byte of its answer
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub timeout: u64,
    /// A field for every request, in which ${NAME} is the environment variable of that name; repeatable
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE")]
    pub headers: Vec<String>,
    /// PEM file with further roots to trust; repeatable
    #[arg(long, value_name = "FILE")]
    pub upstream_ca: Vec<PathBuf>,
    /// Do not verify the certificate of this host; repeatable
    #[arg(long, value_name = "HOST")]
    pub insecure: Vec<String>,
    /// The report as one JSON object
    #[arg(long)]
    pub json: bool,
}

/// What makes `verify` fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOnArg {
    /// A status, media type or decisive field that is another, a member that is gone or has another type
    Breaking,
    /// Values that differ without a change of type, too
    Values,
    /// Anything that differs, what was added too
    Compatible,
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate: &f64| (0.01..=1_000.0).contains(rate));
    rate.ok_or_else(|| "write a number from 0.01 to 1000".to_owned())
}
