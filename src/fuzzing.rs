//! What must hold whatever bytes come: the bodies of the fuzz targets in `fuzz/`. The tests below run them briefly on
//! damaged seeds, wherever there is no fuzzer. Each panics when something does not hold.

use std::convert::Infallible;
use std::io::{BufReader, Read};

use crate::formats::har::{self, Identities};
use crate::model::coding::{self, Coding, DecodeError};
use crate::model::media::Kind;
use crate::model::{BodyContent, Exchange, Fields};
use crate::redact::{MaskKey, MaskRules, Masker};
use crate::store::fuzzing as store;

/// A target: its name, what it checks, and bytes to begin with.
pub type Target = (&'static str, fn(&[u8]), fn() -> Vec<Vec<u8>>);

/// All targets; a file of each name is in `fuzz/targets/`.
pub const TARGETS: [Target; 5] = [
    ("journal_record", store::journal, store::segments),
    ("index_page", store::page, store::pages),
    ("har_import", har_import, logs),
    ("masking", masking, texts),
    ("decoding", decoding, coded),
];

/// Runs a target by its name.
///
/// # Panics
/// What must hold does not; or there is no such target.
pub fn run(name: &str, bytes: &[u8]) {
    let (_, check, _) = TARGETS.iter().find(|(known, ..)| *known == name).expect("a target");
    check(bytes);
}

/// Reads a log; what it brings is exported and read again, and is then the same. What tools put into members of their
/// own is once completed, and stays.
fn har_import(bytes: &[u8]) {
    let first = read(bytes);
    let second = read(&written(&first));
    let third = read(&written(&second));
    assert!(first.len() == second.len() && third.len() == second.len(), "an exchange is lost on the way out and in");
    for ((one, two), three) in first.iter().zip(&second).zip(&third) {
        let alike = Exchange { vendor: two.vendor.clone(), ..one.clone() };
        assert!(alike == *two, "{one:?}\ncomes back as\n{two:?}");
        assert!(two == three, "{two:?}\ncomes back as\n{three:?}");
    }
    let masker = masker(&MaskRules::default());
    for mut exchange in first {
        har::masked(&masker, &mut exchange);
    }
}

fn read(bytes: &[u8]) -> Vec<Exchange> {
    let (mut identities, mut summary) = (Identities::new([7; 32]), har::Summary::default());
    let mut all = Vec::new();
    let read = har::read(bytes, &mut identities, &mut summary, &mut |_, entry| {
        all.extend(entry.ok().map(|taken| taken.exchange));
        Ok::<(), Infallible>(())
    });
    // What came before a fault counts.
    drop(read);
    all
}

fn written(exchanges: &[Exchange]) -> Vec<u8> {
    let mut writer = har::Writer::new(Vec::new()).expect("memory takes it");
    for exchange in exchanges {
        let open: &har::Open<'_> = &|_, body| match &body.content {
            BodyContent::Inline(bytes) => Ok(Box::new(std::io::Cursor::new(bytes.clone()))),
            _ => Err(std::io::ErrorKind::NotFound.into()),
        };
        writer.entry(exchange, open).expect("memory takes it");
    }
    writer.finish().expect("memory takes it").0
}

fn logs() -> Vec<Vec<u8>> {
    let ours = written(&(1..4).map(crate::store::testing::exchange).collect::<Vec<_>>());
    let other = br#"{"log":{"version":"1.2","creator":{"name":"x","version":"1"},"pages":[{"id":"p1","startedDateTime":"2026-11-20T10:00:00Z","title":"t","pageTimings":{"onLoad":-1}}],"entries":[
{"pageref":"p1","startedDateTime":"2026-11-20T10:00:00.000+01:00","time":12.5,"_initiator":{"type":"script"},"serverIPAddress":"10.0.0.1","connection":"77","cache":{},
"request":{"method":"POST","url":"https://user:pw@api.example/a%20b?x=1&token=abc#f","httpVersion":"h2","headers":[{"name":":authority","value":"api.example"},{"name":"Cookie","value":"a=b; c=d"}],
"queryString":[{"name":"x","value":"1"}],"cookies":[],"headersSize":-1,"bodySize":9,"postData":{"mimeType":"application/x-www-form-urlencoded","params":[{"name":"k","value":"v w"}],"text":"k=v+w"}},
"response":{"status":200,"statusText":"OK","httpVersion":"http/2.0","headers":[{"name":"Content-Type","value":"text/html; charset=latin1"},{"name":"Content-Encoding","value":"gzip"}],"cookies":[{"name":"s","value":"1"}],
"content":{"size":4,"mimeType":"text/html","text":"PGI+","encoding":"base64","compression":-3},"redirectURL":"","headersSize":80,"bodySize":30},
"timings":{"blocked":1,"dns":-1,"connect":3.5,"ssl":"2","send":0,"wait":5,"receive":null}},
{"startedDateTime":"2026-11-20T10:00:01","request":{"method":"GET","url":"ws://h.example"},"response":{"status":0,"_error":"net::ERR_CONNECTION_REFUSED"}},
{"startedDateTime":"2026-11-20T10:00:02Z","request":{"method":"GET","url":"data:,x"}}]}}"#;
    vec![ours, other.to_vec()]
}

