//! No secret leaves: what the traffic carried in the clear is found nowhere in what retake wrote or said, while client
//! and origin had the real thing.

use std::convert::Infallible;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::harness::http::{Answer, Client};
use crate::harness::origin::{Body, full, streamed};
use crate::harness::{Origin, Retake, Server};

/// What was planted: each in one place, so that a finding names its place. None has a shape that gives it away; only
/// its place does.
const PLANTED: &[&str] = &[
    BEARER, BASIC, COOKIE, API_KEY, QUERY, JSON_SENT, FORM_SENT, GZIP_SENT, SPLIT_SENT, PART_SENT, SET_COOKIE,
    JSON_GOT, FORM_GOT, GZIP_GOT, SPLIT_GOT, EVENT_GOT, XML_GOT, LOGIN, MISSED, LOCATION,
];
const BEARER: &str = "canary0bearer7f3a9c21d0e4";
const BASIC: &str = "canary1basic5b8e7720ac19";
const COOKIE: &str = "canary2cookie91d2c3b4a5f6";
const API_KEY: &str = "canary3apikey0c4d5e6f7a8b";
const QUERY: &str = "canary4query6b7c8d9e0f1a";
const JSON_SENT: &str = "canary5jsonsent2a3b4c5d6e";
const FORM_SENT: &str = "canary6formsent7f8a9b0c1d";
const GZIP_SENT: &str = "canary7gzipsent2e3f4a5b6c";
const SPLIT_SENT: &str = "canary8splitsent7d8e9f0a1b";
const PART_SENT: &str = "canary9partsent2c3d4e5f6a";
const SET_COOKIE: &str = "canary10setcookie7b8c9d0e1f";
const JSON_GOT: &str = "canary11jsongot2a3b4c5d6e7f";
const FORM_GOT: &str = "canary12formgot8a9b0c1d2e3f";
const GZIP_GOT: &str = "canary13gzipgot4a5b6c7d8e9f";
const SPLIT_GOT: &str = "canary14splitgot0a1b2c3d4e5f";
const EVENT_GOT: &str = "canary15eventgot6a7b8c9d0e1f";
const XML_GOT: &str = "canary16xmlgot2a3b4c5d6e7f8a";
const LOGIN: &str = "canary17login9b0c1d2e3f4a5b6c";
const MISSED: &str = "canary18missed7d8e9f0a1b2c3d";
const LOCATION: &str = "canary19location4e5f6a7b8c9d";

/// An origin that notes what it gets, and hands out secrets.
fn vault(got: Arc<Mutex<Vec<u8>>>) -> Origin {
    Origin::raw(move |stream| {
        let got = Arc::clone(&got);
        async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let got = Arc::clone(&got);
                async move { Ok::<_, Infallible>(answer(request, &got).await) }
            });
            let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        }
    })
}

