//! How a long history behaves: a measurement.

use std::fs;

use jiff::tz::TimeZone;

use super::about;
use crate::store::testing::exchange;
use crate::store::{Query, open_for_reading, open_for_recording};

/// A measurement, not a check: `cargo test --release --lib store::tests::long -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn measure_a_long_history() {
    use std::time::Instant;
    const COUNT: u64 = 400_000;
    let dir = tempfile::tempdir().unwrap();
    let mut lines = Vec::new();
    let mut say = |what: &str, start: Instant| lines.push(format!("{what}: {:?}", start.elapsed()));
    let start = Instant::now();
    {
        let (recording, _) = open_for_recording(dir.path(), about()).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            for group in 0..COUNT / 32 {
                let appends = (1..=32).map(|one| recording.append(exchange(group * 32 + one)));
                for done in futures_util::future::join_all(appends).await {
                    done.unwrap();
                }
            }
        });
        say("append all, 32 at a time", start);
    }
    say("append all, and close", start);
    let start = Instant::now();
    let history = open_for_reading(dir.path()).unwrap();
    say("open", start);
    drop(history);
    let start = Instant::now();
    let history = open_for_reading(dir.path()).unwrap();
    say("open again", start);
    let start = Instant::now();
    history.list(&Query::default(), None, 50).unwrap();
    say("a page", start);
    let start = Instant::now();
    history.list(&Query { path: Some("/items/7".into()), ..Query::default() }, None, 50).unwrap();
    say("a scan of all by path", start);
    let start = Instant::now();
    history.list(&Query { session: Some("none".into()), ..Query::default() }, None, 50).unwrap();
    say("a scan of all by a session that is not there", start);
    let start = Instant::now();
    history.days(&Query::default(), &TimeZone::UTC).unwrap();
    say("days", start);
    let id = exchange(COUNT / 2).id.to_string();
    for (what, selector) in [("by id", id.as_str()), ("by id, again", &id), ("by the end of an id", &id[28..])] {
        let start = Instant::now();
        history.resolve(selector).unwrap();
        say(what, start);
    }
    let start = Instant::now();
    history.get(COUNT / 3).unwrap();
    say("one exchange", start);
    drop(history);
    fs::remove_dir_all(dir.path().join("index")).unwrap();
    let start = Instant::now();
    drop(open_for_reading(dir.path()).unwrap());
    say("rebuild the index", start);
    panic!("{COUNT} exchanges\n{}", lines.join("\n"));
}
