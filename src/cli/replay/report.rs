//! `--report FORMAT=FILE`

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};

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

    /// Whether its file can be written. What is there stays as it is, and what is no plain file, such as a pipe, is not
    /// touched.
    pub(super) fn can_be_written(&self) -> Result<(), CliError> {
        if self.path.exists() && !self.path.is_file() && !self.path.is_dir() {
            return Ok(());
        }
        probe(&self.path).map_err(|error| {
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

/// Opens a file for writing. It goes again only where this made it: a file of another process is none of ours, and of
/// a symbolic link that leads nowhere yet the file that it names is made, and stays.
fn probe(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(_) => std::fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            OpenOptions::new().append(true).create(true).open(path).map(drop)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_whether_a_file_can_be_written_leaves_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let report = |name: &str| Report { format: Format::Json, path: folder.path().join(name) };
        std::fs::create_dir(folder.path().join("art")).unwrap();
        std::fs::write(folder.path().join("old.json"), "old").unwrap();
        std::os::unix::fs::symlink("art/r.json", folder.path().join("link.json")).unwrap();
        for name in ["new.json", "old.json", "link.json"] {
            report(name).can_be_written().unwrap();
        }
        assert!(!folder.path().join("new.json").exists(), "a file that only the look had made");
        assert_eq!(std::fs::read_to_string(folder.path().join("old.json")).unwrap(), "old");
        report("link.json").write(&Receipt::default(), &Limits::default()).unwrap();
        assert!(folder.path().join("link.json").is_symlink(), "the link was replaced by a file");
        assert!(std::fs::read_to_string(folder.path().join("art/r.json")).unwrap().contains("served"));
        for name in ["art", "none/r.json"] {
            assert!(report(name).can_be_written().is_err(), "{name}");
        }
    }

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
