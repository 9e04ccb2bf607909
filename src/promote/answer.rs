//! What a scenario answers: the recorded response without what the wire forbids to repeat, and the fingerprint by which
//! two answers are alike.

use super::body::{self, Plan};
use super::canonical::{self, Lens, Seen};
use super::{Content, Recorded, Side};
use crate::collection::stub::jiff_text::Time;
use crate::collection::{FieldLine, MAX_DELAY_MS, PacedPiece, Place, ResponseSpec};
use crate::model::fields::{Fields, is_hop_by_hop};
use crate::model::{ContentHash, Field, ResponseRecord, Timings, coding, date, media};

/// Two answers with equal fingerprints are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Fingerprint {
    /// Equal also where the answers of two recordings are alike: whatever the values that calls made afresh.
    pub(super) across: ContentHash,
    whole: ContentHash,
}

/// An answer before its scenario has a name.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    /// Everything but the body.
    pub(super) spec: ResponseSpec,
    /// The body.
    pub(super) body: Option<Plan>,
}

/// Pieces of a stream that are written down; what comes later comes with the last.
const MAX_PIECES: usize = 1_000;
/// Fields whose values change from answer to answer without meaning anything.
const VOLATILE: [&str; 32] = [
    "date",
    "age",
    "expires",
    "etag",
    "last-modified",
    "server-timing",
    "via",
    "content-length",
    "content-encoding",
    "vary",
    // Compared by itself.
    "content-type",
    "x-runtime",
    "x-response-time",
    "x-timer",
    "x-served-by",
    "x-cache",
    "x-cache-hits",
    "x-varnish",
    "x-amz-id-2",
    "x-azure-ref",
    "x-msedge-ref",
    "x-vercel-id",
    "x-vercel-cache",
    "x-guploader-uploadid",
    "x-kong-upstream-latency",
    "x-kong-proxy-latency",
    "x-transaction-id",
    "retry-after",
    "nel",
    "report-to",
    "reporting-endpoints",
    "alt-svc",
];
/// Parts of the names of request and trace ids, rate-limit counters, and what CDNs add.
const VOLATILE_PARTS: [&str; 12] = [
    "request-id",
    "requestid",
    "correlation-id",
    "trace",
    "ratelimit",
    "rate-limit",
    "cf-",
    "x-b3-",
    "x-amz-cf-",
    "x-envoy-",
    "akamai",
    "fastly",
];

fn is_volatile(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    VOLATILE.contains(&name.as_str()) || VOLATILE_PARTS.iter().any(|part| name.contains(part))
}

/// The fingerprint of an answer: status, media type, content, and the fields that mean something; of cookies only
/// their names.
pub(super) fn fingerprint(
    spec: &ResponseSpec,
    body: Option<&Content>,
    coded: Option<&str>,
    lens: &Lens<'_>,
) -> Fingerprint {
    let whole = hash(spec, body, coded, lens);
    let across = if lens.has_fresh() { hash(spec, body, coded, &lens.across_recordings()) } else { whole };
    Fingerprint { across, whole }
}

fn hash(spec: &ResponseSpec, body: Option<&Content>, coded: Option<&str>, lens: &Lens<'_>) -> ContentHash {
    let ResponseSpec { status, fields, trailers, .. } = spec;
    let mut out = status.to_string().into_bytes();
    let content_type = fields.iter().find(|line| line.0.is("content-type")).map(|line| line.0.text());
    canonical::push_text(&mut out, content_type.as_deref().map(media::essence).unwrap_or_default().as_bytes());
    for lines in [fields, trailers] {
        let mut items: Vec<_> = lines.iter().filter_map(|line| meaning(&line.0, lens)).collect();
        items.sort();
        items.iter().for_each(|item| canonical::push_text(&mut out, item.as_bytes()));
        out.push(b';');
    }
    if let Some(content) = body.filter(|content| !content.is_empty()) {
        canonical::push_text(&mut out, coded.unwrap_or_default().as_bytes());
        canonical::push_response_body(&mut out, lens, content_type.as_deref(), content);
    }
    ContentHash::of(&out)
}

