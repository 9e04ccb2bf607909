//! Parts of uploads, and cookies: values that stand in neither a path, a query, a form nor JSON.

use super::tests::{again, at, hits, json, misses, promoted, short, uuid};
use crate::promote::{Change, Content, Recorded};

/// Uploads of pictures for orders; a take begins at exchange `take * 100`.
fn uploads(take: u64) -> Vec<Recorded> {
    let n = |step: u64| take * 100 + step;
    let order = |step: u64, item: &str| {
        let (id, sent) = (4000 + take * 10 + step, format!(r#"{{"item":"{item}"}}"#));
        let made = format!(r#"{{"id":{id},"item":"{item}"}}"#);
        (id, json(n(step), "POST", "/orders", 201, &made).sending("application/json", &sent))
    };
    let ((tea, first), (pie, second)) = (order(1, "tea"), order(2, "pie"));
    let upload = |step: u64, order: u64, item: &str| {
        let (boundary, at) = (format!("b{take}{step}"), at(n(step)));
        let parts = [
            ("order_id", order.to_string()),
            ("about", "front".into()),
            ("client_ref", uuid(take, step)),
            ("at", at),
            ("shelf\"; filename=\"front.txt", "a picture".into()),
        ];
        let part = |(name, value): (&str, String)| {
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let body = parts.map(part).concat() + &format!("--{boundary}--\r\n");
        json(n(step), "POST", "/pictures", 201, &format!(r#"{{"of":"{item}"}}"#))
            .sending(&format!("multipart/form-data; boundary={boundary}"), &body)
    };
    vec![first, second, upload(3, tea, "tea"), upload(4, pie, "pie")]
}

#[test]
fn parts_of_uploads_are_looked_at_like_members_of_forms() {
    let first = promoted(&uploads(1));
    assert_eq!(
        short(&first, "POST", "/pictures"),
        ["form at any date-time", "form client_ref any uuid", "form order_id fresh integer"]
    );
    let second = uploads(2);
    hits(&first, &second);
    for (from, to) in [("front\r", "back\r"), ("a picture", "another picture"), ("front.txt", "back.txt")] {
        let mut other = second[2].clone();
        let Content::Small(body) = &other.request.content else { panic!("small") };
        let text = String::from_utf8(body.to_vec()).unwrap();
        assert!(text.contains(from));
        other.request.content = Content::Small(text.replace(from, to).into_bytes().into());
        misses(&first, &other);
    }
    let again = again(&first, second);
    assert!(!again.changed, "{:#?}", again.report.stubs);
}

/// A basket for whoever has the session; a take begins at exchange `take * 100`.
fn baskets(take: u64) -> Vec<Recorded> {
    let sid = uuid(take, 1);
    let call = |step: u64, path: &str, theme: &str| {
        json(take * 100 + step, "GET", path, 200, r#"{"items":["tea"]}"#)
            .asking("Cookie", &format!("theme={theme}; sid={sid}; seen={step}"))
    };
    vec![call(1, "/basket", "dark"), call(2, "/basket/items", "dark")]
}

#[test]
fn cookies_that_a_person_asks_for_are_told_apart_and_may_be_others_in_the_next_recording() {
    let mut first = promoted(&baskets(1));
    assert!(first.collection.stubs.iter().all(|file| file.stub.rules.is_empty()), "nothing compares them by itself");
    let asked = |text: &str| crate::collection::FieldLine(crate::model::Field::new("Cookie", text));
    let sid = uuid(1, 1);
    for (at, text) in [(0, format!("sid={sid}; theme=dark")), (1, format!("sid={sid}"))] {
        let stub = &mut first.collection.stubs[at].stub;
        match at {
            0 => stub.defaults.fields.push(asked(&text)),
            _ => stub.scenarios[0].request.fields.push(asked(&text)),
        }
    }
    assert!(!again(&first, baskets(1)).changed);
    let second = again(&first, baskets(2));
    for path in ["/basket", "/basket/items"] {
        assert_eq!(short(&second, "GET", path), ["cookie sid fresh uuid"], "{path}");
    }
    assert_eq!((second.report.count(Change::Same), second.report.left_out.len()), (2, 0), "{:#?}", second.report);
    assert!(!again(&second, baskets(2)).changed && !again(&second, baskets(3)).changed);
    hits(&second, &baskets(3));
    // What nobody made up decides as it is written.
    let mut light = baskets(3).remove(1);
    light.exchange.request.fields = Default::default();
    let light = light.asking("Cookie", &format!("theme=light; sid={}", uuid(3, 1)));
    assert_eq!(again(&second, vec![light]).report.left_out.len(), 1);
}
