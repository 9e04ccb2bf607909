//! System calls that fail, injected by strace: the n-th of a kind, in each thread.

use std::path::Path;
use std::process::Command;

use super::{COMMANDS, call, changed, check, copy_of, ended_well, is_unrecorded, listed, run};
use crate::harness::{Origin, Random, Retake, Server, heavy, skip};

/// Calls that fail.
#[derive(Clone)]
pub(super) struct Fault {
    /// As strace takes it: `SYSCALLS:error=ERROR:when=N`.
    pub(super) inject: Vec<String>,
    /// Only on this file of the store.
    pub(super) on: Option<&'static str>,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.inject.join(" and "), self.on.map(|on| format!(" on {on}")).unwrap_or_default())
    }
}

/// The same command under strace, which stays beside it: process id, signals and exit code are the command's own.
pub(super) fn under(plain: &Command, store: &Path, fault: &Fault) -> Command {
    let mut command = Command::new("strace");
    command.args(["-D", "-f", "-qq", "-o", "/dev/null"]);
    if let Some(on) = fault.on {
        command.arg("-P").arg(store.join(on));
    }
    let calls: Vec<&str> = fault.inject.iter().map(|inject| inject.split(':').next().unwrap()).collect();
    command.args(["-e", &format!("trace={}", calls.join(","))]);
    for inject in &fault.inject {
        command.args(["-e", &format!("inject={inject}")]);
    }
    command.arg(plain.get_program()).args(plain.get_args());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.current_dir(plain.get_current_dir().unwrap()).stdin(std::process::Stdio::null());
    command
}

/// Whether strace can inject here.
pub(super) fn can_inject() -> bool {
    let arguments = ["-D", "-f", "-qq", "-o", "/dev/null", "-e", "inject=fsync:error=EIO", "true"];
    let works = Command::new("strace").args(arguments).output().is_ok_and(|output| output.status.success());
    if !works {
        skip("system calls that fail", "strace is missing, or may not trace here");
    }
    works
}

/// Groups of calls, with where they fail, how, and up to which n.
const RECORDING: &[(&str, Option<&str>, &[&str], usize)] = &[
    ("write", Some("journal/000001.log"), &["EIO", "ENOSPC"], 12),
    ("write,ftruncate", Some("journal/000001.log"), &["EIO"], 12),
    ("pwrite64", None, &["EIO", "ENOSPC"], 6),
    ("fdatasync", None, &["EIO", "ENOSPC"], 12),
    ("fsync,sync_file_range", None, &["EIO"], 12),
    ("rename,renameat,renameat2", None, &["EIO", "ENOSPC"], 8),
    ("open,openat", None, &["EMFILE", "EIO"], 60),
    ("unlink,unlinkat,rmdir", None, &["EIO"], 8),
    ("link,linkat", None, &["EPERM", "ENOSPC"], 3),
    ("mkdir,mkdirat", None, &["ENOSPC", "EACCES"], 8),
    ("ftruncate", None, &["EIO"], 4),
    ("flock,fcntl", None, &["ENOLCK"], 4),
    ("pread64", None, &["EIO"], 6),
    ("getdents64", None, &["EIO"], 12),
];

/// Every fault of a table: the n-th call alone, or all from then on, or either, as the error is in life.
fn faults(table: &[(&'static str, Option<&'static str>, &[&str], usize)]) -> Vec<Fault> {
    let mut all = Vec::new();
    for (calls, on, errors, most) in table {
        for error in *errors {
            let lasts: &[&str] = match (*error, calls.starts_with("open")) {
                ("EIO", true) => &[""],
                ("EIO", false) => &["", "+"],
                _ => &["+"],
            };
            for (n, more) in (1..=*most).flat_map(|n| lasts.iter().map(move |more| (n, more))) {
                let when = format!("error={error}:when={n}{more}");
                // Two calls, each to be counted by itself: the second one fails always.
                let inject = match calls.strip_suffix(",ftruncate") {
                    Some(first) => vec![format!("{first}:{when}"), "ftruncate:error=EIO".to_owned()],
                    None => vec![format!("{calls}:{when}")],
                };
                all.push(Fault { inject, on: *on });
            }
        }
    }
    all
}

/// A few of them, or in the long run all.
fn chosen(all: Vec<Fault>, few: usize, random: &mut Random) -> Vec<Fault> {
    if heavy() {
        return all;
    }
    (0..few).map(|_| all[random.below(all.len())].clone()).collect()
}

#[derive(Default, Debug)]
struct Tally {
    rounds: usize,
    refused: usize,
    answers: usize,
    unrecorded: usize,
    broken: usize,
}

