//! How exchanges of the history are chosen on the command line.

use clap::{Args, ValueEnum};

/// Filters over the history; all that are given must hold.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Filters")]
pub struct FilterArgs {
    /// Of this day: today, yesterday, monday, last friday, "3 days ago", 2026-11-20
    #[arg(long, value_name = "DAY")]
    pub day: Option<String>,
    /// Started at this time or later: 10:30, "yesterday 14:00", monday, "2h ago", 2026-11-20, RFC 3339
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Started before this time; of a day, all of it counts
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Of this session
    #[arg(long, value_name = "NAME")]
    pub session: Option<String>,
    /// With this tag
    #[arg(long, value_name = "TAG")]
    pub tag: Option<String>,
    /// With this method
    #[arg(long, value_name = "METHOD")]
    pub method: Option<String>,
    /// To this host, or hosts by a glob such as *.github.com
    #[arg(long, value_name = "GLOB")]
    pub host: Option<String>,
    /// With a path that fits this glob, such as /users/*
    #[arg(long, value_name = "GLOB")]
    pub path: Option<String>,
    /// With this status, class or range: 404, 5xx, 400-499
    #[arg(long, value_name = "STATUS")]
    pub status: Option<String>,
    /// With a response of this media type: json, html, image/*, application/pdf; none for no type
    #[arg(long = "type", value_name = "TYPE")]
    pub media_type: Option<String>,
    /// With a response body of this size: '>1MB', '<500', 10KB-1MB, 1MiB..
    #[arg(long, value_name = "SIZE")]
    pub size: Option<String>,
    /// That took this long: '>1s', '<20ms', 100ms-2s, 1m..
    #[arg(long, value_name = "TIME")]
    pub duration: Option<String>,
    /// That ended so
    #[arg(long, value_name = "OUTCOME")]
    pub outcome: Option<OutcomeArg>,
}

impl FilterArgs {
    /// Whether no filter is given.
    pub fn is_empty(&self) -> bool {
        // All members are named, so that none is forgotten when one is added.
        let FilterArgs {
            day,
            since,
            until,
            session,
            tag,
            method,
            host,
            path,
            status,
            media_type,
            size,
            duration,
            outcome,
        } = self;
        let texts = [day, since, until, session, tag, method, host, path, status, media_type, size, duration];
        texts.into_iter().all(Option::is_none) && outcome.is_none()
    }
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutcomeArg {
    /// The client saw a whole response
    Complete,
    /// There was no answer, or it broke off
    Failed,
    /// The client went away before the end
    Cancelled,
    /// Retake was stopped while the response streamed
    Interrupted,
    /// Passed on without a look inside
    Relayed,
}

impl OutcomeArg {
    /// The word of listings.
    pub fn word(self) -> &'static str {
        match self {
            OutcomeArg::Complete => "complete",
            OutcomeArg::Failed => "failed",
            OutcomeArg::Cancelled => "cancelled",
            OutcomeArg::Interrupted => "interrupted",
            OutcomeArg::Relayed => "relayed",
        }
    }
}

/// A text that exchanges must have.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Filters")]
pub struct TextArgs {
    /// With this text in URL, fields or text bodies, upper and lower case alike
    #[arg(long, value_name = "TEXT")]
    pub text: Option<String>,
    /// --text is a regular expression
    #[arg(long, requires = "text")]
    pub regex: bool,
    /// Upper and lower case differ in --text
    #[arg(long, requires = "text")]
    pub case_sensitive: bool,
}

/// Filters, and a text.
#[derive(Debug, Default, Args)]
pub struct SelectArgs {
    /// Filters.
    #[command(flatten)]
    pub filters: FilterArgs,
    /// A text.
    #[command(flatten)]
    pub text: TextArgs,
}

impl SelectArgs {
    /// Whether nothing is asked for, so that everything is meant.
    pub fn is_empty(&self) -> bool {
        self.filters.is_empty() && self.text.text.is_none()
    }
}

/// Exchanges by name, by filters, or both.
#[derive(Debug, Default, Args)]
pub struct WhichArgs {
    /// Numbers, ranges, ids, or the last six or more characters of an id
    #[arg(value_name = "WHICH")]
    pub which: Vec<String>,
    /// Filters; with WHICH, both must hold.
    #[command(flatten)]
    pub select: SelectArgs,
}

impl WhichArgs {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.which.is_empty() && self.select.is_empty()
    }
}

/// The zone of days and times.
#[derive(Debug, Default, Args)]
pub struct ZoneArgs {
    /// Zone of days and times: Europe/Berlin, UTC, +02:00, local [default: the system's]
    #[arg(
        long,
        env = "RETAKE_TZ",
        hide_env_values = true,
        value_name = "ZONE",
        global = true,
        allow_hyphen_values = true,
        help_heading = "Global options"
    )]
    pub tz: Option<String>,
}
