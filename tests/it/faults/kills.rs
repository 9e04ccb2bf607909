//! `kill -9` in the middle of what changes a store: edits, an index being built anew, edits beside a recorder.

use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{CANARY, COMMANDS, Seen, changed, check, copy_of, listed, run};
use crate::harness::http::Client;
use crate::harness::{Origin, Random, Retake, Server, heavy, kill_rounds};

/// A store with so much in it that a command takes a while.
fn filled(origin: &Origin) -> Retake {
    let retake = Retake::new();
    for (tags, count) in [(["--tag", "first"].as_slice(), 30), (&[], if heavy() { 470 } else { 90 })] {
        let server = retake.record(tags);
        let mut client = Client::to(&server).unwrap();
        for number in 0..count {
            let path = if number % 20 == 0 { format!("/bytes/{}", 70_000 + number) } else { "/json".to_owned() };
            get(&mut client, origin, &format!("{path}?n={number}")).unwrap();
        }
        assert_eq!(server.stop().0, 0);
    }
    retake
}

fn get(client: &mut Client, origin: &Origin, path: &str) -> std::io::Result<Seen> {
    let (url, port) = (origin.url(path), origin.address.port());
    let fields = format!("Host: localhost:{port}\r\nX-Device: device-{CANARY}\r\n");
    client.send(format!("GET {url} HTTP/1.1\r\n{fields}\r\n").as_bytes())?;
    let answer = client.answer("GET")?;
    match answer.status() {
        200 => Ok(Seen { url, hash: blake3::hash(&answer.body).to_hex().to_string() }),
        status => Err(std::io::Error::other(format!("{url}: {status}"))),
    }
}

#[test]
fn a_killed_edit_is_done_in_part_at_most_and_can_be_given_again() {
    let seed = Random::seed();
    let mut random = Random::new(seed);
    let recorded = filled(&Origin::plain());
    let before = listed(&recorded).unwrap();
    let rounds = kill_rounds(200, 7);
    let (mut killed, mut took) = (0, vec![Duration::from_millis(100); COMMANDS.len() + 1]);
    for round in 0..rounds {
        let kind = round % (COMMANDS.len() + 1);
        // The last kind builds the index anew.
        let (name, arguments) =
            COMMANDS.get(kind).copied().unwrap_or(("list", &["history", "list", "--json", "--all"]));
        let retake = copy_of(&recorded);
        if kind == COMMANDS.len() {
            std::fs::remove_dir_all(retake.store().join("index")).unwrap();
        }
        let begun = Instant::now();
        let mut child = retake.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(took[kind].mul_f64(random.below(1200) as f64 / 1000.0));
        let _ = child.kill();
        if child.wait().unwrap().success() {
            took[kind] = begun.elapsed();
        } else {
            killed += 1;
        }
        changed(&retake, name, arguments, &before, None)
            .unwrap_or_else(|why| panic!("seed {seed}, round {round}, {name}: {why}"));
    }
    println!("{rounds} commands, {killed} of them killed on their way: {} exchanges each, none lost", before.len());
}

#[test]
fn a_recorder_killed_in_the_middle_of_an_edit_has_lost_nothing() {
    let seed = Random::seed();
    let mut random = Random::new(seed);
    let origin = Origin::plain();
    let recorded = filled(&origin);
    let before = listed(&recorded).unwrap();
    let (rounds, mut answers, mut edits) = (kill_rounds(50, 2), 0, 0);
    for round in 0..rounds {
        let retake = copy_of(&recorded);
        let server = retake.record(&[]);
        let (over, seen) = (AtomicBool::new(false), Mutex::new(Vec::new()));
        let (name, arguments) = COMMANDS[2 + random.below(COMMANDS.len() - 2)];
        let lasts = Duration::from_millis(20 + random.below(400) as u64);
        std::thread::scope(|scope| {
            for client in 0..4 {
                let (server, origin, seen) = (&server, &origin, &seen);
                scope.spawn(move || until_killed(server, origin, client, seen));
            }
            let (retake, over, edits) = (&retake, &over, &mut edits);
            scope.spawn(move || {
                while !over.load(Ordering::SeqCst) {
                    // The recorder dies meanwhile: then the command may end in any way but a panic.
                    let output = run(retake.command(arguments));
                    let said = String::from_utf8_lossy(&output.stderr).into_owned();
                    assert!(!said.contains("panicked"), "{said}");
                    *edits += usize::from(output.status.success());
                }
            });
            std::thread::sleep(lasts);
            server.kill_now();
            over.store(true, Ordering::SeqCst);
        });
        let seen = seen.into_inner().unwrap();
        // What the edit was to remove, and what it found of the new ones (those without a tag), may be gone.
        let fail = |why: String| -> ! { panic!("seed {seed}, round {round}, {name}, {} answers: {why}", seen.len()) };
        if name != "prune" {
            check(&retake, &seen).unwrap_or_else(|why| fail(why));
        }
        changed(&retake, name, arguments, &before, None).unwrap_or_else(|why| fail(why));
        answers += seen.len();
    }
    println!("{rounds} recorders killed beside {edits} whole edits: {answers} answers, none lost");
}

#[test]
fn repairs_are_told_by_the_recorder_that_made_them_and_by_nobody_again() {
    let (retake, origin) = (Retake::new(), Origin::plain());
    let server = retake.record(&[]);
    get(&mut Client::to(&server).unwrap(), &origin, "/json").unwrap();
    assert_eq!(server.stop().0, 0);
    std::fs::remove_dir_all(retake.store().join("index")).unwrap();
    let server = retake.record(&[]);
    for _ in 0..2 {
        let ran = retake.run(&["history", "list"]);
        assert!(ran.code == 0 && !ran.stderr.contains("rebuilt"), "{ran}");
    }
    let said = server.stop().1;
    assert_eq!(said.matches("rebuilt").count(), 1, "{said}");
}

fn until_killed(server: &Server, origin: &Origin, client: usize, seen: &Mutex<Vec<Seen>>) {
    let Ok(mut connection) = Client::to(server) else { return };
    for call in 0.. {
        let length = [300, 0, 70_000, 3000][call % 4];
        let kind = if call % 3 == 0 { "stream" } else { "bytes" };
        match get(&mut connection, origin, &format!("/{kind}/{length}?client={client}&call={call}")) {
            Ok(answer) => seen.lock().unwrap().push(answer),
            Err(_) => return,
        }
    }
}
