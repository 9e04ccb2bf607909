//! The other files that may hold recorded text: the call logs of replays, and what is kept in quarantine.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use crate::model::media::{Kind, looks_like_text};
use crate::redact::Masker;
use crate::store::layout::Layout;
use crate::store::running;

const PIECE: usize = 64 << 10;

/// Masks files in their place.
pub(super) struct Files<'a> {
    layout: &'a Layout,
    masker: Masker,
    /// Nothing is written: to learn, or to count.
    dry: bool,
    pub(super) values: u64,
    pub(super) warnings: Vec<String>,
}

impl<'a> Files<'a> {
    pub(super) fn new(layout: &'a Layout, masker: Masker, dry: bool) -> Self {
        Files { layout, masker, dry, values: 0, warnings: Vec::new() }
    }

    pub(super) fn all(&mut self) -> io::Result<()> {
        let root = self.layout.root();
        let active: Vec<String> = running::list(root).into_iter().filter_map(|entry| entry.run).collect();
        for run in folder(&root.join("runs"))? {
            let name = run.file_name().to_string_lossy().into_owned();
            if active.contains(&name) {
                self.warnings.push(format!("the call log of {name} was left as it is: its replay still runs"));
                continue;
            }
            for file in folder(&run.path())? {
                self.file(&file.path(), Some("application/x-ndjson"))?;
            }
        }
        for entry in folder(&self.layout.quarantine())? {
            self.quarantined(&entry.path())?;
        }
        Ok(())
    }

    /// A text is masked. What is none cannot be known to be clean: it goes.
    fn quarantined(&mut self, path: &Path) -> io::Result<()> {
        let is_file = path.symlink_metadata()?.is_file();
        if is_file && is_text(path)? {
            return self.file(path, None);
        }
        if self.dry {
            self.warnings.push(format!("{} will be removed: it cannot be known to be clean", path.display()));
            return Ok(());
        }
        if is_file {
            fs::remove_file(path)?
        } else {
            fs::remove_dir_all(path)?
        }
        self.warnings.push(format!("{} was removed: it could not be known to be clean", path.display()));
        Ok(())
    }

    fn file(&mut self, path: &Path, content_type: Option<&str>) -> io::Result<()> {
        if !path.symlink_metadata()?.is_file() {
            return Ok(());
        }
        let mut masker = self.masker.body(Kind::Text, content_type);
        let mut from = BufReader::new(File::open(path)?);
        let mut beside = match (self.dry, path.parent()) {
            (false, Some(parent)) => Some(tempfile::Builder::new().prefix(".retake-").tempfile_in(parent)?),
            _ => None,
        };
        let (mut before, mut after) = (blake3::Hasher::new(), blake3::Hasher::new());
        let (mut piece, mut out) = (vec![0; PIECE], Vec::new());
        loop {
            let count = from.read(&mut piece)?;
            before.update(&piece[..count]);
            if count == 0 {
                masker.finish(&mut out);
            } else {
                masker.push(&piece[..count], &mut out);
            }
            after.update(&out);
            if let Some(beside) = &mut beside {
                beside.write_all(&out)?;
            }
            out.clear();
            if count == 0 {
                break;
            }
        }
        if before.finalize() != after.finalize() {
            self.values += u64::from(masker.hits().max(1));
            if let Some(beside) = beside {
                beside.as_file().sync_all()?;
                beside.persist(path).map_err(|error| error.error)?;
            }
        }
        Ok(())
    }
}

/// Whether all of a file is text.
fn is_text(path: &Path) -> io::Result<bool> {
    let mut from = File::open(path)?;
    let mut rest = Vec::new();
    let mut piece = vec![0; PIECE];
    loop {
        let count = from.read(&mut piece)?;
        if count == 0 {
            return Ok(rest.is_empty());
        }
        rest.extend_from_slice(&piece[..count]);
        if !looks_like_text(&rest) {
            return Ok(false);
        }
        let whole = std::str::from_utf8(&rest).map_or_else(|error| error.valid_up_to(), str::len);
        rest.drain(..whole);
    }
}

/// What is in a folder; nothing where there is none.
fn folder(path: &Path) -> io::Result<Vec<fs::DirEntry>> {
    match fs::read_dir(path) {
        Ok(entries) => entries.collect(),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
