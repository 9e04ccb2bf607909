//! What can be typed after `retake history`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{FilterArgs, PageArgs, SelectArgs, WhichArgs, ZoneArgs};

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
    /// Find a text in URLs, fields and bodies, newest first
    Search(HistorySearchArgs),
    /// Show exchanges as they are recorded
    Tail(HistoryTailArgs),
    /// Write exchanges to a file that other tools read
    Export(HistoryExportArgs),
    /// Take in exchanges that other tools recorded, masked
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
    /// Written so that the request can be made again elsewhere, or another tool reads the exchange
    #[arg(long = "as", value_name = "FORM", conflicts_with_all = ["json", "raw", "full", "hexdump"])]
    pub form: Option<ShowAs>,
}

/// A form in which a request can be taken elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ShowAs {
    /// A command line of curl; masked values are variables
    Curl,
    /// The bytes of HTTP/1.1
    Raw,
    /// HAR 1.2, with the response
    Har,
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
    /// The text, upper and lower case alike
    #[arg(value_name = "PATTERN")]
    pub pattern: String,
    /// PATTERN is a regular expression; ^ and $ are the ends of lines
    #[arg(long)]
    pub regex: bool,
    /// Upper and lower case differ
    #[arg(long)]
    pub case_sensitive: bool,
    /// Filters.
    #[command(flatten)]
    pub filters: FilterArgs,
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

/// `retake history tail`
#[derive(Debug, Args)]
pub struct HistoryTailArgs {
    /// Filters.
    #[command(flatten)]
    pub select: SelectArgs,
    /// Exchanges to begin with
    #[arg(long = "lines", short = 'n', value_name = "N", default_value_t = 10)]
    pub lines: usize,
    /// Go on with exchanges as they finish, until Ctrl-C
    #[arg(long, short)]
    pub follow: bool,
    /// Sizes in bytes, durations in microseconds, times to the millisecond
    #[arg(long)]
    pub exact: bool,
    /// JSON Lines
    #[arg(long)]
    pub json: bool,
}

/// `retake history export`
#[derive(Debug, Default, Args)]
pub struct HistoryExportArgs {
    /// Which exchanges; without any, all.
    #[command(flatten)]
    pub which: WhichArgs,
    /// The form of the file
    #[arg(long, value_name = "FORM", default_value = "har")]
    pub format: ExportFormat,
    /// The file to write, readable by its owner only; stdout without it
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Replace the file if it is there
    #[arg(long, requires = "output")]
    pub force: bool,
}

/// `retake history import`
#[derive(Debug, Default, Args)]
pub struct HistoryImportArgs {
    /// HAR files, of any tool; `-` for stdin
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Session of what is imported [default: as the file says, else the file's name]
    #[arg(long, value_name = "NAME")]
    pub session: Option<String>,
    /// Tag everything that is imported; repeatable
    #[arg(long = "tag", value_name = "TAG")]
    pub tags: Vec<String>,
    /// Do not mask credentials
    #[arg(long)]
    pub keep_secrets: bool,
    /// Only tell what would be imported
    #[arg(long)]
    pub dry_run: bool,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// A form of an export.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// HAR 1.2, an HTTP Archive
    #[default]
    Har,
    /// The objects of `show --json`, one a line
    Jsonl,
}

/// `retake history tag`
#[derive(Debug, Default, Args)]
pub struct HistoryTagArgs {
    /// Which exchanges.
    #[command(flatten)]
    pub which: WhichArgs,
    /// Put this tag on; repeatable
    #[arg(long, value_name = "TAG")]
    pub add: Vec<String>,
    /// Take this tag off; repeatable
    #[arg(long, value_name = "TAG")]
    pub remove: Vec<String>,
    /// Set this note; an empty one removes it
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// How a change that cannot be taken back is made.
#[derive(Debug, Default, Args)]
pub struct EditArgs {
    /// Only tell what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(long, short, conflicts_with = "dry_run")]
    pub yes: bool,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// `retake history mask`
#[derive(Debug, Default, Args)]
pub struct HistoryMaskArgs {
    /// One more rule, such as field=X-Device, member=nickname, pointer=/user/pin or regex=emp-[0-9]+; repeatable
    #[arg(long = "rule", value_name = "KIND=VALUE")]
    pub rules: Vec<String>,
    /// How it is done.
    #[command(flatten)]
    pub how: EditArgs,
}

/// `retake history delete`
#[derive(Debug, Default, Args)]
pub struct HistoryDeleteArgs {
    /// Which exchanges.
    #[command(flatten)]
    pub which: WhichArgs,
    /// Everything that is recorded
    #[arg(long, conflicts_with = "which")]
    pub all: bool,
    /// How it is done.
    #[command(flatten)]
    pub how: EditArgs,
}

/// `retake history prune`
#[derive(Debug, Default, Args)]
pub struct HistoryPruneArgs {
    /// What started before this: 30d, "3 weeks ago", 2026-11-20
    #[arg(long, value_name = "TIME")]
    pub older_than: Option<String>,
    /// The oldest, until the history takes at most this much: 5GB, 500MiB
    #[arg(long, value_name = "SIZE")]
    pub max_size: Option<String>,
    /// Spare what has a tag
    #[arg(long)]
    pub keep_tagged: bool,
    /// Do it; without this, only tell what would be done
    #[arg(long, short)]
    pub yes: bool,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// `retake history stats`
#[derive(Debug, Args)]
pub struct HistoryStatsArgs {
    /// Filters.
    #[command(flatten)]
    pub select: SelectArgs,
    /// Names of each table
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub top: usize,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// `retake history diff`
#[derive(Debug, Args)]
pub struct HistoryDiffArgs {
    /// The exchange on the left: a number, an id, or the last six or more characters of an id
    #[arg(value_name = "A")]
    pub before: String,
    /// The exchange on the right
    #[arg(value_name = "B")]
    pub after: String,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
    /// Exit code 3 when they differ
    #[arg(long)]
    pub exit_code: bool,
}