#[test]
fn a_recorder_whose_system_calls_fail_loses_nothing_that_it_acknowledged() {
    if !can_inject() {
        return;
    }
    let seed = Random::seed();
    let mut random = Random::new(seed);
    let origin = Origin::plain();
    let before = Retake::new();
    let server = before.record(&[]);
    call(&server, &origin, "before");
    assert_eq!(server.stop().0, 0);
    let (mut tally, mut faulty) = (Tally::default(), Vec::new());
    for fault in chosen(faults(RECORDING), 8, &mut random) {
        let disk = random.below(2) == 0;
        // Of a new store most calls make it; of one that is there, most record.
        let retake = if random.below(3) == 0 { Retake::new() } else { copy_of(&before) };
        let done = recorded(&retake, &fault, disk, &origin, &mut tally);
        faulty.extend(done.err().map(|why| format!("{fault}, disk {disk}: {why}")));
    }
    assert!(faulty.is_empty(), "seed {seed}, {} rounds: {}", faulty.len(), faulty.join("\n\n"));
    println!("recording under injected faults: {tally:?}, lost 0");
}

fn recorded(retake: &Retake, fault: &Fault, disk: bool, origin: &Origin, tally: &mut Tally) -> Result<(), String> {
    tally.rounds += 1;
    let was_there = if retake.store().exists() { listed(retake)? } else { Vec::new() };
    let mode = if disk { "disk" } else { "process" };
    let plain = retake.record_command(&["--durability", mode]);
    let server = match Server::try_start(under(&plain, &retake.store(), fault)) {
        Ok(server) => server,
        Err(output) => {
            tally.refused += 1;
            return ended_well(&output);
        }
    };
    let mut seen = Vec::new();
    for turn in 0..3 {
        let (answers, broken) = call(&server, origin, &format!("turn={turn}"));
        if broken > 0 {
            return Err(format!("{broken} calls of turn {turn} failed: {}", server.stop().1));
        }
        tally.broken += broken;
        seen.extend(answers);
    }
    let (code, said) = server.stop();
    if code != 0 || said.contains("panicked") {
        return Err(format!("exit code {code}: {said}"));
    }
    if said.matches("traffic goes on, unrecorded").count() > 1 {
        return Err(format!("told more than once: {said}"));
    }
    tally.answers += seen.len();
    let all = seen.len();
    seen.retain(|seen| !is_unrecorded(&said, &seen.url));
    if seen.len() < all && !said.contains("traffic goes on, unrecorded") {
        return Err(format!("not told: {said}"));
    }
    tally.unrecorded += all - seen.len();
    let rows = check(retake, &seen).map_err(|why| format!("{why}\n--- the recorder said\n{said}"))?;
    match was_there.iter().find(|row| !rows.contains(row)) {
        Some(lost) => Err(format!("was there before, and is lost: {lost}\n--- the recorder said\n{said}")),
        None => Ok(()),
    }
}

const EDITING: &[(&str, Option<&str>, &[&str], usize)] = &[
    ("write", Some("journal/000001.new"), &["EIO", "ENOSPC"], 3),
    ("write", Some("journal/000002.log"), &["EIO", "ENOSPC"], 4),
    ("pwrite64", None, &["EIO", "ENOSPC"], 6),
    ("fdatasync", None, &["EIO"], 4),
    ("fsync,sync_file_range", None, &["EIO"], 8),
    ("rename,renameat,renameat2", None, &["EIO", "ENOSPC"], 6),
    ("open,openat", None, &["EMFILE", "EIO"], 90),
    ("unlink,unlinkat,rmdir", None, &["EIO"], 10),
    ("mkdir,mkdirat", None, &["ENOSPC"], 6),
    ("ftruncate", None, &["EIO"], 6),
    ("flock,fcntl", None, &["ENOLCK"], 4),
    ("read", None, &["EIO"], 20),
    ("pread64", None, &["EIO"], 10),
    ("getdents64", None, &["EIO"], 16),
];

#[test]
fn commands_whose_system_calls_fail_leave_a_whole_store() {
    if !can_inject() {
        return;
    }
    let seed = Random::seed();
    let mut random = Random::new(seed);
    let recorded = Retake::new();
    let origin = Origin::plain();
    let server = recorded.record(&["--tag", "first"]);
    call(&server, &origin, "first");
    assert_eq!(server.stop().0, 0);
    let server = recorded.record(&[]);
    call(&server, &origin, "second");
    assert_eq!(server.stop().0, 0);
    let before = listed(&recorded).unwrap();
    assert_eq!(before.len(), 12);
    let (mut rounds, mut refused, mut faulty) = (0, 0, Vec::new());
    for fault in chosen(faults(EDITING), 12, &mut random) {
        // In the long run every fault meets one command; each command meets them all in time.
        let (name, arguments) = COMMANDS[random.below(COMMANDS.len())];
        rounds += 1;
        let retake = copy_of(&recorded);
        let output = run(under(&retake.command(arguments), &retake.store(), &fault));
        refused += usize::from(!output.status.success());
        let done = changed(&retake, name, arguments, &before, Some(&output));
        let said = String::from_utf8_lossy(&output.stderr);
        faulty.extend(done.err().map(|why| format!("{name}, {fault}: {why}\n--- it said\n{said}")));
    }
    assert!(faulty.is_empty(), "seed {seed}, {} rounds: {}", faulty.len(), faulty.join("\n\n"));
    println!("commands under injected faults: {rounds} rounds, {refused} refused, nothing lost");
}
