//! `--report FORMAT=FILE`

use std::path::PathBuf;

use crate::cli::exit::CliError;
use crate::report::receipt::{Limits, Receipt};

/// A form of the receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Text,
    Json,
    Junit,
    Html,
}

/// A file to write the receipt to.
#[derive(Debug)]
pub(super) struct Report {
    format: Format,
    path: PathBuf,
}

impl Report {
    pub(super) fn parse(text: &str) -> Result<Report, CliError> {
        let bad = || {
            CliError::usage(format!(
                "`--report {text}` is not FORMAT=FILE with text, json, junit or html as the format"
            ))
        };
        let (format, path) = text.split_once('=').filter(|(_, path)| !path.is_empty()).ok_or_else(bad)?;
        let format = match format {
            "text" => Format::Text,
            "json" => Format::Json,
            "junit" => Format::Junit,
            "html" => Format::Html,
            _ => return Err(bad()),
        };
        Ok(Report { format, path: path.into() })
    }

    /// Whether its file can be written. It is left as it is, and what is no plain file, such as a pipe, is not touched.
    pub(super) fn can_be_written(&self) -> Result<(), CliError> {
        let is_there = self.path.exists();
        if is_there && !self.path.is_file() && !self.path.is_dir() {
            return Ok(());
        }
        let opened = std::fs::OpenOptions::new().append(true).create(true).open(&self.path);
        let left = opened.and_then(|_| if is_there { Ok(()) } else { std::fs::remove_file(&self.path) });
        left.map_err(|error| {
            CliError::usage(format!("`--report`: {} cannot be written: {error}", self.path.display()))
                .hint("name a file in a folder that is there and may be written")
        })
    }

    pub(super) fn write(&self, receipt: &Receipt, limits: &Limits) -> Result<(), CliError> {
        let text = match self.format {
            Format::Text => receipt.text(),
            Format::Json => receipt.json(),
            Format::Junit => receipt.junit(limits),
            Format::Html => receipt.html(limits),
        };
        std::fs::write(&self.path, text).map_err(|error| {
            CliError::failure(format!("the receipt could not be written to {}: {error}", self.path.display()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_named() {
        for (text, format) in [("junit=a.xml", Format::Junit), ("html=a=b", Format::Html), ("text=x", Format::Text)] {
            assert_eq!(Report::parse(text).unwrap().format, format);
        }
        for text in ["", "json", "json=", "pdf=x"] {
            assert!(Report::parse(text).is_err(), "{text}");
        }
    }
}
