//! A disk that is full, one that may only be read, and files that somebody removed.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::{call, check, ended_well, is_unrecorded, listed, readable, run};
use crate::harness::origin::noise;
use crate::harness::{Origin, Retake, Server, skip};

/// A small file system in memory, mounted on a folder; unmounted when dropped.
struct Small(PathBuf);

impl Small {
    fn mount(at: &Path, kib: u32, what: &str) -> Option<Small> {
        std::fs::create_dir_all(at).unwrap();
        let size = format!("size={kib}k");
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at);
        match command.output() {
            Ok(output) if output.status.success() => Some(Small(at.to_owned())),
            _ => {
                skip(what, "mounting a tmpfs is not permitted here");
                None
            }
        }
    }

    fn read_only(&self, yes: bool) {
        let option = if yes { "remount,ro" } else { "remount,rw" };
        assert!(Command::new("mount").args(["-o", option]).arg(&self.0).status().unwrap().success());
    }

    /// Takes all the room there is.
    fn fill(&self) -> PathBuf {
        use std::io::Write;
        let path = self.0.join("ballast");
        let mut file = std::fs::File::create(&path).unwrap();
        while file.write_all(&[7; 4096]).is_ok() {}
        path
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn recorded(retake: &Retake, turns: usize) -> Vec<Value> {
    let origin = Origin::plain();
    let server = retake.record(&[]);
    for turn in 0..turns {
        assert_eq!(call(&server, &origin, &format!("turn={turn}")).1, 0);
    }
    assert_eq!(server.stop().0, 0);
    listed(retake).unwrap()
}

#[test]
fn a_full_disk_costs_exchanges_but_no_traffic_and_recording_goes_on_when_there_is_room() {
    let retake = Retake::new();
    let Some(disk) = Small::mount(&retake.store(), 6 * 1024, "a full disk") else { return };
    for durability in ["process", "disk"] {
        let origin = Origin::plain();
        let server = retake.record(&["--durability", durability]);
        let mut seen = Vec::new();
        let mut turn = |server: &Server, label: &str| {
            let (answers, broken) = call(server, &origin, &format!("{durability}-{label}"));
            assert_eq!(broken, 0, "traffic goes on");
            let urls: Vec<String> = answers.iter().map(|seen| seen.url.clone()).collect();
            seen.extend(answers);
            urls
        };
        let early = turn(&server, "before");
        let ballast = disk.fill();
        let mut lost = Vec::new();
        for number in 0..20 {
            lost.extend(turn(&server, &format!("full-{number}")));
        }
        std::fs::remove_file(ballast).unwrap();
        let late = turn(&server, "after");
        let (code, said) = server.stop();
        assert_eq!(code, 0, "{said}");
        assert_eq!(said.matches("traffic goes on, unrecorded").count(), 1, "told once: {said}");
        assert!(said.contains("passed unrecorded"), "{said}");
        assert!(early.iter().chain(&late).all(|url| !is_unrecorded(&said, url)), "{durability}: {said}");
        let unrecorded = lost.iter().filter(|url| is_unrecorded(&said, url)).count();
        assert!(unrecorded > 20, "the disk was full: {unrecorded} of {}: {said}", lost.len());
        seen.retain(|seen| !is_unrecorded(&said, &seen.url));
        check(&retake, &seen).unwrap_or_else(|why| panic!("{durability}: {why}\n{said}"));
        println!("{durability}: {unrecorded} of {} passed unrecorded, {} kept, lost 0", lost.len(), seen.len());
    }
}

#[test]
fn edits_on_a_full_disk_say_so_and_lose_nothing() {
    let retake = Retake::new();
    let Some(disk) = Small::mount(&retake.store(), 8 * 1024, "edits on a full disk") else { return };
    let before = recorded(&retake, 3);
    let ballast = disk.fill();
    let edits: [&[&str]; 4] = [
        &["history", "tag", "2-17", "--add", "kept"],
        &["history", "delete", "3-5", "--yes"],
        &["history", "mask", "--rule", "field=X-Device", "--yes"],
        &["history", "prune", "--max-size", "1KB", "--yes"],
    ];
    for arguments in edits {
        let output = run(retake.command(arguments));
        ended_well(&output).unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(
            said.contains("o space left") || said.contains("disk is full") || said.contains("cannot be written"),
            "{arguments:?}: {said}"
        );
        println!("{arguments:?}: {}", said.trim());
        let rows = listed(&retake).unwrap();
        assert_eq!(rows.len(), before.len(), "{arguments:?}");
        readable(&retake, &rows).unwrap();
    }
    std::fs::remove_file(ballast).unwrap();
    for arguments in &edits[..3] {
        let output = run(retake.command(arguments));
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let rows = listed(&retake).unwrap();
    assert_eq!(rows.len(), before.len() - 3);
    readable(&retake, &rows).unwrap();
    assert_eq!(retake.run(edits[3]).code, 0);
    assert!(listed(&retake).unwrap().is_empty());
}

#[test]
fn a_store_that_may_only_be_read_is_read_and_says_what_it_cannot_do() {
    let retake = Retake::new();
    let Some(disk) = Small::mount(&retake.store(), 8 * 1024, "a read-only file system") else { return };
    let before = recorded(&retake, 1);
    disk.read_only(true);
    let rows = listed(&retake).unwrap();
    assert_eq!(rows, before);
    readable(&retake, &rows).unwrap();
    for arguments in [["history", "days"], ["history", "stats"], ["history", "sessions"]] {
        let ran = retake.run(&arguments);
        assert_eq!(ran.code, 0, "{ran}");
        assert!(ran.stderr.contains("cannot be written") && ran.stdout.contains('6'), "{ran}");
    }
    let edits: [&[&str]; 4] = [
        &["history", "tag", "1", "--add", "x"],
        &["history", "delete", "1", "--yes"],
        &["history", "mask", "--yes"],
        &["history", "prune", "--max-size", "1KB", "--yes"],
    ];
    for arguments in edits {
        let ran = retake.run(arguments);
        assert_eq!(ran.code, 1, "{ran}");
        assert!(ran.stderr.contains("nothing in it can be changed"), "{ran}");
    }
    let ran = retake.run(&["record", "--listen", "127.0.0.1:0", "--", "true"]);
    assert_eq!(ran.code, 1, "{ran}");
    let store = retake.store();
    for part in [store.to_str().unwrap(), "ead-only file system", "--store DIR"] {
        assert!(ran.stderr.contains(part), "{part}: {ran}");
    }
    disk.read_only(false);
    assert_eq!(recorded(&retake, 1).len(), before.len() * 2);
}

#[test]
fn a_body_file_that_was_removed_is_named_and_everything_else_goes_on() {
    let retake = Retake::new();
    let rows = recorded(&retake, 1);
    let hash = blake3::hash(&noise(100_000)).to_hex().to_string();
    let path = retake.store().join("blobs").join(&hash[..2]).join(&hash);
    std::fs::remove_file(&path).unwrap();
    let (gone, there): (Vec<&Value>, Vec<&Value>) =
        rows.iter().partition(|row| row["response_blake3"] == hash.as_str());
    assert_eq!((gone.len(), there.len()), (2, 4));
    let number = |row: &Value| row["number"].to_string();
    for row in &gone {
        let ran = retake.run(&["history", "show", &number(row), "--raw", "response-body"]);
        assert_eq!((ran.code, ran.stdout.len()), (1, 0), "{ran}");
        assert!(ran.stderr.contains(&format!("exchange {}", number(row))) && ran.stderr.contains(&hash), "{ran}");
    }
    for row in &there {
        assert_eq!(retake.run(&["history", "show", &number(row), "--raw", "response-body"]).code, 0);
    }
    let ran = retake.run(&["promote", "1-6", "--into", "./mocks/api"]);
    assert!(ran.stdout.contains("4 new") && ran.stderr.contains(&hash), "{ran}");
    let ran = retake.run(&["history", "export", "1-6", "-o", "all.har"]);
    assert!(ran.code == 1 && ran.stderr.contains(&hash), "{ran}");
    let written = std::fs::read_to_string(retake.work().join("all.har")).unwrap();
    assert_eq!(written.matches("\"startedDateTime\"").count(), 6, "{ran}");
    let ran = retake.run(&["history", "mask", "--rule", "field=X-Device", "--yes"]);
    assert!(ran.code == 0 && listed(&retake).unwrap().len() == 6, "{ran}");
    // What is recorded again brings the file back.
    recorded(&retake, 1);
    assert!(path.exists());
}