/// What a field line means when answers are compared; `None` when it is left out.
pub(super) fn meaning(line: &Field, lens: &Lens<'_>) -> Option<String> {
    if is_volatile(&line.name) || is_hop_by_hop(&line.name) {
        return None;
    }
    let value = line.text();
    let value = match lens.seen(Place::Field, &line.name) {
        Seen::Nothing => return None,
        seen if seen.hides(value.trim()) => return Some(line.name.to_ascii_lowercase()),
        _ => value,
    };
    let value = if line.is("set-cookie") {
        value.split('=').next().unwrap_or_default().trim().to_owned()
    } else {
        canonical::without_placeholders(&value).into_owned()
    };
    Some(format!("{}: {value}", line.name.to_ascii_lowercase()))
}

/// The answer of an exchange, and its fingerprint under the rules about answers.
pub(super) fn answer(recorded: &Recorded, response: &ResponseRecord, lens: &Lens<'_>) -> (Answer, Fingerprint) {
    let method = &recorded.exchange.request.method;
    let bodiless = method == "HEAD" || response.status == 304;
    let content = Some(&recorded.response.content).filter(|content| !content.is_empty());
    let plan = content.map(|_| {
        let content_type = response.fields.text("content-type");
        body::plan(&recorded.response, content_type.as_deref(), recorded.exchange.number, Side::Response)
    });
    let spec = ResponseSpec {
        status: response.status,
        reason: response.reason.clone().filter(|reason| !is_usual(response.status, reason)),
        times: None,
        recorded_at: expires_later(recorded, response).then_some(Time(recorded.exchange.started_at)),
        streamed: !bodiless && content.is_some() && !response.fields.has("content-length"),
        duration_ms: None,
        pace: Vec::new(),
        delay: None,
        fault: None,
        template: false,
        coding_unasked: codes_unasked(recorded, response),
        fields: kept(&response.fields, bodiless),
        body: None,
        trailers: kept(&response.trailers, false),
    };
    let coded = recorded.response.coded.as_deref();
    let fingerprint = fingerprint(&spec, content, coded, lens);
    (Answer { spec, body: plan }, fingerprint)
}

/// The field lines that can be sent again: without those of the connection and of the framing. Where no body follows,
/// `Content-Length` is data about another response, and stays.
fn kept(fields: &Fields, bodiless: bool) -> Vec<FieldLine> {
    let named = fields.members("connection");
    let stays = |line: &&Field| {
        let of_connection = is_hop_by_hop(&line.name) || named.iter().any(|name| line.is(name));
        !of_connection && (bodiless || !line.is("content-length"))
    };
    fields.iter().filter(stays).cloned().map(FieldLine).collect()
}

/// How long the origin took, in milliseconds, rounded: until all was there, or of a stream with a pace until its head was.
pub(super) fn duration_ms(timings: &Timings, pace: &[PacedPiece]) -> u32 {
    let head = timings.first_byte_us.filter(|_| !pace.is_empty());
    let us = head.unwrap_or(timings.total_us);
    u32::try_from(us.saturating_add(500) / 1_000).unwrap_or(u32::MAX)
}

/// The pieces in which a stream came, if it came in several and they took time; those of one millisecond are one.
pub(super) fn pace(timings: &Timings) -> Vec<PacedPiece> {
    let (mut pieces, mut before): (Vec<PacedPiece>, _) = (Vec::new(), timings.first_byte_us.unwrap_or(0));
    for chunk in &timings.chunks {
        let after_ms = chunk.at_us.saturating_sub(before).saturating_add(500) / 1_000;
        let bytes = u32::try_from(chunk.bytes).unwrap_or(u32::MAX);
        let is_full = pieces.len() == MAX_PIECES;
        match pieces.last_mut().filter(|_| after_ms == 0 || is_full) {
            Some(last) => last.bytes = last.bytes.saturating_add(bytes),
            None => {
                let after_ms = u32::try_from(after_ms).unwrap_or(u32::MAX).min(MAX_DELAY_MS);
                pieces.push(PacedPiece { after_ms, bytes });
                before = chunk.at_us;
            }
        }
    }
    let takes_time = pieces.iter().any(|piece| piece.after_ms > 0);
    if pieces.len() > 1 && takes_time { pieces } else { Vec::new() }
}

/// Whether the origin coded the body although the request named no coding at all.
fn codes_unasked(recorded: &Recorded, response: &ResponseRecord) -> bool {
    let asked = recorded.exchange.request.fields.has("accept-encoding");
    !asked && coding::codings(&response.fields).is_ok_and(|codings| !codings.is_empty())
}

