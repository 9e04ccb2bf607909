//! `retake ca`

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::args::{CaArgs, CaCommand, CaFormat, Global};
use super::exit::{CliError, Exit, Outcome};
use super::output::{BOLD, DIM, Printer};
use crate::report::terminal::quoted;
use crate::settings::Settings;
use crate::tls::truststore::{ALIAS, PASSWORD, pkcs12_of};
use crate::tls::{Ca, TrustFiles, ca::certificate_path, write_trust_files};

/// What trusting the CA means, in a sentence.
const RISK: &str = "Whoever gets the key of this CA can impersonate any site to whoever trusts it: trust it only where you \
                    test, prefer `retake record -- COMMAND` or `retake env`, which trust it for one command or shell, and \
                    distrust it when you are done.";

pub(super) fn run(args: CaArgs, global: &Global, printer: Printer) -> Outcome {
    let settings = Settings::resolve(global.store.as_deref()).map_err(CliError::usage)?;
    let dir = settings.ca_dir;
    let ca = Ca::load_or_create(&dir).map_err(CliError::failure)?;
    match args.command {
        CaCommand::Path => {
            printer.data(certificate_path(&dir).display());
            Ok(Exit::SUCCESS)
        }
        CaCommand::Show { json } => show(&ca, &dir, json, printer),
        CaCommand::Export { out, format } => export(&ca, out, format, printer),
    }
}

/// What `show --json` prints.
#[derive(Serialize)]
struct Shown<'a> {
    path: &'a Path,
    bundle: &'a Path,
    truststore: &'a Path,
    truststore_password: &'static str,
    subject: &'a str,
    fingerprint_sha256: String,
    not_before: String,
    not_after: String,
    systems: Vec<System>,
}

fn show(ca: &Ca, dir: &Path, json: bool, printer: Printer) -> Outcome {
    let files = write_trust_files(ca, dir).map_err(CliError::failure)?;
    let (from, to) = ca.validity();
    let shown = Shown {
        path: &files.ca,
        bundle: &files.bundle,
        truststore: &files.truststore,
        truststore_password: PASSWORD,
        subject: ca.subject(),
        fingerprint_sha256: ca.fingerprint(),
        not_before: moment(from),
        not_after: moment(to),
        systems: systems(ca, &files),
    };
    match json {
        true => printer.json(&shown),
        false => text(&shown).iter().for_each(|line| printer.data(line)),
    }
    Ok(Exit::SUCCESS)
}

fn text(shown: &Shown<'_>) -> Vec<String> {
    let day = |moment: &str| moment.split('T').next().unwrap_or_default().to_owned();
    let mut lines = vec![
        format!("{BOLD}{}{BOLD:#}", shown.subject),
        format!("  certificate  {}", shown.path.display()),
        format!("  SHA-256      {}", shown.fingerprint_sha256),
        format!("  valid        {} to {}", day(&shown.not_before), day(&shown.not_after)),
        format!("  bundle       {}  {DIM}(the roots of this machine and this CA){DIM:#}", shown.bundle.display()),
        format!("  Java store   {}  {DIM}(the same; password {PASSWORD}){DIM:#}", shown.truststore.display()),
        String::new(),
        RISK.to_owned(),
    ];
    for system in &shown.systems {
        lines.push(String::new());
        lines.push(format!("{BOLD}{}{BOLD:#}", system.name));
        for (word, commands) in [("trust", &system.trust), ("distrust", &system.distrust)] {
            for (number, command) in commands.iter().enumerate() {
                let word = if number == 0 { word } else { "" };
                lines.push(format!("  {word:<9} {command}"));
            }
        }
    }
    lines
}

/// How one system or tool is made to trust the CA, and to forget it.
#[derive(Debug, Serialize)]
struct System {
    name: &'static str,
    trust: Vec<String>,
    distrust: Vec<String>,
}

