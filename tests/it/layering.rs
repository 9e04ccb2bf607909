//! A module imports only from lower layers: reads every `crate::` path in `src/` and fails on one that points upward.

use std::fs;
use std::path::{Path, PathBuf};

/// The layers, lowest first. Modules of one line do not import from each other.
const LAYERS: &[&[&str]] = &[
    &["model"],
    &["collection", "redact", "diff"],
    &["matching"],
    &["promote"],
    &["drift"],
    &["report", "store", "tls", "formats"],
    &["wire", "fuzzing"],
    &["recorder"],
    &["forward", "replay"],
    &["proxy", "control"],
    &["settings"],
    &["app"],
    &["cli"],
];

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|modules| modules.contains(&module))
}

fn sources() -> Vec<(String, String)> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    walk(&root, &mut files);
    assert!(files.len() > 50, "only {} files found: is this the right folder?", files.len());
    let read = |file: &PathBuf| {
        let relative = file.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        (relative, fs::read_to_string(file).unwrap())
    };
    files.iter().map(read).collect()
}

fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or_default()
}

/// The modules named after `crate::` in a line of code.
fn named(line: &str) -> Vec<String> {
    let mut names = Vec::new();
    for rest in code(line).split("crate::").skip(1) {
        let list = match rest.strip_prefix('{') {
            Some(group) => group.split(',').collect(),
            None => vec![rest],
        };
        let word =
            |item: &str| item.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        names.extend(list.into_iter().map(word));
    }
    names
}

#[test]
fn modules_import_downward_only() {
    let mut upward = Vec::new();
    for (file, text) in sources() {
        let module = file.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
        let Some(from) = layer(&module) else {
            assert!(["lib", "main"].contains(&module.as_str()), "{module} has no layer: add it to LAYERS");
            continue;
        };
        for (number, line) in text.lines().enumerate() {
            for name in named(line) {
                if layer(&name).is_some_and(|to| name != module && to >= from) {
                    upward.push(format!("{file}:{}: {module} imports {name}", number + 1));
                }
            }
        }
    }
    assert!(upward.is_empty(), "these point upward or sideways:\n{}", upward.join("\n"));
}

#[test]
fn one_owner_for_each_dependency() {
    let owners =
        [("sled::", "store/index"), ("clap::", "cli/"), ("println!", "cli/output.rs"), ("env::var", "settings/")];
    let mut strays = Vec::new();
    for (file, text) in sources() {
        for (number, line) in text.lines().enumerate() {
            for (needle, owner) in owners {
                // A test may ask how long it is to run: `RETAKE_HEAVY`, `RETAKE_SEED`.
                let asked = needle == "env::var" && file.contains("/tests/");
                if code(line).contains(needle) && !file.starts_with(owner) && !asked {
                    strays.push(format!("{file}:{}: `{needle}` belongs to {owner}", number + 1));
                }
            }
        }
    }
    assert!(strays.is_empty(), "\n{}", strays.join("\n"));
}
