//! What can be typed: the command line as clap reads it, resolved elsewhere.

mod diff;
mod filters;
mod history;
mod mock;
mod review;
mod verify;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::replay::cursor::CursorBy;

pub use diff::{DiffArgs, DiffFormat};
pub use filters::*;
pub use history::*;
pub use mock::{
    KeyCommand, MockArgs, MockCommand, ScenarioAddArgs, ScenarioCommand, ServerStubAddArgs, ServerStubCommand,
    StubCommand, WhichScenario,
};
pub use review::ReviewArgs;
pub use verify::{FailOnArg, VerifyArgs};

/// Record real API traffic, promote it into mocks, replay it offline
#[derive(Debug, Parser)]
#[command(name = "retake", version, max_term_width = 100, disable_help_subcommand = true)]
pub struct Cli {
    /// What holds for every command.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags of every command.
#[derive(Debug, Args)]
pub struct Global {
    /// Folder of the history [default: the user's data directory]
    #[arg(long, global = true, env = "RETAKE_STORE", value_name = "DIR", help_heading = "Global options")]
    pub store: Option<PathBuf>,
    /// Print data, warnings and errors only
    #[arg(long, short, global = true, help_heading = "Global options")]
    pub quiet: bool,
    /// Log more; twice for everything
    #[arg(long, short, global = true, action = clap::ArgAction::Count, help_heading = "Global options")]
    pub verbose: u8,
}

/// The commands.
#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "there is one of it in a process")]
pub enum Command {
    /// Record what passes through a proxy on this machine
    Record(RecordArgs),
    /// Serve collections offline, as a proxy and as a plain server
    Replay(ReplayArgs),
    /// Look at what was recorded
    History(Box<HistoryArgs>),
    /// Copy exchanges from the history into a mock collection
    Promote(Box<PromoteArgs>),
    /// Decide about changes that wait beside a collection, one by one
    Review(ReviewArgs),
    /// Care for mock collections
    Mock(MockArgs),
    /// Tell how a request would match a collection, and why
    Explain(ExplainArgs),
    /// Look at the calls that replays answered
    Calls(CallsArgs),
    /// Show the report of a miss again, and make the change that it proposes
    Diff(DiffArgs),
    /// Look at sequences, named states and fresh values of a running replay, and set them
    State(StateArgs),
    /// Send the safe requests of a collection to the live API again, and tell what has changed
    Verify(VerifyArgs),
    /// Print the variables that point this shell at the newest running recorder or replay
    Env(EnvArgs),
    /// The certificate authority of this installation
    Ca(CaArgs),
    /// Show the whole loop on this machine, without the network
    Demo(DemoArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Write the man pages into a folder
    #[command(hide = true)]
    Man(ManArgs),
}

/// Where a server of ours listens.
#[derive(Debug, Args)]
pub struct ListenArgs {
    /// Address to listen on [default: 127.0.0.1:8888; a free port with a command]
    #[arg(long, env = "RETAKE_LISTEN", value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Print the ready line as a JSON object
    #[arg(long)]
    pub json: bool,
}

/// `retake record`
#[derive(Debug, Args)]
pub struct RecordArgs {
    /// Where to listen.
    #[command(flatten)]
    pub listen: ListenArgs,
    /// Be a reverse proxy of this one origin, such as https://api.example.com
    #[arg(long, value_name = "URL")]
    pub to: Option<String>,
    /// Name of this session [default: the day and a number, such as 2026-11-20-3]
    #[arg(long, value_name = "NAME")]
    pub session: Option<String>,
    /// Tag every exchange of this session; repeatable
    #[arg(long = "tag", value_name = "TAG")]
    pub tags: Vec<String>,
    /// PEM file with further roots to trust upstream; repeatable
    #[arg(long, value_name = "FILE")]
    pub upstream_ca: Vec<PathBuf>,
    /// Do not verify the certificate of this host; repeatable
    #[arg(long, value_name = "HOST")]
    pub insecure: Vec<String>,
    /// Do not record this host: the command's NO_PROXY keeps it; repeatable
    #[arg(long, value_name = "HOST")]
    pub bypass: Vec<String>,
    /// Record credentials as they are
    #[arg(long)]
    pub keep_secrets: bool,
    /// Fail a call whose exchange cannot be written, rather than letting it pass unrecorded
    #[arg(long)]
    pub strict_recording: bool,
    /// What an exchange survives once its answer is out [default: process]
    #[arg(long, env = "RETAKE_DURABILITY", value_name = "HOW")]
    pub durability: Option<DurabilityArg>,
    /// A command to run with every proxy and trust variable set
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<std::ffi::OsString>,
}

/// What a recorded exchange survives.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum DurabilityArg {
    /// The end of retake, however it ends
    Process,
    /// The end of the machine too: each answer waits until its record is synced to the disk
    Disk,
}

impl From<DurabilityArg> for crate::store::Durability {
    fn from(durability: DurabilityArg) -> Self {
        match durability {
            DurabilityArg::Process => crate::store::Durability::Process,
            DurabilityArg::Disk => crate::store::Durability::Disk,
        }
    }
}

/// `retake replay`
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Collections: names under the collections folder, or paths
    #[arg(required = true, value_name = "COLLECTION")]
    pub collections: Vec<String>,
    /// Where to listen.
    #[command(flatten)]
    pub listen: ListenArgs,
    /// How requests are matched [default: the collection's, else best]
    #[arg(long, value_name = "PROFILE")]
    pub profile: Option<ProfileArg>,
    /// Keep sequences and states apart by test: header:NAME, port, proxy-user, or path (calls to /~NAME/...)
    #[arg(long, value_name = "BY", default_value = "server")]
    pub cursor: CursorBy,
    /// Listen here, too; repeatable
    #[arg(long, value_name = "ADDR")]
    pub also_listen: Vec<SocketAddr>,
    /// What becomes of calls that match nothing: fail, pass (on to the origin), record (and into the history), or one of
    /// them for a host: HOST=pass; repeatable [default: the collection's, else fail]
    #[arg(long, value_name = "[HOST=]WHAT")]
    pub on_miss: Vec<String>,
    /// PEM file with further roots to trust upstream, for calls that are passed on; repeatable
    #[arg(long, value_name = "FILE")]
    pub upstream_ca: Vec<PathBuf>,
    /// Do not verify the certificate of this host when calls are passed on; repeatable
    #[arg(long, value_name = "HOST")]
    pub insecure: Vec<String>,
    /// Let pages of any origin call from a browser, whatever the collections say
    #[arg(long)]
    pub cors: bool,
    /// Status of the answer to a call that matched nothing [default: 501; 404 with the profile postman]
    #[arg(long, value_name = "STATUS", value_parser = clap::value_parser!(u16).range(400..600))]
    pub miss_status: Option<u16>,
    /// Write the receipt in this format to this file at the end: text=FILE, json=FILE, junit=FILE or html=FILE; repeatable
    #[arg(long = "report", value_name = "FORMAT=FILE")]
    pub reports: Vec<String>,
    /// Fail when more than this many calls were answered inexactly
    #[arg(long, value_name = "N")]
    pub max_inexact: Option<u64>,
    /// Fail when a scenario that is enabled answered no call
    #[arg(long)]
    pub fail_unused: bool,
    /// Let every answer wait, whatever the collections say: none, 2g, 3g, 300ms, 100ms..400ms, 'log-normal 120ms 0.5',
    /// recorded or recorded*0.5
    #[arg(long, value_name = "DELAY")]
    pub delay: Option<crate::collection::Delay>,
    /// Where chance comes from: the same seed gives the same answers
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// The present stands still at this moment, as in 2026-11-20T09:30:00Z
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub now: Option<jiff::Timestamp>,
    /// Serve recorded dates as they are, not moved by the age of the recording
    #[arg(long)]
    pub no_shift: bool,
    /// The value of a variable that a collection names; repeatable
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = variable)]
    pub variables: Vec<(String, String)>,
    /// Take the value of such a variable from the environment variable of that name; repeatable
    #[arg(long = "env-var", value_name = "NAME")]
    pub env_variables: Vec<String>,
    /// Say in fields of every answer how it was chosen
    #[arg(long)]
    pub explain_headers: bool,
    /// What the call log has: all calls, requests and answers as they were too, or no exact hits but those
    /// that moved a sequence or a named state on
    #[arg(long, value_name = "WHICH", default_value = "all")]
    pub call_log: CallLogArg,
    /// A command to run with every proxy and trust variable set
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<std::ffi::OsString>,
}

