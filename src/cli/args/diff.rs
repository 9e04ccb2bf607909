//! `retake diff`, as typed.

use clap::{Args, ValueEnum};

/// `retake diff`
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The miss: `last`, `call:17`, the number of a call, or the id in `x-retake-miss`
    #[arg(value_name = "MISS")]
    pub miss: String,
    /// Propose the change of this fix: it waits until `retake review` decides
    #[arg(long, value_name = "N")]
    pub apply: Option<usize>,
    /// Make the change at once
    #[arg(long, requires = "apply")]
    pub accept: bool,
    /// A place that looks like a secret and is none, FILE or FILE#POINTER; it is remembered; repeatable
    #[arg(long, value_name = "PLACE", requires = "accept")]
    pub allow_secret: Vec<String>,
    /// The run [default: the newest]
    #[arg(long, value_name = "RUN")]
    pub run: Option<String>,
    /// How the report is written
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = DiffFormat::Text, conflicts_with = "json")]
    pub format: DiffFormat,
    /// The same as `--format json`, on one line
    #[arg(long)]
    pub json: bool,
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DiffFormat {
    /// For people
    Text,
    /// For programs
    Json,
    /// One page that needs nothing else, on stdout: no script, light and dark
    Html,
}
