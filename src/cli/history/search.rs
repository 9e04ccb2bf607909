//! `retake history search`: exchanges in which a text is found, newest first, each with the text around it.

use serde_json::json;

use super::Context;
use super::edit::exchanges;
use super::list::{Listing, row_json};
use crate::cli::args::HistorySearchArgs;
use crate::cli::exit::{Exit, Outcome};
use crate::cli::output::{DIM, MATCH};
use crate::cli::select::{self, Hits};
use crate::report::terminal::clean;
use crate::store::{Hit, Pattern, Place};

/// Columns before the place: it stands below the method of the row.
const INDENT: usize = 19;
/// An excerpt gets as many columns at least.
const NARROWEST: usize = 20;

pub(super) fn run(context: &Context, args: &HistorySearchArgs) -> Outcome {
    let pattern = Pattern { text: args.pattern.clone(), regex: args.regex, case_sensitive: args.case_sensitive };
    let pattern = select::checked(pattern, "PATTERN")?;
    let query = select::query(&args.filters, &context.zone, context.now)?;
    let printer = context.printer;
    let wanted = if args.page.all { usize::MAX } else { args.page.limit };
    let mut hits = Hits::new(&*context.history, &query, &pattern, args.before, wanted, printer).while_read();
    let mut listing = Listing::new(context, args.page.json, args.exact);
    let mut shown = 0u64;
    for hit in hits.by_ref() {
        let hit = hit?;
        shown += 1;
        if args.page.json {
            printer.json(&hit_json(&hit));
        } else {
            listing.row(&hit.row);
            printer.data(excerpt_line(&hit, printer.width()));
        }
        if printer.is_closed() {
            return Ok(Exit::SUCCESS);
        }
    }
    if printer.is_left() {
        return Ok(Exit::SUCCESS);
    }
    if hits.looked_at() == 0 && wanted > 0 {
        return Err(select::nothing_selected(&*context.history, &args.filters, &context.zone, context.now));
    }
    if shown == 0 && wanted > 0 {
        printer.say(format_args!("`{}` is in none of {}", clean(&args.pattern), exchanges(hits.looked_at())));
    }
    if let Some(before) = hits.next_page() {
        let more = format_args!("more: add `--before {before}` to look further back, `--all` for everything");
        printer.say(format_args!("{DIM}{more}{DIM:#}"));
    }
    Ok(Exit::SUCCESS)
}

fn place(place: Place) -> &'static str {
    match place {
        Place::Url => "url",
        Place::RequestField => "request field",
        Place::RequestBody => "request body",
        Place::ResponseField => "response field",
        Place::ResponseBody => "response body",
    }
}

/// The excerpt before the match, the match, and what is behind it.
fn parts(hit: &Hit) -> (&str, &str, &str) {
    let text = hit.excerpt.as_str();
    let (from, to) = (hit.matched.0 as usize, hit.matched.1 as usize);
    // From a recorder of another build it might not fit.
    match (text.get(..from), text.get(from..to), text.get(to..)) {
        (Some(before), Some(found), Some(after)) => (before, found, after),
        _ => (text, "", ""),
    }
}

/// The place, and the text around the match, cut to the terminal's width around it.
fn excerpt_line(hit: &Hit, width: Option<usize>) -> String {
    let (before, found, after) = parts(hit);
    let (before, found, after) = (clean(before), clean(found), clean(after));
    let place = place(hit.place);
    let room = width.map_or(usize::MAX, |width| width.saturating_sub(INDENT + place.len() + 2).max(NARROWEST));
    let (before, found, after) = fitted(&before, &found, &after, room);
    format!("{:INDENT$}{DIM}{place}{DIM:#}  {before}{MATCH}{found}{MATCH:#}{after}", "")
}

/// Three texts cut to so many characters together: the one in the middle is cut last, and the first keeps a third of what
/// is left beside it.
fn fitted(before: &str, found: &str, after: &str, room: usize) -> (String, String, String) {
    let [lead, middle, trail] = [before, found, after].map(|text| text.chars().count());
    if lead.saturating_add(middle).saturating_add(trail) <= room {
        return (before.into(), found.into(), after.into());
    }
    let found = crate::report::terminal::cut(found, room).into_owned();
    let left = room - middle.min(room);
    let lead_room = lead.min((left / 3).max(left.saturating_sub(trail)));
    let before = match lead - lead_room {
        0 => before.to_owned(),
        _ if lead_room == 0 => String::new(),
        cut => before.chars().skip(cut + 1).fold("…".to_owned(), |text, char| text + char.encode_utf8(&mut [0; 4])),
    };
    let after = crate::report::terminal::cut(after, left - lead_room).into_owned();
    (before, found, after)
}

/// A line of `--json`: the row, and what was found.
fn hit_json(hit: &Hit) -> serde_json::Value {
    let mut line = row_json(&hit.row);
    let (_, found, _) = parts(hit);
    line["place"] = json!(hit.place);
    line["excerpt"] = json!(hit.excerpt);
    line["matched"] = json!(found);
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::row;

    fn hit(excerpt: &str, matched: (u32, u32)) -> Hit {
        Hit { row: row(7), place: Place::ResponseBody, excerpt: excerpt.into(), matched }
    }

    fn plain(line: &str) -> String {
        anstream::adapter::strip_str(line).to_string()
    }

    #[test]
    fn the_match_stays_in_sight_on_a_narrow_terminal() {
        let hit = hit("…abcdefghij NEEDLE klmnopqrstuvwxyz", (14, 20));
        let line = excerpt_line(&hit, None);
        assert_eq!(plain(&line), format!("{:19}response body  …abcdefghij NEEDLE klmnopqrstuvwxyz", ""));
        assert!(line.contains(&format!("{MATCH}NEEDLE{MATCH:#}")));
        for width in 54..75 {
            let line = plain(&excerpt_line(&hit, Some(width)));
            assert!(line.contains("NEEDLE") && line.chars().count() <= width, "{width}: {line}");
        }
        assert_eq!(plain(&excerpt_line(&hit, Some(54)))[34..], *"…ij NEEDLE klmnopqr…");
    }

    #[test]
    fn what_a_terminal_acts_on_is_shown_as_escapes() {
        let line = excerpt_line(&hit("a\u{1b}[31m \u{1b}]0;x\u{7}", (0, 1)), None);
        assert!(!plain(&line).contains('\u{1b}') && !line.contains('\u{7}'), "{line:?}");
        assert_eq!(parts(&hit("é", (1, 9))), ("é", "", ""), "offsets that do not fit");
    }

    #[test]
    fn json_has_the_row_and_the_match() {
        let value = hit_json(&hit("x needle y", (2, 8)));
        assert_eq!(
            (&value["number"], &value["place"], &value["matched"]),
            (&json!(7), &json!("response-body"), &json!("needle"))
        );
        assert_eq!(value["excerpt"], "x needle y");
    }
}
