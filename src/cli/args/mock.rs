//! `retake mock` and its subcommands, as typed.

use clap::{Args, Subcommand};

/// `retake mock`
#[derive(Debug, Args)]
pub struct MockArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: MockCommand,
    /// A place that looks like a secret and is none, FILE or FILE#POINTER; it is remembered; repeatable
    #[arg(long, value_name = "PLACE", global = true)]
    pub allow_secret: Vec<String>,
}

/// `retake mock …`
#[derive(Debug, Subcommand)]
pub enum MockCommand {
    /// List collections, or the stubs and scenarios of one
    List {
        /// The collection
        #[arg(value_name = "COLLECTION")]
        collection: Option<String>,
        /// JSON Lines
        #[arg(long)]
        json: bool,
    },
    /// Show a stub with its scenarios and the URLs to call
    Show {
        /// The collection
        #[arg(value_name = "COLLECTION")]
        collection: String,
        /// A stub (`GET /users/{login}`, or its file) or a scenario (the stub, `#` and its name); everything if absent
        #[arg(value_name = "STUB[#SCENARIO]")]
        which: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Validate a collection whole: every fault with file and line
    Check {
        /// The collections
        #[arg(value_name = "COLLECTION", required = true)]
        collections: Vec<String>,
        /// JSON Lines
        #[arg(long)]
        json: bool,
    },
    /// Make an empty collection
    New {
        /// Its name or path
        #[arg(value_name = "COLLECTION")]
        collection: String,
        /// An origin that it mocks, such as https://api.example.com; repeatable
        #[arg(long, value_name = "URL")]
        origin: Vec<String>,
    },
    /// Stubs by hand
    Stub {
        /// What to do.
        #[command(subcommand)]
        command: StubCommand,
    },
    /// Scenarios by hand
    Scenario {
        /// What to do.
        #[command(subcommand)]
        command: ScenarioCommand,
    },
    /// Named 5xx answers for everything, by hand
    ServerStub {
        /// What to do.
        #[command(subcommand)]
        command: ServerStubCommand,
    },
    /// Let a server stub answer every call, or none; replays that run follow
    Activate {
        /// The collection
        #[arg(value_name = "COLLECTION")]
        collection: String,
        /// The server stub, or none
        #[arg(value_name = "NAME|none")]
        name: String,
        /// In the newest running replay of the collection only, to its end: the files stay as they are
        #[arg(long)]
        running: bool,
    },
    /// Set what holds for the whole collection: name, profile, delay, cors, private, on-miss
    Set {
        /// The collection
        #[arg(value_name = "COLLECTION")]
        collection: String,
        /// What, such as cors=true; an empty value takes it back
        #[arg(value_name = "KEY=VALUE", required = true)]
        pairs: Vec<String>,
    },
    /// Keys of a private collection
    Key {
        /// What to do.
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// Make a scenario the one that answers when no other of its stub qualifies
    Default {
        /// Which.
        #[command(flatten)]
        which: WhichScenario,
        /// Take the default away instead
        #[arg(long)]
        unset: bool,
    },
    /// Let a scenario answer again
    Enable(WhichScenario),
    /// Leave a scenario out
    Disable(WhichScenario),
    /// Rename a scenario
    Rename {
        /// Which.
        #[command(flatten)]
        which: WhichScenario,
        /// The new name
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Delete a scenario, or a stub with all of its scenarios
    Delete {
        /// The collection
        #[arg(value_name = "COLLECTION")]
        collection: String,
        /// A stub, or a stub, `#` and a scenario's name
        #[arg(value_name = "STUB[#SCENARIO]")]
        which: String,
    },
    /// Send every scenario's own request through matching, and tell which one answers
    Test {
        /// The collection
        #[arg(value_name = "COLLECTION")]
        collection: String,
        /// JSON Lines
        #[arg(long)]
        json: bool,
    },
}

/// A scenario of a collection.
#[derive(Debug, Args)]
pub struct WhichScenario {
    /// The collection
    #[arg(value_name = "COLLECTION")]
    pub collection: String,
    /// The stub (`GET /users/{login}`, or its file), `#`, and the scenario's name
    #[arg(value_name = "STUB#SCENARIO")]
    pub scenario: String,
}

/// `retake mock stub …`
#[derive(Debug, Subcommand)]
pub enum StubCommand {
    /// Add an endpoint
    Add {
        /// The collection
        #[arg(value_name = "COLLECTION")]
        collection: String,
        /// The method
        #[arg(value_name = "METHOD")]
        method: String,
        /// The path pattern, such as /users/{login}, or a whole URL
        #[arg(value_name = "PATH")]
        path: String,
        /// The origin, where the collection has several or none
        #[arg(long, value_name = "URL")]
        origin: Option<String>,
        /// A query pair that its scenarios inherit; repeatable
        #[arg(long, value_name = "NAME=VALUE")]
        query: Vec<String>,
        /// A request field that its scenarios inherit; repeatable
        #[arg(long = "header", short = 'H', value_name = "NAME: VALUE")]
        headers: Vec<String>,
        /// Do not compare bodies
        #[arg(long)]
        ignore_body: bool,
    },
}

/// `retake mock key …`
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a key, and show it this once
    Create {
        /// The collection
        #[arg(value_name = "COLLECTION")]
        collection: String,
        /// What to call it [default: key-1, key-2, ...]
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
    },
    /// List the names of keys, and the beginnings of their hashes
    List {
        /// The collection
        #[arg(value_name = "COLLECTION")]
        collection: String,
        /// JSON Lines
        #[arg(long)]
        json: bool,
    },
    /// Take a key away
    Revoke {
        /// The collection
        #[arg(value_name = "COLLECTION")]
        collection: String,
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
    },
}

/// `retake mock server-stub …`
#[derive(Debug, Subcommand)]
pub enum ServerStubCommand {
    /// Add one; `retake mock activate` lets it answer
    Add(ServerStubAddArgs),
}

/// `retake mock server-stub add`
#[derive(Debug, Args)]
pub struct ServerStubAddArgs {
    /// The collection
    #[arg(value_name = "COLLECTION")]
    pub collection: String,
    /// Its name
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The status
    #[arg(long, value_name = "STATUS", default_value_t = 503, value_parser = clap::value_parser!(u16).range(500..600))]
    pub status: u16,
    /// A response field; repeatable
    #[arg(long = "response-header", short = 'R', value_name = "NAME: VALUE")]
    pub response_headers: Vec<String>,
    /// The response body: text, or @FILE
    #[arg(long, short = 'b', value_name = "BODY")]
    pub body: Option<String>,
}

/// `retake mock scenario …`
#[derive(Debug, Subcommand)]
pub enum ScenarioCommand {
    /// Add a use of a stub
    Add(ScenarioAddArgs),
}

/// `retake mock scenario add`
#[derive(Debug, Args)]
pub struct ScenarioAddArgs {
    /// The collection
    #[arg(value_name = "COLLECTION")]
    pub collection: String,
    /// The stub: `GET /users/{login}`, or its file
    #[arg(value_name = "STUB")]
    pub stub: String,
    /// The scenario's name
    #[arg(long, value_name = "NAME")]
    pub name: String,
    /// The value of a captured path segment; repeatable
    #[arg(long, value_name = "NAME=VALUE", help_heading = "Request")]
    pub capture: Vec<String>,
    /// A query pair; repeatable
    #[arg(long, value_name = "NAME=VALUE", help_heading = "Request")]
    pub query: Vec<String>,
    /// A request field that must be there; repeatable
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE", help_heading = "Request")]
    pub headers: Vec<String>,
    /// The request body: text, or @FILE
    #[arg(long, short = 'd', value_name = "BODY", help_heading = "Request")]
    pub data: Option<String>,
    /// The media type of the request body
    #[arg(long, value_name = "TYPE", help_heading = "Request")]
    pub media_type: Option<String>,
    /// The status of the response
    #[arg(long, value_name = "STATUS", default_value_t = 200, value_parser = clap::value_parser!(u16).range(200..600), help_heading = "Response")]
    pub status: u16,
    /// A response field; repeatable
    #[arg(long = "response-header", short = 'R', value_name = "NAME: VALUE", help_heading = "Response")]
    pub response_headers: Vec<String>,
    /// The response body: text, or @FILE
    #[arg(long, short = 'b', value_name = "BODY", help_heading = "Response")]
    pub body: Option<String>,
    /// Make it the stub's default
    #[arg(long)]
    pub default: bool,
}
