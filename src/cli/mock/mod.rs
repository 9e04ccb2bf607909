//! `retake mock`: care for collections, with or without a recording. One file per group of subcommands.

mod add;
mod body;
mod check;
mod edit;
mod key;
mod list;
mod select;
mod server_stub;
mod set;
mod test;

use super::args::{Global, MockArgs, MockCommand, ScenarioCommand, ServerStubCommand, StubCommand};
use super::collections;
use super::exit::Outcome;
use super::output::Printer;
use crate::settings::Settings;

/// What every subcommand needs.
struct Context {
    settings: Settings,
    printer: Printer,
    /// Places that look like secrets and are none.
    allow: Vec<String>,
}

pub(super) fn run(args: MockArgs, global: &Global, printer: Printer) -> Outcome {
    let allow = args.allow_secret.clone();
    dispatch(args, &Context { settings: collections::settings(global)?, printer, allow })
}

fn dispatch(args: MockArgs, context: &Context) -> Outcome {
    match args.command {
        MockCommand::List { collection: None, json } => list::all(context, json),
        MockCommand::List { collection: Some(collection), json } => list::one(context, &collection, json),
        MockCommand::Show { collection, which, json } => list::show(context, &collection, which.as_deref(), json),
        MockCommand::Check { collections, json } => check::run(context, &collections, json),
        MockCommand::New { collection, origin } => add::collection(context, &collection, &origin),
        MockCommand::Stub {
            command: StubCommand::Add { collection, method, path, origin, query, headers, ignore_body },
        } => {
            let wanted = add::NewStub { method, path, origin, query, headers, ignore_body };
            add::stub(context, &collection, wanted)
        }
        MockCommand::Scenario { command: ScenarioCommand::Add(args) } => add::scenario(context, args),
        MockCommand::ServerStub { command: ServerStubCommand::Add(args) } => server_stub::add(context, args),
        MockCommand::Activate { collection, name, running } => {
            server_stub::activate(context, &collection, &name, running)
        }
        MockCommand::Set { collection, pairs } => set::run(context, &collection, &pairs),
        MockCommand::Key { command } => key::run(context, command),
        MockCommand::Default { which, unset } => edit::default(context, &which, unset),
        MockCommand::Enable(which) => edit::enable(context, &which, true),
        MockCommand::Disable(which) => edit::enable(context, &which, false),
        MockCommand::Rename { which, name } => edit::rename(context, &which, &name),
        MockCommand::Delete { collection, which } => edit::delete(context, &collection, &which),
        MockCommand::Test { collection, json } => test::run(context, &collection, json),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser;

    use super::*;
    use crate::cli::args::{Cli, Command};

    /// Runs `retake mock …` on collections below `dir`; the exit code, and the error's message and hint.
    fn mock(dir: &Path, line: &[&str]) -> (u8, String) {
        let typed = ["retake", "mock"].into_iter().chain(line.iter().copied());
        let cli = Cli::try_parse_from(typed).unwrap_or_else(|error| panic!("{error}"));
        let Command::Mock(args) = cli.command else { panic!("not mock") };
        let (settings, allow) = (Settings::within(dir), args.allow_secret.clone());
        let context = Context { settings, printer: Printer::new(true), allow };
        match dispatch(args, &context) {
            Ok(exit) => (exit.0, String::new()),
            Err(error) => (error.exit.0, format!("{} | {}", error.message, error.hint.unwrap_or_default())),
        }
    }

    fn ok(dir: &Path, line: &[&str]) {
        assert_eq!(mock(dir, line), (0, String::new()), "{line:?}");
    }

    fn refused(dir: &Path, line: &[&str], words: &[&str]) {
        let (code, text) = mock(dir, line);
        assert_eq!(code, 2, "{line:?}: {text}");
        assert!(words.iter().all(|word| text.contains(word)), "{line:?}: {text}");
    }

    fn shop() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        ok(dir.path(), &["new", "shop", "--origin", "https://api.shop.test"]);
        ok(dir.path(), &["stub", "add", "shop", "get", "/items/{id}", "--query", "v=1", "--ignore-body"]);
        ok(
            dir.path(),
            &[
                "scenario",
                "add",
                "shop",
                "GET /items/{id}",
                "--name",
                "tea",
                "--capture",
                "id=7",
                "--body",
                "{\"a\": 1}",
            ],
        );
        ok(
            dir.path(),
            &["scenario", "add", "shop", "get-items-{id}", "--name", "none", "--status", "404", "--default"],
        );
        dir
    }

    fn loaded(dir: &Path) -> crate::store::collections::Loaded {
        collections::load(&Settings::within(dir), "shop").unwrap_or_else(|error| panic!("{}", error.message))
    }

    #[test]
    fn a_mock_without_any_recording() {
        let dir = shop();
        let loaded = loaded(dir.path());
        let file = &loaded.collection.stubs[0];
        assert_eq!(file.path, "stubs/api.shop.test/get-items-{id}.json");
        assert!(!file.stub.parts.body);
        let [tea, none] = &file.stub.scenarios[..] else { panic!("two scenarios") };
        assert!(none.default && !tea.default);
        let answer = tea.response.as_ref().unwrap();
        assert_eq!(loaded.body(answer.body.as_ref().unwrap()).unwrap(), "{\"a\": 1}");
        assert_eq!(answer.fields[0].to_string(), "Content-Type: application/json");
        for line in [
            &["list"][..],
            &["list", "shop"],
            &["show", "shop"],
            &["show", "shop", "GET /items/{id}#tea", "--json"],
            &["check", "shop"],
        ] {
            ok(dir.path(), line);
        }
    }

    #[test]
    fn edits_do_what_they_say() {
        let dir = shop();
        let dir = dir.path();
        ok(dir, &["default", "shop", "GET /items/{id}#tea"]);
        ok(dir, &["disable", "shop", "GET /items/{id}#none"]);
        ok(dir, &["rename", "shop", "GET /items/{id}#tea", "green tea"]);
        let names = |dir| -> Vec<_> {
            let loaded = loaded(dir);
            let scenarios = loaded.collection.stubs.iter().flat_map(|file| &file.stub.scenarios);
            scenarios.map(|scenario| (scenario.name.clone(), scenario.default, scenario.disabled)).collect()
        };
        assert_eq!(names(dir), [("green tea".to_owned(), true, false), ("none".to_owned(), false, true)]);
        ok(dir, &["default", "shop", "GET /items/{id}#green tea", "--unset"]);
        ok(dir, &["enable", "shop", "GET /items/{id}#none"]);
        ok(dir, &["delete", "shop", "GET /items/{id}#green tea"]);
        assert_eq!(names(dir), [("none".to_owned(), false, false)]);
        ok(dir, &["delete", "shop", "GET /items/{id}"]);
        assert!(loaded(dir).collection.stubs.is_empty());
        assert!(!dir.join("mocks/shop/stubs/api.shop.test").exists());
    }

    #[test]
    fn words_that_no_setting_knows_are_refused_with_those_that_it_does() {
        let dir = shop();
        refused(dir.path(), &["set", "shop", "on-miss=bogus"], &["on-miss=bogus: write fail, pass or record |"]);
        refused(dir.path(), &["set", "shop", "profile=bogus"], &["profile=bogus: write best, strict or postman |"]);
        ok(dir.path(), &["set", "shop", "on-miss=pass", "delay=3g"]);
        ok(dir.path(), &["set", "shop", "on-miss=", "delay="]);
        assert!(loaded(dir.path()).collection.manifest.settings.is_default());
    }

    #[test]
    fn a_url_is_put_under_the_origin_that_covers_it() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        ok(dir, &["new", "shop", "--origin", "https://localhost:*"]);
        ok(dir, &["stub", "add", "shop", "GET", "https://localhost:9999/health"]);
        ok(dir, &["scenario", "add", "shop", "GET https://localhost:9999/health", "--name", "ok"]);
        ok(dir, &["stub", "add", "shop", "GET", "https://other.test/health"]);
        let loaded = loaded(dir);
        let origins: Vec<_> = loaded.collection.manifest.origins.iter().map(ToString::to_string).collect();
        assert_eq!(origins, ["https://localhost:*", "https://other.test"]);
        let stubs = loaded.collection.stubs.iter().map(|file| (select::title(&file.stub), file.stub.scenarios.len()));
        let stubs: Vec<_> = stubs.collect();
        assert!(stubs.contains(&("GET https://localhost:*/health".into(), 1)), "{stubs:?}");
    }

    #[test]
    fn what_cannot_be_done_says_why_and_writes_nothing() {
        let dir = shop();
        let dir = dir.path();
        let file = Settings::within(dir).collection_dir("shop").join("stubs/api.shop.test/get-items-{id}.json");
        let before = std::fs::read(&file).unwrap();
        refused(dir, &["new", "shop"], &["already"]);
        refused(dir, &["list", "shpo"], &["no collection `shpo`", "did you mean `shop`?"]);
        refused(dir, &["list", "an other"], &["`retake mock new 'an other'` makes a new one"]);
        refused(dir, &["stub", "add", "shop", "GET", "/items/{id}"], &["there already"]);
        refused(dir, &["stub", "add", "shop", "GET", "items"], &["does not begin with `/`"]);
        refused(dir, &["scenario", "add", "shop", "GET /items/{id}", "--name", "tea"], &["`tea` already"]);
        refused(
            dir,
            &["scenario", "add", "shop", "GET /items/{id}", "--name", "x", "--capture", "idd=1"],
            &["--capture id="],
        );
        refused(
            dir,
            &["scenario", "add", "shop", "GET /items/{id}", "--name", "x", "--body", "@no-such-file"],
            &["could not be read"],
        );
        refused(dir, &["enable", "shop", "GET /items/{id}"], &["names no scenario", "`#tea`"]);
        refused(dir, &["default", "shop", "GET /item/{id}#tea"], &["did you mean `GET /items/{id}`?"]);
        refused(dir, &["rename", "shop", "GET /items/{id}#tea", "none"], &["`none` already"]);
        assert_eq!(std::fs::read(&file).unwrap(), before);
        ok(dir, &["stub", "add", "shop", "GET", "https://other.test/items/{id}"]);
        refused(dir, &["stub", "add", "shop", "GET", "/x"], &["several origins", "--origin"]);
        refused(dir, &["show", "shop", "GET /items/{id}"], &["one of 2 stubs", "https://other.test"]);
    }

    #[test]
    fn a_faulty_collection_is_listed_by_check_and_refused_by_edits() {
        let dir = shop();
        let dir = dir.path();
        let file = Settings::within(dir).collection_dir("shop").join("stubs/api.shop.test/get-items-{id}.json");
        let text = std::fs::read_to_string(&file).unwrap().replace("\"status\"", "\"sta\\nus\"");
        std::fs::write(&file, text).unwrap();
        assert_eq!(mock(dir, &["check", "shop"]).0, 3);
        refused(
            dir,
            &["disable", "shop", "GET /items/{id}#tea"],
            &["4 faults", "did you mean `status`?", "mock check shop"],
        );
        refused(dir, &["check", "none"], &["no collection"]);
        ok(dir, &["list"]);
    }

    #[test]
    fn each_scenario_answers_its_own_request_or_test_says_so() {
        let dir = shop();
        let dir = dir.path();
        ok(dir, &["default", "shop", "GET /items/{id}#none", "--unset"]);
        ok(dir, &["rename", "shop", "GET /items/{id}#none", "any"]);
        ok(dir, &["stub", "add", "shop", "POST", "/orders"]);
        ok(
            dir,
            &["scenario", "add", "shop", "POST /orders", "--name", "first", "-d", "{\"item\":7}", "-H", "X-Key: 1"],
        );
        ok(dir, &["test", "shop"]);
        ok(
            dir,
            &["scenario", "add", "shop", "POST /orders", "--name", "second", "-d", "{\"item\":7}", "-H", "X-Key: 1"],
        );
        // A call gets it by its name.
        ok(dir, &["test", "shop"]);
        ok(
            dir,
            &[
                "scenario",
                "add",
                "shop",
                "POST /orders",
                "--name",
                "third",
                "-d",
                "{\"item\":7}",
                "-H",
                "X-Key: 1",
                "-H",
                "X-More: 1",
            ],
        );
        ok(dir, &["test", "shop"]);
        let folders = std::fs::read_dir(dir.join("mocks/shop/stubs")).unwrap();
        let file = folders.map(|folder| folder.unwrap().path().join("post-orders.json")).find(|file| file.exists());
        let file = file.unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        let first = text.replace("\"name\": \"first\",", "\"name\": \"first\", \"priority\": 9,");
        std::fs::write(&file, first).unwrap();
        assert_eq!(mock(dir, &["test", "shop"]).0, 3, "the first takes calls of the third");
    }
}
