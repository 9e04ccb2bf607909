//! The questions of `retake review` on a terminal: each change is shown, and a letter decides.

use std::io::BufRead;

use super::{Desk, show, told};
use crate::app::review::{Decided, Decision};
use crate::cli::exit::CliError;
use crate::cli::output::{BOLD, DIM, Printer};
use crate::report::terminal::clean;

/// What was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Accept,
    Reject,
    Skip,
    All,
    Quit,
}

/// Asks about all that waits beside one collection; whether the user wants to go on with the next. Every decision is made
/// before the next question.
pub(super) fn all(
    desk: &Desk,
    answers: &mut dyn BufRead,
    printer: Printer,
    decide: &mut dyn FnMut(&str, Decision) -> Result<Decided, CliError>,
) -> Result<bool, CliError> {
    let mut takes_all = false;
    for (at, waiting) in desk.waiting.iter().enumerate() {
        if !takes_all {
            let (name, all) = (clean(&desk.name), desk.waiting.len());
            printer.say(format_args!("{DIM}{name}, {} of {all}{DIM:#}", at + 1));
            show(desk, waiting, printer);
        }
        let answer = if takes_all { Answer::Accept } else { question(answers, printer)? };
        let decision = match answer {
            Answer::Accept => Decision::Accept,
            Answer::Reject => Decision::Reject,
            Answer::All => {
                takes_all = true;
                Decision::Accept
            }
            Answer::Skip => continue,
            Answer::Quit => return Ok(false),
        };
        printer.say(told(&desk.name, false, waiting, &decide(&waiting.pending.id, decision)?));
    }
    Ok(true)
}

/// Asks until there is an answer; the end of the input is one.
fn question(answers: &mut dyn BufRead, printer: Printer) -> Result<Answer, CliError> {
    loop {
        printer.ask(format_args!("{BOLD}accept, reject, skip, all, quit?{BOLD:#} [a/r/s/A/q] "));
        let mut line = String::new();
        let read = answers.read_line(&mut line).map_err(CliError::failure)?;
        if read == 0 {
            printer.say("");
            return Ok(Answer::Quit);
        }
        if let Some(answer) = answer(line.trim()) {
            return Ok(answer);
        }
        printer.say("a accepts, r rejects and remembers that, s leaves it for later, A accepts this and all that follow, q ends");
    }
}

fn answer(line: &str) -> Option<Answer> {
    Some(match line {
        "a" | "y" | "accept" | "yes" => Answer::Accept,
        "r" | "n" | "reject" | "no" => Answer::Reject,
        "s" | "skip" => Answer::Skip,
        "A" | "all" => Answer::All,
        "q" | "quit" => Answer::Quit,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::app::review::Waiting;
    use crate::collection::{Collection, Pending, Proposer, Standing};
    use crate::store::collections::{Loaded, WriteReport};

    /// What was decided about three changes after these answers, and whether to go on.
    fn decided(answers: &str) -> (Vec<(usize, Decision)>, bool) {
        let manifest = json!({"version": 1, "name": "shop", "origins": ["https://a.test"]});
        let collection = Collection { manifest: serde_json::from_value(manifest).unwrap(), stubs: Vec::new() };
        let waiting = |name: &str| {
            let change = json!({"do": "add-rule", "rule": {"place": "query", "name": name, "action": "ignore"}});
            let change = serde_json::from_value(change).unwrap();
            let pending = Pending::new(&collection, change, Proposer::Promote, String::new(), Vec::new());
            Waiting { pending, standing: Standing::Waits }
        };
        let waiting: Vec<_> = ["a", "b", "c"].map(waiting).into();
        let ids: Vec<_> = waiting.iter().map(|waiting| waiting.pending.id.clone()).collect();
        let loaded = Loaded { root: "shop".into(), collection: collection.into() };
        let desk = Desk { name: "shop".into(), folder: "shop".into(), loaded, waiting };
        let mut made = Vec::new();
        let mut decide = |id: &str, decision| {
            made.push((ids.iter().position(|known| known == id).unwrap(), decision));
            Ok(Decided::Accepted(WriteReport::default()))
        };
        let goes_on = all(&desk, &mut answers.as_bytes(), Printer::new(true), &mut decide).unwrap();
        (made, goes_on)
    }

    #[test]
    fn letters_and_words_decide() {
        use Decision::{Accept, Reject};
        assert_eq!(decided("a\nr\ns\n"), (vec![(0, Accept), (1, Reject)], true));
        assert_eq!(decided("skip\nA\n"), (vec![(1, Accept), (2, Accept)], true));
        assert_eq!(decided("what\n\nreject\nq\na\n"), (vec![(0, Reject)], false));
        assert_eq!(decided("accept\n"), (vec![(0, Accept)], false), "the end of the input ends it");
    }
}
