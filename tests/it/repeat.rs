//! `history show --as curl` and `--as raw`: a shell, curl and a socket make the recorded request again, and the origin
//! gets what it got the first time.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};

use crate::harness::{Retake, clients};

/// What an origin got: the request line, the fields that a repetition must have too, the body.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Got {
    line: String,
    fields: Vec<String>,
    body: Vec<u8>,
}

/// An origin that notes what it gets, one request a connection.
fn origin() -> (u16, Arc<Mutex<Vec<Got>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let all = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&all);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = serve(stream, &noted);
        }
    });
    (port, all)
}

/// Notes a request, and then answers it.
fn serve(stream: TcpStream, noted: &Mutex<Vec<Got>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut next = || {
        let mut line = Vec::new();
        reader.read_until(b'\n', &mut line).ok()?;
        let text: String = line.iter().map(|&byte| char::from(byte)).collect();
        Some(text.trim_end().to_owned())
    };
    let line = next().filter(|line| !line.is_empty())?;
    let mut fields: Vec<String> = std::iter::from_fn(|| next().filter(|line| !line.is_empty())).collect();
    let length =
        fields.iter().find_map(|field| field.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    // What speaks of one connection differs, and curl writes some fields before others.
    fields.retain(|field| {
        let name = field.split(':').next().unwrap_or_default().to_ascii_lowercase();
        !["connection", "via", "proxy-connection"].contains(&name.as_str())
    });
    fields.sort();
    noted.lock().unwrap().push(Got { line, fields, body });
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
    reader.get_mut().write_all(answer).ok()
}

#[test]
fn a_recorded_request_is_made_again_as_it_was() {
    if !clients::runs(&["curl", "--version"]) {
        return crate::harness::skip("curl", "not installed");
    }
    let retake = Retake::new();
    let (port, got) = origin();
    let host = format!("127.0.0.1:{port}");
    let everything: Vec<u8> = (0..=255).collect();
    let long = "é'\n".repeat(60_000);
    let requests: Vec<Vec<u8>> = [
        ("GET /", "", &b""[..]),
        (
            "GET /a/../b/%2e/'$(touch%20x)';touch;?x=[1-3]&y={a,b}&z=`id`|\\",
            "X-Evil: '; touch x; '\"$(touch x)`touch x`\r\n",
            b"",
        ),
        (
            "POST /-d?@file",
            "Content-Type: text/plain\r\nX-At: @/etc/passwd\r\nX-Dash: --help\r\nX-None:\r\n",
            b"@/etc/passwd",
        ),
        ("POST /b", "User-Agent: caf\u{e9}\r\nAccept: */*\r\n", b"-'; touch x; '\n$(touch x)\r\n\n"),
        ("PUT /c", "Content-Type: application/octet-stream\r\nX-List: a=b; c=d\r\nX-List: e=f\r\n", &everything),
        ("POST /d", "Content-Type: text/plain; charset=utf-8\r\n", long.as_bytes()),
        ("DELETE /e", "X-Two: 1\r\nX-Two: 2\r\n", b""),
        ("POST /f", "Content-Length: 0\r\n", b""),
        ("GET /g", "Content-Type: application/json\r\n", br#"{"query":"\u0000"}"#),
    ]
    .iter()
    .map(|(line, fields, body)| {
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let target = line.replacen(" /", &format!(" http://{host}/"), 1);
        let head = format!("{target} HTTP/1.1\r\nHost: {host}\r\n{fields}{length}Connection: close\r\n\r\n");
        [head.as_bytes(), body].concat()
    })
    .collect();
    let server = retake.record(&[]);
    for request in &requests {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.write_all(request).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(server.stop().0, 0);
    let first = std::mem::take(&mut *got.lock().unwrap());
    assert_eq!(first.len(), requests.len());
    for (at, first) in first.iter().enumerate() {
        let number = (at + 1).to_string();
        let script = retake.ok(&["history", "show", &number, "--as", "curl"]);
        let mut shell = Command::new("sh");
        retake.furnish(&mut shell);
        let file = retake.root().join("again.sh");
        std::fs::write(&file, &script).unwrap();
        let ran = shell.arg(&file).output().unwrap();
        let told = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert!(ran.status.success() && ran.stdout.ends_with(b"ok"), "{script}\n{told}");
        assert_eq!(got.lock().unwrap().pop().as_ref(), Some(first), "{script}");
        let message = retake.command(&["history", "show", &number, "--as", "raw"]).output().unwrap().stdout;
        let mut stream = TcpStream::connect(&host).unwrap();
        stream.write_all(&message).unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
        assert_eq!(got.lock().unwrap().pop().as_ref(), Some(first), "{}", String::from_utf8_lossy(&message));
    }
    let left: Vec<_> = std::fs::read_dir(retake.work()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn masked_values_are_variables_of_the_shell() {
    if !clients::runs(&["curl", "--version"]) {
        return crate::harness::skip("curl", "not installed");
    }
    let retake = Retake::new();
    let (port, got) = origin();
    let server = retake.record(&[]);
    let proxy = server.url.clone();
    let mut curl = Command::new("curl");
    retake.furnish(&mut curl);
    let url = format!("http://127.0.0.1:{port}/login?api_key=one0secret1value");
    curl.args(["-sS", "--noproxy", "", "-x", &proxy, "-H", "Authorization: Bearer two2secret3value", &url]);
    curl.args(["-d", "user=bob&password=three4secret5"]);
    assert!(curl.output().unwrap().status.success());
    assert_eq!(server.stop().0, 0);
    let first = got.lock().unwrap().pop().unwrap();
    let script = retake.ok(&["history", "show", "1", "--as", "curl"]);
    assert!(!script.contains("secret1") && !script.contains("secret3") && !script.contains("secret5"), "{script}");
    let run = |with: bool| {
        let mut shell = Command::new("sh");
        retake.furnish(&mut shell);
        if with {
            shell.env("RETAKE_SECRET_QUERY_API_KEY", "one0secret1value");
            shell.env("RETAKE_SECRET_AUTHORIZATION", "two2secret3value");
            shell.env("RETAKE_SECRET_BODY_PASSWORD", "three4secret5");
        }
        shell.args(["-c", &script]).output().unwrap()
    };
    assert!(!run(false).status.success() && got.lock().unwrap().is_empty(), "sent without its secrets:\n{script}");
    assert!(run(true).status.success(), "{script}");
    assert_eq!(got.lock().unwrap().pop(), Some(first), "{script}");
}