async fn answer(request: Request<Incoming>, got: &Mutex<Vec<u8>>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    {
        let mut got = got.lock().unwrap();
        got.extend_from_slice(format!("{} {} {:?}\n", head.method, head.uri, head.headers).as_bytes());
        got.extend_from_slice(&body);
        got.extend(gunzipped(&body).unwrap_or_default());
    }
    let typed = |media: &str, body: Body| Response::builder().header("content-type", media).body(body).unwrap();
    let authorized = head.headers.get("authorization").is_some();
    match head.uri.path() {
        "/json" => {
            typed("application/json", full(format!(r#"{{"user":"octocat","deep":[{{"api_key":"{JSON_GOT}"}}]}}"#)))
        }
        "/form" => typed("application/x-www-form-urlencoded", full(format!("a=1&client_secret={FORM_GOT}&b=2"))),
        "/xml" => typed("application/xml", full(format!("<a><password>{XML_GOT}</password></a>"))),
        "/gzip" => {
            let mut response =
                typed("application/json", full(gzipped(format!(r#"{{"refresh_token":"{GZIP_GOT}"}}"#).as_bytes())));
            response.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
            response
        }
        "/split" => {
            let text = format!(r#"{{"before":1,"password":"{SPLIT_GOT}","after":2}}"#);
            let middle = text.find(SPLIT_GOT).unwrap() + 9;
            let pieces = [&text[..middle], &text[middle..]].map(|piece| Bytes::copy_from_slice(piece.as_bytes()));
            typed("application/json", streamed(pieces.into(), Duration::from_millis(50)))
        }
        "/events" => {
            let text = format!("data: {{\"n\":1}}\n\ndata: {{\"access_token\":\"{EVENT_GOT}\"}}\n\n");
            let pieces =
                [&text[..30], &text[30..60], &text[60..]].map(|piece| Bytes::copy_from_slice(piece.as_bytes()));
            typed("text/event-stream", streamed(pieces.into(), Duration::from_millis(20)))
        }
        "/cookie" => Response::builder()
            .header("set-cookie", format!("session={SET_COOKIE}; Path=/; HttpOnly"))
            .header("location", format!("/next?access_token={LOCATION}&page=2"))
            .status(302)
            .body(full("cookie set"))
            .unwrap(),
        "/login" => typed("application/json", full(format!(r#"{{"access_token":"{LOGIN}","token_type":"Bearer"}}"#))),
        "/me" if authorized => typed("application/json", full(r#"{"me":true}"#)),
        "/me" => Response::builder().status(401).body(full("who are you")).unwrap(),
        path if path.starts_with("/use/") => {
            typed("text/plain", full(format!("you used {} in the path\n", path.trim_start_matches("/use/"))))
        }
        "/use" => typed("text/plain", full(format!("you used {}\n", head.uri.query().unwrap_or_default()))),
        "/say" => typed("text/plain", full(body)),
        _ => typed("application/json", full(r#"{"ok":true}"#)),
    }
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    flate2::read::GzEncoder::new(bytes, flate2::Compression::default()).read_to_end(&mut out).unwrap();
    out
}

fn gunzipped(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    flate2::read::MultiGzDecoder::new(bytes).take(1 << 20).read_to_end(&mut out).ok()?;
    Some(out)
}

/// A client of one proxy and one origin.
struct Caller<'a> {
    server: &'a Server,
    origin: String,
    host: String,
}

impl Caller<'_> {
    fn call(&self, request_line: &str, fields: &[(&str, &str)], body: &[u8]) -> Answer {
        let (method, path) = request_line.split_once(' ').unwrap();
        let mut head = format!("{method} {}{path} HTTP/1.1\r\nHost: {}\r\n", self.origin, self.host);
        for (name, value) in fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        let mut client = Client::to(self.server).unwrap();
        client.send(format!("{head}\r\n").as_bytes()).unwrap();
        client.send(body).unwrap();
        client.answer(method).unwrap()
    }

    /// In two chunks, cut within the secret, the second sent when the first has surely been passed on.
    fn call_in_two(&self, path: &str, text: &str, middle: usize) -> Answer {
        let head = format!(
            "POST {}{path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
            self.origin, self.host
        );
        let mut client = Client::to(self.server).unwrap();
        client.send(head.as_bytes()).unwrap();
        for piece in [&text[..middle], &text[middle..], ""] {
            client.send(format!("{:x}\r\n{piece}\r\n", piece.len()).as_bytes()).unwrap();
            std::thread::sleep(Duration::from_millis(50));
        }
        client.answer("POST").unwrap()
    }
}

/// Sends every secret of a request, and fetches every secret of an answer.
fn traffic(caller: &Caller) {
    let bearer = format!("Bearer {BEARER}");
    caller.call("GET /a", &[("Authorization", &bearer)], b"");
    let basic = format!("Basic {}", STANDARD.encode(format!("octocat:{BASIC}")));
    caller.call("GET /b", &[("Authorization", &basic)], b"");
    let cookie = format!("theme=dark; session={COOKIE}");
    caller.call("GET /c", &[("Cookie", &cookie)], b"");
    caller.call("GET /d", &[("X-Api-Key", API_KEY)], b"");
    caller.call(&format!("GET /e?page=2&api_key={QUERY}"), &[], b"");
    let json = ("Content-Type", "application/json");
    caller.call("POST /f", &[json], format!(r#"{{"user":"octocat","password":"{JSON_SENT}"}}"#).as_bytes());
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    caller.call("POST /g", &[form], format!("grant_type=password&client_secret={FORM_SENT}").as_bytes());
    let coded = gzipped(format!(r#"{{"client_secret":"{GZIP_SENT}"}}"#).as_bytes());
    caller.call("POST /h", &[json, ("Content-Encoding", "gzip")], &coded);
    let text = format!(r#"{{"a":1,"password":"{SPLIT_SENT}"}}"#);
    caller.call_in_two("/i", &text, text.find(SPLIT_SENT).unwrap() + 10);
    let part = format!("--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\n{PART_SENT}\r\n--b--\r\n");
    caller.call("POST /j", &[("Content-Type", "multipart/form-data; boundary=b")], part.as_bytes());

    for (path, secret) in
        [("/json", JSON_GOT), ("/form", FORM_GOT), ("/xml", XML_GOT), ("/split", SPLIT_GOT), ("/events", EVENT_GOT)]
    {
        let answer = caller.call(&format!("GET {path}"), &[], b"");
        assert!(answer.text().contains(secret), "{path}: the client gets the real secret: {}", answer.text());
    }
    let answer = caller.call("GET /gzip", &[("Accept-Encoding", "gzip")], b"");
    let plain = String::from_utf8(gunzipped(&answer.body).expect("still gzip")).unwrap();
    assert!(plain.contains(GZIP_GOT), "{plain}");
    let answer = caller.call("GET /cookie", &[], b"");
    assert!(answer.field("set-cookie").unwrap().contains(SET_COOKIE), "{:?}", answer.head);
    assert!(answer.field("location").unwrap().contains(LOCATION), "{:?}", answer.head);
    login(caller, LOGIN);
}

/// A login whose token comes back in a field, a path, a query and a body; the token that the answer had.
fn login(caller: &Caller, token: &str) -> String {
    let answer = caller.call("POST /login", &[("Content-Type", "application/json")], br#"{"user":"octocat"}"#);
    let told: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{}", answer.text()));
    assert_eq!((answer.status(), answer.field("x-retake-inexact")), (200, None), "{}", answer.text());
    let bearer = format!("Bearer {token}");
    for (line, fields, body) in [
        ("GET /me".to_owned(), vec![("Authorization", bearer.as_str())], String::new()),
        (format!("GET /use/{token}"), vec![], String::new()),
        (format!("GET /use?cursor={token}"), vec![], String::new()),
        ("POST /say".to_owned(), vec![("Content-Type", "text/plain")], format!("my token is {token}, keep it")),
    ] {
        let answer = caller.call(&line, &fields, body.as_bytes());
        assert_eq!((answer.status(), answer.field("x-retake-inexact")), (200, None), "{line}: {}", answer.text());
    }
    told["access_token"].as_str().unwrap().to_owned()
}

/// Every place where a planted secret is found: in the bytes of a file, in its name, in what can be unpacked from it.
fn findings(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_symlink() || !(path.is_dir() || path.is_file()) {
                continue;
            }
            find_in(&mut found, &path.with_extension("name"), path.to_string_lossy().as_bytes());
            if path.is_dir() {
                folders.push(path);
            } else {
                find_in(&mut found, &path, &std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn find_in(found: &mut Vec<String>, path: &Path, bytes: &[u8]) {
    let unpacked: Vec<Vec<u8>> = memchr::memmem::find_iter(bytes, b"\x1f\x8b\x08")
        .filter_map(|at| {
            let mut out = Vec::new();
            // What follows the member is no gzip; what came before that counts.
            let _ = flate2::read::GzDecoder::new(&bytes[at..]).take(1 << 20).read_to_end(&mut out);
            (!out.is_empty()).then_some(out)
        })
        .collect();
    for secret in PLANTED {
        let mut forms = vec![secret.as_bytes().to_vec(), STANDARD.encode(format!("octocat:{secret}")).into_bytes()];
        // Base64 of a text that holds it, at each of the three alignments, without the digits that neighbours share.
        for before in 0..3 {
            let coded = STANDARD.encode([vec![b'x'; before], secret.as_bytes().to_vec()].concat());
            forms.push(coded.as_bytes()[4..coded.len() - 4].to_vec());
        }
        for form in forms {
            for bytes in std::iter::once(bytes).chain(unpacked.iter().map(Vec::as_slice)) {
                if memchr::memmem::find(bytes, &form).is_some() {
                    found.push(format!("{secret} as {} in {}", String::from_utf8_lossy(&form), path.display()));
                }
            }
        }
    }
}

fn assert_clean(what: &str, bytes: &[u8]) {
    let mut found = Vec::new();
    find_in(&mut found, &PathBuf::from(what), bytes);
    assert!(found.is_empty(), "{found:#?}\n{}", String::from_utf8_lossy(bytes));
}

#[test]
fn planted_secrets_are_found_nowhere_and_a_login_replays_with_any_token() {
    let retake = Retake::new();
    let got = Arc::new(Mutex::new(Vec::new()));
    let origin = vault(Arc::clone(&got));
    let (url, host) = (origin.url(""), format!("localhost:{}", origin.address.port()));
    let recorder = retake.record(&["-v", "-v"]);
    traffic(&Caller { server: &recorder, origin: url.clone(), host: host.clone() });

    let sent = [BEARER, COOKIE, API_KEY, QUERY, JSON_SENT, FORM_SENT, GZIP_SENT, SPLIT_SENT, PART_SENT, LOGIN];
    let got = got.lock().unwrap().clone();
    for secret in sent {
        assert!(memchr::memmem::find(&got, secret.as_bytes()).is_some(), "the origin gets the real {secret}");
    }
    assert_eq!(findings(retake.root()), Vec::<String>::new(), "while recording");
    let shown = retake.ok(&["history", "show", "1-22", "--json"]) + &retake.ok(&["history", "show", "1-22"]);
    assert_clean("history show, through the socket", shown.as_bytes());
    let (_, said) = recorder.stop();
    assert_clean("what the recorder said", said.as_bytes());
    assert_eq!(findings(retake.root()), Vec::<String>::new(), "after recording");

    let promoted = retake.run(&["promote", "--day", "today", "--into", "api"]);
    assert_eq!(promoted.code, 0, "{promoted}");
    assert_clean("what promote said", format!("{promoted}").as_bytes());
    origin.stop();
    retake.ok(&["mock", "check", "api"]);

    let replay = retake.replay(&["api", "-v"]);
    let caller = Caller { server: &replay, origin: url.clone(), host: host.clone() };
    let placeholder = login(&caller, LOGIN);
    assert!(placeholder.contains("retake-") && placeholder != LOGIN, "{placeholder}");
    login(&caller, "another-token-that-nobody-recorded");
    login(&caller, &placeholder);
    let (_, said) = replay.stop();
    assert_clean("what the first replay said", said.as_bytes());

    // A token that only ever stood in a path or a query: that it is a secret, only the collection knows.
    let replay = retake.replay(&["api", "-v"]);
    let caller = Caller { server: &replay, origin: url, host };
    for line in [format!("GET /use/{LOGIN}"), format!("GET /use?cursor={MISSED}")] {
        assert_eq!(caller.call(&line, &[], b"").status(), 200, "{line}");
    }

    // Misses with secrets in them, of the run and asked for.
    let bearer = format!("Bearer {MISSED}");
    let missed = [
        caller.call(&format!("GET /nowhere?api_key={MISSED}"), &[("Authorization", &bearer)], b""),
        caller.call(
            "POST /f",
            &[("Content-Type", "application/json")],
            format!(r#"{{"user":"hubot","password":"{MISSED}"}}"#).as_bytes(),
        ),
        caller.call(
            "POST /g",
            &[("Content-Type", "application/x-www-form-urlencoded")],
            format!("grant_type=code&client_secret={MISSED}").as_bytes(),
        ),
        caller.call("GET /e?page=3", &[("Cookie", &format!("session={MISSED}")), ("X-Api-Key", MISSED)], b""),
    ];
    for answer in missed {
        assert_eq!(answer.status(), 501, "{}", answer.text());
        assert_clean("a miss report", &answer.body);
    }
    let (code, said) = replay.stop();
    assert_eq!(code, 3, "{said}");
    assert_clean("what the replay said", said.as_bytes());
    let calls = retake.run(&["calls", "list", "--all"]);
    assert_clean("the call log", format!("{calls}").as_bytes());
    assert_eq!(findings(retake.root()), Vec::<String>::new(), "after a replay with misses");
}

#[test]
fn what_a_killed_recorder_leaves_has_no_secret_either() {
    let retake = Retake::new();
    let origin = vault(Arc::default());
    let recorder = retake.record(&[]);
    let host = format!("localhost:{}", origin.address.port());
    traffic(&Caller { server: &recorder, origin: origin.url(""), host });
    // A stream that has sent half of a secret when the recorder dies.
    let text = format!(r#"{{"a":1,"password":"{JSON_SENT}"#);
    let mut client = Client::to(&recorder).unwrap();
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n{text}",
        origin.url("/f")
    );
    client.send(head.as_bytes()).unwrap();
    let said = recorder.kill();
    assert_clean("what the recorder said", said.as_bytes());
    assert_eq!(findings(retake.root()), Vec::<String>::new());
    retake.ok(&["history", "list", "--json", "--all"]);
    assert_eq!(findings(retake.root()), Vec::<String>::new(), "after recovery");
}

#[test]
fn the_test_itself_would_find_a_secret() {
    for bytes in [
        format!("x{BEARER}x").into_bytes(),
        gzipped(format!("padding {GZIP_GOT} padding").as_bytes()),
        STANDARD.encode(format!("ab{QUERY}cd")).into_bytes(),
    ] {
        let mut found = Vec::new();
        find_in(&mut found, &PathBuf::from("x"), &[b"before".as_slice(), &bytes, b"after"].concat());
        assert_eq!(found.len(), 1, "{found:?}");
    }
    // And with masking off, they are there.
    let retake = Retake::new();
    let origin = vault(Arc::default());
    let recorder = retake.record(&["--keep-secrets"]);
    let host = format!("localhost:{}", origin.address.port());
    traffic(&Caller { server: &recorder, origin: origin.url(""), host });
    let (_, said) = recorder.stop();
    assert!(said.contains("--keep-secrets"), "a warning: {said}");
    let found = findings(retake.root()).join("\n");
    for secret in PLANTED.iter().filter(|secret| **secret != MISSED) {
        assert!(found.contains(secret), "{secret}");
    }
}
