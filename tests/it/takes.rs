//! The second take: a flow against a stateful service is recorded twice, with other ids, moments and tokens each time.
//! What is promoted from the first take answers every request of the second, and none with an answer of another kind.
//!
//! The tables are printed with `cargo test --test it takes -- --nocapture`; `docs/promotion.md` has them.

mod catalogue;
mod changes;
mod day;
mod films;
mod login;
mod outside;
mod projects;
mod properties;
mod services;
mod shop;
mod take;
mod talk;
mod world;

use std::sync::OnceLock;

use take::{Api, Take, Verdict, judge};
use talk::{Call, Sent, Talk};
use world::{World, settled};

use crate::harness::Retake;

const APIS: &[Api] = &[
    Api {
        name: "JSON: made, changed, deleted",
        served: 32,
        reviewed: 32,
        start: projects::start,
        flow: projects::flow,
    },
    Api { name: "pages, languages, types", served: 27, reviewed: 27, start: catalogue::start, flow: catalogue::flow },
    Api { name: "OAuth with refresh", served: 20, reviewed: 20, start: login::start, flow: login::flow },
    Api { name: "GraphQL", served: 19, reviewed: 19, start: films::start, flow: films::flow },
    Api { name: "forms, uploads, signed URLs", served: 30, reviewed: 30, start: shop::start, flow: shop::flow },
    Api { name: "httpbin (PyPI)", served: 28, reviewed: 30, start: outside::httpbin, flow: outside::httpbin_flow },
    Api {
        name: "json-server (npm)",
        served: 20,
        reviewed: 20,
        start: outside::json_server,
        flow: outside::json_server_flow,
    },
];

/// Sends requests to a mock, and judges each answer by that of the service.
fn verdicts(
    talk: &mut Talk<'_>,
    requests: impl IntoIterator<Item = Sent>,
    own: &[Call],
    worlds: &[&World],
) -> Vec<Verdict> {
    requests.into_iter().zip(own).map(|(sent, own)| judge(&own.answer, &talk.send(sent), worlds)).collect()
}

/// How often each verdict fell, and the calls that were not exact hits.
pub struct Tally {
    exact: usize,
    inexact: usize,
    missed: usize,
    wrong: usize,
    others: Vec<String>,
}

impl Tally {
    fn of(calls: &[Call], verdicts: &[Verdict]) -> Tally {
        assert_eq!(calls.len(), verdicts.len());
        let count = |is: fn(&Verdict) -> bool| verdicts.iter().filter(|verdict| is(verdict)).count();
        let others = calls.iter().zip(verdicts).filter(|(_, verdict)| **verdict != Verdict::Exact);
        Tally {
            exact: count(|verdict| *verdict == Verdict::Exact),
            inexact: count(|verdict| matches!(verdict, Verdict::Inexact(_))),
            missed: count(|verdict| matches!(verdict, Verdict::Missed(_))),
            wrong: count(|verdict| matches!(verdict, Verdict::Wrong(_))),
            others: others.map(|(call, verdict)| format!("{}\n    {verdict:?}", call.sent.line())).collect(),
        }
    }

    /// Calls that got their answer.
    fn served(&self) -> usize {
        self.exact + self.inexact
    }

    fn all(&self) -> usize {
        self.served() + self.missed + self.wrong
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {}", self.served(), self.all())?;
        for (count, what) in [(self.inexact, "inexact"), (self.missed, "missed"), (self.wrong, "wrong")] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        Ok(())
    }
}

/// Two takes of a flow.
struct Takes {
    first: Take,
    second: Take,
}