fn masker(rules: &MaskRules) -> Masker {
    Masker::new(MaskKey([7; 32]), rules.clone())
}

/// The first two bytes choose what the text is, the rules, and how long the pieces are in which it comes: what is masked
/// does not depend on those, nor does masking what is masked change it.
fn masking(bytes: &[u8]) {
    const KINDS: [Kind; 6] = [Kind::Json, Kind::Form, Kind::Multipart, Kind::Xml, Kind::EventStream, Kind::Text];
    let [kind, length, text @ ..] = bytes else { return };
    let mut rules = MaskRules::default();
    if kind & 0x80 != 0 {
        for (kind, value) in [("pointer", "/name"), ("pointer", "/*/name"), ("regex", "h[a-z]+2"), ("keep", "api_key")]
        {
            rules.add(kind, value).expect("a rule");
        }
    }
    let kind = KINDS[usize::from(kind & 0x7f) % KINDS.len()];
    let mask = |text: &[u8], piece: usize| {
        let mut body = masker(&rules).body(kind, Some("multipart/form-data; boundary=B"));
        let mut out = Vec::new();
        text.chunks(piece).for_each(|piece| body.push(piece, &mut out));
        body.finish(&mut out);
        out
    };
    let whole = mask(text, text.len().max(1));
    for piece in [1, 2 + usize::from(*length)] {
        let other = mask(text, piece);
        assert!(whole == other, "in pieces of {piece}: {:?} and {:?}", lossy(&whole), lossy(&other));
    }
    // In a broken part header a key without end takes the end of the header along: the second time it is another text.
    if kind != Kind::Multipart {
        let twice = mask(&whole, whole.len().max(1));
        assert!(whole == twice, "{:?} masked twice: {:?} and {:?}", lossy(text), lossy(&whole), lossy(&twice));
    }
    let mut fields = Fields::new();
    for name in ["cookie", "set-cookie", "authorization", "x-api-key", "location"] {
        fields.push(name, text);
    }
    masker(&rules).fields(&mut fields);
    let once = fields.clone();
    // Another masker: the first one has learnt from later fields.
    masker(&rules).fields(&mut fields);
    for (once, twice) in once.iter().zip(fields.iter()) {
        assert!(
            once == twice,
            "{}: {:?} masked twice: {:?} and {:?}",
            once.name,
            lossy(text),
            lossy(&once.value),
            lossy(&twice.value)
        );
    }
}

