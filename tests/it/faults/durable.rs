//! `--durability disk`: an answer waits for its sync, one sync serves all that wait, and one that fails is believed.

use std::path::Path;
use std::process::Command;

use super::calls::{Fault, can_inject, under};
use super::{PATHS, call, check, is_unrecorded};
use crate::harness::http::Client;
use crate::harness::{Origin, Retake, Server};

fn failing_syncs(retake: &Retake, more: &[&str]) -> Server {
    let fault = Fault { inject: vec!["fdatasync:error=EIO".into()], on: Some("journal/000001.log") };
    Server::start(under(&retake.record_command(more), &retake.store(), &fault))
}

#[test]
fn what_the_disk_did_not_keep_is_not_recorded() {
    if !can_inject() {
        return;
    }
    let origin = Origin::plain();
    for durability in ["process", "disk"] {
        let retake = Retake::new();
        let server = failing_syncs(&retake, &["--durability", durability]);
        let (mut seen, broken) = call(&server, &origin, durability);
        assert_eq!((seen.len(), broken), (PATHS.len(), 0), "traffic goes on");
        let (code, said) = server.stop();
        assert_eq!(code, 0, "{said}");
        let told = said.matches("traffic goes on, unrecorded").count();
        seen.retain(|seen| !is_unrecorded(&said, &seen.url));
        let lost = PATHS.len() - seen.len();
        // Only the first segment fails: the second one is good.
        assert_eq!((told, lost), if durability == "disk" { (1, 1) } else { (0, 0) }, "{said}");
        let rows = check(&retake, &seen).unwrap();
        assert_eq!(rows.len(), seen.len(), "what was not kept is taken back");
        assert!(durability == "process" || said.contains("did not keep"), "{said}");
        assert_eq!(retake.store().join("journal/000002.log").exists(), durability == "disk");
    }
}

#[test]
fn with_strict_recording_an_answer_that_was_not_synced_does_not_end_whole() {
    if !can_inject() {
        return;
    }
    let (retake, origin) = (Retake::new(), Origin::plain());
    let server = failing_syncs(&retake, &["--durability", "disk", "--strict-recording"]);
    let (seen, broken) = call(&server, &origin, "strict");
    let (_, said) = server.stop();
    assert_eq!((seen.len(), broken), (PATHS.len() - 1, 1), "{said}");
    assert_eq!(check(&retake, &seen).unwrap().len(), seen.len());
}

/// How often each file was synced: strace says which.
fn syncs(trace: &Path, file: &str) -> usize {
    let text = std::fs::read_to_string(trace).unwrap();
    text.lines().filter(|line| line.contains("fdatasync(") && line.contains(file)).count()
}

#[test]
fn one_sync_serves_all_that_wait_and_body_files_are_synced_too() {
    if !can_inject() {
        return;
    }
    let (retake, origin) = (Retake::new(), Origin::plain());
    let trace = retake.root().join("trace");
    let plain = retake.record_command(&["--durability", "disk"]);
    let mut command = Command::new("strace");
    // Slow syncs, so that many wait for each.
    let slow = "inject=fdatasync:delay_enter=20000";
    command.args(["-D", "-f", "-qq", "-y", "-e", "trace=fdatasync", "-e", slow, "-o"]).arg(&trace);
    command.arg(plain.get_program()).args(plain.get_args());
    retake.furnish(&mut command);
    let server = Server::start(command);
    let (clients, calls) = (32, 6);
    std::thread::scope(|scope| {
        for client in 0..clients {
            let (server, origin) = (&server, &origin);
            scope.spawn(move || {
                let mut connection = Client::to(server).unwrap();
                for call in 0..calls {
                    let url = format!("http://{}/json?client={client}&call={call}", origin.address);
                    assert_eq!(connection.get(&url, "localhost").unwrap().status(), 200);
                }
            });
        }
    });
    let grouped = syncs(&trace, "journal/000001.log");
    assert!(grouped >= calls, "each answer waited: {grouped}");
    assert!(grouped <= clients * calls / 2, "{grouped} syncs for {} exchanges", clients * calls);
    let (seen, _) = call(&server, &origin, "bodies");
    let (code, said) = server.stop();
    assert_eq!((code, seen.len()), (0, PATHS.len()), "{said}");
    let alone = syncs(&trace, "journal/000001.log") - grouped;
    assert!(alone >= PATHS.len(), "one after the other: {alone}");
    assert_eq!(syncs(&trace, "/blobs/"), 2, "a body of known length, and a stream");
    println!("{} exchanges of {clients} clients: {grouped} syncs", clients * calls);
}
