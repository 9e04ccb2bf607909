use super::*;

fn receipt() -> Receipt {
    Receipt {
        collections: vec!["github".into()],
        profile: "best".into(),
        served: 3,
        inexact: 1,
        missed: 1,
        misses: vec![MissGroup {
            endpoint: "GET https://api.github.com/x\x1b[31m".into(),
            reason: "no such endpoint".into(),
            count: 1,
            first_call: 4,
            report: Some("nearest: <script>alert(1)</script> ]]> \u{0}".into()),
            fix: Some(FirstFix { title: "add \x1b[31mit".into(), command: "retake diff r:4 --apply 1".into() }),
        }],
        inexact_hits: vec![InexactGroup {
            scenario: "github: GET /a#ok".into(),
            differences: vec!["query: extra & <b>".into()],
            count: 1,
            first_call: 2,
        }],
        answered: vec![Answered { scenario: "github: GET /a#ok".into(), count: 3 }],
        exhausted: vec!["github: GET /a#ok".into()],
        unused: (0..12).map(|number| format!("github: GET /unused#{number}")).collect(),
        served_blake3: "ab".repeat(32),
        ..Receipt::default()
    }
}

#[test]
fn text_names_everything_and_stays_short() {
    let text = receipt().text();
    assert!(text.contains("3 served, 1 of them inexact; 1 missed"), "{text}");
    assert!(text.contains("no such endpoint  (call 4)") && text.contains("… and 2 more"), "{text}");
    assert!(text.contains("\n               retake diff r:4 --apply 1\n"), "{text}");
    assert!(!text.contains('\x1b'));
}

#[test]
fn limits_decide_about_a_pass() {
    let clean = Receipt { missed: 0, unused: Vec::new(), ..receipt() };
    let limits = |fail_unused, max_inexact| Limits { fail_unused, max_inexact };
    assert!(clean.passes(&limits(true, Some(1))));
    assert!(!clean.passes(&limits(false, Some(0))));
    let unused = Receipt { missed: 0, ..receipt() };
    assert!(unused.passes(&limits(false, None)) && !unused.passes(&limits(true, None)));
    assert!(!receipt().passes(&Limits::default()));
    assert!(!Receipt { served: 0, ..clean }.passes(&Limits::default()));
}

#[test]
fn junit_has_a_test_for_each_scenario_and_each_kind_of_miss() {
    let xml = receipt().junit(&Limits { fail_unused: false, max_inexact: Some(0) });
    let report = quick_junit::Report::deserialize_from_str(&xml).unwrap();
    assert_eq!((report.tests, report.failures), (15, 2), "{xml}");
    assert!(!xml.contains("<script>") && !xml.contains('\x1b') && xml.contains("classname=\"github\""), "{xml}");
    let xml = receipt().junit(&Limits { fail_unused: true, max_inexact: None });
    assert_eq!(quick_junit::Report::deserialize_from_str(&xml).unwrap().failures, 13);
    let empty = Receipt::default().junit(&Limits::default());
    assert_eq!(quick_junit::Report::deserialize_from_str(&empty).unwrap().failures, 1);
}

#[test]
fn junit_gives_the_reasons_that_the_run_itself_gives() {
    let answered = Receipt { missed: 0, misses: Vec::new(), ..receipt() };
    let passed = Receipt { served: 0, passed: 2, ..Receipt::default() };
    let limits = Limits { fail_unused: false, max_inexact: Some(0) };
    for (receipt, kind) in [
        (answered, FailureKind::Inexact),
        (Receipt::default(), FailureKind::NothingServed),
        (passed, FailureKind::NothingServed),
    ] {
        let failures = receipt.failures(&limits);
        assert!(matches!(failures.as_slice(), [only] if only.kind == kind), "{failures:?}");
        let xml = receipt.junit(&limits);
        assert!(xml.contains(&format!("message=\"{}\"", failures[0].sentence)), "{xml}");
        assert_eq!(quick_junit::Report::deserialize_from_str(&xml).unwrap().failures, 1, "{xml}");
    }
}

#[test]
fn html_says_all_of_it_and_nothing_of_it_is_markup() {
    let page = receipt().html(&Limits::default());
    for text in ["failed", "no such endpoint", "&lt;script&gt;alert(1)", "extra &amp; &lt;b&gt;", "GET /unused#11"] {
        assert!(page.contains(text), "{text}: {page}");
    }
    assert!(!page.contains("<script") && !page.contains('\x1b') && !page.contains("http://"));
}

#[test]
fn json_reads_back() {
    let read: Receipt = serde_json::from_str(&receipt().json()).unwrap();
    assert_eq!(read, receipt());
}
