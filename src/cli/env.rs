//! `retake env`

use std::fmt::Write as _;
use std::io::IsTerminal;

use super::args::{EnvArgs, Global, ShellArg};
use super::exit::{CliError, Exit, Outcome};
use super::output::Printer;
use crate::app::wiring::{self, Variables, Wiring};
use crate::settings::{self, Settings};
use crate::store::running::{self, Running};
use crate::tls::{Ca, write_trust_files};

pub(super) fn run(args: EnvArgs, global: &Global, printer: Printer) -> Outcome {
    let shell = args.shell.unwrap_or_else(own_shell);
    let java = settings::inherited("JAVA_TOOL_OPTIONS");
    let variables = match args.unset {
        true => wiring::unset(java.as_deref()),
        false => {
            let settings = Settings::resolve(global.store.as_deref()).map_err(CliError::usage)?;
            wire_newest(&settings, java.as_deref())?
        }
    };
    for line in lines(shell, &variables) {
        printer.data(line);
    }
    if std::io::stdout().is_terminal() && shell != ShellArg::Plain {
        let unset = if args.unset { " --unset" } else { "" };
        let hint = match shell {
            ShellArg::Fish => format!("retake env{unset} | source"),
            ShellArg::Powershell => format!("retake env --shell powershell{unset} | Out-String | Invoke-Expression"),
            _ => format!("eval \"$(retake env{unset})\""),
        };
        printer.say(format_args!("\nTo have this shell take them: `{hint}`"));
    }
    Ok(Exit::SUCCESS)
}

/// The wiring of the newest recorder or replay of the store.
fn wire_newest(settings: &Settings, java: Option<&str>) -> Result<Variables, CliError> {
    let Some(newest) = running::list(&settings.store).into_iter().next() else {
        return Err(CliError::failure(format_args!(
            "no recorder or replay is running with the store {}",
            settings.store.display()
        ))
        .hint(
            "start one with `retake record` or `retake replay COLLECTION` in another terminal, then run this again",
        ));
    };
    let ca = Ca::load_or_create(&settings.ca_dir).map_err(CliError::failure)?;
    let trust = write_trust_files(&ca, &settings.ca_dir).map_err(CliError::failure)?;
    let (host, port) = wiring::client_address(newest.listen);
    let Running { no_proxy, .. } = &newest;
    Ok(Wiring { host: &host, port, trust: &trust, no_proxy, java_tool_options: java }.variables())
}

/// The kind of shell that `$SHELL` names; `sh` when it says nothing that we know.
fn own_shell() -> ShellArg {
    shell_of(settings::inherited("SHELL").as_deref())
}

fn shell_of(path: Option<&str>) -> ShellArg {
    match path.and_then(|path| path.rsplit('/').next()) {
        Some("fish") => ShellArg::Fish,
        Some("pwsh" | "powershell") => ShellArg::Powershell,
        _ => ShellArg::Sh,
    }
}

/// The lines that make the change in a shell: what is taken away first.
fn lines(shell: ShellArg, variables: &Variables) -> Vec<String> {
    let removed = variables.remove.iter().map(|name| match shell {
        ShellArg::Sh => format!("unset {name}"),
        ShellArg::Fish => format!("set -e {name}"),
        ShellArg::Powershell => format!("Remove-Item Env:{name} -ErrorAction SilentlyContinue"),
        // An env file cannot take a variable away; empty, it is none for the tools that read these.
        ShellArg::Plain => format!("{name}="),
    });
    let set = variables.set.iter().map(|(name, value)| match shell {
        ShellArg::Sh => format!("export {name}={}", sh_quoted(value)),
        ShellArg::Fish => format!("set -gx {name} {}", fish_quoted(value)),
        ShellArg::Powershell => format!("$env:{name} = '{}'", value.replace('\'', "''")),
        // One line is one variable: a line break cannot be said.
        ShellArg::Plain => format!("{name}={}", value.replace(['\n', '\r'], " ")),
    });
    removed.chain(set).collect()
}

/// In single quotes, where nothing has a meaning but the quote itself.
fn sh_quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

/// In single quotes, where fish reads `\\` and `\'` only.
fn fish_quoted(value: &str) -> String {
    let mut quoted = String::from("'");
    for char in value.chars() {
        if matches!(char, '\'' | '\\') {
            quoted.push('\\');
        }
        // Writing to a string cannot fail.
        let _ = write!(quoted, "{char}");
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables() -> Variables {
        Variables { set: vec![("NAME", "it's a $HOME \\ \"x\"".to_owned())], remove: vec!["OLD"] }
    }

    #[test]
    fn the_newest_that_runs_is_wired_and_none_is_a_failure_with_a_hint() {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings::within(dir.path());
        let none = wire_newest(&settings, None).unwrap_err();
        assert_eq!(none.exit, Exit::FAILURE);
        assert!(none.hint.unwrap().contains("`retake record`"));
        let entry = |port: u16, second| Running {
            kind: running::Kind::Record,
            pid: 1,
            listen: ([0, 0, 0, 0], port).into(),
            url: String::new(),
            ca: settings.ca_dir.join("ca.pem"),
            command: vec![],
            started_at: jiff::Timestamp::from_second(second).unwrap(),
            session: None,
            collections: vec![],
            run: None,
            control: None,
            no_proxy: vec!["kept.test".into()],
        };
        let _newest = running::register(&settings.store, &entry(2, 20)).unwrap();
        let _older = running::register(&settings.store, &entry(1, 10)).unwrap();
        let wired = wire_newest(&settings, None).unwrap();
        let value = |name: &str| wired.set.iter().find(|(set, _)| *set == name).unwrap().1.clone();
        assert_eq!(value("HTTPS_PROXY"), "http://127.0.0.1:2");
        assert_eq!(value("NO_PROXY"), "kept.test");
        assert!(std::path::Path::new(&value("SSL_CERT_FILE")).is_file());
    }

    #[test]
    fn each_shell_gets_its_own_quoting() {
        let cases = [
            (ShellArg::Sh, "unset OLD", r#"export NAME='it'\''s a $HOME \ "x"'"#),
            (ShellArg::Fish, "set -e OLD", r#"set -gx NAME 'it\'s a $HOME \\ "x"'"#),
            (
                ShellArg::Powershell,
                "Remove-Item Env:OLD -ErrorAction SilentlyContinue",
                r#"$env:NAME = 'it''s a $HOME \ "x"'"#,
            ),
            (ShellArg::Plain, "OLD=", r#"NAME=it's a $HOME \ "x""#),
        ];
        for (shell, removed, set) in cases {
            assert_eq!(lines(shell, &variables()), [removed, set], "{shell:?}");
        }
    }

    #[test]
    fn sh_reads_back_what_was_quoted() {
        let script = format!("{}\nprintf %s \"$NAME\"", lines(ShellArg::Sh, &variables()).join("\n"));
        let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), variables().set[0].1);
    }

    #[test]
    fn the_shell_is_guessed_from_its_path() {
        assert_eq!(shell_of(Some("/usr/bin/fish")), ShellArg::Fish);
        assert_eq!(shell_of(Some("/bin/zsh")), ShellArg::Sh);
        assert_eq!(shell_of(Some("pwsh")), ShellArg::Powershell);
        assert_eq!(shell_of(None), ShellArg::Sh);
    }
}