/// The commands per system, ready to be pasted.
fn systems(ca: &Ca, files: &TrustFiles) -> Vec<System> {
    let pem = quoted(&files.ca.display().to_string());
    let name = ca.common_name();
    let file = format!("{}.crt", name.replace(' ', "-"));
    let sha = ca.fingerprint().replace(':', "");
    let sha = sha.as_str();
    let system = |name, trust: &[String], distrust: &[String]| System {
        name,
        trust: trust.to_vec(),
        distrust: distrust.to_vec(),
    };
    // `install` sets the mode: a copy that only root can read would be trusted by nobody else.
    let anchors = |name, sudo: &str, folder: &str, update: &str, clean: &str| System {
        name,
        trust: vec![format!("{sudo}install -m 644 {pem} {folder}/{file} && {sudo}{update}")],
        distrust: vec![format!("{sudo}rm {folder}/{file} && {sudo}{clean}")],
    };
    let (local, fresh) = ("/usr/local/share/ca-certificates", "update-ca-certificates --fresh");
    let keychain = "/Library/Keychains/System.keychain";
    let nss = "-d sql:$HOME/.pki/nssdb";
    vec![
        anchors("Debian, Ubuntu", "sudo ", local, "update-ca-certificates", fresh),
        anchors("Fedora, RHEL", "sudo ", "/etc/pki/ca-trust/source/anchors", "update-ca-trust", "update-ca-trust"),
        anchors("Arch", "sudo ", "/etc/ca-certificates/trust-source/anchors", "update-ca-trust", "update-ca-trust"),
        anchors("Alpine, as root", "", local, "update-ca-certificates", fresh),
        system(
            "macOS",
            &[format!("sudo security add-trusted-cert -d -r trustRoot -k {keychain} {pem}")],
            &[
                format!("sudo security remove-trusted-cert -d {pem}"),
                format!("sudo security delete-certificate -Z {sha} {keychain}"),
            ],
        ),
        system(
            "Chrome, Chromium on Linux (certutil of libnss3-tools)",
            &[format!("certutil {nss} -A -t C,, -n '{name}' -i {pem}")],
            &[format!("certutil {nss} -D -n '{name}'")],
        ),
        system(
            "Firefox (PROFILE: the folder that about:profiles shows)",
            &[format!("certutil -d sql:PROFILE -A -t C,, -n '{name}' -i {pem}")],
            &[format!("certutil -d sql:PROFILE -D -n '{name}'")],
        ),
        system(
            "Java, for every program of one JDK",
            &[format!("sudo keytool -importcert -cacerts -storepass {PASSWORD} -noprompt -alias {ALIAS} -file {pem}")],
            &[format!("sudo keytool -delete -cacerts -storepass {PASSWORD} -alias {ALIAS}")],
        ),
        system(
            "Java, for one program",
            &[format!(
                "java -Djavax.net.ssl.trustStore={} -Djavax.net.ssl.trustStoreType=PKCS12 -Djavax.net.ssl.trustStorePassword={PASSWORD} …",
                quoted(&files.truststore.display().to_string())
            )],
            &["start it without these options".to_owned()],
        ),
        system(
            "Node, in one shell",
            &[format!("export NODE_EXTRA_CA_CERTS={pem}")],
            &["unset NODE_EXTRA_CA_CERTS".to_owned()],
        ),
        system(
            "Python, curl and git, in one shell",
            &[format!(
                "export SSL_CERT_FILE={0} REQUESTS_CA_BUNDLE={0} CURL_CA_BUNDLE={0} GIT_SSL_CAINFO={0}",
                quoted(&files.bundle.display().to_string())
            )],
            &["unset SSL_CERT_FILE REQUESTS_CA_BUNDLE CURL_CA_BUNDLE GIT_SSL_CAINFO".to_owned()],
        ),
    ]
}

fn moment(second: i64) -> String {
    jiff::Timestamp::from_second(second).map(|at| at.to_string()).unwrap_or_default()
}

fn export(ca: &Ca, out: Option<PathBuf>, format: CaFormat, printer: Printer) -> Outcome {
    let bytes = match format {
        CaFormat::Pem => ca.certificate_pem().as_bytes().to_vec(),
        CaFormat::Der => ca.certificate_der().to_vec(),
        CaFormat::P12 => pkcs12_of(ca).map_err(CliError::failure)?,
    };
    let Some(path) = out else {
        printer.bytes(&bytes).map_err(CliError::failure)?;
        return Ok(Exit::SUCCESS);
    };
    std::fs::write(&path, bytes).map_err(|error| CliError::failure(format_args!("{}: {error}", path.display())))?;
    let password = if format == CaFormat::P12 { format!(" (password {PASSWORD})") } else { String::new() };
    printer.say(format_args!(
        "The certificate of {} is in {}{password}; its key stays here.",
        ca.common_name(),
        path.display()
    ));
    Ok(Exit::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_system_has_both_ways_and_no_key() {
        let ca = Ca::in_memory().unwrap();
        let files = TrustFiles::in_folder(Path::new("/my data/ca"));
        let systems = systems(&ca, &files);
        for word in ["Debian", "Fedora", "Arch", "Alpine", "macOS", "Firefox", "Java", "Node", "Python"] {
            assert!(systems.iter().any(|system| system.name.contains(word)), "{word}");
        }
        for system in &systems {
            assert!(!system.trust.is_empty() && !system.distrust.is_empty(), "{}", system.name);
            let commands = system.trust.join("\n") + &system.distrust.join("\n");
            assert!(!commands.contains("ca-key"), "{commands}");
            assert!(!commands.contains("my data") || commands.contains("'/my data/ca/"), "{commands}");
        }
    }
}
