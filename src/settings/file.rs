//! A settings file, read strictly: every fault is reported at once, with its line and what was expected.

use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::SettingsError;
use super::retention::{self, Retention};
use crate::redact::{self, MaskRules};
use crate::store::Durability;

/// Keys at the top of a file.
const KEYS: &[&str] = &["store", "mocks", "mask", "history"];
/// Keys of its `[history]` table.
const HISTORY_KEYS: &[&str] = &["keep", "max_size", "keep_tagged", "durability"];

/// What one settings file says; paths are absolute or relative to where retake runs, as the file's own path is.
#[derive(Debug, Default)]
pub(super) struct SettingsFile {
    /// The folder that it lies in.
    pub(super) folder: PathBuf,
    pub(super) store: Option<PathBuf>,
    pub(super) mocks: Option<PathBuf>,
    pub(super) mask: MaskRules,
    /// None when there is no `[history]`.
    pub(super) retention: Option<Retention>,
    pub(super) durability: Option<Durability>,
}

impl SettingsFile {
    /// Reads the file at `path`; `None` if there is none. `home` stands for a leading `~/` in its paths.
    pub(super) fn read(path: &Path, home: Option<&Path>) -> Result<Option<SettingsFile>, SettingsError> {
        let bad = |message: String| SettingsError::BadFile { path: path.to_owned(), message };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(bad(error.to_string())),
        };
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        let mut reader = Reader { text: &text, home, file: SettingsFile { folder, ..Self::default() }, faults: vec![] };
        match DeTable::parse(&text) {
            Ok(table) => reader.top(table.get_ref()),
            Err(error) => {
                let at = error.span().map_or(0, |span| span.start);
                reader.fault(at, error.message());
            }
        }
        match reader.faults.is_empty() {
            true => Ok(Some(reader.file)),
            false => Err(bad(reader.faults.join("; "))),
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    home: Option<&'a Path>,
    file: SettingsFile,
    faults: Vec<String>,
}

impl Reader<'_> {
    fn fault(&mut self, at: usize, what: impl std::fmt::Display) {
        let before = self.text.as_bytes().iter().take(at);
        let line = 1 + before.filter(|byte| **byte == b'\n').count();
        self.faults.push(format!("line {line}: {what}"));
    }

    fn top(&mut self, table: &DeTable<'_>) {
        for (key, value) in table.iter() {
            match key.get_ref().as_ref() {
                "store" => self.file.store = self.path("store", value),
                "mocks" => self.file.mocks = self.path("mocks", value),
                "mask" => self.mask(value),
                "history" => self.history(value),
                other => self.unknown(key.span().start, other, KEYS),
            }
        }
    }

    fn mask(&mut self, value: &Spanned<DeValue<'_>>) {
        let Some(table) = value.get_ref().as_table() else {
            return self.fault(value.span().start, "`mask` must be a table, with lists such as `fields` and `members`");
        };
        for (key, value) in table.iter() {
            let name = key.get_ref().as_ref();
            match redact::KINDS.iter().find(|(_, list)| *list == name) {
                Some((kind, list)) => self.rules(kind, list, value),
                None => self.unknown(key.span().start, name, &redact::KINDS.map(|(_, list)| list)),
            }
        }
    }

    fn rules(&mut self, kind: &str, list: &str, value: &Spanned<DeValue<'_>>) {
        let Some(array) = value.get_ref().as_array() else {
            let what = format!("`mask.{list}` must be a list in brackets, each of it in quotes");
            return self.fault(value.span().start, what);
        };
        for item in array.iter() {
            let at = item.span().start;
            match item.get_ref().as_str() {
                Some(rule) => {
                    if let Err(error) = self.file.mask.add(kind, rule) {
                        self.fault(at, format_args!("`mask.{list}`: {error}"));
                    }
                }
                None => self.fault(at, format_args!("`mask.{list}` may hold texts only, in quotes")),
            }
        }
    }

