//! Exit codes, and the error that ends a command.

use std::fmt;

/// What the process returns (`docs/commands.md`). A child's own code may be any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit(pub u8);

impl Exit {
    /// All went well.
    pub const SUCCESS: Exit = Exit(0);
    /// The run failed: port in use, store locked, disk, upstream of `verify` unreachable.
    pub const FAILURE: Exit = Exit(1);
    /// Wrong usage, unknown id, nothing selected, a broken file given as input.
    pub const USAGE: Exit = Exit(2);
    /// What the command exists to find was found: a miss, nothing served, drift, faults, pending changes under `CI`.
    pub const FOUND: Exit = Exit(3);
}

/// An error as the user sees it: what happened, to which thing, and what to do. Printed once, by `cli::main`.
#[derive(Debug)]
pub struct CliError {
    /// The exit code.
    pub exit: Exit,
    /// What happened, on one line or several; no final period needed. Already safe for a terminal.
    pub message: String,
    /// What to do about it: a sentence with the command in backticks.
    pub hint: Option<String>,
}

impl CliError {
    /// A failure of the run: exit code 1.
    pub fn failure(message: impl fmt::Display) -> Self {
        Self::new(Exit::FAILURE, message)
    }

    /// Wrong usage or input: exit code 2.
    pub fn usage(message: impl fmt::Display) -> Self {
        Self::new(Exit::USAGE, message)
    }

    /// An error with this exit code.
    pub fn new(exit: Exit, message: impl fmt::Display) -> Self {
        let message = crate::report::terminal::clean_lines(&message.to_string()).into_owned();
        CliError { exit, message, hint: None }
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hint = Some(crate::report::terminal::clean_lines(&hint.to_string()).into_owned());
        self
    }
}

/// What a command returns.
pub type Outcome = Result<Exit, CliError>;