fn lossy(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

fn texts() -> Vec<Vec<u8>> {
    let all: [(u8, &[u8]); 6] = [
        (0, br#"{"user":"bob","password":"hunter2hunter2","a":[{"api_key":"k-123456"}],"b":"{\"token\":\"abcdef\"}"}"#),
        (1, b"user=bob&password=hunter2hunter2&redirect=https%3A%2F%2Fx.example%2F%3Ftoken%3Dabcdef"),
        (2, b"--B\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nhunter22\r\n--B\r\nContent-Type: application/json\r\n\r\n{\"token\":\"abc\"}\r\n--B--\r\n"),
        (3, b"<a><password>hunter22</password><b token='abcdef'/><![CDATA[ghp_16C7e42F292c6912E7710c838347Ae178B4a]]></a>"),
        (4, b"event: x\ndata: {\"access_token\":\"eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.c2ln\"}\n\ndata: Bearer abcdef0123456789abcdef\n\n"),
        (5, b"https://bob:hunter22@x.example/ AKIAIOSFODNN7EXAMPLE -----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\neyJwYXNzd29yZCI6ImFiYyJ9"),
    ];
    let of = |(kind, text): (u8, &[u8]), rules: u8| [&[kind | rules, 5], text].concat();
    all.into_iter().flat_map(|text| [of(text, 0), of(text, 0x80)]).collect()
}

/// The first byte chooses the codings, up to two of them; the rest is decoded, at once and as a stream, and coded.
fn decoding(bytes: &[u8]) {
    const ALL: [Coding; 4] = [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd];
    const LIMIT: u64 = 1 << 18;
    let [chosen, content @ ..] = bytes else { return };
    let one = ALL[usize::from(chosen & 3)];
    let codings = [one, ALL[usize::from(chosen >> 2 & 3)]];
    let codings = &codings[..1 + usize::from(chosen >> 4 & 1)];
    match coding::decode(content, codings, LIMIT) {
        Ok(plain) => assert!(plain.len() as u64 <= LIMIT, "more than the limit"),
        Err(DecodeError::Unknown(name)) => panic!("{name} is known"),
        Err(DecodeError::Damaged { .. } | DecodeError::TooLarge(_)) => {}
    }
    let at_once = coding::decode(content, &[one], LIMIT);
    // The same bytes as they come from a socket.
    let mut streamed = Vec::new();
    let reader = coding::reader(one, BufReader::with_capacity(7, content));
    let ended = reader.and_then(|reader| reader.take(LIMIT + 1).read_to_end(&mut streamed));
    if let Ok(plain) = at_once {
        assert!(ended.is_ok() && streamed == plain, "a stream of {one:?} decodes to something else");
    }
    let mut coded = content.to_vec();
    for coding in codings {
        coded = coding::encode(&coded, *coding).expect("memory takes it");
    }
    let plain = coding::decode(&coded, codings, LIMIT);
    assert!(plain.is_ok_and(|plain| plain == content), "{codings:?} does not come back");
}

fn coded() -> Vec<Vec<u8>> {
    let text = b"hello hello hello hello ".repeat(20);
    let all = [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd];
    let once = (0..4u8).map(|at| [vec![at], coding::encode(&text, all[usize::from(at)]).unwrap_or_default()].concat());
    let zeros = coding::encode(&vec![0; 1 << 20], Coding::Gzip).unwrap_or_default();
    let twice = coding::encode(&zeros, Coding::Gzip).unwrap_or_default();
    once.chain([[vec![0], zeros].concat(), [vec![0x10], twice].concat()]).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;

    /// One damage: where, what kind, and bytes for it.
    type Damage = (Index, u8, Vec<u8>);

    /// A seed of a target, damaged a few times as a fuzzer does it.
    fn damaged(seeds: &[Vec<u8>], seed: Index, damages: Vec<Damage>) -> Vec<u8> {
        let mut bytes = seeds[seed.index(seeds.len())].clone();
        for (place, kind, with) in damages {
            let at = place.index(bytes.len() + 1);
            let end = (at + with.len()).min(bytes.len());
            match kind {
                0 => drop(bytes.splice(at..end, with)),
                1 => drop(bytes.splice(at..at, with)),
                2 => drop(bytes.drain(at..end)),
                3 => bytes.truncate(at),
                4 => bytes[at..end].iter_mut().zip(&with).for_each(|(byte, with)| *byte ^= 1 << (with % 8)),
                // A stretch of this or another seed.
                _ => {
                    let other = &seeds[usize::from(kind) % seeds.len()];
                    let from = place.index(other.len());
                    let piece = other[from..(from + 40).min(other.len())].to_vec();
                    bytes.splice(at..at, piece);
                }
            }
        }
        bytes
    }

    fn inputs() -> impl Strategy<Value = (Index, Vec<Damage>)> {
        let bytes = proptest::collection::vec(any::<u8>(), 0..12);
        (any::<Index>(), proptest::collection::vec((any::<Index>(), 0u8..12, bytes), 0..5))
    }

    fn check(name: &str, cases: u32) {
        let (_, check, seeds) = TARGETS.iter().find(|(known, ..)| *known == name).unwrap();
        let seeds = seeds();
        seeds.iter().for_each(|seed| check(seed));
        let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
        let ran = proptest::test_runner::TestRunner::new(config).run(&inputs(), |(seed, damages)| {
            check(&damaged(&seeds, seed, damages));
            Ok(())
        });
        assert!(ran.is_ok(), "{}", ran.unwrap_err());
    }

    #[test]
    fn every_target_has_its_file() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/targets");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        files.sort();
        let mut names: Vec<&str> = TARGETS.iter().map(|(name, ..)| *name).collect();
        names.sort_unstable();
        assert_eq!(files, names);
    }

    #[test]
    fn journal_record() {
        check("journal_record", 600);
    }

    #[test]
    fn index_page() {
        check("index_page", 600);
    }

    #[test]
    fn har_import() {
        check("har_import", 300);
    }

    #[test]
    fn masking() {
        check("masking", 300);
    }

    #[test]
    fn decoding() {
        check("decoding", 120);
    }
}
