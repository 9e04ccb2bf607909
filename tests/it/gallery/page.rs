//! The report of a miss as a page: in the answer, for browsers, and in a file.

use serde_json::json;

use super::case::{Case, call, stub, takes_json};
use crate::harness::{Retake, browser};

/// What is recorded, and what is called, tries to act where it is shown.
const HOSTILE: &str =
    "<script>document.title='owned';fetch('http://leak.test/a')</script><img src='http://leak.test/b'>";

fn hostile() -> Case {
    let recorded = json!({ "item": format!("tea {HOSTILE}"), "count": 2, "note": "the same" });
    let called = json!({ "item": format!("coffee {HOSTILE}"), "count": 3, "note": "the same" });
    let call = call("POST", "/orders?q=%3Cscript%3Ealert(1)%3C/script%3E%22'%3Cimg%3E").json(called);
    Case::new("hostile", "", [stub("POST", "/orders", [takes_json(HOSTILE, recorded)])], call)
}

#[test]
fn browser_is_shown_a_page_that_does_nothing() {
    let retake = Retake::new();
    let case = hostile();
    let server = case.replay(&retake);
    let accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let answer = case.call.clone().field("Accept", accept).send(&server);
    assert_eq!((answer.status(), answer.field("content-type")), (501, Some("text/html; charset=utf-8")));
    let text = answer.text();
    for part in ["<mark class=\"del\">", "default-src 'none'", "&lt;script&gt;document.title", "/count", "retake diff"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("<script") && !text.contains("<img"), "{text}");
    let page = retake.work().join("miss.html");
    std::fs::write(&page, &text).unwrap();
    let Some(opened) = browser::open(&page) else { return };
    assert_eq!((opened.console, opened.requests), (Vec::<String>::new(), Vec::<String>::new()));
    assert!(opened.dom.contains("<title>retake miss: POST http://api.test/orders"), "{}", opened.dom);
    assert!(!opened.dom.contains("<script") && !opened.dom.contains("<img"), "{}", opened.dom);
}

#[test]
fn a_report_is_shown_again_as_a_page_and_with_links() {
    let retake = Retake::new();
    let case = hostile();
    let server = case.replay(&retake);
    let answer = case.call.clone().field("Accept", "text/html").send(&server);
    server.stop();
    assert_eq!(retake.ok(&["diff", "last", "--format", "html"]), answer.text());
    // `FORCE_HYPERLINK` and `CLICOLOR_FORCE` stand for a terminal that knows both.
    let told = |no_color: Option<&str>, args: &[&str]| {
        let mut command = retake.command(args);
        command.env_remove("NO_COLOR").env("FORCE_HYPERLINK", "1").env("CLICOLOR_FORCE", "1");
        if let Some(value) = no_color {
            command.env("NO_COLOR", value);
        }
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let file = std::fs::canonicalize(retake.work()).unwrap().join("mocks/shop/stubs/api.test/post-orders.json");
    let link = format!("\x1b]8;;file://{}\x1b\\stubs/api.test/post-orders.json\x1b]8;;\x1b\\", file.display());
    for args in [&["diff", "last"][..], &["explain", "shop", "POST", "http://api.test/orders"]] {
        let shown = told(None, args);
        assert!(shown.contains(&link), "{link:?} in {shown:?}");
        assert!(!told(Some("1"), args).contains("\x1b]8"), "no colour, no link");
    }
    assert!(!retake.ok(&["diff", "last"]).contains('\x1b'));
}

#[test]
fn the_form_of_an_answer_is_what_the_client_wants() {
    let retake = Retake::new();
    let case = hostile();
    let server = case.replay(&retake);
    for (accept, kind) in [
        ("application/json", "application/problem+json"),
        ("text/plain", "text/plain; charset=utf-8"),
        ("text/html", "text/html; charset=utf-8"),
        ("*/*", "application/problem+json"),
    ] {
        let answer = case.call.clone().field("Accept", accept).send(&server);
        assert_eq!((answer.status(), answer.field("content-type")), (501, Some(kind)), "{accept}");
        assert!(answer.field("vary").is_some_and(|vary| vary.contains("accept")));
        assert!(answer.text().contains("call") || answer.text().contains("miss"), "{accept}");
    }
}
