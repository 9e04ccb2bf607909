//! What stands above an exchange: when, how long, over what, and how it ended.

use jiff::tz::TimeZone;

use super::{duration, size};
use crate::model::{Exchange, Outcome};
use crate::report::styled::{Line, Tone};
use crate::report::terminal::clean;

pub(super) fn write(exchange: &Exchange, zone: &TimeZone, emit: &mut dyn FnMut(Line)) {
    let request = &exchange.request;
    let title = format!("#{}  {} {}", exchange.number, request.method, request.url());
    emit(Line::of(Tone::Bold, clean(&title)));
    for facts in [origin_of(exchange, zone), connection(exchange), times(exchange)] {
        if !facts.is_empty() {
            emit(Line::of(Tone::Dim, clean(&facts.join(" · "))));
        }
    }
    if let Some(note) = &exchange.note {
        note.lines().for_each(|line| emit(Line::of(Tone::Plain, format!("note: {line}"))));
    }
    end(&exchange.outcome, emit);
}

fn origin_of(exchange: &Exchange, zone: &TimeZone) -> Vec<String> {
    let started = exchange.started_at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S%.3f %:z").to_string();
    let mut facts = vec![started, format!("session {}", exchange.session)];
    facts.push(format!("{} in {}", exchange.outcome.word(), duration(exchange.timings.total_us)));
    if !exchange.tags.is_empty() {
        facts.push(format!("tagged {}", exchange.tags.join(", ")));
    }
    facts
}

fn connection(exchange: &Exchange) -> Vec<String> {
    let mut facts = vec![format!("id {}", exchange.id)];
    if let Some(client) = &exchange.client {
        facts.push(format!("from {client}"));
    }
    if let Some(tls) = &exchange.tls {
        facts.push(format!("{} {}", tls.version, tls.cipher));
        facts.extend(tls.alpn.as_ref().map(|alpn| format!("ALPN {alpn}")));
    }
    facts
}

/// Each step with its own time, not only the moment at which it was done.
fn times(exchange: &Exchange) -> Vec<String> {
    let timings = &exchange.timings;
    let steps =
        [("connected", timings.connected_us), ("TLS", timings.secured_us), ("first byte", timings.first_byte_us)];
    let mut before = 0;
    let mut facts = Vec::new();
    for (name, at) in steps {
        let Some(at) = at else { continue };
        facts.push(format!("{name} after {}", duration(at)));
        before = at;
    }
    if !facts.is_empty() {
        facts.push(format!("rest in {}", duration(timings.total_us.saturating_sub(before))));
    }
    facts
}

fn end(outcome: &Outcome, emit: &mut dyn FnMut(Line)) {
    match outcome {
        Outcome::Failed(failure, _) => {
            emit(Line::of(Tone::Bad, clean(&format!("{}: {}", failure.kind.as_str(), failure.message))));
        }
        Outcome::Relayed(relayed) => {
            let text = format!(
                "relayed without a look inside: {} sent, {} received; {}",
                size(relayed.sent),
                size(relayed.received),
                relayed.reason
            );
            emit(Line::of(Tone::Plain, clean(&text)));
        }
        Outcome::Interrupted(_) => emit(Line::of(Tone::Bad, "retake was stopped while the response streamed")),
        Outcome::Cancelled(_) => emit(Line::of(Tone::Bad, "the client went away before the end")),
        Outcome::Complete(_) => {}
    }
}