fn is_usual(status: u16, reason: &str) -> bool {
    let usual = http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    reason.is_empty() || usual == Some(reason)
}

/// Whether a cookie of this response was to expire at a date that lay in the future.
fn expires_later(recorded: &Recorded, response: &ResponseRecord) -> bool {
    let recorded_at = recorded.exchange.started_at;
    response.fields.iter().filter(|line| line.is("set-cookie")).any(|line| {
        let value = line.text();
        let mut attributes = value.split(';').skip(1).filter_map(|attribute| attribute.split_once('='));
        let expires = attributes.find(|(name, _)| name.trim().eq_ignore_ascii_case("expires"));
        expires.and_then(|(_, text)| date::of_cookie(text)).is_some_and(|at| at > recorded_at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promote::testing::exchange;

    #[test]
    fn what_changes_from_answer_to_answer_does_not_count() {
        let one = exchange(1, "GET", "https://a.test/", 200)
            .answering("text/plain", "hello")
            .with("Date", "Fri, 20 Nov 2026 09:00:00 GMT")
            .with("X-GitHub-Request-Id", "A1")
            .with("Set-Cookie", "sid=1; Path=/")
            .with("ETag", "\"1\"");
        let other = exchange(2, "GET", "https://a.test/", 200)
            .answering("text/plain; charset=utf-8", "hello")
            .with("X-GitHub-Request-Id", "B2")
            .with("Set-Cookie", "sid=2; Path=/");
        let print =
            |recorded: &Recorded| answer(recorded, recorded.exchange.outcome.response().unwrap(), &Lens::default()).1;
        assert_eq!(print(&one), print(&other));
        for different in [
            other.clone().with("Location", "/elsewhere"),
            other.clone().with("Set-Cookie", "more=1"),
            other.clone().answering("text/plain", "bye"),
            exchange(3, "GET", "https://a.test/", 404).answering("text/plain", "hello"),
        ] {
            assert_ne!(print(&one), print(&different));
        }
    }

    #[test]
    fn only_what_the_wire_forbids_is_dropped() {
        let recorded = exchange(1, "GET", "https://a.test/", 200)
            .with("Connection", "close, X-Hop")
            .with("X-Hop", "1")
            .with("Transfer-Encoding", "chunked")
            .with("Content-Length", "5")
            .with("Server", "x")
            .with("x-B", "2")
            .with("X-b", "1");
        let (answer, _) = answer(&recorded, recorded.exchange.outcome.response().unwrap(), &Lens::default());
        let lines: Vec<_> = answer.spec.fields.iter().map(FieldLine::to_string).collect();
        assert_eq!(lines, ["Server: x", "x-B: 2", "X-b: 1"]);
    }

    #[test]
    fn a_body_without_a_length_is_a_stream() {
        let recorded = exchange(1, "GET", "https://a.test/", 200).answering("text/plain", "hello");
        let streamed = |recorded: &Recorded| {
            answer(recorded, recorded.exchange.outcome.response().unwrap(), &Lens::default()).0.spec.streamed
        };
        assert!(streamed(&recorded));
        assert!(!streamed(&recorded.with("Content-Length", "5")));
    }

    #[test]
    fn a_length_without_a_body_is_data() {
        for recorded in [exchange(1, "HEAD", "https://a.test/", 200), exchange(1, "GET", "https://a.test/", 304)] {
            let recorded = recorded.with("Content-Length", "5");
            let (answer, _) = answer(&recorded, recorded.exchange.outcome.response().unwrap(), &Lens::default());
            assert_eq!(answer.spec.fields.len(), 1);
        }
    }

    #[test]
    fn the_moment_is_kept_only_for_cookies_that_expire_later() {
        for (cookie, kept) in [
            ("a=1; Expires=Fri, 20 Nov 2099 09:00:00 GMT", true),
            ("a=1; expires=Fri, 20-Nov-2099 09:00:00 GMT; Path=/", true),
            ("a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT", false),
            ("a=1; Max-Age=60", false),
            ("a=1; Expires=soon", false),
        ] {
            let recorded = exchange(1, "GET", "https://a.test/", 200).with("Set-Cookie", cookie);
            let (answer, _) = answer(&recorded, recorded.exchange.outcome.response().unwrap(), &Lens::default());
            assert_eq!(answer.spec.recorded_at.is_some(), kept, "{cookie}");
        }
    }
}
