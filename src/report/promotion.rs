//! The report of a promotion: as text for a terminal, and as one JSON object.

use serde::Serialize;

use super::terminal::{clean, cut, quoted};
use crate::collection::{Pending, rule_words};
use crate::promote::{Change, Confidence, Report, Sampled, ScenarioLine, StubLine};

/// How many scenarios are listed one by one in the text; the JSON has them all.
const LISTED: usize = 60;
/// How many changes that wait are named.
const PROPOSED: usize = 10;
/// How many stubs with stale scenarios, and how many of each, are named.
const STALE: usize = 8;
/// How many hosts the table shows.
const HOSTS: usize = 20;

/// A promotion to be shown. In JSON it is one object: the report with `folder`, `dry_run`, `written` and `removed`.
#[derive(Debug, Serialize)]
pub struct Shown<'a> {
    /// The report.
    #[serde(flatten)]
    pub report: &'a Report,
    /// The collection's folder, for people.
    pub folder: &'a str,
    /// Nothing was written.
    pub dry_run: bool,
    /// Files written or to be written.
    pub written: &'a [String],
    /// Files removed or to be removed.
    pub removed: &'a [String],
    /// Tell the rules and links that were found, with their evidence.
    #[serde(skip)]
    pub explain: bool,
    /// What it leaves to a person.
    pub waits: Waits<'a>,
}

/// Changes that wait for a decision because of a promotion; in JSON a list with `id`, `title`, `why` and `evidence`.
#[derive(Debug, Clone, Copy)]
pub struct Waits<'a> {
    /// The changes.
    pub proposed: &'a [Pending],
    /// The collection, as a command takes it.
    pub into: &'a str,
    /// Nobody is there to decide: they were not kept.
    pub is_ci: bool,
}

impl Serialize for Waits<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let short = |pending: &Pending| {
            let Pending { id, title, why, evidence, .. } = pending;
            serde_json::json!({"id": id, "title": title, "why": why, "evidence": evidence})
        };
        serializer.collect_seq(self.proposed.iter().map(short))
    }
}

/// What a line of the text is, so that it can be coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// A headline.
    Bold,
    /// Something new.
    Good,
    /// Something that wants attention.
    Warn,
    /// Nothing special.
    Plain,
    /// What stands back.
    Dim,
}