/// A moment that is the same wherever it is read.
fn instant(text: &str) -> Result<jiff::Timestamp, String> {
    text.parse().map_err(|_| "write date, time and zone, as in 2026-11-20T09:30:00Z".to_owned())
}

/// `NAME=VALUE`
fn variable(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, _)| !name.trim().is_empty());
    pair.map(|(name, value)| (name.trim().to_owned(), value.to_owned())).ok_or_else(|| "write NAME=VALUE".to_owned())
}

/// Which calls of a replay are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CallLogArg {
    /// Every call
    All,
    /// Every call, with the request as it came, and the answer as it was sent where the collection has another
    Full,
    /// Misses, inexact hits, what failed, and exact hits on which later answers depend
    Misses,
}

/// A profile by name.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum ProfileArg {
    /// Forgive what is extra or missing, never what is contradicted
    Best,
    /// Exact hits only
    Strict,
    /// As a mock server of Postman: points for the path and the query
    Postman,
}

/// How much of a listing is shown.
#[derive(Debug, Args)]
pub struct PageArgs {
    /// Lines to show
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50)]
    pub limit: usize,
    /// Show everything
    #[arg(long, conflicts_with = "limit")]
    pub all: bool,
    /// JSON Lines
    #[arg(long)]
    pub json: bool,
}

