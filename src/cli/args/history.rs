//! What can be typed after `retake history`.

use clap::{Args, Subcommand, ValueEnum};

use super::{PageArgs, SelectArgs, ZoneArgs};

/// `retake history`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct HistoryArgs {
    /// What to do; `list` if nothing is said.
    #[command(subcommand)]
    pub command: Option<HistoryCommand>,
    /// The filters of `list`.
    #[command(flatten)]
    pub list: HistoryListArgs,
    /// The zone.
    #[command(flatten)]
    pub zone: ZoneArgs,
}

/// `retake history …`
#[derive(Debug, Subcommand)]
pub enum HistoryCommand {
    /// List exchanges, newest first, grouped by day
    List {
        /// Numbers, ranges, ids, or the last six or more characters of an id
        #[arg(value_name = "WHICH")]
        which: Vec<String>,
        /// The rest.
        #[command(flatten)]
        list: HistoryListArgs,
    },
    /// List the days that have exchanges
    Days(HistoryGroupsArgs),
    /// List the sessions: each run of `retake record`
    Sessions(HistoryGroupsArgs),
    /// Show exchanges whole
    Show(HistoryShowArgs),
    /// Find text in URLs, fields and bodies, newest first
    Search(HistorySearchArgs),
    /// Show exchanges as they are recorded
    Tail(HistoryTailArgs),
    /// Write exchanges as a HAR 1.2 file
    Export(HistoryExportArgs),
    /// Bring exchanges of a HAR 1.2 file into the history, masked
    Import(HistoryImportArgs),
    /// Tag exchanges, or note something about them
    Tag(HistoryTagArgs),
    /// Apply the masking rules of today to what is already recorded
    Mask(HistoryMaskArgs),
    /// Delete exchanges
    Delete(HistoryDeleteArgs),
    /// Delete what is old, or too much
    Prune(HistoryPruneArgs),
    /// Count exchanges by host, status, type and more, and tell what takes the space
    Stats(HistoryStatsArgs),
    /// Compare two exchanges
    Diff(HistoryDiffArgs),
}

/// `retake history days`, `retake history sessions`
#[derive(Debug, Args)]
pub struct HistoryGroupsArgs {
    /// Filters.
    #[command(flatten)]
    pub select: SelectArgs,
    /// JSON Lines
    #[arg(long)]
    pub json: bool,
}

/// `retake history list`
#[derive(Debug, Args)]
pub struct HistoryListArgs {
    /// Filters.
    #[command(flatten)]
    pub select: SelectArgs,
    /// Sizes in bytes, durations in microseconds, times to the millisecond
    #[arg(long)]
    pub exact: bool,
    /// Only exchanges before this number: the next page
    #[arg(long, value_name = "N")]
    pub before: Option<u64>,
    /// Paging.
    #[command(flatten)]
    pub page: PageArgs,
}

/// `retake history show`
#[derive(Debug, Args)]
pub struct HistoryShowArgs {
    /// Numbers, ranges, ids, or the last six or more characters of an id
    #[arg(required = true, value_name = "WHICH")]
    pub which: Vec<String>,
    /// One JSON object per exchange
    #[arg(long, conflicts_with = "raw")]
    pub json: bool,
    /// Write only the bytes of one part, decoded
    #[arg(long, value_name = "PART")]
    pub raw: Option<RawPart>,
    /// With --raw: the bytes as carried, content coding included
    #[arg(long, requires = "raw")]
    pub wire: bool,
    /// Bodies to their end, and long lines whole
    #[arg(long, conflicts_with_all = ["json", "raw"])]
    pub full: bool,
    /// Bodies as a hex dump, of that many bytes at most
    #[arg(long, value_name = "BYTES", num_args = 0..=1, default_missing_value = "512", require_equals = true,
        conflicts_with_all = ["json", "raw"])]
    pub hexdump: Option<usize>,
}

/// A part of an exchange that can be written raw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RawPart {
    /// The request's body
    RequestBody,
    /// The response's body
    ResponseBody,
}

/// `retake history search`
#[derive(Debug, Args)]
pub struct HistorySearchArgs {
    /// JSON
    #[arg(long)]
    pub json: bool,
}

/// `retake history tail`
#[derive(Debug, Args)]
pub struct HistoryTailArgs {
    /// JSON
    #[arg(long)]
    pub json: bool,
}

/// `retake history export`
#[derive(Debug, Args)]
pub struct HistoryExportArgs {
    /// JSON
    #[arg(long)]
    pub json: bool,
}

/// `retake history import`
#[derive(Debug, Args)]
pub struct HistoryImportArgs {
    /// JSON
    #[arg(long)]
    pub json: bool,
}

/// `retake history tag`
#[derive(Debug, Args)]
pub struct HistoryTagArgs {
    /// JSON
    #[arg(long)]
    pub json: bool,
}

/// `retake history mask`
#[derive(Debug, Args)]
pub struct HistoryMaskArgs {
    /// JSON
    #[arg(long)]
    pub json: bool,
}

/// `retake history delete`
#[derive(Debug, Args)]
pub struct HistoryDeleteArgs {
    /// JSON
    #[arg(long)]
    pub json: bool,
}

/// `retake history prune`
#[derive(Debug, Args)]
pub struct HistoryPruneArgs {
    /// JSON
    #[arg(long)]
    pub json: bool,
}

/// `retake history stats`
#[derive(Debug, Args)]
pub struct HistoryStatsArgs {
    /// JSON
    #[arg(long)]
    pub json: bool,
}

/// `retake history diff`
#[derive(Debug, Args)]
pub struct HistoryDiffArgs {
    /// JSON
    #[arg(long)]
    pub json: bool,
}