impl Shown<'_> {
    /// The lines of the text, safe for a terminal, cut to `width` columns.
    pub fn lines(&self, width: Option<usize>) -> Vec<(Tone, String)> {
        let mut lines = vec![(Tone::Bold, self.headline())];
        self.scenarios(&mut lines);
        self.stale(&mut lines);
        self.reasons(&mut lines);
        self.left_out(&mut lines);
        self.hosts(&mut lines);
        self.waiting(&mut lines);
        lines.push((Tone::Plain, String::new()));
        lines.push((Tone::Plain, self.files()));
        let tidy = |(tone, text): (Tone, String)| {
            let safe = clean(&text).into_owned();
            (tone, width.map_or_else(|| safe.clone(), |width| cut(&safe, width).into_owned()))
        };
        lines.into_iter().map(tidy).collect()
    }

    fn headline(&self) -> String {
        let Report { collection, selected, promoted, .. } = self.report;
        let counted = [Change::New, Change::Changed, Change::Same, Change::Conflict].map(|change| {
            let count = self.report.count(change);
            (count > 0).then(|| match (change, count) {
                (Change::Conflict, 2..) => format!("{count} conflicts"),
                _ => format!("{count} {}", change.as_str()),
            })
        });
        let counted: Vec<_> = counted.into_iter().flatten().collect();
        let calls = if selected == promoted { format!("{selected}") } else { format!("{promoted} of {selected}") };
        let word = if *selected == 1 { "exchange" } else { "exchanges" };
        format!("{collection}: scenarios {}, from {calls} {word}", counted.join(", "))
    }

    fn scenarios(&self, lines: &mut Vec<(Tone, String)>) {
        let mut listed = 0;
        let mut more = 0;
        for stub in &self.report.stubs {
            // What is as it was is only counted.
            let told: Vec<_> =
                stub.scenarios.iter().filter(|line| line.change != Change::Same || line.default).collect();
            if told.is_empty() {
                continue;
            }
            if listed >= LISTED {
                more += told.len();
                continue;
            }
            listed += told.len();
            lines.push((Tone::Plain, String::new()));
            lines.push((Tone::Plain, stub_line(stub)));
            told.iter().for_each(|scenario| scenario_lines(scenario, lines));
        }
        if more > 0 {
            lines.push((Tone::Dim, format!("and {more} more scenarios; `--json` lists them all")));
        }
        if self.report.count(Change::Conflict) > 0 {
            lines.push((Tone::Plain, String::new()));
            let text = "conflicts: the committed answers stay; `--replace` takes the recorded ones";
            lines.push((Tone::Warn, text.to_owned()));
        }
    }

    fn stale(&self, lines: &mut Vec<(Tone, String)>) {
        let stale = &self.report.stale;
        if stale.is_empty() {
            return;
        }
        let count: usize = stale.iter().map(|stub| stub.scenarios.len()).sum();
        let word = if count == 1 { "scenario" } else { "scenarios" };
        lines.push((Tone::Plain, String::new()));
        let text = format!("not called in this selection, and perhaps stale: {count} {word} of the stubs called");
        lines.push((Tone::Dim, text));
        for stub in stale.iter().take(STALE) {
            let more = if stub.scenarios.len() > STALE { ", …" } else { "" };
            let names: Vec<_> = stub.scenarios.iter().take(STALE).map(String::as_str).collect();
            lines.push((Tone::Dim, format!("  {}: {}{more}", stub.stub, names.join(", "))));
        }
    }

    /// The rules that were found, and the links between calls.
    fn reasons(&self, lines: &mut Vec<(Tone, String)>) {
        let Report { rules, links, .. } = self.report;
        if rules.is_empty() {
            return;
        }
        let open = rules.iter().filter(|line| line.confidence != Confidence::Certain).count();
        let word = if rules.len() == 1 { "rule" } else { "rules" };
        let waiting = if open > 0 { format!(", {open} of them only proposed") } else { String::new() };
        let hint = if self.explain { "" } else { "; `--explain` shows why" };
        lines.push((Tone::Plain, String::new()));
        lines.push((Tone::Plain, format!("{} {word} found{waiting}{hint}", rules.len())));
        if !self.explain {
            return;
        }
        let mut endpoint = None;
        for line in rules {
            if endpoint != Some(&line.endpoint) {
                let text = line.endpoint.as_deref().unwrap_or("all stubs");
                lines.push((Tone::Plain, format!("  {text}")));
                endpoint = Some(&line.endpoint);
            }
            let (mark, tone) = match line.confidence {
                Confidence::Certain => ('+', Tone::Good),
                Confidence::Likely | Confidence::Doubtful => ('?', Tone::Warn),
            };
            let why = line.rule.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            lines.push((tone, format!("    {mark} {}{why}", rule_words(&line.rule))));
            lines.extend(line.evidence.iter().map(|sample| (Tone::Dim, format!("        {sample}"))));
        }
        for link in links.iter().take(LISTED) {
            let by = format!("exchange {}, {}, {}", link.introduced_by, link.introduced_in, link.introduced_at);
            lines.push((Tone::Plain, format!("  {} was introduced by {by}", link.value)));
            let users: Vec<_> = link.used_by.iter().map(u64::to_string).collect();
            let more = if link.uses > users.len() as u64 { ", …" } else { "" };
            let text =
                format!("      and is carried by {}, {}: {}{more}", link.used_in, link.used_at, users.join(", "));
            lines.push((Tone::Dim, text));
        }
        if links.len() > LISTED {
            lines.push((Tone::Dim, format!("  and {} more links; `--json` lists them", links.len() - LISTED)));
        }
    }

    fn left_out(&self, lines: &mut Vec<(Tone, String)>) {
        let Report { left_out, lossy, sampled, .. } = self.report;
        if !(left_out.is_empty() && lossy.is_empty() && sampled.is_empty()) {
            lines.push((Tone::Plain, String::new()));
        }
        for left in &self.report.left_out {
            let mut numbers: Vec<_> = left.numbers.iter().map(u64::to_string).collect();
            if left.count > numbers.len() as u64 {
                numbers.push("…".to_owned());
            }
            let text = format!("left out: {} {}: {}", left.count, left.reason.words(), numbers.join(", "));
            lines.push((Tone::Warn, text));
        }
        for sampled in &self.report.sampled {
            let Sampled { stub, kept, left_out, answered } = sampled;
            let scenarios = |count: usize| if count == 1 { "scenario" } else { "scenarios" };
            let of = scenarios(*left_out);
            lines.push((Tone::Warn, format!("left out: {left_out} {of} of {stub} beyond the sample, {kept} kept")));
            if *answered > 0 {
                let of = scenarios(*answered);
                let line =
                    format!("wrong: {answered} {of} of these will get, as an exact hit, the answer of another one");
                lines.push((Tone::Warn, line));
            }
        }
        for lossy in &self.report.lossy {
            lines.push((Tone::Warn, format!("lossy: {} {}: {}", lossy.number, lossy.call, lossy.what)));
        }
    }

    fn hosts(&self, lines: &mut Vec<(Tone, String)>) {
        let hosts = &self.report.hosts;
        let widest = hosts.iter().take(HOSTS).map(|host| host.host.chars().count()).max().unwrap_or(0).clamp(4, 50);
        lines.push((Tone::Plain, String::new()));
        let row = |host: &str, calls: &str, promoted: &str, stubs: &str| {
            format!("{:<widest$}  {calls:>8}  {promoted:>8}  {stubs:>9}", cut(host, widest))
        };
        lines.push((Tone::Dim, row("host", "calls", "promoted", "endpoints")));
        for host in hosts.iter().take(HOSTS) {
            let text = row(&host.host, &host.calls.to_string(), &host.promoted.to_string(), &host.stubs.to_string());
            lines.push((Tone::Plain, text));
        }
        if hosts.len() > HOSTS {
            lines.push((Tone::Dim, format!("and {} more hosts; `--json` lists them all", hosts.len() - HOSTS)));
        }
        if hosts.len() > 1 {
            lines.push((Tone::Dim, "`--host GLOB` promotes only the hosts that fit".to_owned()));
        }
    }

    fn waiting(&self, lines: &mut Vec<(Tone, String)>) {
        let Waits { proposed, into, is_ci } = self.waits;
        if proposed.is_empty() {
            return;
        }
        let (verb, more) = match proposed.len() {
            1 => ("1 change waits", String::new()),
            all => ("changes wait", format!("{all} ")),
        };
        let then = match (is_ci, self.dry_run) {
            (true, _) => "not kept, because CI is set: promote where somebody can decide".to_owned(),
            (_, true) => format!("`retake review {}` would ask", quoted(into)),
            _ => format!("`retake review {}`", quoted(into)),
        };
        lines.push((Tone::Plain, String::new()));
        lines.push((Tone::Warn, format!("{more}{verb} for a decision: {then}")));
        for pending in proposed.iter().take(PROPOSED) {
            lines.push((Tone::Plain, format!("  ? {}", pending.title)));
            // Rules were explained above.
            if self.explain && !matches!(pending.change, crate::collection::Change::AddRule { .. }) {
                lines.push((Tone::Dim, format!("      {}", pending.why)));
                lines.extend(pending.evidence.iter().map(|sample| (Tone::Dim, format!("        {sample}"))));
            }
        }
        if proposed.len() > PROPOSED {
            lines.push((Tone::Dim, format!("  and {} more", proposed.len() - PROPOSED)));
        }
    }

    fn files(&self) -> String {
        let count = self.written.len();
        let files = if count == 1 { "file" } else { "files" };
        match (count, self.dry_run) {
            (0, _) => format!("{} says all this already: no file changes", self.folder),
            (_, true) => format!("dry run: {count} {files} of {} would be written: {}", self.folder, self.named()),
            (_, false) => format!("{count} {files} written to {}", self.folder),
        }
    }

    fn named(&self) -> String {
        let mut named: Vec<_> = self.written.iter().take(10).map(String::as_str).collect();
        if self.written.len() > named.len() {
            named.push("…");
        }
        named.join(", ")
    }
}