    fn history(&mut self, value: &Spanned<DeValue<'_>>) {
        let Some(table) = value.get_ref().as_table() else {
            return self.fault(value.span().start, "`history` must be a table, with `keep` and `max_size`");
        };
        let mut found = Retention::default();
        for (key, value) in table.iter() {
            let (at, said) = (value.span().start, value.get_ref());
            match key.get_ref().as_ref() {
                "keep" => match said.as_str().and_then(retention::duration) {
                    Some(keep) => found.keep = Some(keep),
                    None => self.fault(at, "`history.keep` must be a time, such as \"30d\""),
                },
                "max_size" => match said.as_str().and_then(retention::size) {
                    Some(size) => found.max_size = Some(size),
                    None => self.fault(at, "`history.max_size` must be a size, such as \"5GB\""),
                },
                "keep_tagged" => match said.as_bool() {
                    Some(keep) => found.keep_tagged = keep,
                    None => self.fault(at, "`history.keep_tagged` must be true or false"),
                },
                "durability" => match said.as_str().and_then(Durability::named) {
                    Some(durability) => self.file.durability = Some(durability),
                    None => self.fault(at, "`history.durability` must be \"process\" or \"disk\""),
                },
                other => self.unknown(key.span().start, other, HISTORY_KEYS),
            }
        }
        self.file.retention = Some(found);
    }

    fn path(&mut self, key: &str, value: &Spanned<DeValue<'_>>) -> Option<PathBuf> {
        let Some(text) = value.get_ref().as_str().filter(|text| !text.is_empty()) else {
            self.fault(value.span().start, format_args!("`{key}` must be a path, in quotes"));
            return None;
        };
        match (text.strip_prefix("~/"), self.home) {
            (Some(rest), Some(home)) => Some(home.join(rest)),
            _ => Some(self.file.folder.join(text)),
        }
    }

    fn unknown(&mut self, at: usize, key: &str, known: &[&str]) {
        let nearest =
            known.iter().copied().max_by(|a, b| strsim::jaro_winkler(key, a).total_cmp(&strsim::jaro_winkler(key, b)));
        let hint = match nearest.filter(|known| strsim::jaro_winkler(key, known) > 0.7) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => format!("known are {}", known.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")),
        };
        self.fault(at, format_args!("unknown key `{}`: {hint}", key.escape_debug()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<SettingsFile, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("retake.toml");
        std::fs::write(&path, text).unwrap();
        match SettingsFile::read(&path, Some(Path::new("/home/u"))) {
            Ok(file) => Ok(file.unwrap()),
            Err(SettingsError::BadFile { message, .. }) => Err(message),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn faults_come_with_their_lines_all_at_once() {
        let text = "store = 3\nmoks = 'x'\n\n[mask]\nfield = []\nmembers = ['a', 4]\n";
        let message = read(text).unwrap_err();
        assert_eq!(
            message.split("; ").collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>(),
            [
                "line 1: `store` must be a path, in quotes",
                "line 2: unknown key `moks`: did you mean `mocks`?",
                "line 5: unknown key `field`: did you mean `fields`?",
                "line 6: `mask.members` may hold texts only, in quotes",
            ]
        );
    }

    #[test]
    fn a_rule_that_cannot_be_is_a_fault_at_its_line_that_says_what_was_expected() {
        let text = "[mask]\npointers = [\n  '/a/b',\n  'a/b',\n]\nregex = ['(']\nquery = 'x'\n";
        let message = read(text).unwrap_err();
        for part in [
            "line 4: `mask.pointers`: `a/b` is no JSON Pointer: it does not begin with `/`; expected is one such as",
            "line 6: `mask.regex`: `(` is no regular expression that can be used: unclosed group; expected is one such as",
            "line 7: `mask.query` must be a list in brackets, each of it in quotes",
        ] {
            assert!(message.contains(part), "{message}");
        }
        let file = read(
            "[mask]\nfields=['a']\nmembers=['b']\nquery=['c']\nform=['d']\npointers=['/e']\nregex=['f']\nkeep=['g', '/h']\n",
        );
        let mask = file.unwrap().mask;
        let counts = [mask.fields.len(), mask.members.len(), mask.query.len(), mask.form.len(), mask.pointers.len()];
        assert_eq!((counts, mask.regex.len(), mask.keep.len(), mask.keep_pointers.len()), ([1; 5], 1, 1, 1));
    }

    #[test]
    fn what_is_no_toml_is_a_fault_with_a_line() {
        let message = read("store = '/a'\nmocks = \n").unwrap_err();
        assert!(message.starts_with("line 2: "), "{message}");
    }

    #[test]
    fn an_unknown_key_like_none_lists_the_known_ones() {
        assert_eq!(
            read("zzz = 1").unwrap_err(),
            "line 1: unknown key `zzz`: known are `store`, `mocks`, `mask`, `history`"
        );
    }

    #[test]
    fn a_tilde_is_the_home() {
        assert_eq!(read("store = '~/h'").unwrap().store.unwrap(), Path::new("/home/u/h"));
    }

    #[test]
    fn a_missing_file_is_none() {
        assert!(SettingsFile::read(Path::new("/nowhere/retake.toml"), None).unwrap().is_none());
    }
}