/// Both takes of every service that runs here, the first promoted; made once for all tests.
fn takes() -> &'static [(&'static Api, Takes)] {
    static TAKES: OnceLock<Vec<(&'static Api, Takes)>> = OnceLock::new();
    TAKES.get_or_init(|| {
        let made = each(APIS, |api| {
            let (first, second) = (Take::record(api, 0)?, Take::record(api, 7)?);
            first.promote();
            first.compare();
            Some((api, Takes { first, second }))
        });
        made.into_iter().flatten().collect()
    })
}

/// Does something for each, side by side.
fn each<T: Sync, R: Send>(all: &'static [T], work: impl Fn(&'static T) -> R + Sync) -> Vec<R> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = all.iter().map(|one| scope.spawn(|| work(one))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// What one collection made of one series of requests.
fn asked(take: &Take, collection: &str, by: &Take, requests: Vec<Sent>) -> Tally {
    let server = take.replay(collection);
    let mut talk = Talk::new(&server, &by.base, &by.world);
    let all = verdicts(&mut talk, requests, &by.calls, &[&take.world, &by.world]);
    Tally::of(&by.calls, &all)
}

/// The flow itself against the mock: the client goes on with whatever the mock gives it.
fn played(api: &Api, take: &Take) -> Tally {
    let world = World::in_days(7);
    let server = take.replay("api");
    let mut talk = Talk::new(&server, &take.base, &world);
    (api.flow)(&mut talk);
    assert_eq!(talk.calls.len(), take.calls.len(), "{}: the client took another way", api.name);
    let pairs = take.calls.iter().zip(&talk.calls);
    let all: Vec<_> = pairs.map(|(own, got)| judge(&own.answer, &got.answer, &[&take.world, &world])).collect();
    Tally::of(&talk.calls, &all)
}

#[test]
fn every_take_answers_its_own_requests() {
    each(takes(), |(api, Takes { first, .. })| {
        for requests in [first.sent(), first.as_recorded()] {
            let tally = asked(first, "api", first, requests);
            assert_eq!(tally.exact, tally.all(), "{}: {tally}\n  {}", api.name, tally.others.join("\n  "));
        }
    });
}

#[test]
fn the_first_take_answers_the_second() {
    let rows = each(takes(), |(api, Takes { first, second })| {
        let bare = asked(first, "bare", second, second.sent());
        let ruled = [second.sent(), second.as_recorded()].map(|requests| asked(first, "api", second, requests));
        let reviewed = asked(first, "reviewed", second, second.sent());
        (api, bare, ruled, reviewed, played(api, first))
    });
    println!("| API | calls | without rules | with rules | after review | the flow played again |");
    println!("|---|---|---|---|---|---|");
    for (api, bare, [sent, _], reviewed, live) in &rows {
        println!("| {} | {} | {bare} | {sent} | {reviewed} | {live} |", api.name, sent.all());
    }
    for (api, bare, ruled, reviewed, live) in &rows {
        println!("{}, reviewed: {reviewed}\n  {}", api.name, reviewed.others.join("\n  "));
        for tally in ruled.iter().chain([live]) {
            println!("{}: {tally}\n  {}", api.name, tally.others.join("\n  "));
        }
        assert!(bare.missed > 0, "{}: two takes do not differ", api.name);
        let unreviewed = ruled.iter().chain([live]).map(|tally| (tally, api.served));
        for (tally, served) in unreviewed.chain([(reviewed, api.reviewed)]) {
            assert!(
                tally.wrong == 0 && tally.served() >= served,
                "{}: {tally}\n  {}",
                api.name,
                tally.others.join("\n  ")
            );
        }
    }
}

/// A change that got an answer which is not that of the request it makes.
fn falsely_answered(takes: &Takes, server: &crate::harness::Server) -> (usize, usize, Vec<String>) {
    let Takes { first, second } = takes;
    let swaps =
        [("a cat", "a cow"), ("meow", "moo"), ("a dog", "a frog"), ("woof", "quak"), ("some notes", "no notes")];
    let worlds = [&*first.world, &*second.world];
    let mut talk = Talk::new(server, &second.base, &second.world);
    let (mut asked, mut right, mut wrong) = (0, 0, Vec::new());
    for changes::Changed { what, sent } in changes::of(&second.calls, &second.world, &swaps) {
        asked += 1;
        let answer = talk.send(sent.clone());
        if answer.field("x-retake-miss").is_some() {
            continue;
        }
        // A change may make another request of the flow; then one of its answers is right.
        let meaning = changes::meaning(&sent, &second.world);
        let same = second.calls.iter().filter(|call| changes::meaning(&call.sent, &second.world) == meaning);
        if same.map(|call| take::difference(&call.answer, &answer, &worlds)).any(|difference| difference.is_none()) {
            right += 1;
        } else {
            let inexact = answer.field("x-retake-inexact").unwrap_or("exact");
            wrong.push(format!("{what}: {}\n    {} {inexact} {}", sent.line(), answer.status(), answer.text()));
        }
    }
    (asked, right, wrong)
}

#[test]
fn what_matters_is_never_answered_by_something_else() {
    let rows = each(takes(), |(api, takes)| {
        let of = |collection: &str| falsely_answered(takes, &takes.first.replay(collection));
        (api, of("api"), of("reviewed"), of("bare").2.len())
    });
    println!(
        "| API | requests changed | missed | another scenario's, rightly | wrong | after review | without rules |"
    );
    println!("|---|---|---|---|---|---|---|");
    for (api, (asked, right, wrong), (_, _, reviewed), bare) in &rows {
        let (missed, reviewed) = (asked - right - wrong.len(), reviewed.len());
        println!("| {} | {asked} | {missed} | {right} | {} | {reviewed} | {bare} |", api.name, wrong.len());
    }
    for (api, (asked, _, wrong), (_, _, reviewed), _) in &rows {
        assert!(*asked >= 20, "{}: {asked} changes", api.name);
        let wrong: Vec<_> = wrong.iter().chain(reviewed).map(String::as_str).collect();
        assert!(wrong.is_empty(), "{}:\n  {}", api.name, wrong.join("\n  "));
    }
}

#[test]
fn a_recorded_id_is_never_taken_for_another() {
    let rows = each(takes(), |(api, Takes { first, .. })| {
        let server = first.replay("api");
        let mut talk = Talk::new(&server, &first.base, &first.world);
        let (worlds, mut asked, mut wrong) = (&[&*first.world], 0, Vec::new());
        fn parts(target: &str) -> (&str, &str) {
            target.split_once('?').unwrap_or((target, ""))
        }
        for changes::Changed { what, sent } in changes::swapped(&first.calls, &first.world) {
            asked += 1;
            let answer = talk.send(sent.clone());
            let (path, query) = parts(&sent.target);
            let is_it = |call: &&Call| {
                let own = parts(&call.sent.target);
                call.sent.method == sent.method && own.0 == path && settled(own.1, worlds) == settled(query, worlds)
            };
            let mut same = first.calls.iter().filter(is_it);
            let is_right = same.any(|call| take::difference(&call.answer, &answer, worlds).is_none());
            if !is_right && answer.field("x-retake-miss").is_none() {
                wrong.push(format!("{what}: {}\n    {} {}", sent.line(), answer.status(), answer.text()));
            }
        }
        (api, asked, wrong)
    });
    let asked: usize = rows
        .iter()
        .map(|(api, asked, wrong)| {
            println!("{}: {asked} ids swapped, {} wrong", api.name, wrong.len());
            *asked
        })
        .sum();
    assert!(asked >= 20, "{asked} ids");
    for (api, _, wrong) in &rows {
        assert!(wrong.is_empty(), "{}:\n  {}", api.name, wrong.join("\n  "));
    }
}

/// Two days of one service in one history: how the collection of the first differs once the second is promoted, too.
fn second_day(api: &Api, more: fn(&mut Talk<'_>)) -> Option<Vec<String>> {
    let first = Take::record_in(Retake::new(), api, 0, "monday", |_| {})?;
    first.retake.ok(&["promote", "--session", "monday", "--into", "api"]);
    let (api_folder, before) = (first.collection(), first.retake.root().join("before"));
    assert!(std::process::Command::new("cp").arg("-r").arg(api_folder).arg(before).status().unwrap().success());
    let second = Take::record_in(first.retake, api, 0, "tuesday", more)?;
    second.retake.ok(&["promote", "--session", "tuesday", "--into", "api"]);
    let output = std::process::Command::new("diff")
        .args(["-ruN", "before", "work/mocks/api"])
        .current_dir(second.retake.root())
        .output()
        .unwrap();
    Some(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

#[test]
fn a_second_day_is_a_small_diff() {
    if !crate::harness::clients::runs(&["diff", "--version"]) {
        return crate::harness::skip("diff", "not installed");
    }
    let rows = each(&APIS[..5], |api| (api, second_day(api, |_| {}).unwrap()));
    let changed = |diff: &[String]| {
        let is_change =
            |line: &&String| line.starts_with(['+', '-']) && !line.starts_with("+++") && !line.starts_with("---");
        diff.iter().filter(is_change).count()
    };
    for (api, diff) in &rows {
        println!("{}: {} lines changed by a second day", api.name, changed(diff));
    }
    let longer = second_day(&APIS[0], |talk| drop(talk.get("/v1/projects?archived=true"))).unwrap();
    println!("{}", longer.join("\n"));
    for (api, diff) in &rows {
        // Of the catalogue, whose every answer has other ids, some is added; nothing of it is taken away.
        assert!(changed(diff) <= 100, "{}\n{}", api.name, diff.join("\n"));
    }
    assert!((1..=80).contains(&changed(&longer)), "{}", longer.join("\n"));
    assert_eq!(longer.iter().filter(|line| line.starts_with("diff ")).count(), 1, "one file");
}
