//! Settings: flag over `RETAKE_*` variable over `retake.toml` of the project over the user's file over default. The
//! only module that reads the environment.

mod file;
mod retention;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use etcetera::base_strategy::Xdg;

use crate::redact::KnownSecret;
use file::SettingsFile;
pub use retention::Retention;

/// The settings file of a project, looked for upward from the current folder.
pub const PROJECT_FILE: &str = "retake.toml";
/// The settings file of the user, in `retake/` of the user's configuration folder.
pub const USER_FILE: &str = "config.toml";

/// Everything resolved.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The history's folder.
    pub store: PathBuf,
    /// The CA's folder, `retake/ca` in the user's data directory.
    pub ca_dir: PathBuf,
    /// The collections folder: `mocks/` beside the nearest `retake.toml`, else under the current folder.
    pub mocks: PathBuf,
    /// What the user adds to masking.
    pub mask: crate::redact::MaskRules,
    /// How much of the history is kept.
    pub retention: Retention,
    /// What a recorded exchange survives.
    pub durability: crate::store::Durability,
    /// The values of variables whose names say that they are secrets, by the name: a collection must not hold them.
    pub environment: Vec<KnownSecret>,
    /// Whether this runs where nobody is there to decide: `CI` is set, and not to `false` or `0`.
    pub is_ci: bool,
}

/// Why the settings could not be resolved.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A settings file is not what it should be; the message names line, key and what was expected.
    #[error("{path}: {message}")]
    BadFile {
        /// The file.
        path: PathBuf,
        /// Where and what.
        message: String,
    },
    /// There is no home directory, and no `XDG_DATA_HOME`.
    #[error("no home directory is known: set HOME, XDG_DATA_HOME, or give --store DIR")]
    NoHome,
}

impl Settings {
    /// Resolves the settings; `store` is the flag or `RETAKE_STORE`, already merged by the command line.
    ///
    /// # Errors
    /// A broken settings file, or no home directory.
    pub fn resolve(store: Option<&Path>) -> Result<Settings, SettingsError> {
        let folders = Xdg::new().ok();
        let surroundings = Surroundings {
            current: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
            data: folders.as_ref().map(BaseStrategy::data_dir),
            config: folders.as_ref().map(BaseStrategy::config_dir),
            home: folders.as_ref().map(|folders| folders.home_dir().to_owned()),
            mocks: std::env::var_os("RETAKE_MOCKS"),
            secrets: known_secrets(std::env::vars_os()),
            environment: environment_secrets(std::env::vars_os()),
            is_ci: std::env::var_os("CI").is_some_and(|value| is_yes(&value)),
        };
        surroundings.resolve(store)
    }

    /// Settings that touch nothing outside `dir`: store, CA and collections lie below it, and no file is read. For
    /// the demo, the library and tests.
    pub fn within(dir: &Path) -> Settings {
        Settings {
            store: dir.join("store"),
            ca_dir: dir.join("ca"),
            mocks: dir.join("mocks"),
            mask: crate::redact::MaskRules::default(),
            retention: Retention::default(),
            durability: crate::store::Durability::default(),
            environment: Vec::new(),
            is_ci: false,
        }
    }

    /// What looks at a collection before it is written.
    pub fn guard(&self) -> crate::redact::Guard {
        crate::redact::Guard::new(&self.mask, &self.environment)
    }

    /// The folder that a COLLECTION argument means: with a path separator or a leading dot a path, else a name under
    /// the collections folder.
    pub fn collection_dir(&self, collection: &str) -> PathBuf {
        if collection.contains('/') || collection.starts_with('.') {
            PathBuf::from(collection)
        } else {
            self.mocks.join(collection)
        }
    }
}

