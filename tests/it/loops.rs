//! The proxy is never pointed at itself, under whatever name or address.

use crate::harness::http::{Client, through};
use crate::harness::{Origin, Retake, Server};

/// Names of this machine's loopback address; what each reaches depends on the system's resolver.
const NAMES: &[&str] = &[
    "127.0.0.1",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "0.0.0.0",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "017700000001",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:127.0.0.1]",
    "0",
];

/// Those that surely reach a listener on 127.0.0.1.
const SURE: &[&str] = &["127.0.0.1", "localhost", "LOCALHOST", "0.0.0.0", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"];

/// What retake says when it is asked for itself: the reason, in the answer to a GET and inside of a tunnel.
fn asked_for_itself(server: &Server, host: &str, port: u16) -> [String; 2] {
    let authority = format!("{host}:{port}");
    let mut plain = Client::to(server).unwrap();
    let answer = plain.get(&format!("http://{authority}/loop"), &authority).unwrap();
    assert!(answer.status() >= 400, "{authority}: {}", answer.text());
    let direct = answer.field("x-retake-error").unwrap_or_else(|| panic!("{authority}: {}", answer.text())).to_owned();
    let mut tunnel = Client::to(server).unwrap();
    tunnel.send(format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n").as_bytes()).unwrap();
    let head = tunnel.head().unwrap();
    if head.status != 200 {
        return [direct, head.field("x-retake-error").unwrap_or("none").to_owned()];
    }
    let answer = tunnel.get("/loop", &authority).unwrap();
    assert!(answer.status() >= 400, "{authority} in a tunnel: {}", answer.text());
    [direct, answer.field("x-retake-error").unwrap_or_else(|| panic!("{authority}: {}", answer.text())).to_owned()]
}

#[test]
fn a_recorder_refuses_itself_under_every_name() {
    let retake = Retake::new();
    let good = Origin::plain();
    let recorder = retake.record(&[]);
    for name in NAMES {
        let reasons = asked_for_itself(&recorder, name, recorder.port());
        for reason in &reasons {
            let refused = ["forbidden", "refused", "unresolved", "bad-request"].contains(&reason.as_str());
            assert!(refused, "{name}: {reasons:?}");
        }
        if SURE.contains(name) {
            assert_eq!(reasons, ["forbidden", "forbidden"], "{name}");
        }
    }
    // Each was one exchange, not an avalanche of them.
    let rows = retake.json(&["history", "list", "--json", "--all"]);
    assert!(rows.len() <= 2 * NAMES.len(), "{}", rows.len());
    assert!(rows.iter().all(|row| row["outcome"] == "failed"), "{rows:?}");
    assert_eq!(through(&recorder, &good.url("/json")).unwrap().status(), 200);
    assert_eq!(recorder.stop().0, 0);
}

#[test]
fn a_recorder_on_every_address_refuses_itself_on_each_and_warns() {
    let retake = Retake::new();
    let test_ca = crate::harness::cert("ca.pem");
    let test_ca = test_ca.to_str().unwrap();
    let recorder = retake.start(&["record", "--json", "--listen", "0.0.0.0:0", "--upstream-ca", test_ca]);
    let port = recorder.ready["url"].as_str().unwrap().rsplit(':').next().unwrap().parse().unwrap();
    // The address that this machine has towards others, if it has one: no packet is sent.
    let own = std::net::UdpSocket::bind("0.0.0.0:0")
        .and_then(|socket| socket.connect("192.0.2.1:9").and_then(|()| socket.local_addr()))
        .map(|address| address.ip().to_string());
    let mut names = vec!["127.0.0.1".to_owned(), "127.8.8.8".to_owned(), "0.0.0.0".to_owned(), "localhost".to_owned()];
    names.extend(own.ok().filter(|own| own != "0.0.0.0"));
    for name in names {
        assert_eq!(asked_for_itself(&recorder, &name, port), ["forbidden", "forbidden"], "{name}");
    }
    let (code, said) = recorder.stop();
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("warning") && said.contains("reachable by other machines"), "{said}");
}

#[test]
fn a_tunnel_of_no_http_to_itself_is_not_relayed() {
    let retake = Retake::new();
    let good = Origin::plain();
    let recorder = retake.record(&[]);
    let mut client = Client::to(&recorder).unwrap();
    let request = format!("CONNECT 127.0.0.1:{0} HTTP/1.1\r\nHost: 127.0.0.1:{0}\r\n\r\n", recorder.port());
    client.send(request.as_bytes()).unwrap();
    if client.head().unwrap().status == 200 {
        client.send(b"\x00\x01\x02\x03 no HTTP at all\r\n\r\n").unwrap();
        assert_eq!(String::from_utf8_lossy(&client.rest()), "", "nobody answers");
    }
    assert_eq!(through(&recorder, &good.url("/json")).unwrap().status(), 200);
    assert_eq!(recorder.stop().0, 0);
}

#[test]
fn standing_in_for_itself_is_refused() {
    let retake = Retake::new();
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().port()
    };
    for host in ["127.0.0.1", "localhost"] {
        let (listen, to) = (format!("127.0.0.1:{port}"), format!("http://{host}:{port}"));
        let ran = retake.run(&["record", "--listen", &listen, "--to", &to]);
        assert_eq!(ran.code, 2, "{ran}");
        assert!(ran.stderr.contains("itself") && ran.stderr.contains("--to"), "{ran}");
    }
}
