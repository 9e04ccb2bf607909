//! `retake review`, as typed.

use clap::Args;

/// `retake review`
#[derive(Debug, Args)]
pub struct ReviewArgs {
    /// The collection; without it, every one beside which something waits
    #[arg(value_name = "COLLECTION")]
    pub collection: Option<String>,
    /// List what waits, and decide nothing
    #[arg(long, conflicts_with_all = ["accept_all", "accept", "reject"])]
    pub list: bool,
    /// Accept all that waits
    #[arg(long, conflicts_with_all = ["accept", "reject"])]
    pub accept_all: bool,
    /// Accept this change; repeatable
    #[arg(long, value_name = "ID")]
    pub accept: Vec<String>,
    /// Reject this change, and remember that; repeatable
    #[arg(long, value_name = "ID")]
    pub reject: Vec<String>,
    /// A place that looks like a secret and is none, FILE or FILE#POINTER; it is remembered; repeatable
    #[arg(long, value_name = "PLACE")]
    pub allow_secret: Vec<String>,
    /// JSON Lines
    #[arg(long)]
    pub json: bool,
}