/// The value of a variable that retake was started with, for what must build on it (the wiring of a child, the shell
/// to speak to). Empty and non-UTF-8 values count as absent.
pub fn inherited(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// How a variable begins whose value is a secret, with the label of its placeholder behind it.
const SECRET: &str = "RETAKE_SECRET_";

/// The secrets in the environment. A label that could be no name of a variable in a shell is none.
fn known_secrets(variables: impl Iterator<Item = (OsString, OsString)>) -> Vec<KnownSecret> {
    let is_label = |label: &str| {
        label.starts_with(|c: char| c.is_ascii_alphabetic())
            && label.len() < crate::redact::LONGEST_KIND
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let mut secrets: Vec<KnownSecret> = variables
        .filter_map(|(name, value)| {
            let label = name.to_str()?.strip_prefix(SECRET).filter(|label| is_label(label))?;
            let value = value.into_string().ok().filter(|value| !value.is_empty())?;
            Some(KnownSecret { label: label.to_owned(), value })
        })
        .collect();
    secrets.sort_by(|a, b| a.label.cmp(&b.label));
    secrets
}

/// Whether a variable such as `CI` says yes.
fn is_yes(value: &std::ffi::OsStr) -> bool {
    !["", "0", "false", "no", "off"].iter().any(|no| value.eq_ignore_ascii_case(no))
}

/// Parts of a variable's name that say that its value is a secret.
const TELLING: [&str; 8] = ["TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "KEY", "APIKEY", "CREDENTIALS"];

/// The values that the names of their variables call secrets.
fn environment_secrets(variables: impl Iterator<Item = (OsString, OsString)>) -> Vec<KnownSecret> {
    let is_telling =
        |name: &str| name.split('_').any(|word| TELLING.iter().any(|known| word.eq_ignore_ascii_case(known)));
    let secret = |(name, value): (OsString, OsString)| {
        let label = name.into_string().ok().filter(|name| is_telling(name))?;
        Some(KnownSecret { label, value: value.into_string().ok()? })
    };
    let mut secrets: Vec<_> = variables.filter_map(secret).collect();
    secrets.sort_by(|a, b| a.label.cmp(&b.label));
    secrets
}

/// What the settings are resolved from, apart from the flag: read once from the process, or made by a test.
struct Surroundings {
    current: PathBuf,
    data: Option<PathBuf>,
    config: Option<PathBuf>,
    home: Option<PathBuf>,
    mocks: Option<OsString>,
    secrets: Vec<KnownSecret>,
    environment: Vec<KnownSecret>,
    is_ci: bool,
}

impl Surroundings {
    fn resolve(&self, store: Option<&Path>) -> Result<Settings, SettingsError> {
        let home = self.home.as_deref();
        let project = match self.project_file() {
            Some(path) => SettingsFile::read(&path, home)?,
            None => None,
        };
        let user = match &self.config {
            Some(config) => SettingsFile::read(&config.join("retake").join(USER_FILE), home)?,
            None => None,
        };
        let beside_project = project.as_ref().map_or(self.current.as_path(), |file| file.folder.as_path());
        let mut mocks = beside_project.join("mocks");
        let mut mask = crate::redact::MaskRules::default();
        mask.secrets.clone_from(&self.secrets);
        let mut retention = Retention::default();
        let mut durability = crate::store::Durability::default();
        let mut from_file = None;
        // The project's file comes last: what it says replaces what the user's says. Masks add up: neither file may
        // take away what the other wants hidden.
        for file in [&user, &project].into_iter().flatten() {
            if let Some(path) = &file.mocks {
                mocks.clone_from(path);
            }
            if let Some(path) = &file.store {
                from_file = Some(path.clone());
            }
            if let Some(said) = &file.retention {
                retention.clone_from(said);
            }
            durability = file.durability.unwrap_or(durability);
            mask.extend(file.mask.clone());
        }
        if let Some(path) = self.mocks.as_ref().filter(|path| !path.is_empty()) {
            mocks = self.current.join(path);
        }
        let data = self.data.as_ref().map(|data| data.join("retake"));
        // Absolute: other processes and the wiring of other shells use these paths from elsewhere.
        let store = store
            .map(|store| self.current.join(store))
            .or(from_file)
            .or_else(|| data.clone())
            .ok_or(SettingsError::NoHome)?;
        // Without a home, as in some containers, the CA goes where the user told us to keep things.
        let ca_dir = data.unwrap_or_else(|| store.clone()).join("ca");
        let (environment, is_ci) = (self.environment.clone(), self.is_ci);
        Ok(Settings { store, ca_dir, mocks, mask, retention, durability, environment, is_ci })
    }

    /// The nearest `retake.toml`, from the current folder upward.
    fn project_file(&self) -> Option<PathBuf> {
        self.current.ancestors().map(|folder| folder.join(PROJECT_FILE)).find(|path| path.is_file())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct World {
        root: tempfile::TempDir,
        surroundings: Surroundings,
    }

    /// A home with a project, in whose folder `src` we stand.
    fn world() -> World {
        let root = tempfile::tempdir().unwrap();
        let path = root.path();
        for folder in ["project/src", "config/retake", "data"] {
            std::fs::create_dir_all(path.join(folder)).unwrap();
        }
        let surroundings = Surroundings {
            current: path.join("project/src"),
            data: Some(path.join("data")),
            config: Some(path.join("config")),
            home: Some(path.to_owned()),
            mocks: None,
            secrets: Vec::new(),
            environment: Vec::new(),
            is_ci: false,
        };
        World { root, surroundings }
    }

    impl World {
        fn path(&self, path: &str) -> PathBuf {
            self.root.path().join(path)
        }

        fn write(&self, path: &str, text: &str) {
            std::fs::write(self.path(path), text).unwrap();
        }

        fn resolve(&self) -> Settings {
            self.surroundings.resolve(None).unwrap()
        }
    }

    #[test]
    fn defaults_without_any_file() {
        let world = world();
        let settings = world.resolve();
        assert_eq!(settings.store, world.path("data/retake"));
        assert_eq!(settings.ca_dir, world.path("data/retake/ca"));
        assert_eq!(settings.mocks, world.path("project/src/mocks"));
        assert!(settings.mask.fields.is_empty() && settings.mask.members.is_empty());
    }

    #[test]
    fn flag_over_variable_over_project_over_user_over_default() {
        let mut world = world();
        world.write("config/retake/config.toml", "store = '~/user-store'\nmocks = '/user-mocks'");
        assert_eq!(world.resolve().store, world.path("user-store"));
        assert_eq!(world.resolve().mocks, Path::new("/user-mocks"));
        world.write("project/retake.toml", "store = 'history'\nmocks = 'fixtures/http'");
        assert_eq!(world.resolve().store, world.path("project/history"), "relative to the file, not to where we stand");
        assert_eq!(world.resolve().mocks, world.path("project/fixtures/http"));
        world.surroundings.mocks = Some("env-mocks".into());
        assert_eq!(world.resolve().mocks, world.path("project/src/env-mocks"));
        let flag = world.surroundings.resolve(Some(Path::new("/flag"))).unwrap();
        assert_eq!(flag.store, Path::new("/flag"));
        assert_eq!(flag.ca_dir, world.path("data/retake/ca"), "the CA is the installation's, not the store's");
    }

    #[test]
    fn a_project_file_alone_gives_the_mocks_their_place() {
        let world = world();
        world.write("project/retake.toml", "");
        assert_eq!(world.resolve().mocks, world.path("project/mocks"));
    }

    #[test]
    fn the_history_is_kept_as_long_as_the_project_says() {
        let world = world();
        world.write("config/retake/config.toml", "[history]\nkeep = '90d'");
        assert_eq!(world.resolve().retention.keep, Some(jiff::SignedDuration::from_hours(90 * 24)));
        world.write("config/retake/config.toml", "[history]\ndurability = 'disk'");
        assert_eq!(world.resolve().durability, crate::store::Durability::Disk);
        world.write("project/retake.toml", "[history]\nmax_size = '5GB'\nkeep_tagged = true");
        let retention = world.resolve().retention;
        assert_eq!(retention, Retention { keep: None, max_size: Some(5_000_000_000), keep_tagged: true });
    }

    #[test]
    fn masks_of_both_files_add_up() {
        let world = world();
        world.write("config/retake/config.toml", "[mask]\nfields = ['x-user']");
        world.write("project/retake.toml", "[mask]\nfields = ['x-project']\nmembers = ['pin']");
        let mask = world.resolve().mask;
        assert_eq!(mask.fields, ["x-user", "x-project"]);
        assert_eq!(mask.members, ["pin"]);
    }

    #[test]
    fn variables_name_secrets() {
        let variables = [
            ("RETAKE_SECRET_API_KEY", "b"),
            ("RETAKE_SECRET_A2", "a"),
            ("RETAKE_SECRET_", "none"),
            ("RETAKE_SECRET_EMPTY", ""),
            ("RETAKE_SECRET_A-B", "none"),
            ("SECRET_X", "none"),
        ];
        let found = known_secrets(variables.map(|(name, value)| (name.into(), value.into())).into_iter());
        let found: Vec<_> = found.iter().map(|secret| (secret.label.as_str(), secret.value.as_str())).collect();
        assert_eq!(found, [("A2", "a"), ("API_KEY", "b")]);
    }

    #[test]
    fn without_a_home_the_store_must_be_named() {
        let mut world = world();
        (world.surroundings.data, world.surroundings.config, world.surroundings.home) = (None, None, None);
        assert!(matches!(world.surroundings.resolve(None), Err(SettingsError::NoHome)));
        let settings = world.surroundings.resolve(Some(Path::new("/flag"))).unwrap();
        assert_eq!(settings.ca_dir, Path::new("/flag/ca"));
    }

    #[test]
    fn a_collection_is_a_name_or_a_path() {
        let settings = Settings::within(Path::new("/p"));
        assert_eq!(settings.collection_dir("github"), Path::new("/p/mocks/github"));
        assert_eq!(settings.collection_dir("./github"), Path::new("./github"));
        assert_eq!(settings.collection_dir("a/github"), Path::new("a/github"));
        assert_eq!(settings.collection_dir("."), Path::new("."));
        assert_eq!(settings.collection_dir("/abs"), Path::new("/abs"));
    }

    #[test]
    fn variables_that_are_called_secrets_are_known_by_their_names() {
        let variables = [
            ("GITHUB_TOKEN", "t1"),
            ("api_key", "t2"),
            ("MONKEY", "no"),
            ("TOKENS", "no"),
            ("DB_PASSWORD", "t3"),
            ("RETAKE_SECRET_PIN", "t4"),
        ];
        let secrets = environment_secrets(variables.into_iter().map(|(name, value)| (name.into(), value.into())));
        let told: Vec<_> = secrets.iter().map(|secret| (secret.label.as_str(), secret.value.as_str())).collect();
        assert_eq!(
            told,
            [("DB_PASSWORD", "t3"), ("GITHUB_TOKEN", "t1"), ("RETAKE_SECRET_PIN", "t4"), ("api_key", "t2")]
        );
        assert!(!format!("{secrets:?}").contains("t1"));
        for (value, expected) in [("true", true), ("1", true), ("False", false), ("0", false), ("", false)] {
            assert_eq!(is_yes(value.as_ref()), expected, "{value}");
        }
    }
}