/// `retake promote`
#[derive(Debug, Args)]
pub struct PromoteArgs {
    /// Which exchanges.
    #[command(flatten)]
    pub select: WhichArgs,
    /// The zone.
    #[command(flatten)]
    pub zone: ZoneArgs,
    /// The collection to write: a name under the collections folder, or a path
    #[arg(long, value_name = "NAME", required_unless_present = "split")]
    pub into: Option<String>,
    /// Write one collection for each host, named after it
    #[arg(long, value_name = "BY", conflicts_with = "into")]
    pub split: Option<SplitArg>,
    /// What answers the misses of the newest replay, or of this one
    #[arg(long, value_name = "RUN", num_args = 0..=1, require_equals = true)]
    pub misses: Option<Option<String>>,
    /// Keep at most this many scenarios of a stub
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub sample: Option<u32>,
    /// Where an answer differs from the committed one, keep that one and report the conflict; the default
    #[arg(long, conflicts_with_all = ["replace", "ask"])]
    pub keep: bool,
    /// Take the new answer where it differs from the committed one
    #[arg(long, conflicts_with = "ask")]
    pub replace: bool,
    /// Where an answer differs from the committed one, let `retake review` ask which it is to be
    #[arg(long)]
    pub ask: bool,
    /// Make the scenario of this exchange its stub's default
    #[arg(long = "default", value_name = "N")]
    pub default: Option<String>,
    /// Write down how long each answer took, for the delay `recorded`
    #[arg(long)]
    pub durations: bool,
    /// A place that looks like a secret and is none, FILE or FILE#POINTER; it is remembered; repeatable
    #[arg(long, value_name = "PLACE")]
    pub allow_secret: Vec<String>,
    /// Show the rules that were found and the values that link calls, with their evidence
    #[arg(long)]
    pub explain: bool,
    /// Print what would be written as a unified diff, and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// The report as one JSON object
    #[arg(long)]
    pub json: bool,
}

/// What collections are split by.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum SplitArg {
    /// One for each host
    Host,
}