fn stub_line(stub: &StubLine) -> String {
    let new = if stub.new { "" } else { " (known)" };
    format!("{} {}{}{new}", stub.method, stub.origin, stub.path)
}

fn scenario_lines(scenario: &ScenarioLine, lines: &mut Vec<(Tone, String)>) {
    let (mark, tone) = match scenario.change {
        Change::New => ('+', Tone::Good),
        Change::Changed => ('~', Tone::Good),
        Change::Same => ('=', Tone::Plain),
        Change::Conflict => ('!', Tone::Warn),
    };
    let calls = if scenario.calls == 1 { "1 call".to_owned() } else { format!("{} calls", scenario.calls) };
    let steps = if scenario.steps > 1 { format!(", {} steps", scenario.steps) } else { String::new() };
    let default = if scenario.default { ", now the default" } else { "" };
    let text = format!("  {mark} {:<24} {}  {calls}{steps}{default}", scenario.name, scenario.status);
    lines.push((tone, text));
    if let Some(conflict) = &scenario.conflict {
        let text = format!("      {}: committed {}, recorded {}", conflict.at, conflict.committed, conflict.recorded);
        lines.push((tone, text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promote::{Conflict, HostLine, LeftOut, Reason};

    const NOTHING: Waits<'_> = Waits { proposed: &[], into: "github", is_ci: false };

    fn report() -> Report {
        let line = |name: &str, change, conflict| ScenarioLine {
            name: name.to_owned(),
            change,
            calls: 2,
            steps: 1,
            status: 200,
            number: 1,
            default: false,
            conflict,
        };
        let conflict =
            Conflict { at: "body /a".to_owned(), committed: "1".to_owned(), recorded: "\"\u{1b}[2J\"".to_owned() };
        let stub = StubLine {
            file: "stubs/api.test/get-a.json".to_owned(),
            method: "GET".to_owned(),
            origin: "https://api.test".to_owned(),
            path: "/a".to_owned(),
            new: true,
            scenarios: vec![
                line("page-1", Change::New, None),
                line("page-2", Change::Same, None),
                line("page-3", Change::Conflict, Some(conflict)),
            ],
        };
        Report {
            collection: "github".to_owned(),
            selected: 8,
            promoted: 6,
            counts: [("new", 1), ("same", 1), ("conflict", 1)].into_iter().collect(),
            stubs: vec![stub],
            left_out: vec![LeftOut { reason: Reason::Failed, count: 2, numbers: vec![3, 4] }],
            lossy: Vec::new(),
            hosts: vec![HostLine { host: "api.test".to_owned(), calls: 8, promoted: 6, stubs: 1 }],
            stale: Vec::new(),
            rules: vec![rule_line()],
            links: Vec::new(),
            sampled: Vec::new(),
        }
    }

    fn rule_line() -> crate::promote::RuleLine {
        use crate::collection::{Place, Rule, RuleAction};
        crate::promote::RuleLine {
            endpoint: Some("GET /a".to_owned()),
            key: None,
            rule: Rule::new(Place::Query, "ts", RuleAction::Ignore),
            evidence: vec!["exchange 1: 1763856000".to_owned()],
            confidence: Confidence::Certain,
        }
    }

    #[test]
    fn the_reasons_are_shown_when_asked_for() {
        let report = report();
        let shown = Shown {
            report: &report,
            folder: "mocks/github",
            dry_run: false,
            written: &[],
            removed: &[],
            waits: NOTHING,
            explain: true,
        };
        let text: Vec<_> = shown.lines(None).into_iter().map(|(_, text)| text).collect();
        let text = text.join("\n");
        let expected = "1 rule found\n  GET /a\n    + the query's `ts` does not count\n        exchange 1: 1763856000";
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn the_text_tells_what_was_done_and_what_was_not() {
        let report = report();
        let written = ["stubs/api.test/get-a.json".to_owned()];
        let shown = Shown {
            report: &report,
            folder: "mocks/github",
            dry_run: true,
            written: &written,
            removed: &[],
            waits: NOTHING,
            explain: false,
        };
        let text: Vec<_> = shown.lines(None).into_iter().map(|(_, text)| text).collect();
        let expected = "github: scenarios 1 new, 1 same, 1 conflict, from 6 of 8 exchanges

GET https://api.test/a
  + page-1                   200  2 calls
  ! page-3                   200  2 calls
      body /a: committed 1, recorded \"\\u{1b}[2J\"

conflicts: the committed answers stay; `--replace` takes the recorded ones

1 rule found; `--explain` shows why

left out: 2 without a whole answer (failed): 3, 4

host         calls  promoted  endpoints
api.test         8         6          1

dry run: 1 file of mocks/github would be written: stubs/api.test/get-a.json";
        assert_eq!(text.join("\n"), expected);
        assert!(shown.lines(Some(20)).iter().all(|(_, text)| text.chars().count() <= 20));
    }

    #[test]
    fn the_json_is_one_flat_object() {
        let report = report();
        let shown = Shown {
            report: &report,
            folder: "mocks/github",
            dry_run: false,
            written: &[],
            removed: &[],
            waits: NOTHING,
            explain: false,
        };
        let value = serde_json::to_value(&shown).unwrap();
        assert_eq!(value["counts"]["conflict"], 1);
        assert_eq!(value["stubs"][0]["scenarios"][2]["conflict"]["at"], "body /a");
        assert_eq!((&value["dry_run"], &value["left_out"][0]["reason"]), (&false.into(), &"failed".into()));
    }
}