/// `retake explain`
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The collection
    #[arg(value_name = "COLLECTION")]
    pub collection: String,
    /// The request: METHOD URL, or an exchange of the history, or call:N of the newest replay
    #[arg(value_name = "REQUEST", required = true, num_args = 1..=2)]
    pub request: Vec<String>,
    /// A request field; repeatable
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE")]
    pub headers: Vec<String>,
    /// The request body: text, or @FILE
    #[arg(long, short = 'd', value_name = "BODY")]
    pub data: Option<String>,
    /// How requests are matched [default: the collection's, else best]
    #[arg(long, value_name = "PROFILE")]
    pub profile: Option<ProfileArg>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// `retake calls`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct CallsArgs {
    /// What to do; `list` if nothing is said.
    #[command(subcommand)]
    pub command: Option<CallsCommand>,
    /// The flags of `list`.
    #[command(flatten)]
    pub list: CallsListArgs,
}

/// `retake calls …`
#[derive(Debug, Subcommand)]
pub enum CallsCommand {
    /// List calls, newest first
    List(CallsListArgs),
    /// Find a text in calls: URL, scenario, differences, request fields and body
    Search {
        /// The text; upper and lower case are alike
        #[arg(value_name = "TEXT")]
        text: String,
        /// Which calls, and how many.
        #[command(flatten)]
        args: CallsListArgs,
    },
    /// Show the last calls, and with -f those that come
    Tail {
        /// The run [default: the newest]
        #[arg(long, value_name = "RUN")]
        run: Option<String>,
        /// Calls to begin with
        #[arg(long, short = 'n', value_name = "N", default_value_t = 10)]
        lines: usize,
        /// Go on until Ctrl-C
        #[arg(long, short)]
        follow: bool,
        /// Which calls.
        #[command(flatten)]
        filters: CallFilterArgs,
        /// JSON Lines
        #[arg(long)]
        json: bool,
    },
    /// Show a call whole: request, answer, and how it was chosen
    Show(CallShowArgs),
}

/// `retake calls show`
#[derive(Debug, Args)]
pub struct CallShowArgs {
    /// The call's number in its run
    #[arg(value_name = "N")]
    pub call: u64,
    /// The run [default: the newest]
    #[arg(long, value_name = "RUN")]
    pub run: Option<String>,
    /// Only these parts of request and answer; comma-separated or repeated [default: all]
    #[arg(long, value_name = "PART", value_delimiter = ',')]
    pub include: Vec<IncludeArg>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// A part of a logged call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum IncludeArg {
    /// The request
    Request,
    /// Its fields
    RequestHeaders,
    /// Its body
    RequestBody,
    /// The answer
    Response,
    /// Its fields
    ResponseHeaders,
    /// Its body
    ResponseBody,
}

/// `retake calls list`
#[derive(Debug, Args)]
pub struct CallsListArgs {
    /// The run [default: the newest]
    #[arg(long, value_name = "RUN")]
    pub run: Option<String>,
    /// Which calls.
    #[command(flatten)]
    pub filters: CallFilterArgs,
    /// Paging.
    #[command(flatten)]
    pub page: PageArgs,
    /// Below this number: the page after that one
    #[arg(long, value_name = "N")]
    pub before: Option<u64>,
    /// Above this number
    #[arg(long, value_name = "N")]
    pub after: Option<u64>,
    /// Which come first
    #[arg(long, value_name = "ORDER", default_value = "newest")]
    pub sort: SortArg,
    /// These parts of request and answer, too; comma-separated or repeated
    #[arg(long, value_name = "PART", value_delimiter = ',')]
    pub include: Vec<IncludeArg>,
    /// End with a line that says how many calls there are in all, and where the next page begins
    #[arg(long, requires = "json")]
    pub meta: bool,
}

/// Which calls come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SortArg {
    /// The newest
    Newest,
    /// The oldest
    Oldest,
}

/// Filters over the calls of a run; all that are given must hold.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Filters")]
pub struct CallFilterArgs {
    /// Misses only
    #[arg(long, conflicts_with = "kinds")]
    pub misses: bool,
    /// That came to this; repeatable
    #[arg(long = "type", value_name = "TYPE")]
    pub kinds: Vec<CallTypeArg>,
    /// Answered with this status, class or range: 404, 5xx, 400-499
    #[arg(long, value_name = "STATUS")]
    pub status: Option<String>,
    /// With this method
    #[arg(long, value_name = "METHOD")]
    pub method: Option<String>,
    /// To hosts that fit this glob, without case
    #[arg(long, value_name = "GLOB")]
    pub host: Option<String>,
    /// With a path that fits this glob, without case
    #[arg(long, value_name = "GLOB")]
    pub path: Option<String>,
    /// At this time or later: 10:30, "2h ago", 2026-11-20, RFC 3339
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Before this time
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Of this cursor
    #[arg(long, value_name = "NAME")]
    pub cursor: Option<String>,
}

/// What a call came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CallTypeArg {
    /// It was answered: exact, inexact, passed on
    Success,
    /// It was not: a miss, or never became a call
    Error,
    /// An exact hit
    Exact,
    /// An inexact hit
    Inexact,
    /// A miss
    Miss,
    /// Passed on to its origin
    Passed,
}

/// `retake state`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct StateArgs {
    /// What to do; `list` if nothing is said.
    #[command(subcommand)]
    pub command: Option<StateCommand>,
    /// The flags of `list`.
    #[command(flatten)]
    pub list: StateListArgs,
}

/// `retake state list`
#[derive(Debug, Args)]
pub struct StateListArgs {
    /// Of this cursor only
    #[arg(long, value_name = "NAME")]
    pub cursor: Option<String>,
    /// The run [default: the newest that is running]
    #[arg(long, value_name = "RUN")]
    pub run: Option<String>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// `retake state …`
#[derive(Debug, Subcommand)]
pub enum StateCommand {
    /// Show what has happened so far, by cursor
    List(StateListArgs),
    /// Put a thing into a named state, or a sequence before one of its steps
    Set {
        /// The thing (`order`; the collection, for its own state), or a scenario (`GET /jobs/{id}#job`)
        #[arg(value_name = "NAME")]
        name: String,
        /// The state; of a sequence the step that the next call gets, from 1
        #[arg(value_name = "STATE|STEP")]
        value: String,
        /// For this cursor [default: that of the whole server]
        #[arg(long, value_name = "NAME")]
        cursor: Option<String>,
        /// The run [default: the newest that is running]
        #[arg(long, value_name = "RUN")]
        run: Option<String>,
    },
    /// Let everything begin anew
    Reset {
        /// For this cursor only [default: for all]
        #[arg(long, value_name = "NAME")]
        cursor: Option<String>,
        /// The run [default: the newest that is running]
        #[arg(long, value_name = "RUN")]
        run: Option<String>,
    },
}

/// `retake env`
#[derive(Debug, Args)]
pub struct EnvArgs {
    /// The shell to speak to [default: that of $SHELL]
    #[arg(long, value_name = "SHELL")]
    pub shell: Option<ShellArg>,
    /// Print what takes the variables away again
    #[arg(long)]
    pub unset: bool,
}

/// A kind of shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ShellArg {
    /// sh, bash, zsh, dash
    Sh,
    /// fish
    Fish,
    /// PowerShell
    Powershell,
    /// `NAME=value` lines without quoting, for env files
    Plain,
}

/// `retake ca`
#[derive(Debug, Args)]
pub struct CaArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: CaCommand,
}

/// `retake ca …`
#[derive(Debug, Subcommand)]
pub enum CaCommand {
    /// Print the path of the certificate
    Path,
    /// Show the certificate, and how to trust and distrust it on each system
    Show {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the certificate, or write it to a file
    Export {
        /// The file to write; stdout if absent
        #[arg(long, short, value_name = "FILE")]
        out: Option<PathBuf>,
        /// PEM, DER, or a Java trust store
        #[arg(long, default_value = "pem", value_name = "FORMAT")]
        format: CaFormat,
    },
}

/// A form of the certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CaFormat {
    /// PEM
    Pem,
    /// DER
    Der,
    /// PKCS#12 trust store, password `changeit`
    P12,
}

/// `retake demo`
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Folder to write; it must not exist, or be one that an earlier demo made
    #[arg(long, value_name = "DIR", default_value = "retake-demo")]
    pub dir: PathBuf,
}

/// `retake completions`
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// `retake man`
#[derive(Debug, Args)]
pub struct ManArgs {
    /// The folder
    pub dir: PathBuf,
}
